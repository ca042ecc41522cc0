//! Routes of an `OpenAPI` definition, version 2 or 3: of operations that a function of the template answers.

use engine::contract::quoted;
use engine::yaml::{self, Entry, Map, Node, ParseLimits, Span, Value};

use super::{Trigger, Wanted};
use crate::report::{Level, Read, TemplateRule};
use crate::sam::Parts;
use crate::sam::event;
use crate::sam::globals::PREFLIGHT;
use crate::sam::path::{join, local_path};
use crate::template::shorthand;

/// What an operation says about who answers it.
const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// Reads an API of SAM: its definition, and whether it would answer preflight requests.
pub(super) fn of_sam(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    for name in PREFLIGHT {
        if let Some(entry) = trigger.properties().get(name) {
            trigger.answers_preflight(parts, entry.key_span);
        }
    }
    if let Some(entry) = trigger.properties().get("Auth") {
        let why = "the gateway does not ask who calls; see its own configuration";
        trigger.left_out(entry.key_span, "`Auth`", why);
    }
    of_body(trigger, "DefinitionBody", parts)?;
    of_file(trigger, parts)
}

/// Reads the definition that a property holds.
pub(super) fn of_body(trigger: &Trigger<'_, '_>, name: &str, parts: &mut Parts) -> Read<()> {
    let Some(node) = trigger.property(name) else {
        return Ok(());
    };
    match trigger.own.branch(node)? {
        Some(body) => definition(trigger, body, parts),
        None => Ok(()),
    }
}

/// Reads the definition in a file beside the template.
fn of_file(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    let Some(node) = trigger.property("DefinitionUri") else {
        return Ok(());
    };
    match trigger.own.branch(node)? {
        Some(node) => file(trigger, node, "`DefinitionUri`", parts),
        None => Ok(()),
    }
}

/// The place of a file that `AWS::Include` puts here.
fn included(entry: &Entry) -> Option<&Node> {
    let Value::Map(call) = &entry.node.value else {
        return None;
    };
    let is_include = call.get("Name")?.node.value.text() == Some("AWS::Include");
    let Value::Map(parameters) = &call.get("Parameters")?.node.value else {
        return None;
    };
    let location = &parameters.get("Location")?.node;
    is_include.then_some(location)
}

/// Reads the definition in a file that a value names.
fn file(trigger: &Trigger<'_, '_>, node: &Node, what: &str, parts: &mut Parts) -> Read<()> {
    let left_out = |why: &str| {
        trigger.left_out(node.span, what, why);
        Ok(())
    };
    if matches!(&node.value, Value::Map(map) if map.contains_key("Bucket")) {
        return left_out("what lies in S3 is not fetched");
    }
    let Some(text) = trigger.own.text(node)? else {
        return Ok(());
    };
    let text = trigger.own.plain(&text, node.span)?;
    if text.contains("://") {
        return left_out("nothing is fetched; name a local path");
    }
    let path = match local_path(&text) {
        Ok(path) => join(&trigger.context.nest().folder, path.as_str()),
        Err(message) => {
            return Err(trigger
                .own
                .error(TemplateRule::BadValue, node.span, message));
        }
    };
    let Some(files) = trigger.input.files else {
        return left_out("no file beside the template is read here");
    };
    let unread = |why: &str| {
        let message = format!("cannot read {}: {why}", quoted(&path));
        trigger
            .own
            .error(TemplateRule::BadValue, node.span, message)
    };
    let text = files.read(&path).map_err(|why| unread(&why))?;
    match yaml::parse_last_wins(&text, &ParseLimits::default(), shorthand) {
        Ok((mut body, _)) => {
            place(&mut body, node.span);
            let includes =
                matches!(&body.value, Value::Map(map) if map.contains_key("Fn::Transform"));
            if includes {
                return left_out("an included file includes no other");
            }
            definition(trigger, &body, parts)
        }
        Err(problems) => Err(unread(&problems[0].to_string())),
    }
}

