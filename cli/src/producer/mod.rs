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
pub(crate) mod artifact;
mod fuzz;
#[cfg(test)]
mod golden;
pub(crate) mod intrinsics;
pub(crate) mod model;
pub(crate) mod parameters;
pub(crate) mod report;
pub(crate) mod sam;
pub(crate) mod template;
mod text;

pub(crate) use fuzz::read_template;
