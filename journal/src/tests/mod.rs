//! Tests of the crate: rules that both stores keep, and what only the store on disk does.

mod conformance;
mod exchange;
mod names;
mod rig;
mod sled_store;
mod target;
mod verify;
