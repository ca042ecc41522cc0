//! What the programs write has the schema that is published for it: every JSON line that a test sees is compared.
//!
//! `e2e` has this file too. A published schema lets unknown fields be, so that a version can add some. Here nothing is unknown.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

/// Every schema, closed, by name.
struct Closed {
    schemas: Schemas,
    names: BTreeMap<String, SchemaIndex>,
}

/// Compares each JSON line of a text with its schema, and says of which schemas there were lines. Other lines are passed over.
#[track_caller]
pub(crate) fn check_lines(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        if let Some((name, line)) = subject(line) {
            if let Err(error) = validate(&name, &line) {
                panic!("a line is not as docs/schemas/{name}.json has it: {error}\n{line}");
            }
            names.push(name);
        }
    }
    names
}

/// What a line is of, and its fields; none of what is no line of ours.
fn subject(line: &str) -> Option<(String, Value)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.as_object()?;
    let has = |key: &str| fields.contains_key(key);
    if has("version") && has("type") {
        let name = line["type"].as_str()?.to_owned();
        return Some((name, line));
    }
    let is_exported = has("payload_hash") || has("bytes_base64") || (has("format") && has("head"));
    is_exported.then(|| ("export_line".to_owned(), line))
}

/// Compares a value with the schema of this name.
pub(crate) fn validate(name: &str, value: &Value) -> Result<(), String> {
    static CLOSED: OnceLock<Closed> = OnceLock::new();
    let closed = CLOSED.get_or_init(closed);
    let index = closed.names.get(name).ok_or("there is no such schema")?;
    let compared = closed.schemas.validate(value, *index);
    compared.map_err(|error| format!("{error:#}"))
}

fn closed() -> Closed {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    let (mut schemas, mut names) = (Schemas::new(), BTreeMap::new());
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut schema = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        close(&mut schema, true);
        let id = schema["$id"].as_str().unwrap().to_owned();
        compiler.add_resource(&id, schema).unwrap();
        let index = compiler.compile(&id, &mut schemas);
        names.insert(
            name,
            index.unwrap_or_else(|error| panic!("{}: {error:#}", file.display())),
        );
    }
    Closed { schemas, names }
}

/// Refuses fields that the schema does not have. What is one of several parts of a schema may leave fields to the others.
fn close(schema: &mut Value, is_whole: bool) {
    let Value::Object(fields) = schema else {
        return;
    };
    for (key, inside) in fields.iter_mut() {
        match (key.as_str(), inside) {
            ("properties" | "$defs", Value::Object(named)) => {
                for one in named.values_mut() {
                    close(one, true);
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(parts)) => {
                for one in parts {
                    close(one, false);
                }
            }
            ("items" | "additionalProperties", one) => close(one, true),
            ("then", one) => close(one, false),
            _ => {}
        }
    }
    let has_fields = ["properties", "allOf", "anyOf", "oneOf"];
    if is_whole && has_fields.iter().any(|key| fields.contains_key(*key)) {
        fields.insert("unevaluatedProperties".to_owned(), json!(false));
    }
}
