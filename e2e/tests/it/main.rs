//! End-to-end tests, one binary: a real engine, a real stack.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod engine;
mod proxy;
mod stack;
mod support;
mod teardown;
