//! Schedules in the form that the stack's scheduler reads.

use crate::yaml::{Entry, Map, Node, Value};

/// Whether a function has schedules in the old form, `{type: schedule, expression: …}`.
pub(super) fn is_old(function: &Node) -> bool {
    events(function).is_some_and(|events| events.iter().any(|event| old_fields(event).is_some()))
}

/// Writes the schedules of a function as `{schedule: {rate: …, input: …}}`.
///
/// A disabled schedule keeps its form: the scheduler knows no switch and reads no old form, so it stays off.
pub(super) fn renew(function: &mut Node) {
    let Value::Map(fields) = &mut function.value else {
        return;
    };
    let Some(Value::List(events)) = fields.get_mut("events").map(|entry| &mut entry.node.value)
    else {
        return;
    };
    for event in events {
        let Some(mut schedule) = old_fields(event).cloned() else {
            continue;
        };
        schedule.remove("type");
        schedule.remove("enabled");
        if let Some(expression) = schedule.remove("expression") {
            schedule.insert("rate".to_owned(), expression);
        }
        let entry = Entry {
            node: Value::Map(schedule).into(),
            ..Entry::default()
        };
        event.value = Value::Map(Map::from([("schedule".to_owned(), entry)]));
    }
}

fn events(function: &Node) -> Option<&Vec<Node>> {
    let Value::Map(fields) = &function.value else {
        return None;
    };
    match &fields.get("events")?.node.value {
        Value::List(events) => Some(events),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_) => None,
    }
}

/// The fields of an event that is a schedule in the old form and is not disabled.
fn old_fields(event: &Node) -> Option<&Map> {
    let Value::Map(fields) = &event.value else {
        return None;
    };
    let is = |key: &str, text: &str| {
        let value = fields.get(key).and_then(|entry| entry.node.value.text());
        value == Some(text)
    };
    let is_old = is("type", "schedule") && !fields.contains_key("schedule");
    (is_old && !is("enabled", "false")).then_some(fields)
}
