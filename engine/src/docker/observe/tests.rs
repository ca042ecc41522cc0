//! What a list of containers says, as an observation.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerSummary;
use rstest::rstest;

use super::{container, digest_for, recorded};
use crate::compat::{Observed, VersionSource};

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
