//! HTTP between the services.
//!
//! Here: a server and a client, each a thin layer over hyper with whole bodies in memory. Not here: what is said over it.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::ServiceError;

/// Where a service says that it is up.
pub(crate) const HEALTH_PATH: &str = "/health";

const MAX_BODY_BYTES: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One request as a service sees it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

/// One answer, JSON by convention.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Besides `Content-Type`; names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    /// An answer with nothing but JSON.
    pub(crate) fn json(status: StatusCode, body: Bytes) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// An answer with a JSON object of one key, `message`.
    pub(crate) fn message(status: StatusCode, message: &str) -> Self {
        let body = serde_json::json!({ "message": message }).to_string();
        Self::json(status, body.into())
    }
}

/// Why a request to another service brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("cannot connect to `{to}`")]
    Connect { to: String, source: std::io::Error },
    #[error("no answer from `{to}` within {} s", limit.as_secs())]
    TimedOut { to: String, limit: Duration },
    #[error("the exchange with `{to}` broke off")]
    Broken {
        to: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Serves every connection to `port` with `handler`, for ever.
pub(crate) async fn serve<H, F>(port: u16, handler: H) -> Result<(), ServiceError>
where
    H: Fn(Call) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let serve_error = |source| ServiceError::Serve { port, source };
    let listener = TcpListener::bind(("0.0.0.0", port))
        .await
        .map_err(serve_error)?;
    println!("listening on port {port}");
    let never = serve_on(listener, handler).await.map_err(serve_error)?;
    match never {}
}

/// Serves every connection to a listener with `handler`, until there are no connections to be had.
pub(crate) async fn serve_on<H, F>(
    listener: TcpListener,
    handler: H,
) -> Result<Infallible, std::io::Error>
where
    H: Fn(Call) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    loop {
        let (socket, _) = listener.accept().await?;
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(handler.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                eprintln!("connection ended early: {error}");
            }
        });
    }
}

async fn respond<H, F>(
    handler: H,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    H: Fn(Call) -> F,
    F: Future<Output = Reply>,
{
    let (head, body) = request.into_parts();
    let reply = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => {
            handler(Call {
                method: head.method,
                path: head.uri.path().to_owned(),
                body: body.to_bytes(),
            })
            .await
        }
        Err(error) => Reply::message(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in reply.headers {
        // Those that are no value of a header are not ours.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Sends one request to `host:port` and waits at most `limit` for the whole answer.
pub(crate) async fn send(
    to: &str,
    request: Request<Full<Bytes>>,
    limit: Duration,
) -> Result<Response<Bytes>, SendError> {
    let timed_out = |_| SendError::TimedOut {
        to: to.to_owned(),
        limit,
    };
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to));
    let socket = connecting
        .await
        .unwrap_or_else(|elapsed| Err(elapsed.into()))
        .map_err(|source| SendError::Connect {
            to: to.to_owned(),
            source,
        })?;
    tokio::time::timeout(limit, exchange(to, socket, request))
        .await
        .map_err(timed_out)?
}

async fn exchange(
    to: &str,
    socket: TcpStream,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, SendError> {
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| SendError::Broken {
        to: to.to_owned(),
        source,
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|error| broken(error.into()))?;
    tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| broken(error.into()))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES)
        .collect()
        .await
        .map_err(broken)?
        .to_bytes();
    Ok(Response::from_parts(head, body))
}

/// A request with a JSON body.
pub(crate) fn post(host: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = bare(Method::POST, host, path, body);
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// A request with nothing but its `Host`. A path that is no valid URI becomes `/`: paths come from a parsed request or
/// from a checked function name.
pub(crate) fn bare(method: Method, host: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap_or_default();
    if let Ok(value) = host.parse() {
        request.headers_mut().insert(hyper::header::HOST, value);
    }
    request
}
