//! The loop: read the journal, fold, ask what is next, do it, record it.
//!
//! Async, but of no particular runtime. Here: the ports `World` and `Stamp`, the loop. Not here: rules (`machine`) and Docker (`docker`).

mod world;

pub use world::{
    Built, ConfigTexts, Fault, ImageOrder, ImageStatus, Notice, Publication, Published, World,
};
