//! Where the engine listens, as the Docker client finds it: `DOCKER_HOST`, `DOCKER_CONTEXT`, the context of `docker context use`,
//! the default socket; the first that is set wins.
//!
//! Unix sockets and TCP without encryption are spoken. What is not spoken is refused by name: another engine than the one that
//! `docker ps` shows is never taken instead.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::fault;
use super::wire::Host;
use crate::load::{open_anywhere, read_bounded};
use crate::machine::FailureKind;
use crate::run::Fault;

/// Where engines listen when nothing says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// The context that is none: the default socket.
const DEFAULT_CONTEXT: &str = "default";
/// The largest file of the Docker client that is read.
const FILE_LIMIT: u64 = 8 << 20;

/// An address, and who names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: Host,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Default,
    DockerHost,
    Context(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.host)?;
        match &self.source {
            Source::Default => Ok(()),
            Source::DockerHost => write!(f, " (`DOCKER_HOST`)"),
            Source::Context(name) => write!(f, " (Docker context `{name}`)"),
        }
    }
}

impl Source {
    fn named(&self) -> String {
        match self {
            Self::Default | Self::DockerHost => "`DOCKER_HOST`".to_owned(),
            Self::Context(name) => format!("Docker context `{name}`"),
        }
    }
}

/// Finds the engine. `docker_host` is the value of `DOCKER_HOST`, `env` tells the other variables, and `config` is the Docker
/// client's configuration file.
pub(super) fn endpoint(
    docker_host: Option<&str>,
    env: impl Fn(&str) -> Option<String>,
    config: Option<&Path>,
) -> Result<Endpoint, Fault> {
    let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let docker_host = docker_host.map(str::trim).filter(|text| !text.is_empty());
    let tls = env("DOCKER_TLS_VERIFY").is_some() || env("DOCKER_TLS").is_some();
    if let Some(text) = docker_host {
        let source = Source::DockerHost;
        let host = host_of(text, tls, &source)?;
        return Ok(Endpoint { host, source });
    }
    let name = env("DOCKER_CONTEXT").or_else(|| current_context(config?));
    match name.filter(|name| name != DEFAULT_CONTEXT) {
        Some(name) => context(&name, tls, config),
        None => Ok(Endpoint {
            host: Host::Unix(PathBuf::from(DEFAULT_SOCKET)),
            source: Source::Default,
        }),
    }
}

/// What `docker context use` has chosen. A configuration file that cannot be read chooses nothing; reading the logins warns.
fn current_context(config: &Path) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    struct Config {
        current_context: String,
    }
    let text = read(config).ok()?;
    let config: Config = serde_json::from_slice(&text).ok()?;
    Some(config.current_context).filter(|name| !name.is_empty())
}

/// The engine of a context, from the store of the Docker client.
fn context(name: &str, tls: bool, config: Option<&Path>) -> Result<Endpoint, Fault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Meta {
        #[serde(default)]
        endpoints: Endpoints,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Endpoints {
        docker: Option<Docker>,
    }
    #[derive(Deserialize)]
    struct Docker {
        #[serde(rename = "Host", default)]
        host: String,
        #[serde(rename = "SkipTLSVerify", default)]
        skip_tls_verify: bool,
    }
    let refuse = |why: String| {
        fault::plain(
            FailureKind::Unreachable,
            format!("Docker context `{name}` {why}"),
            Some("choose another one with `docker context use`, or set `DOCKER_HOST`; `docker context ls` lists them".to_owned()),
        )
    };
    let mut id = String::with_capacity(64);
    for byte in Sha256::digest(name.as_bytes()) {
        write!(id, "{byte:02x}").expect("a string takes everything");
    }
    let folder = config
        .and_then(Path::parent)
        .map(|folder| folder.join("contexts"));
    let folder = folder.ok_or_else(|| refuse("does not exist".to_owned()))?;
    let text = read(&folder.join("meta").join(&id).join("meta.json"));
    let text =
        text.map_err(|problem| refuse(format!("cannot be read: its description {problem}")))?;
    let meta: Option<Meta> = serde_json::from_slice(&text).ok();
    let docker = meta.and_then(|meta| meta.endpoints.docker);
    let docker = docker.filter(|docker| !docker.host.is_empty());
    let docker = docker.ok_or_else(|| refuse("names no engine".to_owned()))?;
    let keys = std::fs::read_dir(folder.join("tls").join(&id).join("docker"));
    let has_keys = keys.is_ok_and(|mut files| files.next().is_some());
    let source = Source::Context(name.to_owned());
    let host = host_of(
        &docker.host,
        tls || has_keys || docker.skip_tls_verify,
        &source,
    )?;
    Ok(Endpoint { host, source })
}

fn read(path: &Path) -> Result<Vec<u8>, crate::load::Problem> {
    open_anywhere(path).and_then(|mut file| read_bounded(&mut file, FILE_LIMIT))
}

/// Reads an address as `DOCKER_HOST` and contexts have it.
fn host_of(text: &str, tls: bool, source: &Source) -> Result<Host, Fault> {
    let unsupported = |why: &str| {
        Err(fault::plain(
            FailureKind::Unreachable,
            format!("{} names `{text}`, and {why} is not supported", source.named()),
            Some("set `DOCKER_HOST` to a `unix://` socket, or to `tcp://` without TLS; `ssh -L` forwards a remote socket".to_owned()),
        ))
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    match scheme {
        "unix" if !rest.is_empty() => Ok(Host::Unix(PathBuf::from(rest))),
        "tcp" | "http" if tls => unsupported("TLS"),
        "tcp" | "http" => {
            // User and password are for nobody: a plain connection asks for none, and Docker does not send them either.
            let address = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            let address = address.trim_end_matches('/');
            let address = if address.is_empty() {
                "localhost"
            } else {
                address
            };
            let port = address
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            Ok(Host::Tcp(if port {
                address.to_owned()
            } else {
                format!("{address}:2375")
            }))
        }
        "https" => unsupported("TLS"),
        "ssh" => unsupported("SSH"),
        "npipe" => unsupported("a named pipe"),
        _ => unsupported("such an address"),
    }
}

#[cfg(test)]
mod tests;
