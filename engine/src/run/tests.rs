//! The loop on the simulated world: single deploys, plans, and the laws of `docs/events.md` over schedules of disturbances.

mod deploys;
mod inputs;
mod plans;
mod rig;
mod schedules;
