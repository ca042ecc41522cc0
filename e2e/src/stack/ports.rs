//! The published port of a container whose engine lives in a network namespace of its own.
//!
//! Here: listening on that port beside the engine, which pushes to it, and on the host, from which tests call it; each
//! connection goes on to the container. The engine starts this program in place of its own proxy, with that one's options, and
//! reads from stdout (its descriptor 3) whether the port could be had. Not here: who starts such an engine (`e2e::engine`).

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpStream;

use crate::{ServiceError, chain};

const OWN_NAMESPACE: &str = "/proc/self/ns/net";

/// Why a port is not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    #[error("expected a network namespace and the options of `docker-proxy`, found `{0}`")]
    Usage(String),
    #[error("only ports of TCP can be published by this engine, not of `{0}`")]
    Protocol(String),
    #[error("listen tcp {address}: {}", reason(source))]
    Listen {
        address: String,
        source: std::io::Error,
    },
    #[error("cannot enter the network namespace `{path}`")]
    Namespace {
        path: String,
        source: std::io::Error,
    },
}

/// The engine and its callers look for this reason by Go's words.
fn reason(error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::AddrInUse {
        return "bind: address already in use".to_owned();
    }
    error.to_string()
}

/// Publishes until the engine ends this process.
pub(crate) async fn publish(arguments: &[String]) -> Result<(), ServiceError> {
    let opened = open(arguments);
    let status = match &opened {
        Ok(_) => "0\n".to_owned(),
        Err(error) => format!("1\n{}", chain(error)),
    };
    // An engine that does not listen has ended, and this process is about to.
    let mut stdout = std::io::stdout();
    stdout.write_all(status.as_bytes()).ok();
    stdout.flush().ok();
    let Published { listeners, target } = opened?;
    let [beside_engine, on_host] = listeners.map(|listener| relay(listener, &target));
    tokio::select! {
        ended = beside_engine => ended,
        ended = on_host => ended,
    }
}

struct Published {
    listeners: [TcpListener; 2],
    /// Address of the container.
    target: String,
}

fn open(arguments: &[String]) -> Result<Published, PortError> {
    let usage = || PortError::Usage(arguments.join(" "));
    let (host, options) = arguments.split_first().ok_or_else(usage)?;
    let option = |name: &str| {
        let mut pairs = options.chunks_exact(2);
        let found = pairs.find_map(|pair| (pair[0] == name).then(|| pair[1].as_str()));
        found.ok_or_else(usage)
    };
    let protocol = option("-proto")?;
    if protocol != "tcp" {
        return Err(PortError::Protocol(protocol.to_owned()));
    }
    let address = join(option("-host-ip")?, option("-host-port")?);
    let beside_engine = listen(&address)?;
    let namespace = |path: &str| {
        let failed = |source| PortError::Namespace {
            path: path.to_owned(),
            source,
        };
        File::open(path).map_err(failed)
    };
    let enter = |file: &File, path: &str| {
        let entered = move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
        entered.map_err(|errno| PortError::Namespace {
            path: path.to_owned(),
            source: errno.into(),
        })
    };
    let own = namespace(OWN_NAMESPACE)?;
    enter(&namespace(host)?, host)?;
    let on_host = listen(&address);
    // Connections to the container begin beside the engine.
    enter(&own, OWN_NAMESPACE)?;
    Ok(Published {
        listeners: [beside_engine, on_host?],
        target: join(option("-container-ip")?, option("-container-port")?),
    })
}

fn join(ip: &str, port: &str) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

fn listen(address: &str) -> Result<TcpListener, PortError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| PortError::Listen {
        address: address.to_owned(),
        source,
    })
}

async fn relay(listener: TcpListener, target: &str) -> Result<(), ServiceError> {
    let failed = |source| PortError::Listen {
        address: target.to_owned(),
        source,
    };
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    loop {
        // A connection that ended before it was accepted concerns nobody else.
        let Ok((mut client, _)) = listener.accept().await else {
            continue;
        };
        let target = target.to_owned();
        tokio::spawn(async move {
            // Both ends see that the other one is gone.
            if let Ok(mut container) = TcpStream::connect(&target).await {
                tokio::io::copy_bidirectional(&mut client, &mut container)
                    .await
                    .ok();
            }
        });
    }
}
