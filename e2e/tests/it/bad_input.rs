//! Bad input: each kind ends with exit code 3 and names its place, before anything is changed or any engine is asked.

mod cases;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use cases::{Case, MANIFEST, MEANINGS, PATHS, Spoil, TEXTS, fifo};

use crate::refusal::{Bench, DEPLOY, Said, contents, program, run};

/// Runs a command as a user who may not read what the file's mode forbids; root may read everything.
fn without_privilege(bench: &Bench, arguments: &[&str]) -> Command {
    if !rustix::process::geteuid().is_root() {
        return bench.command(arguments);
    }
    let mut command = Command::new("setpriv");
    command
        .arg("--bounding-set=-dac_override,-dac_read_search")
        .arg(program())
        .args(arguments);
    bench.prepare(&mut command);
    command
}

/// Deploys in text and in JSON, and compares all that can be seen of it with what is expected.
fn check(case: &Case) {
    let name = case.name;
    let bench = Bench::new();
    (case.spoil)(&bench);
    let before = contents(&bench.path(""));

    let text = run(&mut without_privilege(&bench, &DEPLOY));
    let in_json = [&DEPLOY[..], &["--format", "json"]].concat();
    let json = run(&mut without_privilege(&bench, &in_json));

    assert_refused(name, 3, &text, &json);
    let error = json.error();
    assert_eq!(error["kind"], "payload", "{name}");
    let violations = error["violations"].as_array().unwrap();
    let found: Vec<(String, String)> = violations.iter().map(rule_and_place).collect();
    let expected: Vec<_> = case
        .expected
        .iter()
        .map(|(rule, place, _)| ((*rule).to_owned(), (*place).to_owned()))
        .collect();
    assert_eq!(found, expected, "{name}:\n{}", text.stderr);
    for (rule, place, words) in case.expected {
        for part in [&format!("error[{rule}]: "), &format!("--> {place}"), *words] {
            assert!(
                text.stderr.contains(part),
                "{name}, `{part}`:\n{}",
                text.stderr
            );
        }
    }
    assert_eq!(
        contents(&bench.path("")),
        before,
        "{name}: something was changed"
    );
}

