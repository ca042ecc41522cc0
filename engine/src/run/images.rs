//! Images of a deploy: which are there, which must be built and why, and building them side by side.

use std::collections::{BTreeMap, VecDeque};

use futures_util::future::{Either, pending, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use journal::EventLog;
use serde::Serialize;

use super::Notice;
use super::deploy_journal::{DeployJournal, DeployJournalError, deploy_events};
use super::drive::{Run, StepEnd};
use super::preparation;
use super::world::{Built, Fault, ImageOrder, ImageStatus, World};
use crate::contract::{Digest, FunctionName};
use crate::image;
use crate::machine::{Base, Command, FailureKind, ImageBuilt, ImageSource, Step};

/// Registry look-ups at a time: enough to hide a round trip, few enough for a small registry.
const LOOKUPS: usize = 16;

/// Events in one append. An `ImageBuilt` event stays below 16 KiB by the bound on a key's inputs, a batch below 256 KiB.
const BATCH: usize = 12;

/// What will happen to one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedImage {
    /// The function.
    pub function: FunctionName,
    /// The reference the stack pulls.
    pub reference: String,
    /// The content key.
    pub key: Digest,
    /// Why it is built; empty when it is in the registry already and is reused.
    pub build_because: Vec<Cause>,
}

/// Why an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// This journal knows no image of the function.
    FirstBuild,
    /// An input of the content key differs from the last deploy's, in words.
    Input(String),
    /// The same content was built before, but the registry no longer has it, or its tag points elsewhere.
    NotInRegistry,
    /// `--no-cache` was given.
    NoCache,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FirstBuild => f.write_str("not built before"),
            Self::Input(words) => f.write_str(words),
            Self::NotInRegistry => f.write_str("the registry does not have it"),
            Self::NoCache => f.write_str("--no-cache"),
        }
    }
}

/// An order with what is known of it.
pub(super) struct Known {
    pub(super) order: ImageOrder,
    pub(super) status: ImageStatus,
}

/// Looks up every order, side by side. Two orders with one reference and different keys are a breach of the contract.
pub(super) async fn inspect<W: World>(
    world: &W,
    orders: Vec<ImageOrder>,
) -> Result<Vec<Known>, StepEnd> {
    let lookups = futures_util::stream::iter(orders.into_iter().map(|order| async move {
        let status = world.inspect_image(&order).await;
        (order, status)
    }));
    let mut lookups = Box::pin(lookups.buffered(LOOKUPS));
    let mut known = Vec::new();
    while let Some((order, status)) = lookups.next().await {
        match status {
            Ok(status) => known.push(Known { order, status }),
            Err(fault) => {
                return Err(StepEnd::Fault {
                    step: Step::Image,
                    function: Some(order.function),
                    fault,
                });
            }
        }
    }
    let mut by_reference: BTreeMap<&str, &Known> = BTreeMap::new();
    for this in &known {
        if let Some(other) = by_reference.insert(&this.order.reference, this)
            && other.status.key != this.status.key
        {
            let function = Some(this.order.function.clone());
            return Err(StepEnd::Fault {
                step: Step::Image,
                function,
                fault: two_contents(other, this),
            });
        }
    }
    Ok(known)
}

fn two_contents(one: &Known, other: &Known) -> Fault {
    Fault::new(
        FailureKind::Payload,
        format!(
            "functions `{}` and `{}` share the image `{}` but are built from different inputs",
            one.order.function, other.order.function, one.order.reference
        ),
    )
    .hint("give each function an image of its own in functions.yml")
}

/// Says for each image whether it is reused or built, and why.
pub(super) fn plan_images(
    known: &[Known],
    proved: &BTreeMap<FunctionName, ImageBuilt>,
    previous: &BTreeMap<FunctionName, ImageBuilt>,
) -> Vec<PlannedImage> {
    known
        .iter()
        .map(|Known { order, status }| PlannedImage {
            function: order.function.clone(),
            reference: order.reference.clone(),
            key: status.key.clone(),
            build_because: causes(
                order,
                status,
                proved.get(&order.function),
                previous.get(&order.function),
            ),
        })
        .collect()
}

/// `--no-cache` builds even what is there, but not what an earlier attempt of this very deploy has built already.
fn causes(
    order: &ImageOrder,
    status: &ImageStatus,
    proved: Option<&ImageBuilt>,
    previous: Option<&ImageBuilt>,
) -> Vec<Cause> {
    let built_by_us = proved.is_some_and(|image| {
        image.key == status.key && Some(&image.digest) == status.present.as_ref()
    });
    match (&status.present, previous) {
        (Some(_), _) if !order.no_cache || built_by_us => Vec::new(),
        (Some(_), _) => vec![Cause::NoCache],
        (None, None) => vec![Cause::FirstBuild],
        (None, Some(image)) if image.key == status.key => vec![Cause::NotInRegistry],
        (None, Some(image)) => image::explain(&image.inputs, &status.inputs)
            .into_iter()
            .map(Cause::Input)
            .collect(),
    }
}

