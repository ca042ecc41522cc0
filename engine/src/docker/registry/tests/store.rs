//! A registry of a test that keeps blobs and manifests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Method, Response};

use super::fake::{Fake, plain};
use crate::contract::Digest;

type Answer = Response<Full<Bytes>>;

/// What happens to the next request that begins with a text.
#[derive(Clone, Copy)]
pub(in crate::docker) struct Mishap {
    pub(in crate::docker) request: &'static str,
    /// The answer; 502 is none.
    pub(in crate::docker) status: u16,
    /// What was asked for is done all the same.
    pub(in crate::docker) done: bool,
}

/// How a registry differs from one that does everything.
#[derive(Clone, Default)]
pub(in crate::docker) struct Ways {
    pub(in crate::docker) refuses_mounts: bool,
    pub(in crate::docker) refuses_chunks: bool,
    /// Says that each blob is another one.
    pub(in crate::docker) lies: bool,
    /// Says without its name where uploads go.
    pub(in crate::docker) is_relative: bool,
    pub(in crate::docker) mishaps: Vec<Mishap>,
}

/// What it has.
#[derive(Default)]
pub(in crate::docker) struct Kept {
    /// By repository.
    pub(in crate::docker) blobs: BTreeMap<(String, String), Bytes>,
    /// By repository, and tag or digest: media type and text.
    pub(in crate::docker) manifests: BTreeMap<(String, String), (String, Bytes)>,
    uploads: BTreeMap<String, Vec<u8>>,
    begun: usize,
}

pub(in crate::docker) type Store = Arc<Mutex<Kept>>;

pub(in crate::docker) async fn storing(ways: Ways) -> (Fake, Store) {
    let store = Store::default();
    let kept = Arc::clone(&store);
    let mishaps = Mutex::new(ways.mishaps.clone());
    let route = move |_, head: &Parts, _: &str, body: &Bytes| {
        let asked = format!("{} {}", head.method, head.uri);
        let mut kept = kept.lock().unwrap();
        let mishap = {
            let mut mishaps = mishaps.lock().unwrap();
            let found = mishaps
                .iter()
                .position(|mishap| asked.starts_with(mishap.request));
            found.map(|at| mishaps.remove(at))
        };
        match mishap {
            Some(Mishap { status, done, .. }) => {
                if done {
                    kept.serve(&ways, head, body);
                }
                let mut answer = plain(status, "");
                if status == 429 {
                    let soon = "0".parse().unwrap();
                    answer.headers_mut().insert("retry-after", soon);
                }
                answer
            }
            None => kept.serve(&ways, head, body),
        }
    };
    (Fake::serving("", Arc::new(route)).await, store)
}

fn with(status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Answer {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, value);
    }
    answer
        .body(Full::new(Bytes::copy_from_slice(body)))
        .unwrap()
}

impl Kept {
    pub(in crate::docker) fn put(&mut self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let key = (repository.to_owned(), digest.to_string());
        self.blobs.insert(key, Bytes::copy_from_slice(bytes));
        digest
    }

    pub(in crate::docker) fn has(&self, repository: &str, digest: &Digest) -> bool {
        let key = (repository.to_owned(), digest.to_string());
        self.blobs.contains_key(&key)
    }

