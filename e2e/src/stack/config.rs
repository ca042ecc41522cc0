//! The published configuration as the services read it.
//!
//! Here: the parts of the three files that the services use, and reading them. Not here: what a deploy writes into them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

const CONFIG_DIR: &str = "/config";

/// The secrets of the stack, one file each.
const SECRETS_DIR: &str = "/secrets";

/// `routing.yml`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Routing {
    /// In file order.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
}

/// One route of the gateway.
#[derive(Debug, Deserialize)]
pub(crate) struct Route {
    /// Path with `{name}` and `{name+}` segments.
    pub(crate) path: String,
    /// Method, `ANY`, or nothing for `GET`.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// Name of the function that answers.
    pub(crate) function: String,
}

/// `functions.yml`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Functions {
    /// What every function starts from.
    #[serde(default)]
    pub(crate) defaults: Defaults,
    /// By name.
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, Function>,
}

/// `defaults` of `functions.yml`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Defaults {
    /// Variables that a function's own ones override.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// Seconds that a call may take.
    #[serde(default)]
    pub(crate) timeout: Option<u64>,
}

/// One function.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Function {
    /// Image reference as the stack names it.
    #[serde(default)]
    pub(crate) image: Option<String>,
    /// Its own variables.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// Variables whose values are secrets of the stack: variable to name.
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, String>,
    /// Seconds that a call may take.
    #[serde(default)]
    pub(crate) timeout: Option<u64>,
}

/// `resources.yml`: its lists stand at the top, or below `resources`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ResourcesFile {
    #[serde(default)]
    resources: Option<Resources>,
    #[serde(flatten)]
    top: Resources,
}

impl ResourcesFile {
    /// The lists, wherever they stood.
    pub(crate) fn into_resources(self) -> Resources {
        self.resources.unwrap_or(self.top)
    }
}

/// The lists of `resources.yml`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Resources {
    /// Tables.
    #[serde(default)]
    pub(crate) dynamodb: Vec<Table>,
    /// Buckets.
    #[serde(default)]
    pub(crate) s3: Vec<Bucket>,
}

/// One table.
#[derive(Debug, Deserialize)]
pub(crate) struct Table {
    #[serde(rename = "TableName")]
    pub(crate) name: String,
}

/// One bucket.
#[derive(Debug, Deserialize)]
pub(crate) struct Bucket {
    #[serde(rename = "BucketName")]
    pub(crate) name: String,
}

/// The value of a secret of the stack.
pub(crate) fn secret(name: &str) -> Result<String, ConfigError> {
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let read = if is_name {
        std::fs::read_to_string(Path::new(SECRETS_DIR).join(name))
    } else {
        Err(std::io::ErrorKind::InvalidFilename.into())
    };
    read.map_err(|source| ConfigError::NoSecret {
        name: name.to_owned(),
        source,
    })
}

/// Why a configuration file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read `{path}`")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`{path}` is not what the stack understands: {message}")]
    Malformed { path: PathBuf, message: String },
    #[error("the stack has no secret `{name}`")]
    NoSecret {
        name: String,
        source: std::io::Error,
    },
}

/// Reads one file of the configuration folder. A file that nobody has published is an empty one: the stack runs before
/// its first deploy.
pub(crate) fn read<T: DeserializeOwned + Default>(file: &str) -> Result<T, ConfigError> {
    let path = Path::new(CONFIG_DIR).join(file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(T::default()),
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    if text.trim().is_empty() {
        return Ok(T::default());
    }
    serde_saphyr::from_str(&text).map_err(|error| ConfigError::Malformed {
        path,
        message: error.to_string(),
    })
}
