//! The keys of an output directory, read by a reader of its own.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::merge::{ConfigFile, Key};
use crate::run::ConfigTexts;

/// Every key that stands in the files, with its value.
pub(super) fn keys(config: &ConfigTexts) -> BTreeMap<Key, Value> {
    let mut keys = BTreeMap::new();
    let mut put = |key: String, value: &Value| drop(keys.insert(Key(key), value.clone()));
    let read = |file: ConfigFile| -> Value {
        let text = config.get(&file).map_or("{}", String::as_str);
        serde_saphyr::from_str(text).expect("what stands there reads")
    };
    let functions = read(ConfigFile::Functions);
    for (name, function) in entries(&functions["functions"]) {
        put(format!("functions/{name}"), function);
    }
    for (name, value) in entries(&functions["defaults"]) {
        if name == "environment" || name == "scaling" {
            for (inner, value) in entries(value) {
                put(format!("defaults/{name}/{inner}"), value);
            }
        } else {
            put(format!("defaults/{name}"), value);
        }
    }
    for route in items(&read(ConfigFile::Routing)["routes"]) {
        let method = route["method"].as_str().unwrap_or("GET");
        put(format!("routes/{method} {}", text(&route["path"])), route);
    }
    let resources = read(ConfigFile::Resources);
    for (list, field) in [
        ("dynamodb", "TableName"),
        ("s3", "BucketName"),
        ("layers", "Name"),
    ] {
        for item in items(&resources[list]) {
            put(format!("{list}/{}", text(&item[field])), item);
        }
    }
    keys
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("keys are text")
}
