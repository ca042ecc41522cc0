//! The simulated world: a truth that is kept apart from what it answers.
//!
//! It behaves as the Docker world does (images live in a registry under their keys, files in an output directory), and each
//! of its calls can go wrong in every way of [`Mishap`]. What takes no time is ready at once, so a run on it is a plain
//! function call; a slow call is ready when whoever drives the run says that [time passes](SimulatedWorld::time_passes).
//!
//! Here: the world (`truth`), what goes wrong (`mishap`), what a slow call waits for (`pace`), and a whole deploy (`deploy`).

mod deploy;
mod mishap;
mod pace;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use deploy::deploy;
pub use mishap::{Change, Mishap};
pub use truth::{Act, Truth};

use self::mishap::fault;
use self::pace::Pace;
use super::world::{
    Built, ConfigTexts, Fault, ImageOrder, ImageStatus, ImageTags, Publication, Published, World,
};
use crate::compat::Observation;
use crate::contract::Digest;
use crate::machine::{ComposeCall, FailureKind, ProvisionResult, Step};

/// What the witness of a world is told.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// A process makes a call.
    Called(Call),
    /// A process asks for something that changes the world. Told before anything becomes of it.
    Asked(&'a Act),
    /// A process asks which image a reference names. Told before it is answered.
    Looked(&'a str),
    /// Somebody else has changed the world.
    Changed(Change),
}

/// A call of a process, as far as it matters to what can go wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The step that it is part of.
    pub step: Step,
    /// It changes something.
    pub changes: bool,
}

/// Told what happens, with the truth as it is at that moment.
pub type Witness<'w> = dyn Fn(Seen<'_>, &Truth) + Send + Sync + 'w;

/// A world that is simulated, as one process sees it.
pub struct SimulatedWorld<'w> {
    truth: Arc<Mutex<Truth>>,
    calls: Mutex<Calls>,
    pace: Pace,
    stepwise: bool,
    witness: &'w Witness<'w>,
}

#[derive(Default)]
struct Calls {
    made: usize,
    mishaps: BTreeMap<usize, Mishap>,
    killed: bool,
}

impl SimulatedWorld<'static> {
    /// A world with a truth, in which the calls of these numbers, counted from 0, go wrong.
    pub fn new(truth: Truth, mishaps: BTreeMap<usize, Mishap>) -> Self {
        Self::shared(Arc::new(Mutex::new(truth)), mishaps)
    }

    /// The same, with a truth that other processes see as well.
    pub fn shared(truth: Arc<Mutex<Truth>>, mishaps: BTreeMap<usize, Mishap>) -> Self {
        Self {
            truth,
            calls: Mutex::new(Calls {
                mishaps,
                ..Calls::default()
            }),
            pace: Pace::default(),
            stepwise: false,
            witness: &|_, _| {},
        }
    }
}

impl<'w> SimulatedWorld<'w> {
    /// The same world, with somebody who is told what happens.
    #[must_use]
    pub fn witnessed<'v>(self, witness: &'v Witness<'v>) -> SimulatedWorld<'v>
    where
        'w: 'v,
    {
        SimulatedWorld {
            truth: self.truth,
            calls: self.calls,
            pace: self.pace,
            stepwise: self.stepwise,
            witness,
        }
    }

    /// The same world, in which time passes before and after each call, so that processes can be interleaved.
    #[must_use]
    pub fn stepwise(self) -> Self {
        Self {
            stepwise: true,
            ..self
        }
    }

    /// What is really there now.
    pub fn truth(&self) -> Truth {
        self.lock().clone()
    }

    /// The process has died in a call: nothing it awaits will ever be ready.
    pub fn killed(&self) -> bool {
        self.count().killed
    }

    /// A call waits for time to pass.
    pub fn is_awaited(&self) -> bool {
        self.pace.is_awaited()
    }

    /// Time passes: what was slow is done.
    pub fn time_passes(&self) {
        self.pace.pass();
    }

