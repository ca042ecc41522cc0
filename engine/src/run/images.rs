//! Images of a deploy: proving those that are there, building the others side by side, and recording each.
//!
//! Not here: which are taken and which are built, and why (`image_plan`).

use std::collections::VecDeque;

use futures_util::future::{Either, pending, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;

use super::Notice;
use super::deploy_journal::DeployJournal;
use super::drive::{Run, StepEnd};
use super::image_plan::{self, Known, LookedUp, look_up};
use super::preparation;
use super::round::Round;
use super::world::{Built, Fault, ImageOrder, World};
use crate::compat::{Observation, nothing_runs};
use crate::contract::{Digest, FunctionName};
use crate::machine::{Command, FailureKind, ImageBuilt, ImagePrefix, ImageSource, Step};

/// Events in one append. An `ImageBuilt` event stays below 16 KiB by the bound on a key's inputs, a batch below 256 KiB.
const BATCH: usize = 12;

/// An image that is in the registry under its key's tag, as this round found or left it.
pub(super) struct ProvedImage {
    pub(super) order: ImageOrder,
    pub(super) key: Digest,
    pub(super) digest: Digest,
    /// What the tag that the stack pulls named when it was last looked at.
    pub(super) named: Option<Digest>,
    /// This round built it.
    pub(super) is_new: bool,
}

impl ProvedImage {
    /// The tag that the stack pulls names another image, or none, as far as is known.
    pub(super) fn moves_tag(&self) -> bool {
        self.is_new || self.named.as_ref() != Some(&self.digest)
    }
}

fn proved(LookedUp { order, status, .. }: &LookedUp, digest: &Digest, is_new: bool) -> ProvedImage {
    ProvedImage {
        is_new,
        order: order.clone(),
        key: status.key.clone(),
        digest: digest.clone(),
        named: status.tags.named.clone(),
    }
}

/// An image that cannot be made where no stack runs: the base is that of a stack, so that this is said first.
fn without_stack(end: StepEnd, observation: &Observation, env: &str) -> StepEnd {
    match (end, nothing_runs(observation, env)) {
        (
            StepEnd::Fault {
                step,
                function,
                fault,
            },
            Some(hint),
        ) if fault.kind == FailureKind::Image => {
            let message = format!(
                "no stack runs under the compose project `{}`",
                observation.project
            );
            let causes = std::iter::once(fault.message).chain(fault.causes);
            let first = Fault::new(fault.kind, message).because(causes).hint(hint);
            StepEnd::Fault {
                step,
                function,
                fault: Fault {
                    output: fault.output,
                    retryable: fault.retryable,
                    ..first.hints(fault.hints)
                },
            }
        }
        (end, _) => end,
    }
}

impl<W: World> Run<'_, W> {
    /// Looks the outstanding images up, records those that are there, and gives those that have to be built.
    pub(super) async fn prove(
        &self,
        journal: &mut DeployJournal<'_>,
        round: &mut Round,
        functions: Option<Vec<FunctionName>>,
    ) -> Result<Vec<LookedUp>, StepEnd> {
        let began = journal.now();
        let deploy = journal
            .state()
            .deploy
            .clone()
            .expect("images are pending by a deploy");
        let observed = deploy
            .observed
            .as_ref()
            .expect("a merged deploy was observed");
        let orders = preparation::orders(
            self.content(round),
            self.registries,
            &deploy.request.options,
            &observed.observation,
            functions
                .map(|functions| functions.into_iter().collect())
                .as_ref(),
        );
        let looked_up = if let Some(record) = &round.content {
            self.find(record, orders).await?
        } else {
            let look_up = look_up(self.world, orders);
            let looked_up = self.abortable(Step::Image, look_up).await?;
            let env = &deploy.request.manifest.env;
            looked_up.map_err(|end| without_stack(end, &observed.observation, env))?
        };
        let known = Known {
            recorded: &round.recorded,
            attempts: Some(&deploy.earlier_images),
            accepted: &deploy.request.options.accept_digests,
        };
        let planned = match &round.content {
            Some(_) => image_plan::restored(&looked_up),
            None => known.plan(&looked_up),
        };
        (self.notice)(Notice::ImagesPlanned(&planned));

        let (mut kept, mut pending) = (Vec::new(), Vec::new());
        let (mut taken, mut missing, mut images) = (Vec::new(), Vec::new(), Vec::new());
        for (looked_up, plan) in looked_up.into_iter().zip(&planned) {
            let function = plan.function.clone();
            match &looked_up.status.tags.keyed {
                Some(digest) if plan.build_because.is_empty() => {
                    images.push(proved(&looked_up, digest, false));
                    let there = Built::taken(digest.clone());
                    let event = event(&looked_up, &there, plan.source, began, journal.now());
                    if known.keeps(&looked_up, plan) {
                        kept.push((function, event));
                    } else {
                        pending.push(function);
                        taken.push(event);
                    }
                }
                Some(_) | None => {
                    pending.push(function);
                    missing.push(LookedUp {
                        prefix: plan.prefix.clone(),
                        ..looked_up
                    });
                }
            }
        }
        let mut events = match round.recorded.kept(journal, &deploy, &kept, pending)? {
            Some(kept) => vec![Command::Keep(kept)],
            None => kept.into_iter().map(|(_, event)| event).collect(),
        };
        events.append(&mut taken);
        for events in batches(events) {
            self.record(journal, events)?;
        }
        round.planned = planned;
        round.has(images);
        Ok(missing)
    }

    /// Builds side by side, and records each. The first fault stops new builds; those in flight are finished and recorded.
    pub(super) async fn build(
        &self,
        journal: &mut DeployJournal<'_>,
        round: &mut Round,
        builds: Vec<LookedUp>,
    ) -> Result<(), StepEnd> {
        let mut queue: VecDeque<Vec<LookedUp>> = by_reference(builds).into();
        let mut in_flight = FuturesUnordered::new();
        let mut end: Option<StepEnd> = None;
        loop {
            if end.is_none() && self.interrupts.asked() {
                let in_flight = in_flight.len();
                (self.notice)(Notice::Stopping { in_flight });
                end = Some(StepEnd::interrupted(Step::Image));
            }
            while end.is_none() && in_flight.len() < self.jobs.get() {
                let Some(group) = queue.pop_front() else {
                    break;
                };
                journal.must_be_in_place()?;
                in_flight.push(self.build_one(group, journal.now()));
            }
            let wake = if end.is_none() {
                self.interrupts.first()
            } else {
                pending().boxed().shared()
            };
            let finished = match select(
                wake,
                Box::pin(self.abortable(Step::Image, in_flight.next())),
            )
            .await
            {
                // Somebody asked to stop: look again, with what is in flight still in flight.
                Either::Left(((), _)) => continue,
                Either::Right((finished, _)) => finished?,
            };
            let Some(finished) = finished else {
                return end.map_or(Ok(()), Err);
            };
            // Whatever else is ready by now shares the sync of this append.
            let more = std::iter::from_fn(|| in_flight.next().now_or_never().flatten());
            let mut events = Vec::new();
            for finished in std::iter::once(finished).chain(more) {
                match finished.built {
                    Ok(built) => {
                        let (group, began) = (&finished.group, finished.began);
                        round.has(group.iter().map(|one| proved(one, &built.digest, true)));
                        events.extend(built_events(group, &built, began, journal.now()));
                    }
                    Err(fault) => {
                        let function = Some(finished.group[0].order.function.clone());
                        end.get_or_insert(StepEnd::Fault {
                            step: Step::Image,
                            function,
                            fault,
                        });
                    }
                }
            }
            for events in batches(events) {
                self.record(journal, events)?;
            }
        }
    }

    async fn build_one(&self, group: Vec<LookedUp>, began: Timestamp) -> Finished {
        let LookedUp {
            order,
            status,
            prefix,
        } = &group[0];
        let prefix = prefix.as_ref().and_then(|prefix| prefix.taken.as_ref());
        let function = &order.function;
        (self.notice)(Notice::BuildStarted(function));
        let line = |text: &str| {
            (self.notice)(Notice::Line {
                function: Some(function),
                text,
            });
        };
        let built = self.world.build_image(order, status, prefix, &line).await;
        (self.notice)(Notice::BuildEnded(function));
        Finished {
            group,
            began,
            built,
        }
    }
}

