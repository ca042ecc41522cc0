//! A socket or a port in front of the engine's socket, or a port in front of a registry's.
//!
//! Here: every request is written down, and faults can be put in its way; all else passes byte for byte, streams and
//! upgraded connections too. Not here: what a message looks like (`framing`), how one connection is served (`connection`).

mod connection;
mod framing;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::engine::TestEngine;

use framing::{Head, TLS};

/// One request as it came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When its head was complete.
    pub at: SystemTime,
    /// Method.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
}

impl Request {
    /// Says whether it may change something: everything but `GET` and `HEAD`.
    pub fn mutates(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Method and path, without API version and query: `POST /containers/create`. A registry's `/v2` is such a version.
    pub fn endpoint(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let plain = path
            .strip_prefix("/v")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(version, _)| version.starts_with(|first: char| first.is_ascii_digit()))
            .map_or(path, |(version, _)| &path[version.len() + 2..]);
        format!("{} {plain}", self.method)
    }
}

/// What is done to a request instead of passing it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultEffect {
    /// The connection closes; the engine never sees the request.
    DropRequest,
    /// The engine does its work to the end; the connection closes without a byte of its answer.
    DropAnswer,
    /// This status and message; the engine never sees the request.
    Answer(u16, String),
    /// This answer, as it is written here; the engine never sees the request.
    Reply(String),
    /// The connection breaks on both sides after so many bytes of the request's body.
    CutRequest(usize),
    /// The connection breaks on both sides after so many bytes of the answer.
    CutAnswer(usize),
    /// The answer arrives one byte at a time, with this pause before each.
    DripAnswer(Duration),
    /// It waits for [`Proxy::release`], and passes then.
    Hold,
}

/// A fault: it strikes one request, the first that matches after some are let by.
#[derive(Debug, Clone)]
pub struct InjectedFault {
    /// Start of an endpoint, as [`Request::endpoint`] gives it: `POST /build`. What follows a `?` must be in the query:
    /// `POST /build?hello`.
    pub endpoint: String,
    /// How many that match are let by first.
    pub skip: usize,
    /// What happens.
    pub effect: FaultEffect,
}

/// Where somebody listens.
#[derive(Debug, Clone)]
enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// The proxy. Dropping it closes all of its connections.
#[derive(Debug)]
pub struct Proxy {
    address: Address,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Shared {
    upstream: Address,
    seen: Mutex<Seen>,
    changed: Condvar,
    /// Counts releases, so that what is held can wait for the next one.
    releases: watch::Sender<u64>,
    /// Counts mendings, so that answers that drip end with the next one.
    mended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    faults: Vec<InjectedFault>,
    /// Those that strike every request that matches.
    lasting: Vec<InjectedFault>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down and says what is to be done to it.
    fn record(&self, head: &Head) -> Option<FaultEffect> {
        // Whether a registry speaks HTTPS is asked first, and is no request that it sees.
        if head.method == TLS {
            return None;
        }
        let request = Request {
            at: SystemTime::now(),
            method: head.method.clone(),
            path: head.path.clone(),
        };
        let endpoint = request.endpoint();
        let query = request
            .path
            .split_once('?')
            .map(|(_, query)| query.to_owned());
        let mut seen = self.lock();
        seen.requests.push(request);
        self.changed.notify_all();
        let matching = |fault: &InjectedFault| match fault.endpoint.split_once('?') {
            None => endpoint.starts_with(&fault.endpoint),
            Some((start, within)) => {
                endpoint.starts_with(start)
                    && query.as_ref().is_some_and(|query| query.contains(within))
            }
        };
        let mut due = None;
        for (index, fault) in seen.faults.iter_mut().enumerate() {
            if matching(fault) {
                if fault.skip == 0 {
                    due = due.or(Some(index));
                } else {
                    fault.skip -= 1;
                }
            }
        }
        if let Some(index) = due {
            return Some(seen.faults.remove(index).effect);
        }
        let mut lasting = seen.lasting.iter();
        lasting
            .find(|fault| matching(fault))
            .map(|fault| fault.effect.clone())
    }
}

impl Proxy {
    /// Listens on a socket in `folder` for an engine at `upstream`.
    pub fn start(upstream: &Path, folder: &Path) -> std::io::Result<Self> {
        let socket = folder.join("proxy.sock");
        let runtime = runtime()?;
        let listener = {
            let _context = runtime.enter();
            Listener::Unix(UnixListener::bind(&socket)?)
        };
        let upstream = Address::Unix(upstream.to_owned());
        Ok(Self::serve(
            runtime,
            vec![listener],
            Address::Unix(socket),
            upstream,
        ))
    }

