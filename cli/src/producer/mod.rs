//! From SAM templates to artifacts.
//!
//! Two halves with plain data between them: a template becomes a [`model`] by pure rooms, a model becomes files. Ids,
//! validation, compatibility and publishing are the engine's.

pub(crate) mod model;
