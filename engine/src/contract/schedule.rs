//! Schedules of functions, as the gateway's scheduler reads them.

use super::expression::schedule_expression;
use super::fields::Reader;
use super::rule::Rule;
use super::violation::Violation;
use crate::yaml::{Map, Node, Value, has_reference};

impl Reader<'_> {
    /// The events of a function. The scheduler takes those with a `schedule`, and drops what it does not understand.
    pub(super) fn events(&mut self, items: &[Node], what: &str) {
        for (index, item) in items.iter().enumerate() {
            let what = format!("`events[{index}]` of {what}");
            let Some(event) = self.map(item, &what) else {
                continue;
            };
            let is = |key: &str, text: &str| {
                let value = event.get(key).and_then(|entry| entry.node.value.text());
                value == Some(text)
            };
            if let Some(schedule) = event.get("schedule") {
                if let Some(schedule) = self.schedule(&schedule.node, &what) {
                    let keys = ["rate", "expression", "input"];
                    self.misspelt_keys(schedule, &format!("`schedule` of {what}"), &keys);
                    let owner = format!("`schedule` of {what}");
                    self.expression(schedule, &["rate", "expression"], item, &owner);
                }
            } else if is("type", "schedule") {
                // The old form, which the merge writes anew.
                let keys = ["type", "expression", "rate", "input", "enabled"];
                self.misspelt_keys(event, &what, &keys);
                if !is("enabled", "false") {
                    self.expression(event, &["expression", "rate"], item, &what);
                }
            } else {
                let before = self.violations.len();
                self.misspelt_keys(event, &what, &["schedule"]);
                if self.violations.len() == before {
                    let message = format!("{what} has no `schedule`; the stack ignores it");
                    self.warning(Rule::IgnoredValue, item.span, message);
                }
            }
        }
    }

    fn schedule<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Map> {
        if let Value::Map(map) = &node.value {
            return Some(map);
        }
        let message = format!(
            "`schedule` of {what} must be a mapping, not {}",
            node.value.kind()
        );
        let violation = Violation::new(Rule::WrongKind, self.source.place(node.span), message);
        self.push(violation.with_hint("write `schedule: {rate: rate(1 hour)}`"));
        None
    }

    /// The expression under the first of some keys that has a value.
    fn expression(&mut self, map: &Map, keys: &[&str; 2], owner: &Node, what: &str) {
        let has_text = |node: &&Node| node.value.text() != Some("");
        let mut found = keys.iter().filter_map(|key| Reader::optional(map, key));
        let Some(node) = found.find(has_text) else {
            let message = format!("{what} lacks the required key `{}`", keys[0]);
            self.violation(Rule::MissingField, owner.span, message);
            return;
        };
        let Value::String(text) = &node.value else {
            self.wrong_kind(node, &format!("the expression of {what}"), "text");
            return;
        };
        // The gateway puts a value of its own environment there before the scheduler reads it.
        if has_reference(text) {
            return;
        }
        if let Err(why) = schedule_expression(text.trim(), false) {
            let message = format!("the stack would drop the schedule of {what}: {why}");
            self.violation(Rule::BadSchedule, node.span, message);
        }
    }
}
