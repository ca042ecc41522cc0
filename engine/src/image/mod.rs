//! Images: references, Dockerfiles and content keys.
//!
//! Pure. Here: how a reference reads, how `FROM` is rewritten, what goes into a content key. Not here: building (`docker`).
