//! `history`: who applied which artifact when, against which stack versions.

use std::fmt::Write as _;
use std::process::ExitCode;

use engine::views::{Summary, summarise};
use journal::Facts;

use crate::applier::args::History;
use crate::applier::at::At;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::short;

/// Lists deploys, newest first.
pub(crate) fn run(global: &Global, args: &History, output: &Output) -> Ended {
    let (root, targets) = match args.past.at {
        // A sequence belongs to one target.
        Some(_) => {
            let (root, one) = target::one(global, args.target.as_deref())?;
            (root, vec![one])
        }
        None => target::all_or(global, args.target.as_deref())?,
    };
    let limit = args.limit.get();
    let mut summaries = Vec::new();
    for stream in &targets {
        let reader = target::reader(&root, stream)?;
        summaries.extend(of_target(&At::new(&reader, args.past.at)?, limit)?);
    }
    summaries.sort_by_key(|summary| std::cmp::Reverse(summary.requested_at));
    summaries.truncate(limit);
    if output.is_json() {
        for summary in &summaries {
            Output::json(Type::Deploy, summary)?;
        }
    } else if summaries.is_empty() {
        target::nothing_in(&root);
    } else {
        Output::text(&table(&summaries))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of_target(facts: &dyn Facts, limit: usize) -> Result<Vec<Summary>, Failure> {
    let latest = facts
        .latest_deploys(None, limit)
        .map_err(|error| target::store_failure(&error))?;
    let mut summaries = Vec::with_capacity(latest.len());
    for (first, _) in latest {
        let facts = deploys::raw(facts, first).map_err(|error| target::store_failure(&error))?;
        summaries.extend(summarise(&facts));
    }
    Ok(summaries)
}

fn table(summaries: &[Summary]) -> String {
    let mut text = String::new();
    for summary in summaries {
        let artifact = summary
            .artifact
            .as_deref()
            .and_then(|digest| digest.strip_prefix("sha256:"))
            .map_or("?", short);
        let _ = writeln!(
            text,
            "{}  {:<10}  {}  {}  by {}  artifact {artifact} ({})",
            summary.requested_at.strftime("%Y-%m-%d %H:%M:%SZ"),
            summary.status.word(),
            summary.target,
            summary.deploy,
            summary.actors.join(", "),
            summary.entries.join(", "),
        );
        let _ = writeln!(text, "    {}", against(summary));
        if let Some(error) = &summary.error {
            let _ = writeln!(text, "    {error}");
        }
    }
    text
}

/// The stack a deploy met, and what it did, in one line.
pub(crate) fn against(summary: &Summary) -> String {
    let services: Vec<String> = summary
        .stack
        .iter()
        .map(|service| {
            format!(
                "{} {}",
                service.service,
                service.version.as_deref().unwrap_or("?")
            )
        })
        .collect();
    let stack = if services.is_empty() {
        "nothing observed".to_owned()
    } else {
        services.join(", ")
    };
    let attempts = if summary.attempts > 1 {
        format!(", {} attempts", summary.attempts)
    } else {
        String::new()
    };
    format!(
        "against {stack}; {} built, {} reused{attempts}",
        summary.built, summary.reused
    )
}
