//! What will happen to each image of a deploy, and why. Nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::documents::RecordedImages;
use super::drive::StepEnd;
use super::world::{Fault, ImageOrder, ImageStatus, PrefixStatus, World};
use crate::contract::{Digest, FunctionName};
use crate::image;
use crate::machine::{FailureKind, ImageBuilt, ImageSource, Step};

/// Registry look-ups at a time: enough to hide a round trip, few enough for a small registry.
pub(super) const LOOKUPS: usize = 16;

/// What will happen to one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedImage {
    /// The function.
    pub function: FunctionName,
    /// The reference the stack pulls.
    pub reference: String,
    /// The content key.
    pub key: Digest,
    /// Built, reused as this journal recorded it, or promoted: in the registry, and recorded by no deploy of this journal.
    pub source: ImageSource,
    /// Why it is built; empty when it is in the registry already and is taken.
    pub build_because: Vec<Cause>,
    /// The tag that the stack pulls names another image, or none, and is moved when it is published.
    pub moves_tag: bool,
    /// The digest that the registry has under the content key; none when it has none.
    pub keyed: Option<Digest>,
    /// The digest that the reference names; none when the registry has no such tag.
    pub named: Option<Digest>,
    /// Of one that is built where images are assembled: the line that needs a builder, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_builder: Option<String>,
    /// Of one that is assembled over the image of its first instructions: what becomes of that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PlannedPrefix>,
}

/// What will happen to the image of the first instructions of a Dockerfile, up to its last RUN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedPrefix {
    /// The content key.
    pub key: Digest,
    /// The line of the RUN.
    pub line: u32,
    /// Built, reused as this journal recorded it, or promoted: in the registry, and recorded by no deploy of this journal.
    pub source: ImageSource,
    /// Why it is built; none when it is in the registry already and is taken.
    pub build_because: Option<Cause>,
    /// The digest that is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<Digest>,
}

/// Why an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// This journal knows no image of the function.
    FirstBuild,
    /// An input of the content key differs from the last deploy's, in words.
    Input(String),
    /// The same content was recorded before, and the registry does not have it any more.
    NotInRegistry,
    /// The key's tag names another image than the one that this journal recorded under that key: somebody else pushed it.
    OtherDigest {
        /// What this journal recorded.
        recorded: Digest,
        /// What the registry has.
        found: Digest,
    },
    /// `--no-cache` was given.
    NoCache,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FirstBuild => f.write_str("not built before"),
            Self::Input(words) => f.write_str(words),
            Self::NotInRegistry => f.write_str("the registry does not have it"),
            Self::OtherDigest { recorded, found } => write!(
                f,
                "the registry has {found} under its key, and {recorded} was recorded; `--accept-digest {found}` takes it"
            ),
            Self::NoCache => f.write_str("--no-cache"),
        }
    }
}

/// An order with what the registry says of it.
pub(super) struct LookedUp {
    pub(super) order: ImageOrder,
    pub(super) status: ImageStatus,
    /// What becomes of the image of its first instructions, once that is planned.
    pub(super) prefix: Option<PlannedPrefix>,
}

