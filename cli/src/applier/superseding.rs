//! An unfinished deploy that a new one would abandon: said in words, and agreed to when somebody else began it.

use engine::contract::printable;
use engine::machine::{Deploy, Requested, Stage};
use engine::run::{DeployJournal, Interrupts};
use journal::{Header, StreamId};

use crate::applier::ids::Ids;
use crate::applier::target;
use crate::failure::{Failure, Kind};
use crate::{terminal, when};

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
        let unfinished = journal.state().unfinished();
        let Some(deploy) = unfinished.filter(|deploy| !deploy.request.asks_the_same(request))
        else {
            return Ok(());
        };
        let begun = journal::event(journal.events(), deploy.first)
            .map_err(|error| target::store_failure(&error))?;
        let Some(begun) = begun.map(|event| event.header) else {
            return Ok(());
        };
        let ids = Ids::of(journal.events(), false);
        let id = ids
            .map_err(|error| target::store_failure(&error))?
            .shown(deploy.id);
        let what = words(&id, deploy, &begun, self.actor);
        if begun.actor == self.actor || self.is_agreed {
            say(&format!("superseding {what}"));
            return Ok(());
        }
        if !terminal::somebody_is_there() {
            return Err(self.refused(&what));
        }
        let question = format!("{what}, is unfinished. Give it up and deploy this instead?");
        let answer = tokio::task::spawn_blocking(move || terminal::is_agreed(&question));
        tokio::select! {
            answer = answer => match answer {
                Ok(Ok(true)) => Ok(()),
                Ok(Ok(false)) => Err(self.refused(&what)),
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
        Failure::new(
            Kind::Refused,
            format!("{what}, is unfinished; nothing was changed"),
        )
        .hint(format!("`artifactctl resume {target}` goes on with it"))
        .hint("`--supersede` gives it up and deploys this instead")
    }
}

/// `deploy f51e of mori@build-7, begun 2026-02-20 09:00:01Z, which failed: …`.
fn words(id: &str, deploy: &Deploy, begun: &Header, actor: &str) -> String {
    let who = if begun.actor == actor {
        "which you began".to_owned()
    } else {
        format!("which {} began", printable(&begun.actor))
    };
    let stands = match &deploy.stage {
        Stage::Failed(failed) => format!(" and which failed ({})", printable(&failed.message)),
        Stage::Requested
        | Stage::Observed
        | Stage::Checked(_)
        | Stage::Merged { .. }
        | Stage::Applied(_)
        | Stage::Abandoned(_) => " and nobody runs".to_owned(),
    };
    format!(
        "deploy {id}, {who} {}{stands}",
        when::second(begun.recorded_at)
    )
}
