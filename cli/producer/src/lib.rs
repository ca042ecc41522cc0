//! From SAM templates to artifacts.
//!
//! Two halves with plain data between them: a template becomes a [`model`] by pure rooms, a model becomes files. Ids,
//! validation, compatibility and publishing are the engine's.
//!
//! ```text
//! template ─► parameters ─► intrinsics ─► sam ─► model
//! tree        values        texts         types  data      report: what is wrong, odd or left out, from all of them
//! ```

#[cfg(test)]
mod accounting;
pub mod artifact;
#[cfg(test)]
mod golden;
pub mod intrinsics;
pub mod model;
pub mod parameters;
pub mod report;
pub mod sam;
pub mod template;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
