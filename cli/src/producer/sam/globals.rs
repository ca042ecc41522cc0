//! The section `Globals`, laid under the properties of resources.
//!
//! Mappings merge, lists append (the global items first), everything else is overridden. An intrinsic function is one value, as SAM
//! has it.

use engine::yaml::{Entry, Map, Node, Value};

use crate::producer::report::{Findings, Level, Rule, Subject, did_you_mean};
use crate::producer::template::{Kind, Template};

/// Sections of `Globals` that are read.
pub(super) const READ: [&str; 2] = ["Function", "SimpleTable"];
/// Sections that are known and left out.
pub(super) const LEFT_OUT: [&str; 6] = [
    "Api",
    "CapacityProvider",
    "HttpApi",
    "LayerVersion",
    "StateMachine",
    "WebSocketApi",
];

/// Reports what of `Globals` is not read.
pub(super) fn check(findings: &Findings<'_>, template: &Template<'_>) {
    for (name, entry) in template.section("Globals") {
        let subject = Subject {
            id: "Globals".to_owned(),
            kind: String::new(),
            property: name.clone(),
        };
        let span = entry.key_span;
        if READ.contains(&name.as_str()) {
            if !matches!(entry.node.value, Value::Map(_) | Value::Null) {
                let message = format!("a mapping stands here, not {}", entry.node.value.kind());
                findings.error(Rule::WrongKind, &subject, entry.node.span, message);
            }
            continue;
        }
        let (rule, message) = if LEFT_OUT.contains(&name.as_str()) {
            let why = "its resources have no counterpart in the stack";
            (Rule::PropertyLeftOut, format!("it is left out: {why}"))
        } else {
            (
                Rule::UnknownProperty,
                "no such section is known; it is left out".to_owned(),
            )
        };
        let hint = did_you_mean(name, READ.into_iter().chain(LEFT_OUT))
            .filter(|_| rule == Rule::UnknownProperty);
        findings.note(Level::Warning, rule, &subject, span, message, hint);
    }
}

/// The properties of a resource with the globals of its type under them; none when nothing is merged.
pub(super) fn merged(template: &Template<'_>, kind: Kind, own: &Node) -> Option<Node> {
    let section = match kind {
        Kind::ServerlessFunction => "Function",
        Kind::SimpleTable => "SimpleTable",
        Kind::LambdaFunction
        | Kind::ServerlessLayer
        | Kind::LambdaLayer
        | Kind::Table
        | Kind::Bucket => return None,
    };
    let globals = template.section("Globals").get(section)?;
    matches!(globals.node.value, Value::Map(_)).then(|| merge(&globals.node, own))
}

fn merge(global: &Node, own: &Node) -> Node {
    let value = match (&global.value, &own.value) {
        (Value::Map(below), Value::Map(above)) if !is_function(below) && !is_function(above) => {
            let mut map = below.clone();
            for (key, entry) in above {
                let node = match below.get(key) {
                    Some(lower) => merge(&lower.node, &entry.node),
                    None => entry.node.clone(),
                };
                let key_span = entry.key_span;
                map.insert(key.clone(), Entry { key_span, node });
            }
            Value::Map(map)
        }
        (Value::List(below), Value::List(above)) => {
            Value::List(below.iter().chain(above).cloned().collect())
        }
        (_, other) => other.clone(),
    };
    Node {
        span: own.span,
        value,
    }
}

fn is_function(map: &Map) -> bool {
    map.len() == 1
        && map
            .keys()
            .all(|key| key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
}
