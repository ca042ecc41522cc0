//! `lock`: a person's hold on a target, and who has it at this moment.

use std::path::Path;
use std::process::ExitCode;

use engine::machine::{Command, Refusal};
use engine::run::{DeployJournalError, latest_state};
use journal::{EventLog, Holder, StreamId};
use serde::Serialize;

use crate::applier::args::Lock;
use crate::applier::hold::HoldLine;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line as TextLine, Page, Tone};
use crate::program::Ended;
use crate::{identity, terminal};

/// Whose a target is.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Whose {
    /// Nobody's.
    Free,
    /// A person holds it.
    OnHold,
    /// A process deploys onto it, or is about to.
    Held,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Line {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// Whose the target is.
    state: Whose,
    /// The hold that a person has on it.
    hold: Option<HoldLine>,
    /// The process that has locked it.
    holder: Option<Holder>,
    /// The head of the journal, `SEQUENCE:HASH`.
    head: String,
}

/// Runs one of the three.
pub(crate) fn run(global: &Global, args: &Lock, output: &Output) -> Ended {
    match args {
        Lock::Hold {
            target,
            message,
            new,
            who,
            ..
        } => {
            let (root, stream) = target::one(global, target.as_deref())?;
            if !new {
                target::must_have_journal(&root, &stream).map_err(|failure| {
                    failure.hint("`--new` holds a target before its first deploy")
                })?;
            }
            let command = Command::Hold {
                message: message.clone(),
            };
            record(&root, &stream, who.actor.as_deref(), command, true, output)
        }
        Lock::Release {
            target,
            message,
            yes,
            who,
            ..
        } => {
            let (root, stream) = target::one(global, target.as_deref())?;
            // Where nothing was ever recorded nothing is made.
            target::reader(&root, &stream)?;
            let command = Command::Release {
                note: message.clone(),
            };
            record(&root, &stream, who.actor.as_deref(), command, *yes, output)
        }
        Lock::Status { target, .. } => status(global, target.as_deref(), output),
    }
}

fn record(
    root: &Path,
    stream: &StreamId,
    actor: Option<&str>,
    command: Command,
    is_agreed: bool,
    output: &Output,
) -> Ended {
    let actor = identity::actor(actor);
    let owned = target::own(root, stream, &actor)?;
    let mut journal = target::journal(&owned, &actor)?;
    let former = HoldLine::of(journal.events(), journal.state())?;
    match (&former, &command) {
        (Some(hold), Command::Hold { .. }) => return Err(hold.failure(stream)),
        (Some(hold), _) if hold.actor != actor && !is_agreed => must_be_agreed(stream, hold)?,
        (Some(_) | None, _) => {}
    }
    journal.record(vec![command]).map_err(|error| {
        if !matches!(error, DeployJournalError::Refused(Refusal::NotHeld)) {
            return target::deploy_journal_failure(&error);
        }
        Failure::new(Kind::Refused, format!("target `{stream}` is not on hold")).hint(format!(
            "`artifactctl lock status {stream}` shows whose it is"
        ))
    })?;
    owned.settle();
    let hold = HoldLine::of(journal.events(), journal.state())?;
    let line = Line {
        target: stream.to_string(),
        state: if hold.is_some() {
            Whose::OnHold
        } else {
            Whose::Free
        },
        hold,
        holder: None,
        head: target::head_text(journal.head()),
    };
    output.shown(Type::Lock, &line, || {
        let said = line.hold.as_ref().map(HoldLine::words);
        page(
            &line.target,
            &said.unwrap_or_else(|| released(former.as_ref())),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What was let go, in words.
fn released(hold: Option<&HoldLine>) -> String {
    let was = hold.map(|hold| format!(", was {}", hold.words()));
    format!("released{}", was.unwrap_or_default())
}

/// What somebody else holds is released when that is meant.
fn must_be_agreed(target: &StreamId, hold: &HoldLine) -> Result<(), Failure> {
    let words = format!("target `{target}` is {}", hold.words());
    if !terminal::somebody_is_there() {
        return Err(
            Failure::new(Kind::Refused, words).hint("`--yes` releases what somebody else holds")
        );
    }
    if terminal::is_agreed(&format!("{words}. Release it?"))? {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!("target `{target}` stays on hold"),
    ))
}

fn page(target: &str, said: &str) -> Page {
    let mut page = Page::default();
    let line = TextLine::default().and(Tone::Strong, target);
    page.line(line.and(Tone::Plain, format!(": {said}")));
    page
}

fn status(global: &Global, named: Option<&str>, output: &Output) -> Ended {
    let (root, targets) = target::all_or(global, named)?;
    for stream in &targets {
        let reader = target::reader(&root, stream)?;
        let holder = reader
            .holder()
            .map_err(|error| target::store_failure(&error))?;
        let state =
            latest_state(&reader).map_err(|error| target::deploy_journal_failure(&error))?;
        let hold = HoldLine::of(&reader, &state)?;
        let head = reader
            .head()
            .map_err(|error| target::store_failure(&error))?;
        let line = Line {
            target: stream.to_string(),
            state: match (&hold, &holder) {
                (Some(_), _) => Whose::OnHold,
                (None, Some(_)) => Whose::Held,
                (None, None) => Whose::Free,
            },
            hold,
            holder,
            head: target::head_text(&head),
        };
        output.shown(Type::Lock, &line, || {
            let said = match (&line.hold, &line.holder) {
                (Some(hold), _) => hold.words(),
                (None, Some(holder)) => format!("held by {}", target::held_by(holder)),
                (None, None) => "free".to_owned(),
            };
            page(&line.target, &said)
        })?;
    }
    if targets.is_empty() {
        target::nothing_in(&root);
    }
    Ok(ExitCode::SUCCESS)
}
