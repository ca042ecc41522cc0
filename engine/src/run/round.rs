//! One round of an attempt, from a look at the stack to what is published because of it.
//!
//! Builds take time, and others may change the stack meanwhile, or take images out of the registry. So both are looked at again right
//! before publishing: a round that finds them as they were goes on, any other ends, and the attempt begins another one with what
//! was seen.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use super::Notice;
use super::deploy_journal::DeployJournal;
use super::documents::RecordedImages;
use super::drive::{Run, StepEnd};
use super::image_plan::{LOOKUPS, PlannedImage};
use super::images::ProvedImage;
use super::preparation::{self, Merge};
use super::record::DeployRecord;
use super::world::{Fault, ImageOrder, World};
use crate::compat::Observation;
use crate::contract::{Digest, required_secrets};
use crate::image::Registries;
use crate::machine::{Applied, Command, ComposeCall, Deploy, FailureKind, ProvisionResult, Step};

/// A look at the stack that is older is repeated before publishing. A deploy that builds nothing takes less, but for one of very
/// many functions.
const FRESH: SignedDuration = SignedDuration::from_secs(2);

/// So often an attempt begins anew because something has changed; the next change ends it.
const CHANGES_MAX: u32 = 3;

/// What an attempt knows of its round that no event says.
#[derive(Default)]
pub(super) struct Round {
    /// When the stack was looked at.
    looked_at: Option<Timestamp>,
    /// How often the attempt found that something had changed.
    changes: u32,
    /// What an earlier deploy left, when the deploy goes back to it.
    pub(super) content: Option<DeployRecord>,
    /// What stood in the output directory, and what is published there once every image is there.
    pub(super) merge: Option<Merge>,
    /// What becomes of each image that was owed, and why.
    pub(super) planned: Vec<PlannedImage>,
    /// The images that are there, by the reference that the stack pulls.
    images: BTreeMap<String, ProvedImage>,
    /// What the journal knew of images when this round merged.
    pub(super) recorded: RecordedImages,
    /// Keys of ours that were changed by hand are only shown, whatever was asked for: nothing will be overwritten.
    pub(super) shows_drift: bool,
}

impl Round {
    /// The first round of a run that stops before it changes anything.
    pub(super) fn of_plan() -> Self {
        Self {
            shows_drift: true,
            ..Self::default()
        }
    }

    /// These images are there.
    pub(super) fn has(&mut self, images: impl IntoIterator<Item = ProvedImage>) {
        let by_reference = |image: ProvedImage| (image.order.reference.clone(), image);
        self.images.extend(images.into_iter().map(by_reference));
    }

    /// The images that are there.
    pub(super) fn images(&self) -> impl Iterator<Item = &ProvedImage> {
        self.images.values()
    }

    /// Images were built, which takes time.
    fn has_built(&self) -> bool {
        self.images.values().any(|image| image.is_new)
    }

    /// Time has passed since the stack was looked at, or it is known to change: it is looked at again before publishing.
    fn is_old(&self, now: Timestamp) -> bool {
        let fresh = |at: Timestamp| {
            let age = now.duration_since(at);
            // A clock that was set back says nothing of how long it took.
            !age.is_negative() && age <= FRESH
        };
        self.has_built() || self.changes > 0 || !self.looked_at.is_some_and(fresh)
    }

    /// The images whose tags name another image, or none: those that no live configuration names, and those that one does.
    fn to_tag(&self, registries: &Registries) -> (Vec<&ProvedImage>, Vec<&ProvedImage>) {
        let live = self.merge.as_ref().map(|merge| &merge.live);
        let is_live = |image: &&ProvedImage| {
            let reference = preparation::tagged_for_stack(registries, &image.order.reference);
            live.is_some_and(|live| live.contains(&reference))
        };
        let images = self.images.values();
        let (live, new) = images.filter(|image| image.moves_tag()).partition(is_live);
        (new, live)
    }
}

