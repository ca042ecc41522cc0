//! The one-shot provisioner: what `resources.yml` asks for comes to exist.
//!
//! Here: a state folder stands for the databases and buckets of a real stack, one file for each resource.
//! Not here: when it runs, which a deploy decides.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::{self, ResourcesFile};

const STATE_DIR: &str = "/state";
/// A table with this prefix cannot be made, so that tests have a provisioner that fails.
const FAILING_PREFIX: &str = "fail-";

/// Why provisioning stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvisionError {
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error("cannot create the {kind} `{name}`")]
    Refused { kind: &'static str, name: String },
    #[error("cannot write `{path}`")]
    Unwritable {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Makes every resource that is not there yet. Repeating it changes nothing.
pub(crate) fn provision() -> Result<(), ProvisionError> {
    let resources = config::read::<ResourcesFile>("resources.yml")?.into_resources();
    for table in &resources.dynamodb {
        if table.name.starts_with(FAILING_PREFIX) {
            return Err(ProvisionError::Refused {
                kind: "table",
                name: table.name.clone(),
            });
        }
        make("table", &table.name)?;
    }
    for bucket in &resources.s3 {
        make("bucket", &bucket.name)?;
    }
    println!(
        "{} tables and {} buckets are there",
        resources.dynamodb.len(),
        resources.s3.len()
    );
    Ok(())
}

fn make(kind: &'static str, name: &str) -> Result<(), ProvisionError> {
    let path = Path::new(STATE_DIR).join(format!("{kind}-{}", name.replace('/', "_")));
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(_) => println!("{kind} `{name}` created"),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            println!("{kind} `{name}` is there already");
        }
        Err(source) => return Err(ProvisionError::Unwritable { path, source }),
    }
    Ok(())
}
