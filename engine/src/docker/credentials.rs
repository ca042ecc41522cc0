//! Who we are at a registry: the Docker client's configuration file and its credential programs.
//!
//! Secrets leave this file only towards the registry or the engine; nothing here shows them in `Debug`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::load::{Problem, open_anywhere, read_bounded};

/// The key of Docker Hub in the configuration file.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The largest configuration file that is read.
const FILE_LIMIT: u64 = 8 << 20;

/// The longest answer of a credential program.
const ANSWER_LIMIT: u64 = 1 << 20;

/// What we say to one registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// Nothing.
    Anonymous,
    /// Name and password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A refresh token, which only the engine knows how to use.
    IdentityToken(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password(***)",
            Self::IdentityToken(_) => "IdentityToken(***)",
        })
    }
}

impl Login {
    /// As a registry or a token server takes a name and a password, in the header `Authorization`.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { username, password } => {
                let pair = STANDARD.encode(format!("{username}:{password}"));
                Some(format!("Basic {pair}"))
            }
            Self::Anonymous | Self::IdentityToken(_) => None,
        }
    }

    /// As the engine takes it, in the header `X-Registry-Auth`.
    pub(super) fn for_engine(&self, host: &str) -> String {
        let fields = match self {
            Self::Anonymous => serde_json::json!({}),
            Self::Password { username, password } => serde_json::json!({
                "username": username, "password": password, "serveraddress": host,
            }),
            Self::IdentityToken(token) => serde_json::json!({
                "identitytoken": token, "serveraddress": host,
            }),
        };
        URL_SAFE.encode(fields.to_string())
    }
}

/// The parts of the configuration file that say who we are.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Credentials {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    #[serde(rename = "credHelpers")]
    programs: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("registries", &self.auths.keys())
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the file; a missing one means that we are nobody anywhere, and so does a damaged one, with a warning.
    pub(super) fn read(path: Option<&Path>) -> Self {
        let Some(path) = path else {
            return Self::default();
        };
        let read = open_anywhere(path).and_then(|mut file| read_bounded(&mut file, FILE_LIMIT));
        let parsed = match read {
            Err(Problem::Missing | Problem::NotADirectory) => return Self::default(),
            Err(problem) => Err(problem.to_string()),
            // The error of the parser would quote the file.
            Ok(bytes) => Self::parse(&bytes).ok_or_else(|| "is no Docker configuration".to_owned()),
        };
        parsed.unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), error, "registry credentials are not read");
            Self::default()
        })
    }

    /// Reads the file's text.
    pub(super) fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        serde_json::from_slice(text.as_ref()).ok()
    }

    /// Who we are at a registry. A credential program is asked at most once per call and may take `limit`.
    pub(super) async fn login(&self, host: &str, limit: Duration) -> Login {
        let key = if is_hub(host) { HUB_KEY } else { host };
        let named = self.programs.get(key).or_else(|| self.programs.get(host));
        if let Some(program) = named
            .or(self.creds_store.as_ref())
            .filter(|name| !name.is_empty())
        {
            match ask(program, key, limit).await {
                Ok(Some(login)) => return login,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(
                        program,
                        registry = host,
                        error,
                        "the credential program failed"
                    );
                }
            }
        }
        self.stored(host)
    }

    /// Who the file itself says that we are.
    fn stored(&self, host: &str) -> Login {
        let found = self.auths.iter().find(|(key, _)| {
            let name = bare(key);
            name == host || (is_hub(name) && is_hub(host))
        });
        found.map_or(Login::Anonymous, |(_, entry)| entry.login())
    }
}

impl Entry {
    fn login(&self) -> Login {
        if !self.identitytoken.is_empty() {
            return Login::IdentityToken(self.identitytoken.clone());
        }
        let decoded = STANDARD
            .decode(self.auth.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
        let (username, password) = pair.unwrap_or((&self.username, &self.password));
        if username.is_empty() {
            return Login::Anonymous;
        }
        Login::Password {
            username: username.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        }
    }
}

/// Path of the configuration file: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
pub(super) fn config_path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = set("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(Path::new(&set("HOME")?).join(".docker")));
    Some(folder?.join("config.json"))
}

/// `https://host/v1/` and `host` name the same registry.
fn bare(key: &str) -> &str {
    let key = key.strip_prefix("https://").unwrap_or(key);
    let key = key.strip_prefix("http://").unwrap_or(key);
    key.split('/').next().unwrap_or(key)
}

fn is_hub(host: &str) -> bool {
    matches!(
        host,
        "docker.io" | "index.docker.io" | "registry-1.docker.io"
    )
}

/// Asks `docker-credential-NAME`; `None` when it knows nothing.
async fn ask(name: &str, key: &str, limit: Duration) -> Result<Option<Login>, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !name.bytes().all(plain) {
        return Err("its name is not a program name".to_owned());
    }
    ask_program(format!("docker-credential-{name}").as_ref(), key, limit).await
}

async fn ask_program(program: &OsStr, key: &str, limit: Duration) -> Result<Option<Login>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let talk = async {
        let mut child = Command::new(program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(key.as_bytes()).await?;
        }
        let mut answer = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = stdout.take(ANSWER_LIMIT + 1);
            stdout.read_to_end(&mut answer).await?;
        }
        // A longer one breaks off: the program cannot write any more.
        Ok((child.wait().await?, answer))
    };
    let (status, answer) = match tokio::time::timeout(limit, talk).await {
        Err(_) => return Err(format!("no answer within {} s", limit.as_secs_f32())),
        Ok(Err(error)) => return Err(std::io::Error::to_string(&error)),
        Ok(Ok(ended)) => ended,
    };
    if answer.len() as u64 > ANSWER_LIMIT {
        return Err(format!("its answer is longer than {ANSWER_LIMIT} bytes"));
    }
    if !status.success() {
        // The protocol's way to say that nothing is stored; its text is the same for every registry.
        return Ok(None);
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(&answer) else {
        return Err("its answer is not understood".to_owned());
    };
    Ok(Some(if answer.username == "<token>" {
        Login::IdentityToken(answer.secret)
    } else {
        Login::Password {
            username: answer.username,
            password: answer.secret,
        }
    }))
}

#[cfg(test)]
mod tests;