/// Lets every part of a tree stand where it is named.
pub(in crate::sam) fn place(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| place(item, span)),
        Value::Map(map) => {
            for entry in map.values_mut() {
                entry.key_span = span;
                place(&mut entry.node, span);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn map_in<'n>(trigger: &Trigger<'_, '_>, map: &'n Map, name: &str) -> Read<Option<&'n Map>> {
    let Some(entry) = map.get(name) else {
        return Ok(None);
    };
    Ok(match trigger.own.branch(&entry.node)? {
        Some(Node {
            value: Value::Map(map),
            ..
        }) => Some(map),
        Some(_) | None => None,
    })
}

fn definition(trigger: &Trigger<'_, '_>, body: &Node, parts: &mut Parts) -> Read<()> {
    let Value::Map(root) = &body.value else {
        let message = format!("a definition is a mapping, not {}", body.value.kind());
        return Err(trigger
            .own
            .error(TemplateRule::WrongKind, body.span, message));
    };
    if let Some(location) = root.get("Fn::Transform").and_then(included) {
        return file(trigger, location, "the definition", parts);
    }
    if let Some(entry) = root.get("Fn::Transform") {
        let why = "no macro is run, and only a local file is included";
        trigger.left_out(entry.key_span, "the definition", why);
        return Ok(());
    }
    if let Some(entry) = root.get("x-amazon-apigateway-cors") {
        trigger.answers_preflight(parts, entry.key_span);
    }
    let Some(paths) = map_in(trigger, root, "paths")? else {
        return Ok(());
    };
    for (path, entry) in paths {
        let Some(item) = map_in(trigger, paths, path)? else {
            continue;
        };
        for (name, operation) in item {
            // Beside its methods a path has parameters, a summary, servers.
            let Ok(method) = event::method(name) else {
                continue;
            };
            let Some(operation_map) = map_in(trigger, item, name)? else {
                continue;
            };
            let what = format!("the route `{} {path}`", name.to_uppercase());
            let span = operation.key_span;
            let answer = integration(trigger, root, operation_map)?;
            let Some(integration) = answer else {
                // A function's own event may answer it.
                let message = format!("{what} has no integration of its own");
                trigger.note(Level::Note, TemplateRule::NoEffect, span, message);
                continue;
            };
            if is_mock(integration) && method == Some(crate::model::Method::Options) {
                trigger.answers_preflight(parts, span);
                continue;
            }
            let function = match integration.get("uri") {
                Some(uri) => trigger.function_of(&uri.node)?,
                None => None,
            };
            let Some(function) = function else {
                trigger.left_out(span, &what, "no function of the template answers it");
                continue;
            };
            let wanted = match event::path(path) {
                Ok(path) if path == "$default" => Wanted::Everything,
                Ok(path) => Wanted::One { path, method },
                Err(message) => {
                    let own = &trigger.own;
                    return Err(own.error(TemplateRule::BadValue, entry.key_span, message));
                }
            };
            trigger.ask(parts, &function, span, wanted);
        }
    }
    Ok(())
}

/// The integration of an operation: its own, or one that it names among the components.
fn integration<'n>(
    trigger: &Trigger<'_, '_>,
    root: &'n Map,
    operation: &'n Map,
) -> Read<Option<&'n Map>> {
    let Some(own) = map_in(trigger, operation, INTEGRATION)? else {
        return Ok(None);
    };
    let Some(name) = own.get("$ref").and_then(|entry| entry.node.value.text()) else {
        return Ok(Some(own));
    };
    let mut at = root;
    for step in name.trim_start_matches("#/").split('/') {
        match map_in(trigger, at, step)? {
            Some(map) => at = map,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn is_mock(integration: &Map) -> bool {
    let kind = integration
        .get("type")
        .and_then(|entry| entry.node.value.text());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("mock"))
}
