//! The kinds of events. Here is the one list of them; what each carries is in `payload`.

use crate::contract::Digest;

use super::payload::{
    Abandoned, Applied, CompatChecked, DriftFound, Failed, Held, ImageBuilt, ImagesKept, Merged,
    ObservedStack, Released, Requested, Resumed, TakenOver,
};
use super::pruned::Pruned;

/// Makes the type of all events, the names of their kinds, their JSON and an accessor for each of one list.
macro_rules! events {
    ($($(#[doc = $doc:literal])+ $kind:ident($payload:ty) by $accessor:ident,)+) => {
        /// One event of a deploy.
        #[expect(
            clippy::large_enum_variant,
            reason = "a handful live at a time; a box would only hide the shape"
        )]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[doc = $doc])+ $kind($payload),)+
        }

        impl Event {
            /// Every kind: those of a deploy in its order, then those of the target's lock.
            pub const KINDS: [&'static str; [$(stringify!($kind)),+].len()] =
                [$(stringify!($kind)),+];

            /// The kind, as journal envelopes carry it.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($kind),)+
                }
            }

            /// The payload as JSON.
            pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
                match self {
                    $(Self::$kind(payload) => serde_json::to_vec(payload),)+
                }
            }

            /// The event of a kind from its payload; none when the kind is unknown.
            pub(super) fn from_json(kind: &str, payload: &[u8]) -> Option<serde_json::Result<Self>> {
                match kind {
                    $(stringify!($kind) => Some(serde_json::from_slice(payload).map(Self::$kind)),)+
                    _ => None,
                }
            }

            /// The schema of the payload of each kind.
            #[cfg(feature = "schema")]
            pub fn payload_schemas(
                generator: &mut schemars::SchemaGenerator,
            ) -> Vec<(&'static str, schemars::Schema)> {
                vec![$((stringify!($kind), generator.subschema_for::<$payload>()),)+]
            }

            $(
                /// What it carries, when it is of this kind.
                pub fn $accessor(&self) -> Option<&$payload> {
                    if let Self::$kind(payload) = self {
                        Some(payload)
                    } else {
                        None
                    }
                }
            )+
        }
    };
}

events! {
    /// Someone asked for this deploy.
    Requested(Requested) by as_requested,
    /// What was running.
    Observed(ObservedStack) by as_observed,
    /// May this artifact meet that stack?
    CompatChecked(CompatChecked) by as_compat_checked,
    /// What the configuration will be.
    Merged(Merged) by as_merged,
    /// Images are in the registry as an earlier deploy recorded them.
    ImagesKept(ImagesKept) by as_images_kept,
    /// One image is in the registry.
    ImageBuilt(ImageBuilt) by as_image_built,
    /// The configuration is published, and provisioned when asked.
    Applied(Applied) by as_applied,
    /// This attempt ended here.
    Failed(Failed) by as_failed,
    /// A new attempt goes on.
    Resumed(Resumed) by as_resumed,
    /// It will never be finished.
    Abandoned(Abandoned) by as_abandoned,
    /// The owner before this one ended without letting go of the target.
    TakenOver(TakenOver) by as_taken_over,
    /// A person holds the target.
    Held(Held) by as_held,
    /// A person let go of the target.
    Released(Released) by as_released,
    /// What is there is not what was applied.
    DriftFound(DriftFound) by as_drift_found,
    /// The first events of the journal were removed on purpose.
    Pruned(Pruned) by as_pruned,
}

impl Event {
    /// The kinds that are about who may use the target, and not about how far a deploy is.
    pub const LOCK_KINDS: [&'static str; 3] = ["TakenOver", "Held", "Released"];

    /// The kinds that may stand by themselves, as a group of events that is no deploy.
    pub const KINDS_APART: [&'static str; 3] = ["Held", "DriftFound", "Pruned"];

    /// The documents that it names.
    pub fn documents(&self) -> Vec<&Digest> {
        let merged = self.as_merged().into_iter();
        let of_merge = merged.flat_map(|merged| {
            let one_of_each = [merged.ownership.document(), merged.images.document()];
            one_of_each
                .into_iter()
                .chain(merged.values.values().map(Some))
        });
        let kept = self.as_images_kept().map(|kept| &kept.images);
        let applied = self
            .as_applied()
            .and_then(|applied| applied.images.as_ref());
        let pruned = self.as_pruned().and_then(|pruned| pruned.images.as_ref());
        of_merge.chain([kept, applied, pruned]).flatten().collect()
    }

    /// It is about who may use the target, and not about how far a deploy is.
    pub fn is_about_the_lock(&self) -> bool {
        Self::LOCK_KINDS.contains(&self.kind())
    }
}
