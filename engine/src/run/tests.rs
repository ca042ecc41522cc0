//! The loop on the simulated world: single deploys, plans, and the laws of `docs/internals/events.md` over schedules of disturbances.
//!
//! `inputs` says what is deployed, `rig` runs processes over one target, `rounds` replaces the stack meanwhile, `faulty_store` is what they die in, `person` holds and releases, `trace` keeps what they were seen to do. `model` says what the
//! events allow, `laws` and `image_laws` compare, `explore` enumerates schedules
//! and `rivals` lets two processes take turns.

mod concurrent;
mod deploys;
mod drift;
mod explore;
mod faulty_store;
mod histories;
mod image_laws;
mod imported;
mod inputs;
mod kept;
mod keys;
mod laws;
mod locks;
mod model;
mod moved;
mod person;
mod plans;
mod prefixes;
mod prune;
mod read_event;
mod rig;
mod rivals;
mod rollback;
mod rounds;
mod schedules;
mod tags;
mod trace;
mod values;

pub(super) use faulty_store::FixedStamp;
