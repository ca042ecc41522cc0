//! End-to-end tests, one binary: a real engine, a real stack.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod disk;
mod engine;
mod proxy;
mod read_only;
mod refusal;
mod secrets;
mod stack;
mod support;
mod teardown;
mod world;
