//! The simulated world: a truth that is kept apart from what it answers.
//!
//! It behaves as the Docker world does (images live in a registry under their keys, files in an output directory) and
//! can be told to refuse a call, to do it and lose the answer, or to be killed before or after it. Everything is ready at
//! once, so a run on it is a plain function call.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::world::{
    Built, ConfigTexts, Fault, ImageOrder, ImageStatus, Publication, Published, World,
};
use crate::compat::Observation;
use crate::contract::{Digest, FunctionName};
use crate::machine::{ComposeCall, FailureKind, ProvisionResult, PublishedFile};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It is refused; nothing happens.
    Refused,
    /// It is done, and the answer is a failure.
    ReplyLost,
    /// The process dies before it is done.
    KilledBefore,
    /// The process dies after it is done.
    KilledAfter,
}

/// What is really there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// What runs.
    pub observation: Observation,
    /// The output directory.
    pub config: ConfigTexts,
    /// The registry: reference to the key and digest of the image it names.
    pub registry: BTreeMap<String, (Digest, Digest)>,
    /// What each function's sources hold; an edit changes its content key.
    pub sources: BTreeMap<FunctionName, String>,
    /// Builds that were done, in order.
    pub builds: Vec<FunctionName>,
    /// Calls that changed something.
    pub mutations: usize,
    /// Provisioner runs that were done.
    pub provisions: usize,
}

/// A world that is simulated.
pub struct SimulatedWorld {
    truth: Mutex<Truth>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    made: usize,
    mishaps: BTreeMap<usize, Mishap>,
    killed: bool,
}

impl SimulatedWorld {
    /// A world with a truth, in which the calls of these numbers, counted from 0, go wrong.
    pub fn new(truth: Truth, mishaps: BTreeMap<usize, Mishap>) -> Self {
        Self {
            truth: Mutex::new(truth),
            calls: Mutex::new(Calls {
                mishaps,
                ..Calls::default()
            }),
        }
    }

    /// What is really there now.
    pub fn truth(&self) -> Truth {
        self.lock().clone()
    }

    /// Calls made so far.
    pub fn calls(&self) -> usize {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .made
    }

    /// The process has died in a call: nothing it awaits will ever be ready.
    pub fn killed(&self) -> bool {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .killed
    }

    fn lock(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(
        &self,
        kind: FailureKind,
        act: impl FnOnce(&mut Truth) -> T,
    ) -> Result<T, Fault> {
        let mishap = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let mishap = calls.mishaps.get(&calls.made).copied();
            calls.made += 1;
            calls.killed |= matches!(mishap, Some(Mishap::KilledBefore | Mishap::KilledAfter));
            mishap
        };
        match mishap {
            None => Ok(act(&mut self.lock())),
            Some(Mishap::Refused) => Err(fault(kind, "the call was refused")),
            Some(Mishap::ReplyLost) => {
                act(&mut self.lock());
                Err(fault(kind, "the answer was lost"))
            }
            Some(Mishap::KilledBefore) => pending().await,
            Some(Mishap::KilledAfter) => {
                act(&mut self.lock());
                pending().await
            }
        }
    }
}

fn fault(kind: FailureKind, message: &str) -> Fault {
    Fault {
        kind,
        message: message.to_owned(),
        hint: None,
        output: Vec::new(),
        retryable: true,
    }
}

/// The content key of a function: what its sources hold, and nothing else.
fn key(truth: &Truth, function: &FunctionName) -> Digest {
    Digest::of(truth.sources.get(function).map_or("", String::as_str))
}

impl World for SimulatedWorld {
    async fn observe(&self, _project: &str) -> Result<Observation, Fault> {
        self.call(FailureKind::Unreachable, |truth| truth.observation.clone())
            .await
    }

    async fn config(&self) -> Result<ConfigTexts, Fault> {
        self.call(FailureKind::Publish, |truth| truth.config.clone())
            .await
    }

    async fn inspect_image(&self, order: &ImageOrder) -> Result<ImageStatus, Fault> {
        self.call(FailureKind::Unreachable, |truth| {
            let key = key(truth, &order.function);
            let present = truth
                .registry
                .get(&order.reference)
                .filter(|(known, _)| *known == key);
            ImageStatus {
                inputs: BTreeMap::from([("sources".to_owned(), key.clone())]),
                bases: BTreeMap::new(),
                present: present.map(|(_, digest)| digest.clone()),
                key,
            }
        })
        .await
    }

    async fn build_image(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<Built, Fault> {
        line("building");
        self.call(FailureKind::Image, |truth| {
            let digest = Digest::of(format!("image of {}", status.key));
            truth.registry.insert(
                order.reference.clone(),
                (status.key.clone(), digest.clone()),
            );
            truth.builds.push(order.function.clone());
            truth.mutations += 1;
            Built { digest }
        })
        .await
    }

    async fn publish(&self, publication: &Publication) -> Result<Published, Fault> {
        self.call(FailureKind::Publish, |truth| {
            let mut published = Published::new();
            for (file, text) in &publication.files {
                let written = truth.config.get(file) != Some(text);
                truth.mutations += usize::from(written);
                truth.config.insert(*file, text.clone());
                published.insert(
                    *file,
                    PublishedFile {
                        digest: Digest::of(text),
                        written,
                    },
                );
            }
            published
        })
        .await
    }

    async fn provision(
        &self,
        _project: &str,
        _call: &ComposeCall,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<ProvisionResult, Fault> {
        line("provisioning");
        self.call(FailureKind::Provision, |truth| {
            truth.provisions += 1;
            truth.mutations += 1;
            ProvisionResult {
                exit_code: 0,
                output: Vec::new(),
            }
        })
        .await
    }
}