/// Looks up every order, side by side. Two orders with one reference and different keys are a breach of the contract.
pub(super) async fn look_up<W: World>(
    world: &W,
    orders: Vec<ImageOrder>,
) -> Result<Vec<LookedUp>, StepEnd> {
    let lookups = futures_util::stream::iter(orders.into_iter().map(|order| async move {
        let status = world.inspect_image(&order).await;
        (order, status)
    }));
    let mut lookups = Box::pin(lookups.buffered(LOOKUPS));
    let mut looked_up = Vec::new();
    while let Some((order, status)) = lookups.next().await {
        match status {
            Ok(status) => looked_up.push(LookedUp {
                order,
                status,
                prefix: None,
            }),
            Err(fault) => {
                return Err(StepEnd::Fault {
                    step: Step::Image,
                    function: Some(order.function),
                    fault,
                });
            }
        }
    }
    let mut by_reference: BTreeMap<&str, &LookedUp> = BTreeMap::new();
    for this in &looked_up {
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
    Ok(looked_up)
}

fn two_contents(one: &LookedUp, other: &LookedUp) -> Fault {
    Fault::new(
        FailureKind::Payload,
        format!(
            "functions `{}` and `{}` share the image `{}` but are built from different inputs",
            one.order.function, other.order.function, one.order.reference
        ),
    )
    .hint("give each function an image of its own in functions.yml")
}

/// What becomes of recorded images that are there: each is taken by its digest.
pub(super) fn restored(looked_up: &[LookedUp]) -> Vec<PlannedImage> {
    let images = looked_up.iter();
    let planned = images.map(|LookedUp { order, status, .. }| PlannedImage {
        function: order.function.clone(),
        reference: order.reference.clone(),
        key: status.key.clone(),
        source: ImageSource::Reused,
        build_because: Vec::new(),
        moves_tag: status.tags.keyed != status.tags.named,
        keyed: status.tags.keyed.clone(),
        named: status.tags.named.clone(),
        needs_builder: None,
        prefix: None,
    });
    planned.collect()
}

/// What decides whether an image that is there is taken.
pub(super) struct Known<'a> {
    /// What this journal recorded.
    pub(super) recorded: &'a RecordedImages,
    /// What attempts of this deploy recorded.
    pub(super) attempts: Option<&'a BTreeMap<FunctionName, ImageBuilt>>,
    /// Digests that a person accepts although this journal recorded others.
    pub(super) accepted: &'a BTreeSet<Digest>,
}