/// Checks every case, also after one has failed, and names those that have.
fn check_all(cases: &[Case]) {
    let failed = |case: &&Case| std::panic::catch_unwind(|| check(case)).is_err();
    let failed: Vec<_> = cases.iter().filter(failed).map(|case| case.name).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The file, line and column of a violation as a person reads them.
fn rule_and_place(violation: &serde_json::Value) -> (String, String) {
    let place = &violation["place"];
    let mut shown = place["file"].as_str().unwrap().to_owned();
    if place["line"] != 0 {
        shown.push_str(&format!(":{}:{}", place["line"], place["column"]));
    }
    (violation["rule"].as_str().unwrap().to_owned(), shown)
}

/// Text: all of it on stderr, with a next step. JSON: one line on stdout.
fn assert_refused(name: &str, code: i32, text: &Said, json: &Said) {
    assert_eq!(
        (text.code, json.code),
        (Some(code), Some(code)),
        "{name}: {text:?}"
    );
    assert_eq!(text.stdout, "", "{name}");
    assert!(
        text.stderr.starts_with("error: "),
        "{name}:\n{}",
        text.stderr
    );
    assert!(
        text.stderr.contains("\n  hint: "),
        "{name} has no next step:\n{}",
        text.stderr
    );
    assert_eq!(json.stdout.lines().count(), 1, "{name}:\n{}", json.stdout);
    let error = json.error();
    assert_eq!(error["exit_code"], code, "{name}");
    assert_ne!(error["hints"], serde_json::Value::Null, "{name}");
}

#[test]
fn a_path_that_cannot_be_followed_is_named() {
    check_all(PATHS);
}

#[test]
fn a_text_that_cannot_be_read_is_named() {
    check_all(TEXTS);
}

#[test]
fn a_value_that_breaks_the_contract_is_named() {
    check_all(MEANINGS);
}

/// A manifest that is not there has no place in it; the file and the cause are named.
#[test]
fn a_manifest_that_cannot_be_opened_is_named() {
    let cases: [(&str, Spoil, &str); 4] = [
        ("missing", |_| {}, "is missing"),
        (
            "a directory",
            |bench| fs::create_dir(bench.path(MANIFEST)).unwrap(),
            "is a directory, not a file",
        ),
        (
            "a FIFO",
            |bench| fifo(bench, MANIFEST),
            "is a FIFO, not a file",
        ),
        (
            "unreadable",
            |bench| {
                bench.write(MANIFEST, "env: dev\n");
                fs::set_permissions(bench.path(MANIFEST), PermissionsExt::from_mode(0o000))
                    .unwrap();
            },
            "Permission denied",
        ),
    ];
    for (name, spoil, words) in cases {
        let bench = Bench::new();
        bench.remove(MANIFEST);
        spoil(&bench);
        let before = contents(&bench.path(""));
        let text = run(&mut without_privilege(&bench, &DEPLOY));
        let in_json = [&DEPLOY[..], &["--format", "json"]].concat();
        let json = run(&mut without_privilege(&bench, &in_json));
        assert_refused(name, 3, &text, &json);
        for part in [
            "the manifest `artifact/artifact.yml`",
            words,
            "`--artifact` names",
        ] {
            assert!(
                text.stderr.contains(part),
                "{name}, `{part}`:\n{}",
                text.stderr
            );
        }
        assert_eq!(contents(&bench.path("")), before, "{name}");
    }
}

/// A secret file, or none; the rule that is broken and words that say so.
struct SecretCase {
    name: &'static str,
    file: Option<&'static str>,
    named: bool,
    rule: &'static str,
    words: &'static str,
}

#[rustfmt::skip] // a table
const SECRETS: &[SecretCase] = &[
    SecretCase { name: "no file named", file: None, named: false, rule: "no-secret-file", words: "`AUTH_PASS`, `TOKEN`" },
    SecretCase { name: "a file that is missing", file: None, named: true, rule: "missing-file", words: "the secret file is missing" },
    SecretCase { name: "a name that is missing", file: Some("TOKEN=hunter2\n"), named: true, rule: "missing-secret", words: "add a line `AUTH_PASS=value`" },
    SecretCase { name: "a value that is empty", file: Some("TOKEN=hunter2\nAUTH_PASS=''\n"), named: true, rule: "empty-secret", words: "give `AUTH_PASS` a value" },
    SecretCase { name: "a value that is blank", file: Some("TOKEN=hunter2\nAUTH_PASS=  \n"), named: true, rule: "empty-secret", words: "`AUTH_PASS` is empty" },
    SecretCase { name: "a line that is none", file: Some("TOKEN=hunter2\nhunter2\n"), named: true, rule: "bad-secret-line", words: "secrets.env:2" },
];

#[test]
fn a_secret_that_is_not_there_is_named_before_anything_happens() {
    for SecretCase {
        name,
        file,
        named,
        rule,
        words,
    } in SECRETS
    {
        let more: &[&str] = if *named {
            &["--secret-env", "secrets.env"]
        } else {
            &[]
        };
        let bench = Bench::new();
        bench.edit(
            MANIFEST,
            "    artifact_root: svc-a\n",
            "    artifact_root: svc-a\n    required_secret_env: [TOKEN, AUTH_PASS]\n",
        );
        if let Some(bytes) = file {
            bench.write("secrets.env", bytes);
        }
        let before = contents(&bench.path(""));
        let text = run(bench.deploy().args(more));
        let json = run(bench.deploy().args(more).args(["--format", "json"]));
        assert_refused(name, 3, &text, &json);
        assert_eq!(
            json.error()["violations"].as_array().unwrap().len(),
            1,
            "{name}"
        );
        assert_eq!(json.error()["violations"][0]["rule"], *rule, "{name}");
        assert!(text.stderr.contains(words), "{name}:\n{}", text.stderr);
        for said in [&text, &json] {
            assert!(!format!("{said:?}").contains("hunter2"), "{name}: {said:?}");
        }
        assert_eq!(contents(&bench.path("")), before, "{name}");
    }
}

#[test]
fn a_command_line_that_is_wrong_is_a_usage_error() {
    let bench = Bench::new();
    let before = contents(&bench.path(""));
    let wrong: [&[&str]; 6] = [
        &[],
        &["deploi"],
        &["deploy", "--artifact", MANIFEST],
        &[
            "deploy",
            "--artifact",
            MANIFEST,
            "--out",
            "out",
            "--jobs",
            "0",
        ],
        &[
            "deploy",
            "--artifact",
            MANIFEST,
            "--out",
            "out",
            "--compat",
            "never",
        ],
        &["verify", "--head", "nonsense", "a/b"],
    ];
    for arguments in wrong {
        let said = run(&mut bench.command(arguments));
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert_eq!(said.stdout, "", "{arguments:?}");
        assert_ne!(said.stderr, "", "{arguments:?}");
    }
    assert_eq!(contents(&bench.path("")), before);
}

#[test]
fn a_key_that_nobody_knows_is_accepted_with_a_warning() {
    let bench = Bench::new();
    bench.edit(MANIFEST, "env: dev\n", "env: dev\nsurprise: [1]\n");
    let validate = ["manifest", "validate", "--artifact", MANIFEST];
    let text = run(&mut bench.command(&validate));
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.stdout.contains("warning: "), "{}", text.stdout);
    assert!(text.stdout.contains("`surprise`"), "{}", text.stdout);
    let json = run(bench.command(&validate).args(["--format", "json"]));
    let body: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(body["warnings"].as_array().unwrap().len(), 1, "{body}");

    // A deploy warns too, and goes on to the engine.
    let said = run(&mut bench.deploy());
    assert_eq!(said.code, Some(9), "{said:?}");
    assert!(said.stderr.contains("`surprise`"), "{}", said.stderr);
}

