//! Two processes on one target at once, which take turns.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use journal::EventLog;

use super::faulty_store::FaultyStore;
use super::inputs::DeployInput;
use super::person::{Person, person_ended};
use super::rig::{Ended, Process as Alive, Ran, Target, witness};
use crate::run::Interrupts;
use crate::run::simulated::SimulatedWorld;

/// One of two processes.
#[derive(Clone, Copy)]
pub(super) enum Rival<'a> {
    /// It deploys.
    Deploys(&'a DeployInput),
    /// It resumes the deploy that is unfinished when it begins.
    Resumes(&'a DeployInput),
    /// A person: it gives the unfinished deploy up, or holds the target.
    Is(Person),
}

/// Names of the two, as the journal has them.
const ACTORS: [&str; 2] = ["one", "other"];

/// Steps after which a process has long ended.
const STEPS_MAX: usize = 1_000;

type Process<'a> = Pin<Box<dyn Future<Output = Ended> + 'a>>;

impl Target {
    /// Two processes take turns: so many steps of the first, so many of the second, and so on; then the second goes on to its
    /// end, and then the first. A step lasts until something is asked of the world or answered by it.
    pub(super) fn rivals(&mut self, rivals: [Rival<'_>; 2], turns: &[usize]) -> [Ran; 2] {
        let found = self.find(false);
        let truth = Arc::new(Mutex::new(self.truth.clone()));
        let trace = Mutex::new(std::mem::take(&mut self.trace));
        let ended = {
            let stores = [(); 2].map(|()| FaultyStore::new(&self.store, None));
            let witnesses = [witness(&trace, &stores[0]), witness(&trace, &stores[1])];
            let world = |who: usize| {
                SimulatedWorld::shared(Arc::clone(&truth), BTreeMap::new())
                    .stepwise()
                    .witnessed(&witnesses[who])
            };
            let worlds = [world(0), world(1)];
            let life = |who: usize| life(rivals[who], &stores[who], &worlds[who], ACTORS[who]);
            let mut lives: [Process<'_>; 2] = [Box::pin(life(0)), Box::pin(life(1))];
            let mut ended = [None, None];
            let mut step = |who: usize| {
                if ended[who].is_none() {
                    worlds[who].time_passes();
                    let mut context = Context::from_waker(Waker::noop());
                    if let Poll::Ready(end) = lives[who].as_mut().poll(&mut context) {
                        ended[who] = Some(end);
                    }
                }
            };
            for (turn, steps) in turns.iter().enumerate() {
                (0..*steps).for_each(|_| step(turn % 2));
            }
            for who in [1, 0] {
                (0..STEPS_MAX).for_each(|_| step(who));
            }
            ended.map(|end| Ran {
                ended: end.expect("a process ends"),
                calls: Vec::new(),
                appends: 0,
                stopped: None,
                live: None,
                found: found.clone(),
            })
        };
        self.truth = Arc::into_inner(truth).unwrap().into_inner().unwrap();
        self.trace = trace.into_inner().unwrap();
        // That there is one owner is the lock's promise; whom these two took it from is not looked at.
        self.lock = None;
        self.trace.rivalled = self.store.head().unwrap().sequence;
        ended
    }

    /// The events of the two do not alternate: once the other has recorded one, the one records no more.
    pub(super) fn takes_turns(&self) -> bool {
        let actors: Vec<String> = journal::scan(&self.store, 1)
            .map(|event| event.unwrap().header.actor)
            .filter(|actor| ACTORS.contains(&actor.as_str()))
            .collect();
        actors.windows(2).filter(|two| two[0] != two[1]).count() <= 1
    }
}

async fn life(
    rival: Rival<'_>,
    store: &FaultyStore<'_>,
    world: &SimulatedWorld<'_>,
    actor: &str,
) -> Ended {
    match rival {
        Rival::Deploys(input) | Rival::Resumes(input) => {
            let life = Alive {
                store,
                world,
                interrupts: Interrupts::never(),
                actor,
                lost: None,
                resumes: matches!(rival, Rival::Resumes(_)),
            };
            life.of(input).await.0
        }
        Rival::Is(person) => {
            world.turn().await;
            let recorded = person.record(store, None, actor).map(drop);
            person_ended(recorded)
        }
    }
}
