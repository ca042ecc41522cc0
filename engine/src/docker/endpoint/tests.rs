//! Where the engine is looked for, in the order of the Docker client.

use std::fs;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::{Endpoint, endpoint};
use crate::machine::FailureKind;
use crate::run::Fault;

fn at(docker_host: Option<&str>, env: &[(&str, &str)]) -> Result<Endpoint, Fault> {
    within(docker_host, env, None)
}

fn within(
    docker_host: Option<&str>,
    env: &[(&str, &str)],
    config: Option<&Path>,
) -> Result<Endpoint, Fault> {
    let env = |wanted: &str| {
        let found = env.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    };
    endpoint(docker_host, env, config)
}

#[rstest]
#[case::nothing(None, "unix:///var/run/docker.sock")]
#[case::blank(Some("  "), "unix:///var/run/docker.sock")]
#[case::socket(
    Some("unix:///run/user/1/docker.sock"),
    "unix:///run/user/1/docker.sock"
)]
#[case::tcp(Some("tcp://10.0.0.1:2376"), "tcp://10.0.0.1:2376")]
#[case::tcp_without_port(Some("tcp://engine"), "tcp://engine:2375")]
#[case::tcp_without_host(Some("tcp://"), "tcp://localhost:2375")]
#[case::http(Some("http://engine:1/"), "tcp://engine:1")]
fn docker_host_is_honoured(#[case] value: Option<&str>, #[case] host: &str) {
    assert_eq!(at(value, &[]).unwrap().host.to_string(), host);
}

/// As Docker does: nothing of it is ever sent, and nobody may see it.
#[rstest]
#[case::spoken_to("tcp://me:hunter22@127.0.0.1:1", "tcp://127.0.0.1:1")]
#[case::with_an_at("tcp://me:hun@ter22@127.0.0.1:1", "tcp://127.0.0.1:1")]
fn a_password_of_docker_host_is_dropped(#[case] value: &str, #[case] host: &str) {
    assert_eq!(at(Some(value), &[]).unwrap().host.to_string(), host);
}

#[rstest]
#[case("https://me:hunter22@host:2376")]
#[case("ssh://me:hunter22@host")]
#[case("me:hunter22@host")]
fn a_password_of_docker_host_is_not_said(#[case] value: &str) {
    let fault = at(Some(value), &[]).unwrap_err();
    let said = format!("{fault:?}");
    assert!(
        said.contains("host") && !said.contains("hunter22"),
        "{said}"
    );
}

#[rstest]
#[case::ssh("ssh://host", "SSH")]
#[case::pipe("npipe:////./pipe/docker_engine", "a named pipe")]
#[case::https("https://host:2376", "TLS")]
#[case::bare("/var/run/docker.sock", "such an address")]
#[case::no_path("unix://", "such an address")]
fn what_is_not_supported_is_named(#[case] value: &str, #[case] what: &str) {
    let fault = at(Some(value), &[]).unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(
        fault.message.contains(what) && fault.message.contains(value),
        "{fault:?}"
    );
    assert!(fault.hints[0].contains("unix://"));
}

#[test]
fn tcp_with_tls_is_not_spoken_in_the_clear() {
    let fault = at(Some("tcp://host:2376"), &[("DOCKER_TLS_VERIFY", "1")]).unwrap_err();
    assert!(fault.message.contains("TLS"), "{fault:?}");
}

/// The folder of a Docker client that has chosen the context `far`, as `docker context create` and `use` leave it.
fn client(host: &str) -> TempDir {
    // The SHA-256 of its name.
    const FAR: &str = "512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868";
    let folder = tempfile::tempdir().unwrap();
    let meta = folder.path().join("contexts/meta").join(FAR);
    fs::create_dir_all(&meta).unwrap();
    let text = serde_json::json!({
        "Name": "far", "Metadata": {}, "Endpoints": { "docker": { "Host": host, "SkipTLSVerify": false } },
    });
    fs::write(meta.join("meta.json"), text.to_string()).unwrap();
    fs::write(
        folder.path().join("config.json"),
        r#"{"currentContext":"far"}"#,
    )
    .unwrap();
    folder
}

#[rstest]
#[case::chosen(None, &[], "`tcp://engine:2375` (Docker context `far`)")]
#[case::by_variable(None, &[("DOCKER_CONTEXT", "far")], "`tcp://engine:2375` (Docker context `far`)")]
#[case::variable_before_choice(None, &[("DOCKER_CONTEXT", "default")], "`unix:///var/run/docker.sock`")]
#[case::blank_variable(None, &[("DOCKER_CONTEXT", "")], "`tcp://engine:2375` (Docker context `far`)")]
#[case::host_before_all(Some("unix:///x"), &[("DOCKER_CONTEXT", "far")], "`unix:///x` (`DOCKER_HOST`)")]
fn the_engine_is_found_as_docker_finds_it(
    #[case] docker_host: Option<&str>,
    #[case] env: &[(&str, &str)],
    #[case] expected: &str,
) {
    let client = client("tcp://me:hunter22@engine:2375");
    let config = client.path().join("config.json");
    let found = within(docker_host, env, Some(&config)).unwrap();
    assert_eq!(found.to_string(), expected);
}

#[rstest]
#[case::no_such_context("tcp://engine", &[("DOCKER_CONTEXT", "near")], "Docker context `near` cannot be read")]
#[case::ssh("ssh://me@engine", &[], "Docker context `far` names `ssh://***@engine`, and SSH")]
#[case::tls("tcp://engine", &[("DOCKER_TLS_VERIFY", "1")], "and TLS is not supported")]
#[case::no_engine("", &[], "names no engine")]
fn a_context_that_is_not_spoken_to_is_refused_by_name(
    #[case] host: &str,
    #[case] env: &[(&str, &str)],
    #[case] words: &str,
) {
    let client = client(host);
    let config = client.path().join("config.json");
    let fault = within(None, env, Some(&config)).unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(fault.message.contains(words), "{}", fault.message);
}

#[test]
fn a_context_with_keys_is_not_spoken_to_in_the_clear() {
    let client = client("tcp://engine:2376");
    let meta = fs::read_dir(client.path().join("contexts/meta")).unwrap();
    let id = meta.into_iter().next().unwrap().unwrap().file_name();
    let keys = client.path().join("contexts/tls").join(id).join("docker");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("ca.pem"), "").unwrap();
    let config = client.path().join("config.json");
    let fault = within(None, &[], Some(&config)).unwrap_err();
    assert!(
        fault.message.contains("TLS is not supported"),
        "{}",
        fault.message
    );
}