/// What a second look has shown to be otherwise.
enum Change {
    /// The stack is another one.
    Stack,
    /// The registry has not got this image any more, or another one under its key.
    Image(String),
}

impl<W: World> Run<'_, W> {
    /// Looks at the stack.
    pub(super) async fn observe(
        &self,
        journal: &DeployJournal<'_>,
        project: &str,
    ) -> Result<Observation, StepEnd> {
        let secrets = required_secrets(&deploy(journal).request.manifest);
        let look = self.world.observe(project, &secrets);
        self.abortable(Step::Observe, look)
            .await?
            .map_err(StepEnd::fault(Step::Observe))
    }

    /// Records what was seen, and begins a round with it.
    pub(super) fn begin_round(
        &self,
        journal: &mut DeployJournal<'_>,
        round: &mut Round,
        observation: Observation,
    ) -> Result<(), StepEnd> {
        *round = Round {
            looked_at: Some(journal.now()),
            changes: round.changes,
            shows_drift: round.shows_drift,
            ..Round::default()
        };
        // What follows from the observation is decided at once and shares its sync.
        let commands = vec![Command::Observe(observation), Command::Check];
        self.record(journal, commands).map(drop).map_err(Into::into)
    }

    /// Publishes, once the stack and the images are known to be as they were.
    ///
    /// Tags that no live configuration names are set before; a live tag is moved once the files that go with it are published, so
    /// that a deploy that fails before has changed nothing live. Publishing is short and is never cut in the middle.
    pub(super) async fn publish(
        &self,
        journal: &mut DeployJournal<'_>,
        round: &mut Round,
        provision: Option<ComposeCall>,
    ) -> Result<(), StepEnd> {
        let rechecked_at = if round.is_old(journal.now()) {
            let (seen, change) = self.look_again(journal, round).await?;
            if let Some(change) = change {
                round.changes += 1;
                if round.changes > CHANGES_MAX {
                    return Err(StepEnd::fault(Step::Observe)(unsteady(journal, &change)));
                }
                return self.begin_round(journal, round, seen);
            }
            Some(journal.now())
        } else {
            None
        };
        let merge = round.merge.as_ref();
        let merge = merge.expect("every round merges before it publishes");
        let images = round.recorded.keep_in_effect(journal, deploy(journal))?;
        self.go_on()?;
        let (new, live) = round.to_tag(self.registries);
        let mut tags = self.tag(journal, new).await?;
        self.go_on()?;
        journal.must_be_in_place()?;
        let files = self
            .world
            .publish(&merge.publication())
            .await
            .map_err(StepEnd::fault(Step::Publish))?;
        tags.extend(self.tag(journal, live).await?);
        let provision = match provision {
            Some(call) => Some(self.provision(journal, &call).await?),
            None => None,
        };
        if round.content.is_some() {
            self.verify(merge, round).await?;
        }
        let applied = Command::Apply(Applied {
            files,
            images,
            tags,
            rechecked_at: rechecked_at.map(|at| at.to_string()),
            provision,
        });
        self.record(journal, vec![applied])
            .map(drop)
            .map_err(Into::into)
    }

    /// Looks at the stack again, and at the images when some were built since they were looked at: what is there now, and what of
    /// it is otherwise than the round found it.
    async fn look_again(
        &self,
        journal: &DeployJournal<'_>,
        round: &mut Round,
    ) -> Result<(Observation, Option<Change>), StepEnd> {
        let deploy = deploy(journal);
        let seen = self.observe(journal, &deploy.request.project).await?;
        self.go_on()?;
        let first = deploy.observed.as_ref();
        if !first.is_some_and(|first| seen.shows_the_same_stack(&first.observation)) {
            return Ok((seen, Some(Change::Stack)));
        }
        let lost = if round.has_built() {
            self.prove_again(round).await?
        } else {
            None
        };
        self.go_on()?;
        Ok((seen, lost.map(Change::Image)))
    }

    /// Nobody has asked to stop.
    pub(super) fn go_on(&self) -> Result<(), StepEnd> {
        if self.interrupts.asked() {
            return Err(StepEnd::interrupted(Step::Publish));
        }
        Ok(())
    }

    /// Asks again for both tags of every image that is older than the builds. Gives the reference of one that is not what it was.
    async fn prove_again(&self, round: &mut Round) -> Result<Option<String>, StepEnd> {
        let older = round.images.values_mut().filter(|image| !image.is_new);
        let looks = older.map(|image| async move {
            let tags = self.world.image_tags(&image.order, &image.key).await;
            match tags {
                Ok(tags) => {
                    image.named = tags.named;
                    let is_there = tags.keyed.as_ref() == Some(&image.digest);
                    Ok((!is_there).then(|| image.order.reference.clone()))
                }
                Err(fault) => Err(of_image(Step::Image, &image.order, fault)),
            }
        });
        let looks = stream::iter(looks)
            .buffer_unordered(LOOKUPS)
            .try_collect::<Vec<_>>();
        let lost = self.abortable(Step::Image, looks).await??;
        Ok(lost.into_iter().flatten().min())
    }

    /// Moves tags, side by side. Gives each with the digest that it names since.
    async fn tag(
        &self,
        journal: &DeployJournal<'_>,
        images: Vec<&ProvedImage>,
    ) -> Result<BTreeMap<String, Digest>, StepEnd> {
        if images.is_empty() {
            return Ok(BTreeMap::new());
        }
        let moves = images.into_iter().map(|image| async move {
            journal.must_be_in_place()?;
            let moved = self.world.tag_image(&image.order, &image.digest).await;
            moved.map_err(|fault| of_image(Step::Tag, &image.order, fault))?;
            Ok::<_, StepEnd>((image.order.reference.clone(), image.digest.clone()))
        });
        let moves = stream::iter(moves).buffer_unordered(LOOKUPS).try_collect();
        self.abortable(Step::Tag, moves).await?
    }

    async fn provision(
        &self,
        journal: &DeployJournal<'_>,
        call: &ComposeCall,
    ) -> Result<ProvisionResult, StepEnd> {
        journal.must_be_in_place()?;
        let line = |text: &str| {
            (self.notice)(Notice::Line {
                function: None,
                text,
            });
        };
        let project = &deploy(journal).request.project;
        let run = self.world.provision(project, call, &line);
        self.abortable(Step::Provision, run)
            .await?
            .map_err(StepEnd::fault(Step::Provision))
    }
}

