//! Jobs of a function as the gateway's scheduler reads them: a rate or a cron expression, and what the function gets.

use engine::yaml::{Fields, Node, literal};

use crate::model::{Function, Schedule};

/// The events of a function: its jobs. Names, descriptions and time zones are nothing that the scheduler reads.
pub(super) fn events(function: &Function) -> impl Iterator<Item = Node> {
    let jobs = function
        .schedules
        .iter()
        .filter(|job| why_not(job).is_none());
    jobs.map(|job| {
        let mut schedule = Fields::default();
        schedule.text("rate", &literal(&job.expression));
        schedule.optional("input", job.input.as_deref().map(literal).as_deref());
        let mut event = Fields::default();
        event.node("schedule", schedule.into());
        event.into()
    })
}

/// What is odd about the jobs of a function, each a message.
pub(super) fn odd(function: &Function) -> impl Iterator<Item = String> {
    function.schedules.iter().filter_map(|job| {
        let name = &job.name;
        if let Some(why) = why_not(job) {
            return Some(format!("its schedule `{name}` is left out: {why}"));
        }
        let zone = job.timezone.as_deref().filter(|zone| !is_utc(zone))?;
        Some(format!(
            "its schedule `{name}` runs in the gateway's time zone, not in `{zone}`"
        ))
    })
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Etc/UTC" | "GMT")
}

/// Why the scheduler would not run a job.
fn why_not(job: &Schedule) -> Option<&'static str> {
    if !job.enabled {
        return Some("it is disabled, and the stack runs every schedule");
    }
    // The template's reader took no expression but those of the cloud.
    job.expression
        .starts_with("at(")
        .then_some("the stack has no schedules that run once")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::rate("rate(1 minute)", true)]
    #[case::cron("cron(0 12 ? * MON-FRI *)", true)]
    #[case::once("at(2030-01-01T00:00:00)", false)]
    fn only_what_the_scheduler_runs_is_written(#[case] expression: &str, #[case] runs: bool) {
        let job = Schedule {
            name: "job".to_owned(),
            expression: expression.to_owned(),
            timezone: None,
            input: None,
            enabled: true,
            description: None,
        };
        assert_eq!(why_not(&job).is_none(), runs);
        let disabled = Schedule {
            enabled: false,
            ..job
        };
        assert!(why_not(&disabled).is_some());
    }
}
