//! A deploy on the simulated world, as a plain function call.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::SimulatedWorld;
use crate::image::Registries;
use crate::load::Artifact;
use crate::machine::Requested;
use crate::run::{
    DeployJournal, DeployJournalError, Interrupts, Outcome, Run, begin_or_resume, run_to_completion,
};

/// Deploys to the end, one image at a time: begins, or goes on with the unfinished deploy of the same request. None when a mishap of the
/// world has killed the process.
///
/// It is for worlds whose calls are ready at once: in one with slow calls it waits for ever.
pub fn deploy(
    world: &SimulatedWorld<'_>,
    artifact: &Artifact,
    journal: &mut DeployJournal<'_>,
    request: Requested,
) -> Result<Option<Outcome>, DeployJournalError> {
    let run = Run {
        world,
        artifact: Some(artifact),
        registries: &Registries::default(),
        jobs: NonZeroUsize::MIN,
        interrupts: &Interrupts::never(),
        notice: &|_| {},
    };
    begin_or_resume(journal, request, run.notice)?;
    let mut work = pin!(run_to_completion(&run, journal));
    let mut context = Context::from_waker(Waker::noop());
    // Whoever is killed in a call never comes back from it.
    while !world.killed() {
        if let Poll::Ready(ended) = work.as_mut().poll(&mut context) {
            return ended.map(Some);
        }
    }
    Ok(None)
}