    fn serve(&mut self, ways: &Ways, head: &Parts, body: &Bytes) -> Answer {
        let path = head.uri.path().strip_prefix("/v2/").unwrap();
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        if let Some((repository, id)) = path.split_once("/blobs/uploads/") {
            return self.upload(ways, head, repository, id, &query, body);
        }
        if let Some((repository, digest)) = path.split_once("/blobs/") {
            return self.blob(head, repository, digest);
        }
        let (repository, reference) = path.split_once("/manifests/").unwrap();
        if head.method != Method::PUT {
            let key = (repository.to_owned(), reference.to_owned());
            let Some((kind, bytes)) = self.manifests.get(&key) else {
                return with(404, &[], b"");
            };
            let headers = [
                ("content-type", kind.clone()),
                ("docker-content-digest", Digest::of(bytes).to_string()),
            ];
            let is_head = head.method == Method::HEAD;
            return with(200, &headers, if is_head { b"" } else { bytes });
        }
        let manifest: serde_json::Value = serde_json::from_slice(body).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter();
        let named = layers.chain(std::iter::once(&manifest["config"]));
        let named = named.map(|one| Digest::parse(one["digest"].as_str().unwrap()).unwrap());
        let errors: Vec<serde_json::Value> = named
            .filter(|digest| !self.has(repository, digest))
            .map(|digest| serde_json::json!({ "code": "MANIFEST_BLOB_UNKNOWN", "detail": digest }))
            .collect();
        if !errors.is_empty() {
            let errors = serde_json::json!({ "errors": errors }).to_string();
            return with(400, &[], errors.as_bytes());
        }
        let kind = head.headers["content-type"].to_str().unwrap();
        for reference in [reference, Digest::of(body).as_str()] {
            let key = (repository.to_owned(), reference.to_owned());
            self.manifests.insert(key, (kind.to_owned(), body.clone()));
        }
        let said = if ways.lies {
            Digest::of("lie")
        } else {
            Digest::of(body)
        };
        with(201, &[("docker-content-digest", said.to_string())], b"")
    }

    fn blob(&self, head: &Parts, repository: &str, digest: &str) -> Answer {
        let key = (repository.to_owned(), digest.to_owned());
        let Some(blob) = self.blobs.get(&key) else {
            return with(404, &[], b"");
        };
        if head.method == Method::HEAD {
            return with(200, &[], b"");
        }
        if let Some(range) = head.headers.get("range") {
            let from = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
            let from: usize = from.strip_suffix('-').unwrap().parse().unwrap();
            let range = format!("bytes {from}-{}/{}", blob.len() - 1, blob.len());
            return with(206, &[("content-range", range)], &blob[from..]);
        }
        with(200, &[], blob)
    }

    fn upload(
        &mut self,
        ways: &Ways,
        head: &Parts,
        repository: &str,
        id: &str,
        query: &BTreeMap<String, String>,
        body: &Bytes,
    ) -> Answer {
        let place = |id: &str| {
            let path = format!("/v2/{repository}/blobs/uploads/{id}?_state=x");
            let host = head.headers["host"].to_str().unwrap();
            let location = if ways.is_relative {
                path
            } else {
                format!("http://{host}{path}")
            };
            ("location", location)
        };
        match head.method.as_str() {
            "POST" => {
                if let Some(digest) = query.get("mount") {
                    let from = (query["from"].clone(), digest.clone());
                    let found = self.blobs.get(&from).cloned();
                    if let Some(blob) = found.filter(|_| !ways.refuses_mounts) {
                        self.blobs
                            .insert((repository.to_owned(), digest.clone()), blob);
                        return with(201, &[], b"");
                    }
                }
                self.begun += 1;
                let id = self.begun.to_string();
                self.uploads.insert(id.clone(), Vec::new());
                with(202, &[place(&id)], b"")
            }
            "PATCH" if ways.refuses_chunks => with(415, &[], b""),
            "PATCH" => {
                let Some(upload) = self.uploads.get_mut(id) else {
                    return with(404, &[], b"");
                };
                let range = head.headers["content-range"].to_str().unwrap();
                let expected = format!("{}-{}", upload.len(), upload.len() + body.len() - 1);
                if range != expected {
                    return with(416, &[], b"");
                }
                upload.extend_from_slice(body);
                with(202, &[place(id)], b"")
            }
            "GET" => {
                let Some(upload) = self.uploads.get(id) else {
                    return with(404, &[], b"");
                };
                let last = upload.len().saturating_sub(1);
                with(204, &[place(id), ("range", format!("0-{last}"))], b"")
            }
            "PUT" => {
                let Some(mut upload) = self.uploads.remove(id) else {
                    return with(404, &[], b"");
                };
                upload.extend_from_slice(body);
                let digest = self.put(repository, &upload);
                assert_eq!(query["digest"], digest.as_str());
                assert_eq!(query["_state"], "x");
                let said = if ways.lies { Digest::of("lie") } else { digest };
                with(201, &[("docker-content-digest", said.to_string())], b"")
            }
            other => panic!("{other}"),
        }
    }
}
