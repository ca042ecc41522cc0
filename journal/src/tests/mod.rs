//! Tests of the crate: rules that every store keeps, and what only the store on disk does.

mod backup;
mod conformance;
mod damage;
mod disk_use;
mod documents;
mod follow;
mod golden;
mod long_log;
mod lost;
mod moved;
mod names;
mod other_user;
mod overlay;
mod owner;
mod planted;
mod prune;
mod reader;
mod removal;
mod rig;
mod sled_store;
mod torn;
mod transfer;
mod verify;
