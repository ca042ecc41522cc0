//! What a list of containers says, as an observation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rstest::rstest;
use tokio::net::UnixListener;

use super::{container, digest_for, held_by_all, observe, recorded};
use crate::compat::{Observed, ObservedEngine, VersionSource};
use crate::docker::connect::connect;
use crate::docker::limits::Limits;

fn summary(names: &[&str], labels: &[(&str, &str)]) -> ContainerSummary {
    let labels = labels
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    ContainerSummary {
        names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        image_id: Some("sha256:1".to_owned()),
        labels: Some(labels.collect::<HashMap<_, _>>()),
        ..ContainerSummary::default()
    }
}

#[test]
fn every_fact_of_a_container_is_kept_with_its_source() {
    let listed = summary(
        &["/other/alias", "/shop-gateway-1"],
        &[
            ("com.docker.compose.service", "gateway"),
            ("com.esb.version", "1.4.2"),
            ("com.esb.api_version", "1.0"),
            ("com.esb.mode", "docker"),
        ],
    );
    let digests = BTreeMap::from([("sha256:1".to_owned(), vec!["r:5000/gw@sha256:d".to_owned()])]);
    let seen = container(&listed, "r:5000/gw:main".to_owned(), &digests);
    assert_eq!(seen.name, "shop-gateway-1");
    assert_eq!(seen.service, "gateway");
    assert_eq!(seen.image, "r:5000/gw:main");
    assert_eq!(seen.repo_digest.as_deref(), Some("r:5000/gw@sha256:d"));
    let version = Observed {
        value: "1.4.2".to_owned(),
        source: VersionSource::EsbLabel,
    };
    assert_eq!(seen.version, Some(version));
    assert_eq!(seen.tag.as_deref(), Some("main"));
    assert_eq!(seen.api_version.as_deref(), Some("1.0"));
    assert_eq!(seen.mode.as_deref(), Some("docker"));
}

#[test]
fn a_container_that_says_nothing_is_kept_all_the_same() {
    let seen = container(
        &ContainerSummary::default(),
        String::new(),
        &BTreeMap::new(),
    );
    assert_eq!((seen.name.as_str(), seen.service.as_str()), ("", ""));
    assert_eq!((seen.version, seen.repo_digest), (None, None));
}

#[rstest]
#[case::same_repository("b:1", Some("b@sha256:2"))]
#[case::untagged("b", Some("b@sha256:2"))]
#[case::by_digest("b@sha256:2", Some("b@sha256:2"))]
#[case::only_a_prefix("bb:1", Some("a@sha256:1"))]
#[case::elsewhere("c:1", Some("a@sha256:1"))]
fn the_digest_is_that_of_the_repository_it_was_started_from(
    #[case] image: &str,
    #[case] digest: Option<&str>,
) {
    let all = ["a@sha256:1".to_owned(), "b@sha256:2".to_owned()];
    assert_eq!(digest_for(image, &all).as_deref(), digest);
    assert_eq!(digest_for(image, &[]), None);
}

/// The names of the containers that are a part of the project `shop`; each is said as `name service state labels…`.
fn observed(containers: &[&str]) -> Vec<String> {
    let list = containers.iter().map(|said| {
        let mut words = said.split(' ');
        let mut next = || words.next().unwrap();
        let (name, service, state) = (next(), next(), next());
        let mut labels = serde_json::json!({
            "com.docker.compose.project": "shop", "com.docker.compose.service": service,
        });
        for label in words {
            labels[format!("com.docker.compose.{label}")] = "True".into();
        }
        serde_json::json!({ "Names": [format!("/{name}")], "State": state, "Labels": labels })
    });
    let list = list.collect::<serde_json::Value>().to_string();
    let seen = recorded("shop", list.as_bytes(), b"{}").unwrap();
    seen.containers.into_iter().map(|one| one.name).collect()
}

#[rstest]
#[case::running(&["gw gateway running"], &["gw"])]
#[case::paused(&["gw gateway paused"], &["gw"])]
#[case::restarting(&["gw gateway restarting"], &["gw"])]
#[case::one_of_two_is_paused(&["gw1 gateway paused", "gw2 gateway running"], &["gw2"])]
#[case::a_run_is_no_replica(&["gw gateway running", "run gateway running oneoff"], &["gw"])]
#[case::a_run_alone_is_no_stack(&["run gateway running oneoff"], &[])]
fn what_halts_is_seen_and_what_is_run_once_is_not(
    #[case] containers: &[&str],
    #[case] expected: &[&str],
) {
    assert_eq!(observed(containers), expected);
}

