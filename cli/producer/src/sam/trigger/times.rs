//! Times at which functions are called: `AWS::Events::Rule` and `AWS::Scheduler::Schedule`.

use engine::contract::schedule_expression;
use engine::yaml::{Map, Node, Value};

use super::{Timed, Trigger, source};
use crate::model::Schedule;
use crate::report::{Read, TemplateRule};
use crate::sam::Parts;

const NO_FUNCTION: &str = "no function of the template is called";

/// `AWS::Events::Rule`: every function among its targets is called.
pub(super) fn rule(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    let Some(expression) = text(trigger, trigger.properties(), "ScheduleExpression")? else {
        source::leave_out(&trigger.own, "EventBridgeRule", trigger.resource.span);
        return Ok(());
    };
    let targets = match trigger.property("Targets") {
        Some(node) => trigger.own.branch(node)?,
        None => None,
    };
    let Some(Node {
        value: Value::List(targets),
        ..
    }) = targets
    else {
        trigger.left_out(trigger.resource.span, "the rule", NO_FUNCTION);
        return Ok(());
    };
    for (index, target) in targets.iter().enumerate() {
        let Some(target) = trigger.own.branch(target)? else {
            continue;
        };
        let Value::Map(map) = &target.value else {
            let message = format!("a target is a mapping, not {}", target.value.kind());
            return Err(trigger
                .own
                .error(TemplateRule::WrongKind, target.span, message));
        };
        let what = format!("target {} of the rule", index + 1);
        let suffix = match index {
            0 => String::new(),
            index => format!("-{}", index + 1),
        };
        for name in ["InputPath", "InputTransformer"] {
            if let Some(entry) = map.get(name) {
                let why = "the function gets the event of a schedule as it is";
                trigger.left_out(entry.key_span, &format!("`{name}`"), why);
            }
        }
        call(trigger, parts, (target, map), &what, &suffix, &expression)?;
    }
    Ok(())
}

/// `AWS::Scheduler::Schedule`: its target is called.
pub(super) fn schedule(trigger: &Trigger<'_, '_>, parts: &mut Parts) -> Read<()> {
    let Some(expression) = text(trigger, trigger.properties(), "ScheduleExpression")? else {
        let message = "`ScheduleExpression` is required";
        let span = trigger.resource.span;
        return Err(trigger
            .own
            .error(TemplateRule::MissingProperty, span, message));
    };
    let target = match trigger.property("Target") {
        Some(node) => trigger.own.branch(node)?,
        None => None,
    };
    let Some((target, Value::Map(map))) = target.map(|target| (target, &target.value)) else {
        trigger.left_out(trigger.resource.span, "the schedule", NO_FUNCTION);
        return Ok(());
    };
    call(
        trigger,
        parts,
        (target, map),
        "the schedule",
        "",
        &expression,
    )
}

/// Has the function of a target called.
fn call(
    trigger: &Trigger<'_, '_>,
    parts: &mut Parts,
    (target, map): (&Node, &Map),
    what: &str,
    suffix: &str,
    expression: &str,
) -> Read<()> {
    let function = match map.get("Arn") {
        Some(entry) => trigger.function_of(&entry.node)?,
        None => None,
    };
    let Some(function) = function else {
        trigger.left_out(target.span, what, NO_FUNCTION);
        return Ok(());
    };
    let properties = trigger.properties();
    let at_too = trigger.resource.type_name == "AWS::Scheduler::Schedule";
    let expression = schedule_expression(expression, at_too).map_err(|message| {
        let span = properties["ScheduleExpression"].node.span;
        trigger.own.error(TemplateRule::BadValue, span, message)
    })?;
    let name = text(trigger, properties, "Name")?;
    let name = name.unwrap_or_else(|| trigger.resource.id.to_owned());
    let state = text(trigger, properties, "State")?;
    let schedule = Schedule {
        name: format!("{name}{suffix}"),
        expression,
        timezone: text(trigger, properties, "ScheduleExpressionTimezone")?,
        input: text(trigger, map, "Input")?,
        enabled: state.is_none_or(|state| !state.starts_with("DISABLED")),
        description: text(trigger, properties, "Description")?,
    };
    let place = trigger.findings().place(target.span);
    let subject = trigger.own.subject.clone();
    parts
        .timed
        .push((subject, place, Timed { function, schedule }));
    Ok(())
}

fn text(trigger: &Trigger<'_, '_>, map: &Map, name: &str) -> Read<Option<String>> {
    let Some(entry) = map
        .get(name)
        .filter(|entry| entry.node.value != Value::Null)
    else {
        return Ok(None);
    };
    let Some(text) = trigger.own.text(&entry.node)? else {
        return Ok(None);
    };
    let text = trigger.own.plain(&text, entry.node.span)?;
    Ok(Some(text.into_owned()))
}
