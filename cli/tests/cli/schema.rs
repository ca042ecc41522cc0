//! The schemas of what the programs write: `schema` prints them, and a real line of each is as its schema says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};

use crate::esb::{SHOP, with_shop};
use crate::keeping::{ended, kept};
use crate::schemas::{check_lines, validate};
use crate::support::{ARTIFACTCTL, ESB, Machine, Program, TARGET, frozen, workspace};

/// What other tests see, for they have what it takes: a receiver, or an engine. Each with the test and the words that show it.
const ELSEWHERE: [(&str, &str, &str); 6] = [
    ("posted", "cli/tests/cli/formats/posting.rs", "\"posted\""),
    ("applied", "e2e/tests/it/resume.rs", "object(\"applied\")"),
    ("plan", "e2e/tests/it/deploy.rs", "object(\"plan\")"),
    (
        "provisioned",
        "e2e/tests/it/provision.rs",
        "object(\"provisioned\")",
    ),
    (
        "pruned_image",
        "e2e/tests/it/prune.rs",
        "objects(\"pruned_image\")",
    ),
    (
        "saved_plan",
        "e2e/tests/it/saved_plan.rs",
        "validate(\"saved_plan\"",
    ),
];

/// Runs of `artifactctl` on a machine with a week of deploys, one after the other.
const RUNS: &[&[&str]] = &[
    &["schema"],
    &["history", "--target", TARGET],
    &["status", "--record", TARGET],
    &["history", TARGET],
    &["history", "esb-dev/prod"],
    &["show", "latest", "--target", TARGET, "--documents"],
    &["diff", "latest~1", "latest", "--target", TARGET],
    &["blame", "orders-place", "--target", TARGET],
    &["stacks", TARGET],
    &["lock", "status", TARGET],
    &["verify", TARGET],
    &["assert", "latest", "Requested _*", "--target", TARGET],
    &["replay", "--all"],
    &["export", TARGET],
    &["config"],
    &["init"],
    &["journal", "stats"],
    &["journal", "backup", "all.backup"],
    &[
        "deploy",
        "--artifact",
        "artifact/artifact.yml",
        "--out",
        "out",
    ],
    &["journal", "doctor"],
    &["abandon", TARGET],
    &["journal", "prune", TARGET, "--keep-deploys", "1", "--yes"],
    &["history", TARGET],
    &[
        "manifest",
        "validate",
        "--artifact",
        "artifact/artifact.yml",
    ],
    &[
        "manifest",
        "sync-ids",
        "--artifact",
        "artifact/artifact.yml",
    ],
    &["journal", "remove", TARGET, "--yes", "--orphan"],
    &["journal", "restore", "all.backup"],
];

fn names() -> BTreeSet<String> {
    let folder = workspace().join("docs/schemas");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// The names of the schemas of which a run wrote lines. Each line is as its schema says.
fn seen(machine: &Machine, program: Program, args: &[&str]) -> Vec<String> {
    let mut command = machine.command_of(program, args);
    let output = command.args(["--format", "json"]).output().unwrap();
    check_lines(std::str::from_utf8(&output.stdout).unwrap())
}

#[test]
fn a_real_line_of_each_type_is_as_its_schema_says() {
    let machine = kept();
    fs::write(machine.work().join("out/functions.yml"), "functions: {}\n").unwrap();
    let mut found = BTreeSet::new();
    for args in RUNS {
        found.extend(seen(&machine, ARTIFACTCTL, args));
    }
    let importing = Machine::fresh();
    let journal = frozen("deploy-applied.jsonl");
    found.extend(seen(&importing, ARTIFACTCTL, &["import", &journal]));
    let shop = with_shop();
    found.extend(seen(&shop, ESB, &SHOP));
    found.extend(seen(
        &shop,
        ESB,
        &["validate", "--template", "sam/shop.yaml"],
    ));
    let diff = ["diff", "--template", "sam/shop.yaml", "--output", "shop"];
    found.extend(seen(&shop, ESB, &diff));
    for (name, path, words) in ELSEWHERE {
        let test = fs::read_to_string(workspace().join(path)).unwrap();
        assert!(
            test.contains(words),
            "{path} does not show `{name}` any more"
        );
        found.insert(name.to_owned());
    }
    let (names, found) = (names(), found);
    let unseen: Vec<&String> = names.difference(&found).collect();
    assert!(unseen.is_empty(), "no test sees a line of {unseen:?}");
}

#[rstest]
#[case::as_it_is(json!({}), true)]
#[case::with_an_unknown_field(json!({"more": 1}), false)]
#[case::without_a_field(json!({"head": null}), false)]
#[case::with_another_type(json!({"type": "applied"}), false)]
#[case::with_another_version(json!({"version": 2}), false)]
#[case::with_a_text_that_is_no_id(json!({"deploy": "8fce"}), false)]
fn a_line_that_differs_from_its_schema_is_found(#[case] other: Value, #[case] is_valid: bool) {
    let mut line = json!({
        "version": 1,
        "type": "abandoned",
        "target": TARGET,
        "deploy": "019c7a47-0280-7fab-8e54-a60900001111",
        "head": "9:aa",
    });
    line.as_object_mut()
        .unwrap()
        .extend(other.as_object().unwrap().clone());
    line.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    assert_eq!(validate("abandoned", &line).is_ok(), is_valid, "{line}");
}

#[test]
fn a_payload_is_that_of_its_kind_as_this_version_writes_it() {
    let event = |schema: Option<&str>, payload: Value| {
        let id = "019c7a47-0280-7fab-8e54-a60900001111";
        let mut line = json!({"version": 1, "type": "event", "sequence": 1, "deploy": id, "kind": "Released", "payload": payload});
        if let Some(schema) = schema {
            line["schema"] = json!(schema);
        }
        validate("event", &line).is_ok()
    };
    assert!(event(None, json!({"note": null})));
    assert!(event(Some("2.1"), json!({"note": "done"})));
    assert!(!event(None, json!({})));
    assert!(!event(Some("2.1"), json!({"note": 1})));
    assert!(!event(None, json!({"note": null, "more": 1})));
    // What an older or a newer version wrote is shown as it is.
    for other in ["1.0", "2.99", "3.0"] {
        assert!(event(Some(other), json!({"because": 1})), "{other}");
    }
}

#[test]
fn schema_prints_the_names_or_one_schema_as_its_file_has_it() {
    let machine = Machine::fresh();
    let all = machine.run(&["schema"]);
    let listed: BTreeSet<String> = ended(&all, 0).stdout.lines().map(str::to_owned).collect();
    assert_eq!(listed, names());
    for name in listed {
        let file = workspace()
            .join("docs/schemas")
            .join(&name)
            .with_extension("json");
        let ran = machine.run(&["schema", &name]);
        assert!(
            ended(&ran, 0).stdout == fs::read_to_string(file).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn an_unknown_type_is_a_mistake_of_usage_and_the_nearest_is_named() {
    Machine::fresh().snapshot("schema-unknown", &["schema", "aplied"]);
}

#[test]
fn no_published_schema_refuses_a_field_that_a_later_version_adds() {
    for name in names() {
        let path = Path::new("docs/schemas").join(&name).with_extension("json");
        let text = fs::read_to_string(workspace().join(path)).unwrap();
        for closed in ["\"additionalProperties\": false", "unevaluatedProperties"] {
            assert!(!text.contains(closed), "{name}");
        }
    }
}
