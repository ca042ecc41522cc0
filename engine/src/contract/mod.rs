//! The payload contract: is this artifact complete and well formed, so that it can be applied?
//!
//! Pure: texts and trees in, models and violations out. Not here: reading files (`load`), what the stack can take (`compat`).

mod digest;
mod manifest;
mod violation;

pub use digest::Digest;
pub use manifest::{
    ApiVersion, ArtifactEntry, FunctionName, Generator, Manifest, Mode, RuntimeStack,
    SourceTemplate,
};
pub use violation::{Place, Violation, Warning};
