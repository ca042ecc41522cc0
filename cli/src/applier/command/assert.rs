//! `assert`: compares the events of a deploy with a pattern.

use std::fmt::Write as _;
use std::process::ExitCode;

use engine::machine::Event;
use engine::views::{Mismatch, Pattern};
use serde::Serialize;

use crate::applier::args::Assert;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;

#[derive(Serialize)]
struct Comparison<'a> {
    deploy: uuid::Uuid,
    pattern: &'a str,
    events: &'a [String],
    holds: bool,
    mismatch: Option<&'a Mismatch>,
}

/// Asserts.
pub(crate) fn run(global: &Global, args: &Assert, output: &Output) -> Ended {
    let pattern = Pattern::parse(&args.pattern, &Event::KINDS)
        .map_err(|error| Failure::of(Kind::Usage, &error))?;
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let events = deploys::named(&reader, &args.deploy)?;
    let deploy = events[0].header.deploy;
    let events: Vec<String> = events.into_iter().map(|event| event.header.kind).collect();
    let mismatch = pattern.compare(events.iter().map(String::as_str)).err();
    let body = Comparison {
        deploy,
        pattern: &args.pattern,
        events: &events,
        holds: mismatch.is_none(),
        mismatch: mismatch.as_ref(),
    };
    output.result(Type::Assertion, &body, || {
        if body.holds {
            format!("{deploy} fits the pattern")
        } else {
            listing(&body)
        }
    })?;
    match mismatch {
        None => Ok(ExitCode::SUCCESS),
        Some(mismatch) => Err(Failure::new(
            Kind::Assertion,
            format!("deploy {deploy} does not fit the pattern: {mismatch}"),
        )
        .hint(format!(
            "`artifactctl show {deploy} --target {stream}` says what happened"
        ))),
    }
}

/// The events, with a mark where they leave the pattern.
fn listing(body: &Comparison<'_>) -> String {
    let mut text = format!("pattern: {}\n", body.pattern);
    let at = body.mismatch.map(|mismatch| mismatch.index);
    for (index, event) in body.events.iter().enumerate() {
        let mark = if Some(index) == at { ">" } else { " " };
        let _ = writeln!(text, "{mark} {:>3}  {event}", index + 1);
    }
    if at == Some(body.events.len()) {
        let _ = writeln!(text, "> {:>3}  (end)", body.events.len() + 1);
    }
    text
}