#[test]
fn ids_are_checked_without_a_write_and_synced_with_one() {
    let bench = Bench::new();
    let whole = fs::read(bench.path(MANIFEST)).unwrap();
    bench.edit(
        MANIFEST,
        "  - id: stock-33745b03\n    artifact_root",
        "  - artifact_root",
    );
    bench.edit(MANIFEST, "orders-f2d1205f", "orders-00000000");
    let sync = ["manifest", "sync-ids", "--artifact", MANIFEST];
    let before = contents(&bench.path(""));
    let checked = run(bench.command(&sync).arg("--check"));
    assert_eq!(checked.code, Some(10), "{checked:?}");
    for part in [
        "orders-00000000 -> orders-f2d1205f",
        "(none) -> stock-33745b03",
    ] {
        assert!(checked.stdout.contains(part), "{}", checked.stdout);
    }
    assert!(
        checked
            .stderr
            .contains("hint: `artifactctl manifest sync-ids"),
        "{}",
        checked.stderr
    );
    assert_eq!(contents(&bench.path("")), before, "checking writes nothing");

    assert_eq!(run(&mut bench.command(&sync)).code, Some(0));
    assert_eq!(fs::read(bench.path(MANIFEST)).unwrap(), whole);
    let synced = contents(&bench.path(""));
    assert_eq!(run(bench.command(&sync).arg("--check")).code, Some(0));
    assert_eq!(contents(&bench.path("")), synced);

    bench.edit(MANIFEST, "env: dev\n", "");
    let broken = contents(&bench.path(""));
    assert_eq!(run(&mut bench.command(&sync)).code, Some(3));
    assert_eq!(
        contents(&bench.path("")),
        broken,
        "a manifest that is wrong is not written"
    );
}