    /// Waits for time to pass, in a stepwise world.
    pub async fn turn(&self) {
        if self.stepwise {
            self.pace.next().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that only looks.
    async fn look<T>(&self, asked: Asked, look: impl Fn(&Truth) -> T) -> Result<T, Fault> {
        self.call(asked, |truth| Ok(look(truth))).await
    }

    async fn call<T>(
        &self,
        asked: Asked,
        carry_out: impl Fn(&mut Truth) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.turn().await;
        let mishap = self.begin(&asked);
        let Asked { kind, act, .. } = asked;
        if mishap == Some(Mishap::Slow) {
            self.pace.next().await;
        }
        let answer = match mishap {
            None | Some(Mishap::Slow | Mishap::Changed(_)) => carry_out(&mut self.lock()),
            Some(Mishap::Twice) => {
                drop(carry_out(&mut self.lock()));
                carry_out(&mut self.lock())
            }
            Some(Mishap::Refused) => Err(fault(kind, "the call was refused")),
            Some(Mishap::ReplyLost) => {
                drop(carry_out(&mut self.lock()));
                Err(fault(kind, "the answer was lost"))
            }
            Some(Mishap::KilledBefore) => pending().await,
            Some(Mishap::KilledAfter) => {
                drop(carry_out(&mut self.lock()));
                pending().await
            }
            Some(Mishap::KilledLate(calls)) => {
                let lives_on = act.filter(|act| matches!(act, Act::Build { .. } | Act::Provision));
                self.lock()
                    .under_way
                    .extend(lives_on.map(|act| (calls, act)));
                pending().await
            }
        };
        self.turn().await;
        answer
    }

    /// Counts a call, tells the witness, and says what becomes of it.
    fn begin(&self, asked: &Asked) -> Option<Mishap> {
        let mishap = {
            let mut calls = self.count();
            let mishap = calls.mishaps.get(&calls.made).copied();
            calls.made += 1;
            calls.killed |= matches!(
                mishap,
                Some(Mishap::KilledBefore | Mishap::KilledAfter | Mishap::KilledLate(_))
            );
            mishap
        };
        self.pace.pass();
        let mut truth = self.lock();
        truth.pass();
        if let Some(Mishap::Changed(change)) = mishap {
            truth.change(change);
            (self.witness)(Seen::Changed(change), &truth);
        }
        let call = Call {
            step: asked.step,
            changes: asked.act.is_some(),
        };
        (self.witness)(Seen::Called(call), &truth);
        if let Some(act) = &asked.act {
            (self.witness)(Seen::Asked(act), &truth);
        }
        if let Some(reference) = &asked.looks_up {
            (self.witness)(Seen::Looked(reference), &truth);
        }
        mishap
    }
}

/// What a call asks for.
struct Asked {
    step: Step,
    /// What kind of failure it is when it goes wrong.
    kind: FailureKind,
    /// What it changes, where it changes something.
    act: Option<Act>,
    /// The reference that it looks up, where it does.
    looks_up: Option<String>,
}

impl Asked {
    fn to_look(step: Step, kind: FailureKind) -> Self {
        Self {
            step,
            kind,
            act: None,
            looks_up: None,
        }
    }

    fn to_change(step: Step, kind: FailureKind, act: Act) -> Self {
        Self {
            act: Some(act),
            ..Self::to_look(step, kind)
        }
    }
}

impl World for SimulatedWorld<'_> {
    async fn observe(
        &self,
        _project: &str,
        _secrets: &BTreeSet<&str>,
    ) -> Result<Observation, Fault> {
        let asked = Asked::to_look(Step::Observe, FailureKind::Unreachable);
        self.look(asked, |truth| truth.observation.clone()).await
    }

    async fn config(&self) -> Result<ConfigTexts, Fault> {
        let asked = Asked::to_look(Step::Merge, FailureKind::Publish);
        self.look(asked, |truth| truth.config.clone()).await
    }

    async fn inspect_image(&self, order: &ImageOrder) -> Result<ImageStatus, Fault> {
        let asked = Asked {
            looks_up: Some(order.reference.clone()),
            ..Asked::to_look(Step::Image, FailureKind::Unreachable)
        };
        self.look(asked, |truth| truth.look_up(order)).await
    }

    async fn image_tags(&self, order: &ImageOrder, key: &Digest) -> Result<ImageTags, Fault> {
        let asked = Asked {
            looks_up: Some(order.reference.clone()),
            ..Asked::to_look(Step::Image, FailureKind::Unreachable)
        };
        self.look(asked, |truth| truth.tags(&order.reference, key))
            .await
    }

    async fn recorded_image(
        &self,
        order: &ImageOrder,
        digest: &Digest,
    ) -> Result<ImageTags, Fault> {
        let asked = Asked {
            looks_up: Some(order.reference.clone()),
            ..Asked::to_look(Step::Image, FailureKind::Unreachable)
        };
        self.look(asked, |truth| truth.recorded(&order.reference, digest))
            .await
    }

    async fn build_image(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<Built, Fault> {
        line("building");
        let act = Act::Build {
            function: order.function.clone(),
            reference: order.reference.clone(),
            key: status.key.clone(),
        };
        let asked = Asked::to_change(Step::Image, FailureKind::Image, act);
        self.call(asked, |truth| {
            Ok(truth.build(&order.function, &order.reference, &status.key))
        })
        .await
    }

    async fn tag_image(&self, order: &ImageOrder, digest: &Digest) -> Result<(), Fault> {
        let act = Act::Tag {
            reference: order.reference.clone(),
            digest: digest.clone(),
        };
        let asked = Asked::to_change(Step::Tag, FailureKind::Unreachable, act);
        self.call(asked, |truth| truth.tag(&order.reference, digest))
            .await
    }

    async fn publish(&self, publication: &Publication) -> Result<Published, Fault> {
        let act = Act::Publish(publication.clone());
        let asked = Asked::to_change(Step::Publish, FailureKind::Publish, act);
        self.call(asked, |truth| truth.publish(publication)).await
    }

    async fn provision(
        &self,
        _project: &str,
        _call: &ComposeCall,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<ProvisionResult, Fault> {
        line("provisioning");
        let asked = Asked::to_change(Step::Provision, FailureKind::Provision, Act::Provision);
        self.call(asked, |truth| Ok(truth.provision())).await
    }
}
