//! `abandon`: gives up the unfinished deploy of a target. Nothing is undone.

use std::process::ExitCode;

use engine::machine::{AbandonReason, Command};
use engine::run::DeployJournalError;
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::Abandon;
use crate::applier::command::resume;
use crate::applier::ids::Ids;
use crate::applier::{hold, target};
use crate::args::Global;
use crate::identity;
use crate::output::{Output, Type};
use crate::program::Ended;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Abandoned {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// The deploy that was abandoned.
    deploy: Uuid,
    /// The head of the journal, `SEQUENCE:HASH`.
    head: String,
}

/// Abandons.
pub(crate) fn run(global: &Global, args: &Abandon, output: &Output) -> Ended {
    let (stream, deploy) = resume::unfinished(global, args.target.as_deref(), false)?;
    let actor = identity::actor(args.who.actor.as_deref());
    let owned = target::own(&target::root(global)?, &stream, &actor)?;
    let mut journal = target::journal(&owned, &actor)?;
    hold::must_be_free(&stream, &journal)?;
    let command = Command::Abandon {
        reason: AbandonReason::GivenUp,
        note: args.message.clone(),
    };
    journal
        .must_be_unfinished(deploy.id)
        .map_err(DeployJournalError::from)
        .and_then(|()| journal.record(vec![command]))
        .map_err(|error| target::deploy_journal_failure(&error))?;
    owned.settle();
    let body = Abandoned {
        target: stream.to_string(),
        deploy: deploy.id,
        head: target::head_text(journal.head()),
    };
    let ids = Ids::of(journal.events(), false).map_err(|error| target::store_failure(&error))?;
    output.result(Type::Abandoned, &body, || {
        format!(
            "{}: abandoned deploy {}",
            body.target,
            ids.shown(body.deploy)
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
