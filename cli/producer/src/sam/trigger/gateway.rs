//! Routes of the API Gateway's own types, versions 1 and 2, and of function URLs.

use engine::contract::quoted;
use engine::yaml::{Map, Node, Value};

use super::{Trigger, Wanted, openapi, route_key, url_path};
use crate::intrinsics::references;
use crate::model::Method;
use crate::report::{Read, TemplateRule};
use crate::sam::Parts;
use crate::sam::event;
use crate::template::Resource;

/// How many parts a path has that is put together of resources.
const MAX_PARTS: usize = 30;

const NO_FUNCTION: &str = "no function of the template answers it";

/// `AWS::ApiGateway::Method`.
pub(super) fn method(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    let span = trigger.resource.span;
    let Some(node) = trigger.property("HttpMethod") else {
        return Ok(());
    };
    let Some(text) = trigger.own.text(node)? else {
        return Ok(());
    };
    let text = trigger.own.plain(&text, node.span)?;
    let method = event::method(&text).map_err(|message| {
        trigger
            .own
            .error(TemplateRule::BadValue, node.span, message)
    })?;
    let integration = trigger.property("Integration").map(|node| &node.value);
    let Some(Value::Map(integration)) = integration else {
        trigger.left_out(span, "the method", NO_FUNCTION);
        return Ok(());
    };
    let kind = integration
        .get("Type")
        .and_then(|entry| entry.node.value.text());
    if kind == Some("MOCK") && method == Some(Method::Options) {
        trigger.answers_preflight(parts, span);
        return Ok(());
    }
    let function = match integration.get("Uri") {
        Some(entry) => trigger.function_of(&entry.node)?,
        None => None,
    };
    let Some(function) = function else {
        trigger.left_out(span, "the method", NO_FUNCTION);
        return Ok(());
    };
    let path = match trigger.property("ResourceId") {
        Some(node) => path_of(trigger, node)?,
        None => None,
    };
    let Some(path) = path else {
        let why = "the template does not have the resource that it stands at";
        trigger.left_out(span, "the method", why);
        return Ok(());
    };
    trigger.ask(parts, &function, span, Wanted::One { path, method });
    Ok(())
}

/// The path of the resource that a value names.
fn path_of(trigger: &Trigger<'_, '_>, node: &Node) -> Read<Option<String>> {
    let mut parts: Vec<String> = Vec::new();
    let mut node = node;
    while parts.len() < MAX_PARTS {
        let named = references(node);
        let Some(resource) = named
            .first()
            .and_then(|(id, _)| trigger.context.resource(id))
        else {
            return Ok(None);
        };
        if resource.type_name != "AWS::ApiGateway::Resource" {
            parts.reverse();
            return Ok(Some(format!("/{}", parts.join("/"))));
        }
        let Some(properties) = resource.property_map() else {
            return Ok(None);
        };
        let (Some(part), Some(parent)) = (properties.get("PathPart"), properties.get("ParentId"))
        else {
            return Ok(None);
        };
        let Some(text) = trigger.own.text(&part.node)? else {
            return Ok(None);
        };
        parts.push(trigger.own.plain(&text, part.node.span)?.into_owned());
        node = &parent.node;
    }
    let message = format!("the path has more than {MAX_PARTS} parts, or needs itself");
    Err(trigger.own.error(TemplateRule::Cycle, node.span, message))
}

/// `AWS::ApiGatewayV2::Route`.
pub(super) fn route(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    let span = trigger.resource.span;
    let Some(node) = trigger.property("RouteKey") else {
        return Ok(());
    };
    let Some(text) = trigger.own.text(node)? else {
        return Ok(());
    };
    let text = trigger.own.plain(&text, node.span)?;
    let what = format!("the route {}", quoted(&text));
    let is_socket = trigger
        .property("ApiId")
        .is_some_and(|node| api_behind(trigger, node).is_some_and(is_socket));
    let Some(wanted) = route_key(&text).filter(|_| !is_socket) else {
        trigger.left_out(span, &what, "the gateway serves no WebSocket");
        return Ok(());
    };
    let function = match trigger
        .property("Target")
        .and_then(|node| integration(trigger, node))
    {
        Some(properties) => match properties.get("IntegrationUri") {
            Some(entry) => trigger.function_of(&entry.node)?,
            None => None,
        },
        None => None,
    };
    match function {
        Some(function) => trigger.ask(parts, &function, span, wanted),
        None => trigger.left_out(span, &what, NO_FUNCTION),
    }
    Ok(())
}

/// The properties of the integration that a value names.
fn integration<'c>(trigger: &Trigger<'_, 'c>, node: &Node) -> Option<&'c Map> {
    references(node).iter().find_map(|(id, _)| {
        let resource = trigger.context.resource(id)?;
        (resource.type_name == "AWS::ApiGatewayV2::Integration")
            .then(|| resource.property_map())
            .flatten()
    })
}

fn api_behind<'c>(trigger: &Trigger<'_, 'c>, node: &Node) -> Option<&'c Map> {
    references(node)
        .iter()
        .find_map(|(id, _)| trigger.context.resource(id)?.property_map())
}

fn is_socket(properties: &Map) -> bool {
    let protocol = properties.get("ProtocolType");
    protocol.and_then(|entry| entry.node.value.text()) == Some("WEBSOCKET")
}

/// `AWS::ApiGatewayV2::Api`: its definition, or the one function behind it.
pub(super) fn api(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    if let Some(entry) = trigger.properties().get("CorsConfiguration") {
        trigger.answers_preflight(parts, entry.key_span);
    }
    openapi::of_body(trigger, "Body", parts)?;
    let Some(node) = trigger.property("Target") else {
        return Ok(());
    };
    let Some(function) = trigger.function_of(node)? else {
        trigger.left_out(node.span, "`Target`", "it is no function of the template");
        return Ok(());
    };
    let key = match trigger.property("RouteKey") {
        Some(node) => trigger.own.text(node)?,
        None => None,
    };
    let key = key.as_ref().and_then(|key| key.shown().ok());
    match route_key(key.unwrap_or("$default")) {
        Some(wanted) => trigger.ask(parts, &function, node.span, wanted),
        None => trigger.left_out(node.span, "`Target`", "its `RouteKey` is no route"),
    }
    Ok(())
}

/// `AWS::Lambda::Url`.
pub(super) fn url(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    let span = trigger.resource.span;
    let function = match trigger.property("TargetFunctionArn") {
        Some(node) => trigger.function_of(node)?.or(literal(node)),
        None => None,
    };
    match function {
        Some(function) => {
            let path = url_path(&function);
            trigger.ask(parts, &function, span, Wanted::Below(path));
        }
        None => trigger.left_out(span, "the URL", NO_FUNCTION),
    }
    Ok(())
}

/// A function's name, where one may stand for its ARN.
fn literal(node: &Node) -> Option<String> {
    let text = node.value.text()?;
    (!text.contains(':')).then(|| text.to_owned())
}

impl<'t> Resource<'t> {
    /// Its properties, where they are a mapping.
    pub(crate) fn property_map(&self) -> Option<&'t Map> {
        match &self.map.get("Properties")?.node.value {
            Value::Map(map) => Some(map),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => {
                None
            }
        }
    }
}
