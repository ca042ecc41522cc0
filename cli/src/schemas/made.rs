//! Makes the schemas from the types, and compares them with their files. `SNAPSHOTS=overwrite` writes the files anew.

use std::fs;
use std::path::Path;

use engine::load::SyncOutcome;
use engine::machine::{Event, ProvisionResult, SCHEMA};
use engine::views::{DriftSummary, HoldSummary, PruneSummary, Summary};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{NAMES, id, text};
use crate::applier::command as applier;
use crate::applier::events::EventLine;
use crate::applier::{posting, saved_plan};
use crate::output::{JSON_VERSION, Type};
use crate::{esb, failure, project};

/// A mark on a field that may be left out, and is null as well where it is not.
const NULL_TOO: &str = "x-null-too";

/// The fields of an event that every line has.
const EVENT_FIELDS: [&str; 4] = ["sequence", "deploy", "kind", "payload"];

#[derive(serde::Serialize, JsonSchema)]
struct ErrorBody {
    /// The exit code of the command.
    exit_code: u8,
    #[serde(flatten)]
    failure: failure::Failure,
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
}

/// The schema of what a line says beside its version and its type.
fn body(kind: Type) -> Schema {
    match kind {
        Type::Event => event(),
        Type::Document => of::<applier::show::DocumentLine<'_>>(),
        Type::Applied | Type::Failed => of::<applier::deploy::ending::Ending<'_>>(),
        Type::Plan => of::<applier::plan::Body<'_>>(),
        Type::Deploy => of::<Summary>(),
        Type::Status => of::<applier::status::TargetStatus>(),
        Type::Hold => of::<HoldSummary>(),
        Type::Drift => of::<DriftSummary>(),
        Type::Prune => of::<PruneSummary>(),
        Type::Diff => of::<applier::diff::Body>(),
        Type::Field => of::<applier::blame::FieldLine>(),
        Type::Stack => of::<applier::stacks::StackLine<'_>>(),
        Type::Lock => of::<applier::lock::Line>(),
        Type::Verified => of::<applier::verify::Verified>(),
        Type::Assertion => of::<applier::assert::Comparison<'_>>(),
        Type::Replayed => of::<applier::replay::Replayed<'_>>(),
        Type::Abandoned => of::<applier::abandon::Abandoned>(),
        Type::Imported => of::<applier::transfer::Imported>(),
        Type::Posted => of::<posting::Posted>(),
        Type::Removed => of::<applier::remove::Removed>(),
        Type::Pruned => of::<applier::prune::PruneResult>(),
        Type::PrunedImage => of::<applier::prune::images::PrunedImage<'_>>(),
        Type::BackedUp => of::<applier::backup::BackedUp>(),
        Type::Restored => of::<applier::restore::Restored>(),
        Type::Diagnosis => of::<applier::doctor::Diagnosis>(),
        Type::Stats => of::<applier::stats::Stats>(),
        Type::Valid => of::<applier::manifest::Valid>(),
        Type::Synced => of::<SyncOutcome>(),
        Type::Provisioned => of::<ProvisionResult>(),
        Type::Generated => of::<esb::generate::Generated<'_>>(),
        Type::Config => of::<project::config::Body>(),
        Type::Initialized => of::<project::init::Body>(),
        Type::Validated => of::<esb::validate::Body>(),
        Type::Difference => of::<esb::diff::Body>(),
        Type::Schema => of::<applier::schema::SchemaLine>(),
        Type::Error => of::<ErrorBody>(),
    }
}

fn of<T: JsonSchema>() -> Schema {
    generator().into_root_schema_for::<T>()
}

/// The whole envelope or a part of it; the payload is that of the kind.
fn event() -> Schema {
    let mut generator = generator();
    let payloads = payloads(&mut generator);
    let mut schema = generator.into_root_schema_for::<EventLine<'_>>();
    schema.insert("required".to_owned(), json!(EVENT_FIELDS));
    schema.insert("allOf".to_owned(), payloads);
    schema
}

