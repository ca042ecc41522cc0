//! Tests of the crate: rules that both stores keep, and what only the store on disk does.

mod conformance;
mod damage;
mod documents;
mod follow;
mod golden;
mod long_log;
mod lost;
mod moved;
mod names;
mod other_user;
mod owner;
mod reader;
mod rig;
mod sled_store;
mod torn;
mod transfer;
mod verify;
