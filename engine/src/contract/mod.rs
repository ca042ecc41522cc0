//! The payload contract: is this artifact complete and well formed, so that it can be applied?
//!
//! Pure: texts and trees in, models and violations out. Not here: reading files (`load`), what the stack can take (`compat`).

mod digest;
mod fields;
mod ids;
mod manifest;
mod read;
mod rule;
mod source;
mod text;
mod violation;

pub use digest::Digest;
pub use ids::{canonical_ref, compute_id, is_id, source_key};
pub use manifest::{
    ApiVersion, ArtifactEntry, FunctionName, Generator, Manifest, Mode, RuntimeStack,
    SourceTemplate,
};
pub use read::{Checked, Ids, PayloadPaths, check_manifest, check_tree, parse_manifest};
pub use rule::Rule;
pub use source::{Source, quoted};
pub use text::RUNTIME_BASE;
pub use violation::{Place, Violation, Warning};