    /// Listens on a free port, which an engine and this host know, for a registry at the port `upstream`.
    pub fn before_port(engine: &TestEngine, upstream: u16) -> std::io::Result<Self> {
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
        Self::listening(engine.listen()?, Address::Tcp(upstream))
    }

    /// Serves who comes to `listener`, for an engine at the socket `upstream`: an engine that listens at a `tcp://` address.
    pub fn before_socket(
        listener: std::net::TcpListener,
        upstream: &Path,
    ) -> std::io::Result<Self> {
        Self::listening(vec![listener], Address::Unix(upstream.to_owned()))
    }

    /// Serves who comes to any of these, which have one address.
    fn listening(
        listeners: Vec<std::net::TcpListener>,
        upstream: Address,
    ) -> std::io::Result<Self> {
        let runtime = runtime()?;
        let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut serving = Vec::new();
        for listener in listeners {
            address = listener.local_addr()?;
            listener.set_nonblocking(true)?;
            let _context = runtime.enter();
            serving.push(Listener::Tcp(TcpListener::from_std(listener)?));
        }
        Ok(Self::serve(
            runtime,
            serving,
            Address::Tcp(address),
            upstream,
        ))
    }

    fn serve(
        runtime: Runtime,
        listeners: Vec<Listener>,
        address: Address,
        upstream: Address,
    ) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            seen: Mutex::default(),
            changed: Condvar::new(),
            releases: watch::Sender::new(0),
            mended: watch::Sender::new(0),
        });
        for listener in listeners {
            runtime.spawn(accept(listener, Arc::clone(&shared)));
        }
        Self {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    /// The address, for `DOCKER_HOST`; of a registry, for `HOST_REGISTRY_ADDR`. A port has no scheme.
    pub fn docker_host(&self) -> String {
        match &self.address {
            Address::Unix(socket) => format!("unix://{}", socket.display()),
            Address::Tcp(address) => address.to_string(),
        }
    }

    /// Every request so far, in the order in which their heads were complete.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Those that may have changed something.
    pub fn mutating(&self) -> Vec<Request> {
        let all = self.requests();
        all.into_iter().filter(Request::mutates).collect()
    }

    /// Forgets what came by so far.
    pub fn clear(&self) {
        self.shared.lock().requests.clear();
    }

    /// Puts a fault in the way of a request to come.
    pub fn inject(&self, fault: InjectedFault) {
        self.shared.lock().faults.push(fault);
    }

    /// Puts a fault in the way of every request to come, until [`Proxy::mend`].
    pub fn inject_lasting(&self, fault: InjectedFault) {
        self.shared.lock().lasting.push(fault);
    }

    /// Takes away every fault that has not struck, and those that last; answers that drip break off.
    pub fn mend(&self) {
        self.shared.mended.send_modify(|count| *count += 1);
        let mut seen = self.shared.lock();
        seen.faults.clear();
        seen.lasting.clear();
    }

    /// Waits until a request whose endpoint starts like this has come by, at most so long; says whether one has.
    pub fn wait_for(&self, endpoint: &str, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut seen = self.shared.lock();
        loop {
            let came = |request: &Request| request.endpoint().starts_with(endpoint);
            if seen.requests.iter().any(came) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets everything pass that is held.
    pub fn release(&self) {
        self.shared.releases.send_modify(|count| *count += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if let Address::Unix(socket) = &self.address {
            // The folder is the caller's; a socket that is gone already is what we want.
            std::fs::remove_file(socket).ok();
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("e2e-proxy")
        .enable_all()
        .build()
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection of either kind.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

impl Address {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(socket) => Box::new(UnixStream::connect(socket).await?),
            Self::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        })
    }
}

async fn accept(listener: Listener, shared: Arc<Shared>) {
    // An error ends the proxy: its clients then see a closed socket, which fails their test.
    while let Ok(client) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A connection that breaks off is seen by both of its ends.
            connection::serve(client, &shared).await.ok();
        });
    }
}