/// A build that has ended, with the orders it serves.
struct Finished {
    group: Vec<LookedUp>,
    began: Timestamp,
    built: Result<Built, Fault>,
}

/// Orders that share a reference are one build; they have one key, or `look_up` would have refused them.
fn by_reference(builds: Vec<LookedUp>) -> Vec<Vec<LookedUp>> {
    let mut groups: Vec<Vec<LookedUp>> = Vec::new();
    for build in builds {
        match groups
            .iter_mut()
            .find(|group| group[0].order.reference == build.order.reference)
        {
            Some(group) => group.push(build),
            None => groups.push(vec![build]),
        }
    }
    groups
}

/// Events that share an append, and so a sync; bounded, as the journal bounds a batch.
fn batches(mut events: Vec<Command>) -> impl Iterator<Item = Vec<Command>> {
    std::iter::from_fn(move || {
        let rest = events.split_off(events.len().min(BATCH));
        let batch = std::mem::replace(&mut events, rest);
        (!batch.is_empty()).then_some(batch)
    })
}

/// The first function of a group was built; the others found the image in the registry.
fn built_events(
    group: &[LookedUp],
    built: &Built,
    began: Timestamp,
    ended: Timestamp,
) -> Vec<Command> {
    let sources = std::iter::once(ImageSource::Built).chain(std::iter::repeat(ImageSource::Reused));
    group
        .iter()
        .zip(sources)
        .map(|(one, source)| event(one, built, source, began, ended))
        .collect()
}

fn event(
    LookedUp {
        order,
        status,
        prefix,
    }: &LookedUp,
    built: &Built,
    source: ImageSource,
    began: Timestamp,
    ended: Timestamp,
) -> Command {
    let (key, inputs, bases) = match &built.rekeyed {
        Some(rekeyed) => (&rekeyed.key, &rekeyed.inputs, &rekeyed.bases),
        None => (&status.key, &status.inputs, &status.bases),
    };
    let is_built = source == ImageSource::Built;
    let prefix = prefix.iter().zip(&built.prefix).next();
    let prefix = prefix.map(|(planned, digest)| ImagePrefix {
        key: planned.key.clone(),
        digest: digest.clone(),
        source: planned.source,
    });
    Command::Image(ImageBuilt {
        function: order.function.clone(),
        reference: order.reference.clone(),
        key: key.clone(),
        inputs: inputs.clone(),
        digest: built.digest.clone(),
        bases: bases.clone(),
        source,
        duration_ms: u64::try_from(ended.as_millisecond() - began.as_millisecond()).unwrap_or(0),
        assembled: built.assembled && is_built,
        prefix: prefix.filter(|_| is_built),
    })
}
