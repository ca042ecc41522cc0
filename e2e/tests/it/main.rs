//! End-to-end tests, one binary: a real engine, a real stack.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod builds;
mod crash;
mod deploy;
mod disk;
mod engine;
mod engine_crash;
mod esb;
mod failing_disk;
mod faults;
mod full_registry;
mod gate;
mod harmless;
mod hostile;
mod lock;
mod matrix;
mod parity;
mod payload;
mod power;
mod process;
mod provision;
mod proxy;
mod read_only;
mod readers;
mod refusal;
mod resume;
mod rig;
mod runtimes;
mod secrets;
mod signals;
mod stack;
mod support;
mod teardown;
mod tidy;
mod world;
