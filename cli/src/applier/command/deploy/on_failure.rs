//! What follows a deploy that failed: nothing, or what was in effect before is deployed again.
//!
//! The failure stays what the command ends with. What the rollback did is told below it.

use std::time::Instant;

use engine::contract::printable;
use engine::machine::{Failed, FailureKind};
use engine::run::{DeployJournal, Outcome, begin_or_resume};
use journal::Owned;

use super::{Session, ending};
use crate::applier::args::OnFailureArgs;
use crate::applier::command::rollback::{self, Wish};
use crate::applier::ids::Ids;
use crate::applier::prepare::Prepared;
use crate::applier::target;
use crate::args::RegistryArgs;
use crate::failure::{Failure, RolledBack};
use crate::report::Reporter;

/// What follows a run that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnFailure<'a> {
    /// Nothing: a resume goes on.
    Stay,
    /// What was in effect before is deployed again, when the run began to change what the stack uses. The names of the registry are
    /// those of here where that deploy recorded none.
    RollBack(&'a RegistryArgs),
}

impl<'a> OnFailure<'a> {
    /// As the flags say.
    pub(crate) fn of(args: OnFailureArgs, registries: &'a RegistryArgs) -> Self {
        if args.rollback_on_failure {
            Self::RollBack(registries)
        } else {
            Self::Stay
        }
    }
}

impl Session<'_> {
    /// Why the run failed, and what followed.
    pub(super) async fn after(
        &self,
        failed: &Failed,
        prepared: &Prepared,
        on_failure: OnFailure<'_>,
        owned: &Owned,
        journal: &mut DeployJournal<'_>,
    ) -> Failure {
        let failure = ending::failure(failed, &prepared.target);
        let OnFailure::RollBack(registries) = on_failure else {
            return failure;
        };
        let not_done = |why: &str| RolledBack::not_done(why.to_owned());
        if failed.kind == FailureKind::Interrupted {
            return failure.then(not_done("not done: somebody stopped the deploy"));
        }
        if !failed.step.is_live() {
            return failure.then(not_done(
                "not needed: nothing that the stack uses was changed",
            ));
        }
        match self.roll_back(registries, owned, journal).await {
            Ok(rolled_back) if rolled_back.applied => Failure::from(failed.clone())
                .then(rolled_back)
                .hint("mend what failed, then deploy again"),
            Ok(rolled_back) => failure.then(rolled_back),
            Err(why) => failure.then(not_done(&format!("not possible: {}", why.sentence()))),
        }
    }

    /// Deploys again what was in effect before. Fails when that cannot be begun.
    async fn roll_back(
        &self,
        registries: &RegistryArgs,
        owned: &Owned,
        journal: &mut DeployJournal<'_>,
    ) -> Result<RolledBack, Failure> {
        let began = Instant::now();
        let failed = journal.state().deploy.as_ref();
        let failed = failed.expect("a run has a deploy").id;
        let ids = Ids::of(journal.events(), self.is_verbose);
        let ids = ids.map_err(|error| target::store_failure(&error))?;
        let record = rollback::last_good(journal.events())?;
        let wish = Wish {
            message: Some(format!("deploy {failed} failed")),
            compat: None,
            fail_on_drift: false,
            registries,
        };
        let prepared = rollback::prepared(self.root, journal.events(), &record, wish)?;
        prepared.check_provision().await?;
        rollback::must_be_restorable(self.root, &prepared, journal.events()).await?;

        let reporter = Reporter::new(self.output, self.acting.explain);
        let to = ids.shown(record.deploy);
        reporter.say(&format!("rolling back to {to}, which was in effect before"));
        let notice = |notice: engine::run::Notice<'_>| reporter.tell(&notice);
        let begun = begin_or_resume(journal, prepared.request.clone(), &notice)
            .map_err(|error| target::deploy_journal_failure(&error))?;
        let ended = self.complete(&prepared, owned, &reporter, journal, began);
        let ended = ended.await;
        let deploy = journal.state().deploy.as_ref();
        let deploy = deploy.expect("it has begun").id;
        let id = ids.shown(deploy);
        let rolled_back = |applied, message| RolledBack {
            to: Some(record.deploy),
            deploy: Some(deploy),
            applied,
            message,
        };
        let end = match ended {
            Ok(end) => end,
            Err(why) => {
                return Ok(rolled_back(
                    false,
                    format!("{id} failed: {}", why.sentence()),
                ));
            }
        };
        end.tell(self.output, journal, &begun)?;
        let target = &prepared.target;
        Ok(match end.outcome {
            Outcome::Applied(_) => {
                rolled_back(true, format!("`{target}` is as {to} left it ({id})"))
            }
            Outcome::Failed(why) => {
                let why = printable(&Failure::from(why).sentence());
                let next = format!("`artifactctl resume {target}` goes on with it");
                rolled_back(false, format!("{id} failed: {why}; {next}"))
            }
        })
    }
}
