//! Secrets have no way out: canaries are planted wherever a deploy comes by, and everything it leaves is searched for them.

use std::fs;
use std::process::Command;

use crate::refusal::{Bench, Said, contents, run, shared_stack};

const SECRET: &str = "canary-of-the-secret-file";
const PROXY_USER: &str = "canary-of-the-proxy-user";
const PROXY_PASSWORD: &str = "canary-of-the-proxy-password";
const LOGIN: &str = "canary-of-the-docker-login";
/// Name and password as the Docker configuration holds them: `LOGIN:LOGIN` in base64.
const AUTH: &str = "Y2FuYXJ5LW9mLXRoZS1kb2NrZXItbG9naW46Y2FuYXJ5LW9mLXRoZS1kb2NrZXItbG9naW4=";
const ENVIRONMENT: &str = "canary-of-the-environment";
/// In the environment of a function: published, and nowhere else.
const FUNCTION: &str = "canary-of-a-function";

/// A bench with a canary in every place from which a deploy reads.
fn planted(repository: &str) -> Bench {
    let bench = Bench::with_images_of(repository);
    bench.edit(
        "artifact/artifact.yml",
        "    artifact_root: svc-a\n",
        "    artifact_root: svc-a\n    required_secret_env: [AUTH_PASS]\n",
    );
    bench.write(
        "secrets.env",
        format!("AUTH_PASS={SECRET}\nOTHER='{SECRET}'\n"),
    );
    bench.edit(
        "artifact/svc-a/config/functions.yml",
        "      TABLE: orders\n",
        &format!("      TABLE: orders\n      WORD: {FUNCTION}\n"),
    );
    let registry = shared_stack().host_registry();
    fs::create_dir(bench.path("docker")).unwrap();
    bench.write(
        "docker/config.json",
        format!(r#"{{"auths":{{"{registry}":{{"auth":"{AUTH}"}}}}}}"#),
    );
    fs::create_dir(bench.path("tmp")).unwrap();
    bench
}

/// A deploy that says as much as it can.
fn deploy(bench: &Bench) -> Command {
    let stack = shared_stack();
    let mut deploy = bench.deploy_onto(stack);
    let proxy = format!("http://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:9");
    deploy
        .args([
            "-vvv",
            "--explain",
            "--format",
            "json",
            "--secret-env",
            "secrets.env",
        ])
        .env("HTTP_PROXY", &proxy)
        .env("https_proxy", &proxy)
        .env("NO_PROXY", "localhost")
        .env("DB_PASSWORD", ENVIRONMENT)
        .env("DOCKER_CONFIG", bench.path("docker"))
        .env("TMPDIR", bench.path("tmp"));
    deploy
}

/// Searches everything that a deploy has said or left behind.
fn search(bench: &Bench, said: &Said) {
    let export = run(&mut bench.command(&["export"]));
    let mut left = vec![
        ("stdout".to_owned(), said.stdout.clone().into_bytes()),
        ("stderr".to_owned(), said.stderr.clone().into_bytes()),
        ("export".to_owned(), export.stdout.into_bytes()),
    ];
    for folder in ["journal", "out", "tmp"] {
        for (path, (_, _, bytes)) in contents(&bench.path(folder)) {
            left.push((path.display().to_string(), bytes));
        }
    }
    let canaries = [
        SECRET,
        PROXY_USER,
        PROXY_PASSWORD,
        LOGIN,
        AUTH,
        ENVIRONMENT,
        FUNCTION,
    ];
    for (place, bytes) in &left {
        for canary in canaries {
            let published = canary == FUNCTION && place.ends_with("/out/functions.yml");
            assert!(
                published || !holds(bytes, canary),
                "`{canary}` is in {place}: {said:?}"
            );
        }
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

#[test]
fn a_deploy_that_applies_leaves_no_secret_behind() {
    let bench = planted("canaries-applied");
    let said = run(deploy(&bench).arg("--no-cache"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let published = fs::read(bench.out().join("functions.yml")).unwrap();
    assert!(
        holds(&published, FUNCTION),
        "the search finds what is there"
    );
    assert!(said.stderr.contains("DEBUG"), "it said all it can");
    search(&bench, &said);
}

/// The build prints its environment and fails, so that all it printed becomes a part of the error and of the journal.
#[test]
fn a_build_that_shows_its_environment_leaves_no_secret_behind() {
    let bench = planted("canaries-shown");
    bench.edit(
        "artifact/svc-b/functions/stock-audit/Dockerfile",
        "COPY functions",
        "RUN env; echo $https_proxy >&2; exit 7\nCOPY functions",
    );
    // Every crate may log what it likes.
    let said = run(deploy(&bench).env("ARTIFACTCTL_LOG", "trace"));
    assert_eq!(said.code, Some(6), "{said:?}");
    let output = said.error()["output"].to_string();
    // It did come by.
    assert!(
        output.contains("HTTP_PROXY=http://***@127.0.0.1:9"),
        "{output}"
    );
    search(&bench, &said);
    let journal = contents(&bench.journal());
    assert!(
        journal
            .values()
            .any(|(_, _, bytes)| holds(bytes, "HTTP_PROXY="))
    );
}

#[test]
fn a_secret_that_is_missing_leaves_the_others_where_they_are() {
    let bench = planted("canaries-missing");
    bench.write("secrets.env", format!("AUTH_PAS={SECRET}\n"));
    let said = run(&mut deploy(&bench));
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("`AUTH_PASS`"), "{}", said.stderr);
    search(&bench, &said);
    assert!(!bench.journal().exists());
}