/// Of each kind the fields of its payload, as this version reads and writes them. Other events are shown as they were recorded.
fn payloads(generator: &mut SchemaGenerator) -> Value {
    let minors: Vec<String> = (0..=SCHEMA.minor).map(|minor| minor.to_string()).collect();
    let known = format!(r"^{}\.({})$", SCHEMA.major, minors.join("|"));
    let kinds = Event::payload_schemas(generator).into_iter();
    let rules = kinds.map(|(kind, payload)| {
        let recorded_so = json!({"kind": {"const": kind}, "schema": {"pattern": known}});
        json!({"if": {"properties": recorded_so}, "then": {"properties": {"payload": payload}}})
    });
    rules.collect()
}

/// The schema of a JSON line.
fn line(kind: Type) -> Value {
    let name = name(kind);
    let mut schema = body(kind);
    let (by, says) = kind.documented();
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.extend(always(kind).iter().map(|field| json!(field)));
    }
    for field in never(kind) {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        properties.unwrap().remove(*field).unwrap();
    }
    let head = json!({
        "version": {"const": JSON_VERSION, "description": "The version of the JSON lines."},
        "type": {"const": name, "description": "What the line is."},
    });
    put(&mut schema, "properties", head);
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.cloned().unwrap_or_default();
    required.splice(0..0, [json!("version"), json!("type")]);
    schema.insert("required".to_owned(), Value::Array(required));
    named(
        schema,
        &name,
        &format!("Written by: {by}. It says: {says}."),
    )
}

/// The end of a deploy: what the end of one that was applied always has, and the end of one that failed never.
const OF_APPLIED: &[&str] = &["applied", "changes", "images", "built", "healed"];

/// Fields that the type of the body leaves open, and that lines of this type have.
fn always(kind: Type) -> &'static [&'static str] {
    if kind == Type::Applied {
        OF_APPLIED
    } else {
        &[]
    }
}

/// Fields of the body that no line of this type has.
fn never(kind: Type) -> &'static [&'static str] {
    if kind == Type::Failed {
        OF_APPLIED
    } else {
        &[]
    }
}

fn name(kind: Type) -> String {
    let name = serde_json::to_value(kind).unwrap();
    name.as_str().unwrap().to_owned()
}

/// Adds entries to an object inside of a schema.
fn put(schema: &mut Schema, key: &str, entries: Value) {
    let inside = schema.ensure_object().entry(key);
    let inside = inside.or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(entries) = entries else {
        panic!("an object is put into an object");
    };
    inside.as_object_mut().unwrap().extend(entries);
}

/// The schema as it is published: with its name, and open for fields that a later version adds.
fn named(mut schema: Schema, name: &str, description: &str) -> Value {
    for (key, text) in [("$id", id(name)), ("title", name.to_owned())] {
        schema.insert(key.to_owned(), Value::String(text));
    }
    schema.insert("description".to_owned(), json!(description));
    let mut schema = schema.to_value();
    settle(&mut schema);
    schema
}

/// Lets unknown fields be, says that what may be left out is never null, and leaves out what only Rust knows: line breaks of comments
/// and the widths of numbers.
fn settle(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|key, value| match (key.as_str(), value.as_str()) {
                ("additionalProperties", _) => *value != json!(false),
                ("format", Some(format)) => {
                    !format.starts_with("uint") && !format.starts_with("int")
                }
                _ => true,
            });
            if let Some(Value::String(description)) = fields.get_mut("description") {
                *description = description
                    .replace("\n\n", "\0")
                    .replace('\n', " ")
                    .replace('\0', "\n\n");
            }
            never_null(fields);
            fields.values_mut().for_each(settle);
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes `null` from the fields of an object that need not be there.
fn never_null(fields: &mut Map<String, Value>) {
    let required = fields.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| {
        required
            .as_array()
            .is_some_and(|all| all.contains(&json!(name)))
    };
    let Some(Value::Object(properties)) = fields.get_mut("properties") else {
        return;
    };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !is_required(name)) {
        let Value::Object(property) = property else {
            continue;
        };
        if property.remove(NULL_TOO).is_some() {
            continue;
        }
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                property.insert("type".to_owned(), one);
            }
        }
        if let Some(Value::Array(parts)) = property.get_mut("anyOf") {
            parts.retain(|part| *part != json!({"type": "null"}));
            if let [Value::Object(one)] = parts.as_slice() {
                let one = one.clone();
                property.remove("anyOf");
                property.extend(one);
            }
        }
    }
}

