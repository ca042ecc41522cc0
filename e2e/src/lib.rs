//! The whole from outside: a real engine, a real stack, the demo and what the end-to-end tests stand on.
//!
//! Here: one module for each thing a test needs. Everything is synchronous, so that a plain test function can use it;
//! only the proxy runs a runtime of its own. Not here: the services of the stack (the `stack` binary), the product.

#![cfg(feature = "host")]

pub mod artifactctl;
pub mod bases;
pub mod command;
pub mod crash;
pub mod demo;
pub mod dist;
pub mod engine;
pub mod http;
pub mod images;
pub mod matrix;
pub mod measure;
pub mod namespace;
pub mod packages;
pub mod pictures;
pub mod proxy;
pub mod python;
pub mod registry;
pub mod services;
pub mod stack;
pub mod workspace;

mod functions;
mod parameters;
mod storage;
mod watchdog;