impl Known<'_> {
    /// Says for each image whether it is taken or built, and why. Functions that share an image share what becomes of it.
    pub(super) fn plan(&self, looked_up: &[LookedUp]) -> Vec<PlannedImage> {
        let mut planned: Vec<PlannedImage> = looked_up
            .iter()
            .map(|LookedUp { order, status, .. }| {
                let (source, build_because) = match self.decide(order, status) {
                    Ok(source) => (source, Vec::new()),
                    Err(causes) => (ImageSource::Built, causes),
                };
                let is_built = !build_because.is_empty();
                let first = build_because.first();
                let prefix = first.and_then(|cause| self.plan_prefix(order, status, cause));
                let needs_builder = prefix.as_ref().is_none_or(|one| one.taken.is_none());
                PlannedImage {
                    needs_builder: status
                        .needs_builder
                        .clone()
                        .filter(|_| is_built && needs_builder),
                    prefix,
                    function: order.function.clone(),
                    reference: order.reference.clone(),
                    key: status.key.clone(),
                    moves_tag: !build_because.is_empty() || status.tags.keyed != status.tags.named,
                    keyed: status.tags.keyed.clone(),
                    named: status.tags.named.clone(),
                    source,
                    build_because,
                }
            })
            .collect();
        let built: BTreeMap<String, Vec<Cause>> = planned
            .iter()
            .filter(|image| image.source == ImageSource::Built)
            .map(|image| (image.reference.clone(), image.build_because.clone()))
            .collect();
        for image in &mut planned {
            if let Some(causes) = built.get(&image.reference)
                && image.source != ImageSource::Built
            {
                image.source = ImageSource::Built;
                image.moves_tag = true;
                image.build_because.clone_from(causes);
            }
        }
        planned
    }

    /// The digest that this journal recorded last under a key, for a function or for another one of the same image.
    fn recorded(&self, order: &ImageOrder, key: &Digest) -> Option<&Digest> {
        let RecordedImages { base, since, .. } = self.recorded;
        let mut since = since.iter();
        let newest = since.find_map(|image| {
            let fits = image.function == order.function || image.reference == order.reference;
            let prefix = image.prefix.as_ref().filter(|one| one.key == *key);
            let digest = if image.key == *key {
                Some(&image.digest)
            } else {
                prefix.map(|one| &one.digest)
            };
            digest.filter(|_| fits)
        });
        let of_base = || base.digest_of(&order.function, key);
        let shared = || {
            let mut others = base.images.values();
            others.find_map(|image| {
                let same = image.reference == order.reference;
                image.digest_of(key).filter(|_| same)
            })
        };
        newest.or_else(of_base).or_else(shared)
    }

    /// An image that is there is the one that the base deploy left in effect, in every respect.
    pub(super) fn keeps(
        &self,
        LookedUp { order, status, .. }: &LookedUp,
        plan: &PlannedImage,
    ) -> bool {
        let left = self.recorded.base.images.get(&order.function);
        plan.source == ImageSource::Reused
            && left.is_some_and(|left| {
                left.reference == order.reference
                    && left.key == status.key
                    && Some(&left.digest) == status.tags.keyed.as_ref()
            })
    }

    /// How an image is taken that is there, or why it is built.
    ///
    /// A tag is no proof: whoever may push can put any image there. What this journal recorded under the key is taken, another
    /// image is not. An image under a key that this journal never recorded is another machine's; taking it is said.
    fn decide(&self, order: &ImageOrder, status: &ImageStatus) -> Result<ImageSource, Vec<Cause>> {
        let recorded = self.recorded(order, &status.key);
        let Some(found) = &status.tags.keyed else {
            return Err(self.absent(order, status, recorded.is_some()));
        };
        if order.no_cache && !self.is_of_attempts(order, status, found) {
            return Err(vec![Cause::NoCache]);
        }
        let is_accepted = self.accepted.contains(found);
        match recorded {
            Some(recorded) if recorded == found => Ok(ImageSource::Reused),
            Some(recorded) if !is_accepted => Err(vec![Cause::OtherDigest {
                recorded: recorded.clone(),
                found: found.clone(),
            }]),
            Some(_) | None => Ok(ImageSource::Promoted),
        }
    }

    /// What becomes of the image of the first instructions of one that is built for this cause. It is trusted as any image is.
    fn plan_prefix(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        cause: &Cause,
    ) -> Option<PlannedPrefix> {
        let PrefixStatus { key, line, found } = status.prefix.clone()?;
        let recorded = self.recorded(order, &key);
        let decided = match (found, recorded) {
            _ if order.no_cache => Err(Cause::NoCache),
            // Nobody asked for it, since the image itself is there.
            (None, _) if status.tags.keyed.is_some() => Err(cause.clone()),
            (None, None) => Err(Cause::FirstBuild),
            (None, Some(_)) => Err(Cause::NotInRegistry),
            (Some(found), Some(recorded)) if found == *recorded => Ok((ImageSource::Reused, found)),
            (Some(found), Some(recorded)) if !self.accepted.contains(&found) => {
                let recorded = recorded.clone();
                Err(Cause::OtherDigest { recorded, found })
            }
            (Some(found), _) => Ok((ImageSource::Promoted, found)),
        };
        let (source, taken, build_because) = match decided {
            Ok((source, found)) => (source, Some(found), None),
            Err(cause) => (ImageSource::Built, None, Some(cause)),
        };
        Some(PlannedPrefix {
            key,
            line,
            source,
            build_because,
            taken,
        })
    }

    /// `--no-cache` builds even what is there, but not what an earlier attempt of this very deploy has built already.
    fn is_of_attempts(&self, order: &ImageOrder, status: &ImageStatus, found: &Digest) -> bool {
        let of_attempts = self.attempts.and_then(|all| all.get(&order.function));
        of_attempts.is_some_and(|image| image.key == status.key && image.digest == *found)
    }

    /// Why an image is built whose key the registry does not have.
    fn absent(&self, order: &ImageOrder, status: &ImageStatus, was_recorded: bool) -> Vec<Cause> {
        if was_recorded {
            return vec![Cause::NotInRegistry];
        }
        let Some(image) = self.recorded.base.images.get(&order.function) else {
            return vec![Cause::FirstBuild];
        };
        image::explain(&image.inputs, &status.inputs)
            .into_iter()
            .map(Cause::Input)
            .collect()
    }
}
