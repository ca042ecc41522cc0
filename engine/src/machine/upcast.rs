//! From schema 1 to schema 2: a payload as JSON becomes the payload that schema 2 would have had.
//!
//! What schema 1 did not record is said to be unknown, never guessed at.

use serde_json::{Map, Value, json};

/// Lifts a payload of schema 1. What has not the shape of its kind is left as it is: reading it says what is wrong.
pub(super) fn from_1(kind: &str, mut payload: Value) -> Value {
    if let Value::Object(fields) = &mut payload {
        match kind {
            "Requested" => requested(fields),
            "Observed" => observed(fields),
            "Merged" => merged(fields),
            "Applied" => applied(fields),
            "Failed" => failed(fields),
            // The others are what they were.
            _ => {}
        }
    }
    payload
}

fn requested(fields: &mut Map<String, Value>) {
    add(fields, "message", Value::Null);
    add(fields, "registries", Value::Null);
    if let Some(Value::Object(options)) = fields.get_mut("options") {
        add(options, "fail_on_drift", json!(false));
        add(options, "accept_digests", json!([]));
    }
    if let Some(Value::Object(base)) = fields.get_mut("base") {
        add(base, "images", Value::Null);
    }
}

fn observed(fields: &mut Map<String, Value>) {
    let Some(Value::Object(observation)) = fields.get_mut("observation") else {
        return;
    };
    add(observation, "gateway_secrets", Value::Null);
    if let Some(Value::Object(engine)) = observation.get_mut("engine") {
        for field in ["id", "name", "address"] {
            add(engine, field, Value::Null);
        }
    }
}

fn merged(fields: &mut Map<String, Value>) {
    for field in ["ownership", "images"] {
        if let Some(stated) = fields.get_mut(field) {
            *stated = json!({ "stated": stated.take() });
        }
    }
}

fn applied(fields: &mut Map<String, Value>) {
    add(fields, "images", Value::Null);
    add(fields, "tags", json!({}));
    add(fields, "rechecked_at", Value::Null);
}

/// A message of schema 1 has its causes in the lines below the first, a hint one action in each line.
fn failed(fields: &mut Map<String, Value>) {
    let message = fields.get("message").and_then(Value::as_str).unwrap_or("");
    let mut lines = message.lines().map(str::to_owned);
    let first = lines.next().unwrap_or_default();
    let causes: Vec<String> = lines.collect();
    let hint = fields.remove("hint");
    let hints: Vec<&str> = hint
        .as_ref()
        .and_then(Value::as_str)
        .map(|hint| hint.lines().collect())
        .unwrap_or_default();
    add(fields, "hints", json!(hints));
    add(fields, "causes", json!(causes));
    if fields.contains_key("message") {
        add(fields, "message", json!(first));
    }
}

fn add(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}
