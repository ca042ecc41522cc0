//! Images: references, Dockerfiles and content keys.
//!
//! Pure. Here: how a reference reads, how `FROM` is rewritten, what goes into a content key, which proxy settings reach
//! a build. Not here: reading contexts and building (`docker`).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod assemble;
pub mod dockerfile;
mod explain;
mod glob;
mod key;
mod platform;
pub mod proxy;
mod reference;
mod registries;
mod sources;

pub use dockerfile::{
    BuildPrefix, DockerfileError, DockerfileWarning, HEREDOC_ENGINE, NotAssembled, Recipe,
    RewriteContext, Rewritten, build_prefix, pinned, recipe, rewrite,
};
pub use explain::explain;
pub use glob::part as glob_part;
pub use key::{ContentKey, InputContent, InputFile, KeyInputs, content_key, key_tag};
pub use platform::platform;
pub use reference::{Reference, ReferenceError, ReferencePart};
pub use registries::{Registries, RegistryError};
pub use sources::{reached, reaches};

/// The last part of the repository of every lambda base image.
pub const LAMBDA_BASE: &str = "esb-lambda-base";
