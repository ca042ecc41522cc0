//! Credentials in every field of every event.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::machine::{Event, decode, encode};

const CANARY: &str = "c4narycanary";

/// The schema of the journals that are read.
const FROZEN: journal::Schema = journal::Schema { major: 1, minor: 0 };

/// Names and paths that the contract or the command line bounds, and that a resume needs as they are.
const NAMES: [&str; 12] = [
    "ImageBuilt.reference",
    "Merged.changes.added",
    "Requested.manifest.artifacts.artifact_root",
    "Requested.manifest.artifacts.id",
    "Requested.manifest.artifacts.runtime_config_dir",
    "Requested.manifest.env",
    "Requested.manifest.generated_at",
    "Requested.manifest.project",
    "Requested.manifest.runtime_stack.esb_version",
    "Requested.manifest_path",
    "Requested.out",
    "Requested.project",
];

/// One event of each kind that a target has, as the journals of this repository hold them.
fn payloads() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/journals/v1");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().collect();
    files.sort_by_key(|file| file.as_ref().unwrap().path());
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if let Some(kind) = event["kind"]
                .as_str()
                .filter(|_| event.get("payload").is_some())
            {
                all.push((kind.to_owned(), event["payload"].clone()));
            }
        }
    }
    all
}

/// The places of all texts, as JSON pointers.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(all) => {
            for (index, one) in all.iter().enumerate() {
                texts(one, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(all) => {
            for (name, one) in all {
                let name = name.replace('~', "~0").replace('/', "~1");
                texts(one, &format!("{at}/{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A place without the numbers of elements.
fn field(kind: &str, place: &str) -> String {
    let parts = place
        .split('/')
        .filter(|part| part.parse::<usize>().is_err());
    format!("{kind}{}", parts.collect::<Vec<_>>().join("."))
}

#[test]
fn no_event_holds_credentials() {
    let planted =
        format!("at https://me:{CANARY}@h/x?token={CANARY}&a=b with Authorization: Basic {CANARY}");
    let mut holding = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for (kind, payload) in payloads() {
        kinds.insert(kind.clone());
        let mut places = Vec::new();
        texts(&payload, "", &mut places);
        for place in places {
            let mut harmed = payload.clone();
            *harmed.pointer_mut(&place).unwrap() = planted.as_str().into();
            // What is no free text does not take it in.
            let Ok(event) = decode(&kind, FROZEN, &serde_json::to_vec(&harmed).unwrap()) else {
                continue;
            };
            let recorded = encode(&event.without_credentials());
            if String::from_utf8(recorded).unwrap().contains(CANARY) {
                holding.insert(field(&kind, &place));
            }
        }
    }
    assert!(kinds.len() >= Event::KINDS.len() - 1, "{kinds:?}");
    let holding: Vec<&str> = holding.iter().map(String::as_str).collect();
    assert_eq!(holding, NAMES);
}