/// The schema of a line of an export: an event, a document, or the end.
fn export_line() -> Value {
    let mut generator = generator();
    let lines = journal::transfer::line_schemas(&mut generator);
    let payloads = payloads(&mut generator);
    let mut schema = generator.into_root_schema_for::<()>();
    schema.remove("type");
    schema.insert("anyOf".to_owned(), json!(lines));
    schema.insert("allOf".to_owned(), payloads);
    let description = "A line of an export: an event, a document that an event names, or the head of the journal on the last line.";
    named(schema, "export_line", description)
}

/// The schema of the file of a plan that was saved.
fn plan_file() -> Value {
    let mut generator = generator();
    let saved = generator.subschema_for::<saved_plan::SavedPlan>();
    let mut schema = generator.into_root_schema_for::<saved_plan::Envelope>();
    let fields = schema.get_mut("properties").unwrap();
    fields["type"]["const"] = json!("saved_plan");
    fields["version"]["const"] = json!(1);
    fields["saved"]["$ref"] = saved.as_value()["$ref"].clone();
    named(schema, "saved_plan", "The file that `plan --save` writes.")
}

#[test]
fn the_files_of_the_schemas_say_what_the_types_say() {
    let lines = Type::ALL.into_iter().map(|kind| (name(kind), line(kind)));
    let others = [("export_line", export_line()), ("saved_plan", plan_file())];
    let others = others.map(|(name, schema)| (name.to_owned(), schema));
    let mut names = Vec::new();
    for (name, schema) in lines.chain(others) {
        let made = format!("{schema:#}\n");
        let file = format!("docs/schemas/{name}.json");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&file);
        if std::env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite") {
            fs::write(path, made).unwrap();
        } else {
            let found = fs::read_to_string(path).unwrap_or_default();
            assert!(
                found == made,
                "{file} is not what the types say; `SNAPSHOTS=overwrite cargo test -p artifactctl` writes it anew:\n{made}"
            );
        }
        names.push(name);
    }
    assert_eq!(names, NAMES);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let files = fs::read_dir(folder).unwrap().count();
    assert_eq!(
        files,
        NAMES.len(),
        "a file in docs/schemas belongs to no schema"
    );
}

/// Fields that no description says anything of. What belongs to one of several forms is described with the form.
fn undescribed(schema: &Value, is_form: bool, found: &mut Vec<String>) {
    let Value::Object(fields) = schema else {
        return;
    };
    for (key, inside) in fields {
        match (key.as_str(), inside) {
            ("properties" | "$defs", Value::Object(named)) => {
                for (name, one) in named {
                    if one.get("description").is_none() && !is_form {
                        found.push(name.clone());
                    }
                    undescribed(one, false, found);
                }
            }
            ("anyOf" | "oneOf", Value::Array(forms)) => {
                for form in forms {
                    undescribed(form, true, found);
                }
            }
            ("items" | "additionalProperties", one) => undescribed(one, false, found),
            _ => {}
        }
    }
}

#[test]
fn every_field_of_a_schema_has_a_description() {
    for name in NAMES {
        let schema: Value = serde_json::from_str(text(name).unwrap()).unwrap();
        let mut found = Vec::new();
        undescribed(&schema, false, &mut found);
        assert!(
            found.is_empty(),
            "{name}: {found:?}: write a comment at the field"
        );
    }
}