fn deploy<'a>(journal: &'a DeployJournal<'_>) -> &'a Deploy {
    let deploy = journal.state().deploy.as_ref();
    deploy.expect("an effect belongs to a deploy")
}

pub(super) fn of_image(step: Step, order: &ImageOrder, fault: Fault) -> StepEnd {
    let function = Some(order.function.clone());
    StepEnd::Fault {
        step,
        function,
        fault,
    }
}

fn unsteady(journal: &DeployJournal<'_>, last: &Change) -> Fault {
    let project = &deploy(journal).request.project;
    let (last, hint) = match last {
        Change::Stack => (
            format!("at last the stack `{project}` was another one than at first"),
            format!(
                "see what replaces its containers: `docker events --filter label=com.docker.compose.project={project}`"
            ),
        ),
        Change::Image(reference) => (
            format!("at last the image of `{reference}` was not the one that was proved"),
            "see who else pushes to the registry, or removes images from it".to_owned(),
        ),
    };
    Fault::new(
        FailureKind::Unreachable,
        format!(
            "stack and images do not stay as they are for long enough to deploy onto `{project}`"
        ),
    )
    .because([
        format!(
            "something was otherwise each of the {} times that it was looked at before publishing",
            CHANGES_MAX + 1
        ),
        last,
    ])
    .hint(hint)
    .hint("deploy again once they stay as they are")
    .retryable()
}
