//! `plan`: what a deploy would do, touching nothing.

use std::fmt::Write as _;
use std::process::ExitCode;

use engine::compat::Verdict;
use engine::merge::ConfigFile;
use engine::run::{Plan, PlanError, latest_state, plan};
use journal::EventLog;
use serde::Serialize;

use crate::applier::args::Request;
use crate::applier::target::HoldLine;
use crate::applier::{prepare, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::{image_line, talk};

/// A plan, and what stands in the way of it.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// The hold that a person has on the target: a deploy would be refused.
    hold: Option<HoldLine>,
}

/// Makes a plan and shows it.
pub(crate) fn run(global: &Global, request: &Request, exit_code: bool, output: &Output) -> Ended {
    let prepared = prepare::request(request)?;
    let root = target::root(global)?;
    let known = journal::Journal::targets(&root).map_err(|error| target::read_failure(&error))?;
    let reader = known
        .contains(&prepared.target)
        .then(|| target::reader(&root, &prepared.target))
        .transpose()?;
    let events = reader.as_ref().map(|reader| reader as &dyn EventLog);
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::of(Kind::Internal, &error))?;
    let plan = runtime.block_on(async {
        let world = prepared.world().await.map_err(Failure::from)?;
        plan(
            &world,
            &prepared.artifact,
            &prepared.registries,
            &prepared.request,
            events,
        )
        .await
        .map_err(|error| match error {
            PlanError::DeployJournal(error) => target::deploy_journal_failure(&error),
            PlanError::Failed(failed) => Failure::from(failed),
        })
    })?;
    let hold = match events {
        Some(events) => {
            let state =
                latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
            HoldLine::of(events, &state)?
        }
        None => None,
    };
    let body = Body { plan: &plan, hold };
    output.result(Type::Plan, &body, || text(&plan))?;
    if let Some(hold) = &body.hold {
        talk(&format!(
            "warning: target `{0}` is {1}; a deploy is refused until `artifactctl lock release {0}`",
            prepared.target,
            hold.words()
        ));
    }
    match plan.verdict {
        Verdict::Incompatible => Err(incompatible(&plan)),
        Verdict::Compatible if exit_code && plan.changes_anything() => {
            Ok(ExitCode::from(Kind::Drift.code()))
        }
        Verdict::Compatible => Ok(ExitCode::SUCCESS),
    }
}

fn incompatible(plan: &Plan) -> Failure {
    let failure = Failure::new(
        Kind::Incompatible,
        "the running stack does not fit the artifact",
    );
    plan.findings
        .iter()
        .filter_map(|finding| finding.hint.clone())
        .take(3)
        .fold(failure, Failure::hint)
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for finding in &plan.findings {
        let _ = writeln!(text, "check: {}", finding.sentence());
    }
    if let Some(merged) = &plan.configuration {
        for (sign, keys) in [
            ("+", &merged.changes.added),
            ("~", &merged.changes.changed),
            ("-", &merged.changes.removed),
        ] {
            for key in keys {
                let _ = writeln!(text, "config: {sign} {}", key.0);
            }
        }
        for drift in &merged.drift {
            let _ = writeln!(
                text,
                "drift: {} was changed by hand and would be overwritten",
                drift.key.0
            );
        }
        for warning in &merged.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
    }
    for file in ConfigFile::ALL {
        let state = match (plan.current.get(&file), plan.texts.get(&file)) {
            (_, None) => continue,
            (None, Some(_)) => "would be created",
            (Some(current), Some(new)) if current == new => "stays as it is",
            (Some(_), Some(_)) => "would be rewritten",
        };
        let _ = writeln!(text, "file: {} {state}", file.file_name());
    }
    for image in &plan.images {
        let _ = writeln!(text, "image:{}", image_line(image));
    }
    let ending = match plan.verdict {
        Verdict::Incompatible => "a deploy would be refused",
        Verdict::Compatible if plan.changes_anything() => "a deploy would make these changes",
        Verdict::Compatible => "a deploy would change nothing",
    };
    let _ = writeln!(text, "{ending}");
    text
}
