//! `functions.yml` and `routing.yml` of an artifact.

use std::collections::BTreeMap;

use engine::contract::FunctionName;
use engine::yaml::{self, Fields, Node, Value};

use crate::model::{App, EnvValue, Function, Schedule};

/// What AWS Lambda takes where a template is silent; a function's own value stands in its own entry.
const DEFAULT_TIMEOUT_S: u32 = 3;
const DEFAULT_MEMORY_MB: u32 = 128;

/// The text of `functions.yml`.
pub(super) fn functions(app: &App, images: &BTreeMap<FunctionName, String>) -> String {
    let mut defaults = Fields::default();
    defaults.number("timeout", DEFAULT_TIMEOUT_S.into());
    defaults.number("memory_size", DEFAULT_MEMORY_MB.into());
    let mut functions = Fields::default();
    for one in &app.functions {
        let image = images.get(&one.name).map(String::as_str);
        functions.node(one.name.as_str(), function(one, image));
    }
    let mut top = Fields::default();
    top.node("defaults", defaults.into());
    top.node("functions", functions.into());
    yaml::emit(&top.into())
}

fn function(function: &Function, image: Option<&str>) -> Node {
    let mut fields = Fields::default();
    fields.optional("image", image);
    let mut number = |name, value: Option<u32>| {
        if let Some(value) = value {
            fields.number(name, value.into());
        }
    };
    number("timeout", function.timeout_s);
    number("memory_size", function.memory_mb);
    number("ephemeral_storage", function.ephemeral_storage_mb);
    // The stack sets a secret from its own of that name (docs/adr/0007).
    let (mut environment, mut secrets) = (Fields::default(), Fields::default());
    for (name, value) in &function.environment {
        match value {
            EnvValue::Text(text) => environment.text(name, text),
            EnvValue::Secret(secret) => secrets.text(name, secret),
        }
    }
    fields.filled("environment", environment);
    fields.filled("secrets", secrets);
    let mut scaling = Fields::default();
    if let Some(reserved) = function.scaling.reserved {
        scaling.number("max_capacity", reserved.into());
    }
    if let Some(provisioned) = function.scaling.provisioned {
        scaling.number("min_capacity", provisioned.into());
    }
    fields.filled("scaling", scaling);
    if !function.schedules.is_empty() {
        let events = function.schedules.iter().map(schedule).collect();
        fields.node("events", Value::List(events).into());
    }
    fields.into()
}

fn schedule(schedule: &Schedule) -> Node {
    let mut fields = Fields::default();
    fields.text("type", "schedule");
    fields.text("name", &schedule.name);
    fields.text("expression", &schedule.expression);
    fields.optional("timezone", schedule.timezone.as_deref());
    fields.optional("input", schedule.input.as_deref());
    fields.optional("description", schedule.description.as_deref());
    fields.boolean("enabled", schedule.enabled);
    fields.into()
}

/// The text of `routing.yml`: the paths of API events, functions in the order of their logical ids.
pub(super) fn routing(app: &App) -> String {
    let mut routes = Vec::new();
    for function in &app.functions {
        for route in &function.routes {
            let mut fields = Fields::default();
            fields.text("path", &route.path);
            fields.text("method", route.method.as_str());
            fields.text("function", function.name.as_str());
            routes.push(fields.into());
        }
    }
    let mut top = Fields::default();
    top.node("routes", Value::List(routes).into());
    yaml::emit(&top.into())
}
