//! `functions.yml` and `routing.yml` of an artifact, as the gateway reads them (docs/guide/producer.md).

use std::collections::BTreeMap;

use engine::contract::FunctionName;
use engine::yaml::{self, Fields, Node, Value, literal, reference};

use super::route::Written;
use super::schedule;
use crate::intrinsics::Pseudo;
use crate::model::{App, Function, Piece};

/// What AWS Lambda takes where a template is silent. The gateway takes neither from `defaults`, so that every function has them.
const DEFAULT_TIMEOUT_S: u32 = 3;
const DEFAULT_MEMORY_MB: u32 = 128;

/// The text of `functions.yml`.
pub(super) fn functions(
    app: &App,
    images: &BTreeMap<FunctionName, String>,
    stack_defaults: bool,
) -> String {
    let mut functions = Fields::default();
    for one in &app.functions {
        let image = images.get(&one.name).map(String::as_str);
        functions.node(one.name.as_str(), function(one, image));
    }
    let mut top = Fields::default();
    if stack_defaults {
        top.node("defaults", defaults());
    }
    top.node("functions", functions.into());
    yaml::emit(&top.into())
}

/// What the stack's own producer gives every function: where the gateway is, and the keys of its stores by reference.
fn defaults() -> Node {
    let mut environment = Fields::default();
    for (name, referenced) in [
        ("AWS_ACCESS_KEY_ID", "RUSTFS_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "RUSTFS_SECRET_KEY"),
        ("GATEWAY_INTERNAL_URL", "GATEWAY_INTERNAL_URL"),
        ("LOG_LEVEL", "LOG_LEVEL"),
    ] {
        environment.text(name, &reference(referenced));
    }
    environment.text("AWS_DEFAULT_REGION", &Pseudo::default().region);
    let mut scaling = Fields::default();
    scaling.number("idle_timeout", 300);
    scaling.node("acquire_timeout", Value::Number("30.0".to_owned()).into());
    let mut defaults = Fields::default();
    defaults.node("environment", environment.into());
    defaults.node("scaling", scaling.into());
    defaults.into()
}

fn function(function: &Function, image: Option<&str>) -> Node {
    let mut fields = Fields::default();
    fields.optional("image", image.map(literal).as_deref());
    let timeout_s = function.timeout_s.unwrap_or(DEFAULT_TIMEOUT_S);
    let memory_mb = function.memory_mb.unwrap_or(DEFAULT_MEMORY_MB);
    fields.number("timeout", timeout_s.into());
    fields.number("memory_size", memory_mb.into());
    let mut environment = Fields::default();
    for (name, value) in &function.environment {
        let pieces = value.pieces().into_iter().map(|piece| match piece {
            Piece::Literal(text) => literal(&text),
            Piece::Secret(secret) => reference(&secret),
        });
        environment.text(name, &pieces.collect::<String>());
    }
    fields.filled("environment", environment);
    let mut scaling = Fields::default();
    if let Some(reserved) = function.scaling.reserved {
        scaling.number("max_capacity", reserved.into());
    }
    if let Some(provisioned) = function.scaling.provisioned {
        scaling.number("min_capacity", provisioned.into());
    }
    fields.filled("scaling", scaling);
    let events: Vec<Node> = schedule::events(function).collect();
    if !events.is_empty() {
        fields.node("events", Value::List(events).into());
    }
    fields.into()
}

/// The text of `routing.yml`.
pub(super) fn routing(routes: &[Written<'_>]) -> String {
    let routes = routes.iter().map(|route| {
        let mut fields = Fields::default();
        fields.text("path", &route.path);
        fields.text("method", route.method.as_str());
        fields.text("function", route.function);
        fields.into()
    });
    let mut top = Fields::default();
    top.node("routes", Value::List(routes.collect()).into());
    yaml::emit(&top.into())
}
