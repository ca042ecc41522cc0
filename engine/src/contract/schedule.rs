//! Schedules of functions, as the gateway's scheduler reads them.

use super::fields::Reader;
use super::rule::Rule;
use super::source::quoted;
use super::violation::Violation;
use crate::yaml::{Map, Node, Value};

/// The fields of a cron expression in their order: the least and the largest value. Days of a week are counted from 0 or 1.
const CRON_FIELDS: [(u32, u32); 6] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7), (1970, 2199)];
const MONTHS: &str = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC";
const WEEKDAYS: &str = "SUN MON TUE WED THU FRI SAT";

/// Why the scheduler would drop an expression; none for one that it runs.
pub fn schedule_problem(expression: &str) -> Option<&'static str> {
    let inside = |begin: &str| expression.trim().strip_prefix(begin)?.strip_suffix(')');
    if let Some(rate) = inside("rate(") {
        return (!is_rate(rate))
            .then_some("a rate is `rate(N minutes)`, `rate(N hours)` or `rate(N days)`");
    }
    if let Some(cron) = inside("cron(") {
        return cron_problem(cron);
    }
    Some(match inside("at(") {
        Some(_) => "the stack has no schedules that run once",
        None => "a schedule is `rate(…)` or `cron(…)`",
    })
}

fn is_rate(rate: &str) -> bool {
    const UNITS: [&str; 6] = ["minute", "minutes", "hour", "hours", "day", "days"];
    let words: Vec<&str> = rate.split_whitespace().collect();
    let [number, unit] = words[..] else {
        return false;
    };
    number.parse::<u32>().is_ok_and(|number| number > 0) && UNITS.contains(&unit)
}

fn cron_problem(cron: &str) -> Option<&'static str> {
    let words: Vec<&str> = cron.split_whitespace().collect();
    if words.len() != CRON_FIELDS.len() {
        return Some(
            "a cron expression is `cron(minutes hours day-of-month month day-of-week year)`",
        );
    }
    let fits =
        |(word, limits): (&&str, &(u32, u32))| word.split(',').all(|part| fits(part, *limits));
    let is_right = words.iter().zip(&CRON_FIELDS).all(fits);
    (!is_right).then_some("a field of its cron expression has a value that no time has")
}

/// Whether one part of a field can be met: a value, a span, a step. `L`, `W` and `#` are for the scheduler to know.
fn fits(part: &str, (least, most): (u32, u32)) -> bool {
    let (span, step) = part.split_once('/').unwrap_or((part, "1"));
    let is_step = step.parse::<u32>().is_ok_and(|step| step > 0);
    let value = |word: &str| {
        let upper = word.to_ascii_uppercase();
        let is_name = upper.len() == 3
            && [MONTHS, WEEKDAYS]
                .iter()
                .any(|names| names.split(' ').any(|name| name == upper));
        is_name
            || upper.contains(['L', 'W', '#'])
            || word
                .parse::<u32>()
                .is_ok_and(|number| (least..=most).contains(&number))
    };
    let is_span = matches!(span, "*" | "?")
        || value(span)
        || span
            .split_once('-')
            .is_some_and(|(first, last)| value(first) && value(last));
    is_step && is_span
}

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
        if let Some(why) = schedule_problem(text) {
            let message = format!(
                "the stack would drop the schedule {} of {what}: {why}",
                quoted(text)
            );
            self.violation(Rule::BadSchedule, node.span, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::minute("rate(1 minute)", true)]
    #[case::days("rate(14 days)", true)]
    #[case::seconds("rate(30 seconds)", false)]
    #[case::zero("rate(0 hours)", false)]
    #[case::word("rate(one hour)", false)]
    #[case::slip("rate(1 hor)", false)]
    #[case::cron("cron(0 12 ? * MON-FRI *)", true)]
    #[case::lists("cron(5,45 8-9 ? * mon-fri *)", true)]
    #[case::steps("cron(0/15 * ? JAN * 2027)", true)]
    #[case::last("cron(0 0 L * ? *)", true)]
    #[case::five_fields("cron(0 12 * * *)", false)]
    #[case::minute_60("cron(60 * * * ? *)", false)]
    #[case::hour_24("cron(0 24 * * ? *)", false)]
    #[case::month_13("cron(0 0 1 13 ? *)", false)]
    #[case::no_step("cron(0/0 * * * ? *)", false)]
    #[case::year("cron(0 0 1 1 ? 20)", false)]
    #[case::once("at(2030-01-01T00:00:00)", false)]
    #[case::every("every hour", false)]
    fn an_expression_that_the_scheduler_would_drop_is_known(
        #[case] expression: &str,
        #[case] runs: bool,
    ) {
        assert_eq!(schedule_problem(expression).is_none(), runs);
    }
}
