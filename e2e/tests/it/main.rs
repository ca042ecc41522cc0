//! End-to-end tests, one binary: a real engine, a real stack.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod assembled;
mod bad_input;
mod builds;
mod crash;
mod deploy;
mod disk;
mod dist;
mod drift;
mod encrypted_registry;
mod engine;
mod engine_crash;
mod esb;
mod failing_disk;
mod faults;
mod full_registry;
mod gate;
mod harmless;
mod hostile;
mod keeping;
mod lock;
mod matrix;
mod moved_base;
mod moved_tag;
mod overheard;
mod overtaken;
mod parity;
mod payload;
mod pipelines;
mod planted;
mod power;
mod prefixes;
mod process;
mod process_limits;
mod provision;
mod proxy;
mod prune;
mod read_only;
mod readers;
mod refusal;
mod resume;
mod rig;
mod rollback;
mod runtimes;
// What the programs write is as their schemas say, here as in the tests without an engine.
mod saved_plan;
#[path = "../../../cli/tests/cli/schemas.rs"]
mod schemas;
mod secrets;
mod signals;
mod stack;
mod strangers_image;
mod support;
mod teardown;
mod testing_library;
mod tidy;
mod tutorial;
mod twelve_tasks;
mod unwritable_journal;
mod uploads;
mod world;
