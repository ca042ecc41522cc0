//! Images that need no builder: from a Dockerfile, its bases and an index of the context to layers, configuration and manifest.
//!
//! Pure. Here: which Dockerfiles can be assembled, what `BuildKit` would make of them, and the bytes of that. Not here: reading
//! bases and the context, asking a registry (`docker`). Decision record 0070 says what is assembled and what is built.

mod added;
mod configuration;
mod copy;
mod extract;
mod image;
mod index;
mod layer;
mod owner;
mod rootfs;
mod settings;
mod stage;
mod tree;

#[cfg(test)]
mod tests;

pub use added::Added;
pub use configuration::{ContainerSettings, Healthcheck, HistoryEntry, ImageConfiguration, RootFs};
pub use extract::extract;
pub use image::{Assembled, BaseImage, BaseLayer, FinishedImage, ManifestFormat};
pub use index::{LayerIndex, LayerMember, MemberKind};
pub use layer::{ContentSource, NewEntry, NewLayer, WrittenLayer};
pub use stage::{AssemblyInputs, assemble};
pub use tree::{FileContent, FileTree, NodeKind, TreeNode};