/// Containers as the engine shows them, by the lines of their environments, which semicolons separate.
fn inspected(environments: &[&str]) -> Vec<ContainerInspectResponse> {
    let replies = environments.iter().map(|lines| {
        let env: Vec<&str> = lines.split(';').collect();
        serde_json::json!({ "Id": "1", "Config": { "Env": env } })
    });
    let replies = replies.map(|reply| serde_json::from_value(reply).unwrap());
    replies.collect()
}

#[rstest]
#[case::sorted(&["PATH=/bin;B=hunter2;A=hunter3"], &["A", "B"])]
#[case::another_name(&["AB=hunter2;xA=hunter2"], &[])]
#[case::without_a_value(&["A=;B= ;A"], &[])]
#[case::the_last_counts(&["A=hunter2;A=;B=;B=hunter2"], &["B"])]
#[case::a_value_with_equals(&["A==="], &["A"])]
#[case::one_replica_lacks_it(&["A=1;B=1", "B=1"], &["B"])]
#[case::no_environment(&[""], &[])]
fn a_secret_is_held_when_every_gateway_has_a_value_for_it(
    #[case] environments: &[&str],
    #[case] expected: &[&str],
) {
    let required = BTreeSet::from(["B", "A"]);
    let held = held_by_all(&required, &inspected(environments));
    assert_eq!(held.unwrap(), expected);
}

#[test]
fn without_a_gateway_nothing_is_known_of_its_secrets() {
    assert_eq!(held_by_all(&BTreeSet::from(["A"]), &[]), None);
}

/// An engine that gives these replies by the end of the path, and 404 otherwise; its socket, and the paths it was asked for.
fn replying(
    socket: &Path,
    replies: &'static [(&'static str, &'static str)],
) -> Arc<Mutex<Vec<String>>> {
    let listener = UnixListener::bind(socket).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let answer = move |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        let reply = replies.iter().find(|(end, _)| path.ends_with(end));
        let (status, body) = reply.map_or((404, "{}"), |(_, body)| (200, *body));
        log.lock().unwrap().push(path);
        let answer = Response::builder()
            .status(status)
            .header("api-version", "1.41")
            .header("content-type", "application/json");
        let answer = answer.body(Full::new(Bytes::from_static(body.as_bytes())));
        async move { answer }
    };
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let server = hyper::server::conn::http1::Builder::new();
            let service = service_fn(answer.clone());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    asked
}

const REPLIES: &[(&str, &str)] = &[
    ("/_ping", "OK"),
    (
        "/version",
        r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#,
    ),
    ("/info", r#"{"ID":"AB:CD","Name":"build-7"}"#),
    (
        "/containers/json",
        r#"[
            {"Id":"g1","Names":["/shop-gateway-1"],"Image":"gw:1","State":"running",
             "Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"gateway"}},
            {"Id":"a1","Names":["/shop-agent-1"],"Image":"agent:1","State":"running",
             "Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"agent"}}
        ]"#,
    ),
    (
        "/containers/g1/json",
        r#"{"Id":"g1","Config":{"Env":["TOKEN=hunter2","OTHER=hunter3"]}}"#,
    ),
];

#[rstest]
#[case::nothing_is_required(&[], None, 0)]
#[case::two_are_required(&["PASS", "TOKEN"], Some(vec!["TOKEN".to_owned()]), 1)]
#[tokio::test]
async fn the_gateway_is_looked_at_only_for_required_secrets(
    #[case] secrets: &[&str],
    #[case] expected: Option<Vec<String>>,
    #[case] looks: usize,
) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let asked = replying(&socket, REPLIES);
    let address = format!("unix://{}", socket.display());
    let engine = connect(Some(&address), Limits::default()).await.unwrap();

    let secrets = secrets.iter().copied().collect();
    let seen = observe(&engine, "shop", &secrets).await.unwrap();

    assert_eq!(seen.gateway_secrets, expected);
    assert!(!format!("{seen:?}").contains("hunter"), "{seen:?}");
    let asked = asked.lock().unwrap();
    let inspects = asked.iter().filter(|path| path.ends_with("1/json"));
    assert_eq!(inspects.count(), looks, "{asked:#?}");
}

#[tokio::test]
async fn an_engine_is_recorded_with_its_id_its_name_and_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    replying(&socket, REPLIES);
    let address = format!("unix://{}", socket.display());
    let engine = connect(Some(&address), Limits::default()).await.unwrap();

    let seen = observe(&engine, "shop", &BTreeSet::new()).await.unwrap();

    let expected = ObservedEngine {
        id: Some("AB:CD".to_owned()),
        name: Some("build-7".to_owned()),
        address: Some(address),
        version: "20.10.24".to_owned(),
        api_version: "1.41".to_owned(),
        platform: "linux/amd64".to_owned(),
    };
    assert_eq!(seen.engine, expected);
}
