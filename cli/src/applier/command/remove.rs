//! `journal remove`: takes a target's journal away, unless anything still needs it.

use std::path::Path;
use std::process::ExitCode;

use engine::contract::printable;
use engine::machine::State;
use engine::publish;
use engine::run::latest_state;
use journal::{EventLog, Head, Journal, RemoveError, StreamId};
use serde::Serialize;

use crate::applier::args::RemoveArgs;
use crate::applier::hold::HoldLine;
use crate::applier::output_dir::published_into;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::counted;
use crate::{identity, terminal};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Removed {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// How many events the journal had.
    events: u64,
    /// The head that the journal had, `SEQUENCE:HASH`.
    head: String,
}

/// Removes the journal of a target that is named: there is no default for what cannot be undone.
pub(crate) fn run(global: &Global, args: &RemoveArgs, output: &Output) -> Ended {
    let (root, stream) = target::named(global, &args.target)?;
    target::must_have_journal(&root, &stream)?;
    let actor = identity::actor(args.who.actor.as_deref());
    let head = {
        let owned = target::own(&root, &stream, &actor)?;
        let events = owned.store();
        let state = latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
        must_be_unneeded(&stream, events, &state, args.orphan)?;
        events
            .head()
            .map_err(|error| target::store_failure(&error))?
    };
    must_be_agreed(&stream, &head, args.yes)?;
    Journal::remove(&root, &stream, target::holder(&actor), &head)
        .map_err(|error| failure(&stream, &error))?;
    let body = Removed {
        target: stream.to_string(),
        events: head.sequence,
        head: target::head_text(&head),
    };
    output.shown(Type::Removed, &body, || {
        let mut page = Page::default();
        let line = Line::default().and(Tone::Strong, &body.target);
        let events = counted(body.events, "event");
        page.line(line.and(Tone::Plain, format!(": journal removed, with {events}")));
        page
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Fails when a person, a deploy or a published configuration needs the journal.
fn must_be_unneeded(
    target: &StreamId,
    events: &dyn EventLog,
    state: &State,
    orphan: bool,
) -> Result<(), Failure> {
    if let Some(hold) = HoldLine::of(events, state)? {
        return Err(hold.failure(target));
    }
    if let Some(deploy) = state.unfinished() {
        return Err(Failure::new(
            Kind::Refused,
            format!("deploy {} of `{target}` is unfinished", deploy.id),
        )
        .hint(format!("`artifactctl resume {target}` goes on with it"))
        .hint(format!("`artifactctl abandon {target}` gives it up")));
    }
    let Some(out) = published_into(events)?.filter(|_| !orphan) else {
        return Ok(());
    };
    let standing =
        publish::current(Path::new(&out)).map_err(|error| Failure::of(Kind::Publish, &error))?;
    if standing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!(
            "the configuration that `{target}` published into `{}` stands: without the journal nothing owns its keys",
            printable(&out)
        ),
    )
    .hint("remove those files first, when the stack is gone")
    .hint("`--orphan` removes the journal and leaves the configuration as it is"))
}

fn must_be_agreed(target: &StreamId, head: &Head, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let events = counted(head.sequence, "event");
    if !terminal::somebody_is_there() {
        return Err(Failure::new(
            Kind::Usage,
            format!("the journal of `{target}` has {events}, and nobody can be asked whether to remove it"),
        )
        .hint("`--yes` agrees to it")
        .hint(format!("`artifactctl export {target}` keeps a copy")));
    }
    let question = format!(
        "Remove the journal of {target} with {events}? Only an export could bring it back."
    );
    if terminal::is_agreed(&question)? {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!("the journal of `{target}` stays"),
    ))
}

fn failure(target: &StreamId, error: &RemoveError) -> Failure {
    match error {
        RemoveError::Own(error) => target::own_failure(target, error),
        RemoveError::Changed { .. } => Failure::of(Kind::Refused, error)
            .hint("somebody used the target meanwhile; run the command again"),
    }
}
