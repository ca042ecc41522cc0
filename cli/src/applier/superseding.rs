//! An unfinished deploy that a new one would abandon: said in words, and agreed to when somebody else began it.

use std::path::Path;

use engine::contract::printable;
use engine::machine::{Deploy, Requested, Stage, State};
use engine::run::{DeployJournal, Interrupts};
use journal::{EventLog, StreamId};

use crate::applier::ids::Ids;
use crate::applier::target;
use crate::failure::{Failure, Kind};
use crate::report::talk;
use crate::{identity, terminal, when};

/// Who wants to go on, and whether the flag said so.
pub(crate) struct Superseding<'a> {
    pub(crate) target: &'a StreamId,
    pub(crate) actor: &'a str,
    pub(crate) is_agreed: bool,
}

impl Superseding<'_> {
    /// Fails when the request would abandon what somebody else began, and nobody agrees to that.
    pub(crate) async fn must_be_agreed(
        &self,
        journal: &DeployJournal<'_>,
        request: &Requested,
        interrupts: &Interrupts,
        say: &dyn Fn(&str),
    ) -> Result<(), Failure> {
        let unfinished = Unfinished::of(journal.events(), journal.state(), self.actor)?;
        let Some(unfinished) = unfinished else {
            return Ok(());
        };
        let Unfinished { what, stands, .. } = &unfinished;
        if unfinished.deploy.request.asks_the_same(request) {
            say(&format!("going on with {what}"));
            return Ok(());
        }
        if unfinished.is_own || self.is_agreed {
            say(&format!("superseding {what}, which {stands}"));
            return Ok(());
        }
        let said = format!("{what}, {stands}");
        if !terminal::somebody_is_there() {
            return Err(self.refused(&said));
        }
        let question = format!("{said}. Give it up and deploy this instead?");
        let answer = tokio::task::spawn_blocking(move || terminal::is_agreed(&question));
        tokio::select! {
            answer = answer => match answer {
                Ok(Ok(true)) => Ok(()),
                Ok(Ok(false)) => Err(self.refused(&said)),
                Ok(Err(failure)) => Err(failure),
                Err(error) => Err(Failure::of(Kind::Internal, &error)),
            },
            () = interrupts.first() => {
                Err(Failure::new(Kind::Interrupted, "interrupted; nothing was changed"))
            }
        }
    }

    fn refused(&self, what: &str) -> Failure {
        let target = self.target;
        Failure::new(Kind::Refused, format!("{what}; nothing was changed"))
            .hint(format!("`artifactctl resume {target}` goes on with it"))
            .hint("`--supersede` gives it up and deploys this instead")
    }
}

/// Says what a deploy meets first: whoever deploys at this moment, or a deploy that did not end.
pub(crate) fn warn(
    root: &Path,
    request: &Requested,
    events: &dyn EventLog,
    state: &State,
) -> Result<(), Failure> {
    let target = events.stream();
    let holder = match events.head() {
        Ok(head) if head.sequence > 0 => target::reader(root, target)?.holder().ok().flatten(),
        Ok(_) | Err(_) => None,
    };
    if let Some(holder) = holder {
        talk(&format!(
            "warning: target `{target}` is held by {}; a deploy is refused until that ends",
            target::held_by(&holder)
        ));
        return Ok(());
    }
    let actor = identity::actor(None);
    let Some(Unfinished {
        deploy,
        what,
        stands,
        is_own,
    }) = Unfinished::of(events, state, &actor)?
    else {
        return Ok(());
    };
    let follows = if deploy.request.asks_the_same(request) {
        "a deploy goes on with it"
    } else if is_own {
        "a deploy gives it up"
    } else {
        "a deploy needs `--supersede` to give it up"
    };
    talk(&format!("warning: {what}, {stands}; {follows}"));
    Ok(())
}

/// A deploy that did not end, in words.
pub(crate) struct Unfinished<'a> {
    pub(crate) deploy: &'a Deploy,
    /// `deploy f51e, which mori@build-7 began 2026-02-20 09:00:01Z`.
    pub(crate) what: String,
    /// `failed (…), and nobody went on with it`.
    pub(crate) stands: String,
    /// This person began it.
    pub(crate) is_own: bool,
}

impl<'a> Unfinished<'a> {
    /// The unfinished deploy of a target, if there is one.
    pub(crate) fn of(
        events: &dyn EventLog,
        state: &'a State,
        actor: &str,
    ) -> Result<Option<Self>, Failure> {
        let failed = |error| target::store_failure(&error);
        let Some(deploy) = state.unfinished() else {
            return Ok(None);
        };
        let begun = journal::event(events, deploy.first).map_err(failed)?;
        let Some(begun) = begun.map(|event| event.header) else {
            return Ok(None);
        };
        let id = Ids::of(events, false).map_err(failed)?.shown(deploy.id);
        let is_own = begun.actor == actor;
        let who = if is_own {
            "you began".to_owned()
        } else {
            format!("{} began", printable(&begun.actor))
        };
        let at = when::second(begun.recorded_at);
        let stands = match &deploy.stage {
            Stage::Failed(failed) => format!(
                "failed ({}), and nobody went on with it",
                printable(&failed.message)
            ),
            Stage::Requested
            | Stage::Observed
            | Stage::Checked(_)
            | Stage::Merged { .. }
            | Stage::Applied(_)
            | Stage::Abandoned(_) => "is unfinished, and nobody runs it".to_owned(),
        };
        Ok(Some(Self {
            deploy,
            what: format!("deploy {id}, which {who} {at}"),
            stands,
            is_own,
        }))
    }
}