/// The images that the base deploy put, or found, in the registry.
pub(super) fn images_of_base(
    events: &(impl EventLog + ?Sized),
    base: Option<&Base>,
) -> Result<BTreeMap<FunctionName, ImageBuilt>, DeployJournalError> {
    let Some(first) = base
        .map(|base| events.deploy_start(base.deploy))
        .transpose()?
        .flatten()
    else {
        return Ok(BTreeMap::new());
    };
    let images = deploy_events(events, first)?
        .into_iter()
        .filter_map(|recorded| recorded.event.as_image_built().cloned())
        .map(|image| (image.function.clone(), image));
    Ok(images.collect())
}

impl<W: World> Run<'_, W> {
    /// Proves or builds the outstanding images, and records each.
    pub(super) async fn images(
        &self,
        journal: &mut DeployJournal<'_>,
        functions: Option<Vec<FunctionName>>,
    ) -> Result<(), StepEnd> {
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
            self.artifact,
            self.registries,
            &deploy.request.options,
            &observed.observation,
            functions
                .map(|functions| functions.into_iter().collect())
                .as_ref(),
        );
        let known = self
            .abortable(Step::Image, inspect(self.world, orders))
            .await??;
        let previous = images_of_base(journal.events(), deploy.request.base.as_ref())?;
        let planned = plan_images(&known, &deploy.earlier_images, &previous);
        (self.notice)(Notice::ImagesPlanned(&planned));

        let (mut reused, mut builds) = (Vec::new(), Vec::new());
        for (known, plan) in known.into_iter().zip(&planned) {
            match &known.status.present {
                Some(digest) if plan.build_because.is_empty() => {
                    reused.push(event(
                        &known,
                        digest,
                        ImageSource::Reused,
                        began,
                        journal.now(),
                    ));
                }
                Some(_) | None => builds.push(known),
            }
        }
        for events in batches(reused) {
            self.record(journal, events)?;
        }
        self.build(journal, builds).await
    }

    /// Builds side by side. The first fault stops new builds; those in flight are finished and recorded.
    async fn build(
        &self,
        journal: &mut DeployJournal<'_>,
        builds: Vec<Known>,
    ) -> Result<(), StepEnd> {
        let mut queue: VecDeque<Vec<Known>> = by_reference(builds).into();
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
                    Ok(built) => events.extend(built_events(
                        &finished.group,
                        &built,
                        finished.began,
                        journal.now(),
                    )),
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

    async fn build_one(&self, group: Vec<Known>, began: Timestamp) -> Finished {
        let Known { order, status } = &group[0];
        let function = &order.function;
        (self.notice)(Notice::BuildStarted(function));
        let line = |text: &str| {
            (self.notice)(Notice::Line {
                function: Some(function),
                text,
            });
        };
        let built = self.world.build_image(order, status, &line).await;
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
    group: Vec<Known>,
    began: Timestamp,
    built: Result<Built, Fault>,
}

/// Orders that share a reference are one build; they have one key, or `inspect` would have refused them.
fn by_reference(builds: Vec<Known>) -> Vec<Vec<Known>> {
    let mut groups: Vec<Vec<Known>> = Vec::new();
    for known in builds {
        match groups
            .iter_mut()
            .find(|group| group[0].order.reference == known.order.reference)
        {
            Some(group) => group.push(known),
            None => groups.push(vec![known]),
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
    group: &[Known],
    built: &Built,
    began: Timestamp,
    ended: Timestamp,
) -> Vec<Command> {
    let sources = std::iter::once(ImageSource::Built).chain(std::iter::repeat(ImageSource::Reused));
    group
        .iter()
        .zip(sources)
        .map(|(known, source)| event(known, &built.digest, source, began, ended))
        .collect()
}

fn event(
    known: &Known,
    digest: &Digest,
    source: ImageSource,
    began: Timestamp,
    ended: Timestamp,
) -> Command {
    Command::Image(ImageBuilt {
        function: known.order.function.clone(),
        reference: known.order.reference.clone(),
        key: known.status.key.clone(),
        inputs: known.status.inputs.clone(),
        digest: digest.clone(),
        bases: known.status.bases.clone(),
        source,
        duration_ms: u64::try_from(ended.as_millisecond() - began.as_millisecond()).unwrap_or(0),
    })
}
