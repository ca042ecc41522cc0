//! `resume`: goes on with the unfinished deploy of a target, from what the journal says of it.

use std::path::Path;

use engine::machine::{Deploy, Refusal};
use engine::run::{latest_state, must_be_appendable};
use journal::StreamId;

use crate::applier::args::Resume;
use crate::applier::command::deploy::{self, Begin, OnFailure};
use crate::applier::hold::HoldLine;
use crate::applier::{prepare, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::program::Ended;

/// Resumes.
pub(crate) fn run(global: &Global, args: &Resume, output: &Output) -> Ended {
    // Who waits for the target waits for the end of a hold too.
    let waits = args.acting.wait.limit.is_some();
    let (stream, unfinished) = unfinished(global, args.target.as_deref(), waits)?;
    if target::is_imported(&target::root(global)?, &stream, &unfinished)? {
        let deploy = unfinished.id;
        return Err(target::deploy_journal_failure(
            &Refusal::Imported { deploy }.into(),
        ));
    }
    let prepared = prepare::recorded(&unfinished.request, &args.registries)?;
    let begin = Begin::Unfinished(unfinished.id);
    let on_failure = OnFailure::of(args.on_failure, &args.registries);
    deploy::drive(global, &prepared, begin, on_failure, &args.acting, output)
}

/// The unfinished deploy that is meant: of the named target, else the only one there is. A hold refuses it, unless that is waited for.
pub(crate) fn unfinished(
    global: &Global,
    named: Option<&str>,
    waits: bool,
) -> Result<(StreamId, Deploy), Failure> {
    let (root, targets) = target::all_or(global, named)?;
    let mut found = Vec::new();
    for stream in targets {
        if let Some((deploy, hold)) = of_target(&root, &stream)? {
            found.push((stream, deploy, hold));
        }
    }
    match (found.pop(), found.is_empty()) {
        // Whatever else keeps it from going on, the hold comes first.
        (Some((stream, _, Some(hold))), true) if !waits => Err(hold.failure(&stream)),
        (Some((stream, deploy, _)), true) => Ok((stream, deploy)),
        (None, _) => {
            let of = named.map_or(String::new(), |target| format!(" of `{target}`"));
            Err(
                Failure::new(Kind::Refused, format!("no deploy{of} is unfinished"))
                    .hint("`artifactctl status` shows how each target stands"),
            )
        }
        (Some(last), false) => {
            let names: Vec<String> = found
                .iter()
                .chain([&last])
                .map(|(stream, ..)| stream.to_string())
                .collect();
            Err(Failure::new(
                Kind::Usage,
                format!("several deploys are unfinished: {}", names.join(", ")),
            )
            .hint("name one target"))
        }
    }
}

fn of_target(
    root: &Path,
    stream: &StreamId,
) -> Result<Option<(Deploy, Option<HoldLine>)>, Failure> {
    let reader = target::reader(root, stream)?;
    let state = must_be_appendable(&reader).and_then(|()| latest_state(&reader));
    let state = state.map_err(|error| target::deploy_journal_failure(&error))?;
    let Some(deploy) = state.unfinished() else {
        return Ok(None);
    };
    Ok(Some((deploy.clone(), HoldLine::of(&reader, &state)?)))
}
