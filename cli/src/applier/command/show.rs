//! `show`: one deploy, event by event.

use std::fmt::Write as _;
use std::process::ExitCode;

use engine::views::{hold, summarise};
use journal::StoredEvent;

use crate::applier::args::Show;
use crate::applier::at::At;
use crate::applier::command::history::{against, held};
use crate::applier::{deploys, events, target};
use crate::args::Global;
use crate::output::Output;
use crate::program::Ended;

/// Shows one deploy.
pub(crate) fn run(global: &Global, args: &Show, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let shown = deploys::named(&At::new(&reader, args.past.at)?, &args.deploy)?;
    if output.is_json() {
        for event in &shown {
            events::json(event)?;
        }
    } else {
        Output::text(&text(&shown))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(shown: &[StoredEvent]) -> String {
    let mut text = String::new();
    if let Some(hold) = hold(shown) {
        let _ = writeln!(
            text,
            "hold {} of {}\n{}",
            hold.hold,
            hold.target,
            held(&hold)
        );
    } else if let Some(summary) = summarise(shown) {
        let _ = writeln!(
            text,
            "deploy {} of {}: {}",
            summary.deploy,
            summary.target,
            summary.status.word()
        );
        let _ = writeln!(
            text,
            "by {} with {}",
            summary.actors.join(", "),
            summary.tools.join(", ")
        );
        let _ = writeln!(text, "{}", against(&summary));
    }
    for event in shown {
        let _ = writeln!(text, "{}", events::text(event));
    }
    text
}
