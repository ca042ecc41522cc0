//! A registry of a test, over a real connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::contract::Digest;
use crate::docker::credentials::Credentials;
use crate::docker::limits::Limits;
use crate::docker::registry::Registry;
use crate::image::Reference;

pub(in crate::docker) const MANIFEST: &str = concat!(
    r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","#,
    r#""config":{"digest":"sha256:46d4ac86454ef41e49c88ec54cc3ca20e0f6240771e8ed1bbc1ef656e16f3936"},"layers":[]}"#
);
const KIND: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What a registry does with a request for a manifest; `number` counts them from 0.
pub(in crate::docker) type Answer = fn(number: usize, method: Method) -> Response<Full<Bytes>>;

/// What a registry does with any request, and with who asks.
pub(in crate::docker) type Route =
    Arc<dyn Fn(usize, &Parts, &str, &Bytes) -> Response<Full<Bytes>> + Send + Sync>;

/// A registry on this machine, and the requests for manifests it got.
pub(in crate::docker) struct Fake {
    pub(in crate::docker) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(in crate::docker) async fn start(answer: Answer) -> Self {
        Self::challenging("", answer).await
    }

    /// One that answers by what is asked for: the path, and who asks.
    pub(in crate::docker) async fn answering(
        answer: impl Fn(&str, &str) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let route = move |_, head: &Parts, who: &str, _: &Bytes| answer(head.uri.path(), who);
        Self::serving("", Arc::new(route)).await
    }

    /// One that wants to know who asks, and says so with this challenge. In it, `HERE` is the address of the registry.
    pub(in crate::docker) async fn challenging(challenge: &str, answer: Answer) -> Self {
        let route =
            move |number, head: &Parts, _: &str, _: &Bytes| answer(number, head.method.clone());
        Self::serving(challenge, Arc::new(route)).await
    }

    pub(in crate::docker) async fn serving(challenge: &str, answer: Route) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let challenge = challenge.replace("HERE", &address.to_string());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, challenge) = (Arc::clone(&log), challenge.clone());
                let answer = Arc::clone(&answer);
                let service = service_fn(move |request| {
                    serve(
                        request,
                        Arc::clone(&log),
                        challenge.clone(),
                        Arc::clone(&answer),
                    )
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, seen }
    }

    pub(in crate::docker) fn reference(&self, name: &str) -> Reference {
        Reference::parse(&format!("{}/{name}", self.address)).unwrap()
    }

    /// As somebody with this password; as nobody when it is empty.
    pub(in crate::docker) fn registry_as(&self, password: &str) -> Registry {
        let login = serde_json::json!({ "username": "me", "password": password });
        let auths = serde_json::json!({ self.address.to_string(): login });
        let text = match password {
            "" => "{}".to_owned(),
            _ => serde_json::json!({ "auths": auths }).to_string(),
        };
        let credentials = Credentials::parse(&text).unwrap();
        Registry::new(credentials, None, Limits::default())
    }

    pub(in crate::docker) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    request: Request<hyper::body::Incoming>,
    seen: Arc<Mutex<Vec<String>>>,
    challenge: String,
    answer: Route,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (head, body) = request.into_parts();
    let who = head.headers.get("authorization");
    let who = who.map_or("", |who| who.to_str().unwrap());
    let line = format!("{} {} {who}", head.method, head.uri);
    let body = body.collect().await.map_err(|_| "gone")?.to_bytes();
    let sent = match body.len() {
        0..=1024 => String::from_utf8_lossy(&body).into_owned(),
        many => format!(" ({many} bytes)"),
    };
    let line = format!("{}{sent}", line.trim_end());
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(line);
        seen.len() - 1
    };
    if head.uri.path() == "/token" {
        return Ok(plain(200, r#"{"token":"of-the-day"}"#));
    }
    if !challenge.is_empty() && who.is_empty() {
        let mut answer = plain(401, "{}");
        let challenge = challenge.parse().unwrap();
        answer.headers_mut().insert("www-authenticate", challenge);
        return Ok(answer);
    }
    let mut answer = answer(number, &head, who, &body);
    if let Some(challenge) = answer.headers_mut().get_mut("www-authenticate") {
        let here = head.headers["host"].to_str().unwrap();
        let named = challenge.to_str().unwrap().replace("HERE", here);
        *challenge = named.parse().unwrap();
    }
    if answer.status() == StatusCode::GATEWAY_TIMEOUT {
        std::future::pending::<()>().await;
    }
    if answer.status() == StatusCode::BAD_GATEWAY {
        return Err("the connection is closed without an answer");
    }
    Ok(answer)
}

pub(in crate::docker) fn plain(status: u16, body: &str) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_owned()));
    Response::builder().status(status).body(body).unwrap()
}

pub(in crate::docker) fn manifest(method: &Method) -> Response<Full<Bytes>> {
    let mut answer = plain(
        200,
        if *method == Method::HEAD {
            ""
        } else {
            MANIFEST
        },
    );
    let digest = Digest::of(MANIFEST).to_string().parse().unwrap();
    answer.headers_mut().insert("docker-content-digest", digest);
    answer
        .headers_mut()
        .insert("content-type", KIND.parse().unwrap());
    answer
}

pub(in crate::docker) fn unknown() -> Response<Full<Bytes>> {
    plain(
        404,
        r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
    )
}
