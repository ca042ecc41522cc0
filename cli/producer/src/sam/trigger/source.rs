//! Events that nothing in the stack sends. Each kind is warned about once, with what to do; further ones are notes.

use engine::contract::quoted;
use engine::yaml::Span;

use super::Trigger;
use crate::intrinsics::{Resolver, references};
use crate::report::{Level, TemplateRule, did_you_mean};
use crate::sam::event::{LEFT_OUT, TYPES};

/// Reports an event of a type that is not read.
pub(in crate::sam) fn leave_out(own: &Resolver<'_>, type_name: &str, span: Span) {
    let known = LEFT_OUT.contains(&type_name);
    let findings = own.findings();
    let is_first = findings.is_first_of_kind(&format!("event {type_name}"));
    let (level, message, hint) = if !known {
        let message = format!("no type {} of events is known", quoted(type_name));
        let read = TYPES.iter().map(|known| known.of);
        let all: Vec<&str> = LEFT_OUT.into_iter().chain(read).collect();
        if findings.is_misspelling(&own.subject, span, &message, type_name, &all) {
            return;
        }
        let message = format!("{message}; the event is left out");
        let hint = did_you_mean(type_name, all.into_iter());
        (Level::Warning, message, hint)
    } else if is_first {
        let message = format!(
            "events of the type `{type_name}` are left out: nothing in the stack sends them"
        );
        let hint = "call the function with such an event yourself: give it an event `Api`, and send the event there";
        (Level::Warning, message, Some(hint.to_owned()))
    } else {
        let message = format!("it is left out, as the first event of the type `{type_name}` is");
        (Level::Note, message, None)
    };
    let rule = TemplateRule::TypeLeftOut;
    findings.note(level, rule, &own.subject, span, message, hint);
}

/// `AWS::Lambda::EventSourceMapping`.
pub(super) fn mapping(trigger: &Trigger<'_, '_>) {
    let properties = trigger.properties();
    let named = properties.get("EventSourceArn").map(|entry| &entry.node);
    let behind = named.and_then(|node| {
        references(node)
            .iter()
            .find_map(|(id, _)| trigger.context.resource(id))
    });
    let text = named.and_then(|node| node.value.text()).unwrap_or_default();
    let is_of = |service: &str| {
        let prefix = format!("AWS::{service}::");
        behind.is_some_and(|resource| resource.type_name.starts_with(&prefix))
            || text.contains(&format!(":{}:", service.to_ascii_lowercase()))
    };
    let kind = ["SQS", "DynamoDB", "Kinesis"]
        .into_iter()
        .find(|kind| is_of(kind));
    let kind = kind.unwrap_or(if is_of("MSK") || is_of("Kafka") {
        "MSK"
    } else if is_of("AmazonMQ") {
        "MQ"
    } else if is_of("DocDB") {
        "DocumentDB"
    } else if properties.contains_key("SelfManagedEventSource") {
        "SelfManagedKafka"
    } else {
        "SQS"
    });
    leave_out(&trigger.own, kind, trigger.resource.span);
}
