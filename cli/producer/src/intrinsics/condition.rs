//! Conditions: of the section `Conditions`, and of resources.

use engine::contract::quoted;
use engine::yaml::{Entry, Node, Span, Value};

use super::{Once, Resolver};
use crate::report::{Read, Subject, TemplateRule};
use crate::template::{Resource, unknown_name};

/// How many conditions `Fn::And` and `Fn::Or` take.
const OPERANDS: std::ops::RangeInclusive<usize> = 2..=10;

impl Resolver<'_> {
    /// Whether a resource is there: it has no condition, or one that holds.
    pub fn is_present(&self, resource: &Resource<'_>) -> Read<bool> {
        let Some(entry) = resource.map.get("Condition") else {
            return Ok(true);
        };
        if let Some(name) = entry.node.value.text() {
            return self.condition(name, entry.node.span);
        }
        let message = "the `Condition` of a resource is the name of one";
        Err(self.error(TemplateRule::WrongKind, entry.node.span, message))
    }

    /// Whether a condition of the template holds.
    pub(super) fn condition(&self, name: &str, span: Span) -> Read<bool> {
        let section = self.context.template.section("Conditions");
        let Some(entry) = section.get(name) else {
            let message = format!("no condition {} is in the template", quoted(name));
            let known = section.keys().map(String::as_str);
            return Err(unknown_name(
                self.findings(),
                &self.subject,
                span,
                message,
                name,
                known,
            ));
        };
        self.context.ask("Conditions", name);
        let known = self.context.conditions.borrow().get(name).cloned();
        match known {
            Some(Once::Done(holds)) => holds,
            Some(Once::Begun) => {
                let message = format!("the condition `{name}` needs itself");
                Err(self.error(TemplateRule::Cycle, span, message))
            }
            None => {
                let keep = |state| {
                    let mut conditions = self.context.conditions.borrow_mut();
                    conditions.insert(name.to_owned(), state);
                };
                keep(Once::Begun);
                let own = self.context.resolver(Subject {
                    id: name.to_owned(),
                    kind: "condition".to_owned(),
                    property: String::new(),
                });
                let holds = own.holds(&entry.node);
                keep(Once::Done(holds));
                holds
            }
        }
    }

    /// Evaluates a condition's own text.
    fn holds(&self, node: &Node) -> Read<bool> {
        let _level = self.enter(node.span)?;
        let wrong = || {
            let message =
                "a condition is `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not` or `Condition`";
            Err(self.bad(node.span, message))
        };
        let Value::Map(map) = &node.value else {
            return wrong();
        };
        let mut entries = map.iter();
        let (Some((function, Entry { node: args, .. })), None) = (entries.next(), entries.next())
        else {
            return wrong();
        };
        match function.as_str() {
            "Condition" => match args.value.text() {
                Some(name) => self.condition(name, args.span),
                None => Err(self.bad(args.span, "`Condition` takes the name of one")),
            },
            "Fn::Equals" => {
                let [left, right] = self.arguments::<2>(function, args)?;
                let left = self.need_value("each side of `Fn::Equals`", left)?;
                let right = self.need_value("each side of `Fn::Equals`", right)?;
                // Whether two texts are equal is one bit, which decides what there is; it is not carried into any text.
                Ok(left.reveal() == right.reveal())
            }
            "Fn::Not" => {
                let [only] = self.arguments::<1>(function, args)?;
                Ok(!self.holds(only)?)
            }
            "Fn::And" => self
                .all(function, args)
                .map(|all| all.iter().all(|holds| *holds)),
            "Fn::Or" => self.all(function, args).map(|all| all.contains(&true)),
            _ => wrong(),
        }
    }

    fn all(&self, function: &str, args: &Node) -> Read<Vec<bool>> {
        match &args.value {
            Value::List(items) if OPERANDS.contains(&items.len()) => {
                items.iter().map(|item| self.holds(item)).collect()
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Map(_) => {
                let message = format!("`{function}` takes a list of 2 to 10 conditions");
                Err(self.bad(args.span, message))
            }
        }
    }
}
