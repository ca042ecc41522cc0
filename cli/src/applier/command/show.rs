//! `show`: one deploy, fact by fact.

use std::fmt::Write as _;
use std::process::ExitCode;

use engine::machine;
use engine::views::summarise;
use journal::Fact;
use serde::Serialize;

use crate::applier::args::Show;
use crate::applier::at::At;
use crate::applier::command::history::against;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::words;

/// A fact as JSON output shows it: the whole envelope, and the payload as it is stored.
#[derive(Serialize)]
struct FactLine<'a> {
    #[serde(flatten)]
    header: &'a journal::Header,
    payload: serde_json::Value,
}

/// Shows one deploy.
pub(crate) fn run(global: &Global, args: &Show, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let facts = deploys::named(&At::new(&reader, args.past.at)?, &args.deploy)?;
    if output.is_json() {
        for fact in &facts {
            let payload = serde_json::from_slice(&fact.payload).unwrap_or_default();
            Output::json(
                Type::Fact,
                &FactLine {
                    header: &fact.header,
                    payload,
                },
            )?;
        }
    } else {
        Output::text(&text(&facts))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(facts: &[Fact]) -> String {
    let mut text = String::new();
    if let Some(summary) = summarise(facts) {
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
    for fact in facts {
        let header = &fact.header;
        let time = header.recorded_at.strftime("%Y-%m-%d %H:%M:%S%.3fZ");
        let _ = write!(text, "{:>6}  {time}  ", header.sequence);
        match machine::decode(&header.kind, header.schema, &fact.payload) {
            Ok(event) => {
                let _ = writeln!(text, "{}", words(&event, true).join("\n          "));
            }
            Err(error) => {
                let _ = writeln!(text, "{} ({error})", header.kind);
            }
        }
    }
    text
}
