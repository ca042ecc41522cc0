//! The loop on the simulated world: single deploys, plans, and the laws of `docs/events.md` over schedules of disturbances.
//!
//! `inputs` says what is deployed, `rig` runs processes over one target, `faulty_store` is what they die in, `person` holds and releases, `trace` keeps what they were seen to do. `model` says what the
//! events allow, `laws` compares, `explore` enumerates schedules
//! and `rivals` lets two processes take turns.

mod concurrent;
mod deploys;
mod explore;
mod faulty_store;
mod histories;
mod inputs;
mod keys;
mod laws;
mod locks;
mod model;
mod moved;
mod person;
mod plans;
mod rig;
mod rivals;
mod schedules;
mod trace;

pub(super) use faulty_store::FixedStamp;
