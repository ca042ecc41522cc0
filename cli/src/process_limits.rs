//! What the system lets this process have: descriptors, threads, memory.
//!
//! A library that gets none of them in the middle of its work panics, aborts or waits for ever, and the storage engine takes a
//! refused allocation for damage. So a process with too little says so and ends before it touches anything. Here: what is needed,
//! and the runtime that keeps to it.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use tokio::runtime::{Builder, Runtime};

use crate::failure::{Failure, Kind};

/// Open files. A deploy of one function has some 25; each further image that is asked for at the same time has a connection.
const FILES: u64 = 64;
/// Open files that are taken when they can be had.
const FILES_WANTED: u64 = 1024;
/// Bytes of address space, of which little is used: the C library reserves 64 MiB for the allocations of each thread that runs at
/// the same time, and 2 MiB are its stack. With 1 GiB a deploy was seen to wait for ever for a thread that it did not get.
const MEMORY: u64 = 4 << 30;
/// Threads beside the first: the runtime's, the storage engine's, those that answer readers.
const THREADS: usize = 16;
/// Threads of the runtime that drive what waits. A deploy waits for others most of its time.
const WORKERS: usize = 4;
/// Threads of the runtime that read files.
const READERS: usize = 8;
/// Bytes of the stack of a thread that only shows that it can be had.
const SMALL_STACK: usize = 64 << 10;

/// Has no core of this process written, and nobody but root look into its memory: secrets lie there.
///
/// Programs that it starts write no core either, but can be looked into as any can.
pub(crate) fn keep_memory_private() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // A core that goes to a program is written whatever the limit says; the second call keeps that one from being made. Where a
    // sandbox forbids either, a deploy is still what was asked for.
    setrlimit(Resource::Core, none).ok();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
}

/// Fails when this process may not have what every command needs.
pub(crate) fn check() -> Result<(), Failure> {
    let files = raised(getrlimit(Resource::Nofile));
    if let Some(files) = files.filter(|files| *files < FILES) {
        return Err(too_little(
            &format!("it may have {files} files open at a time (`ulimit -n`), and needs {FILES}"),
            &format!("ulimit -n {FILES_WANTED}"),
        ));
    }
    let memory = getrlimit(Resource::As).current;
    if let Some(memory) = memory.filter(|memory| *memory < MEMORY) {
        return Err(too_little(
            &format!(
                "its address space is limited to {} KiB (`ulimit -v`), and it needs {}",
                memory >> 10,
                MEMORY >> 10
            ),
            "ulimit -v unlimited",
        ));
    }
    let (started, error) = start_threads();
    let Some(error) = error else { return Ok(()) };
    let limit = match getrlimit(Resource::Nproc).current {
        Some(limit) => format!("{limit} processes and threads of this user (`ulimit -u`)"),
        None => "that of a container or of the machine".to_owned(),
    };
    Err(too_little(
        &format!(
            "it could start {started} threads and needs {THREADS}: {error}; the limit is {limit}"
        ),
        "ulimit -u unlimited",
    ))
}

/// The limits of this process that are not infinite, in words; empty when there are none.
pub(crate) fn in_words() -> String {
    let of = |resource| getrlimit(resource).current;
    let all = [
        ("-n", of(Resource::Nofile), "files"),
        ("-u", of(Resource::Nproc), "processes"),
        ("-v", of(Resource::As).map(|bytes| bytes >> 10), "KiB"),
    ];
    let set = all.into_iter().filter_map(|(flag, limit, unit)| {
        let limit = limit?;
        Some(format!("`ulimit {flag}` is {limit} {unit}"))
    });
    set.collect::<Vec<_>>().join(", ")
}

/// A runtime whose threads are counted in what is needed.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut builder = Builder::new_multi_thread();
    let built = builder
        .worker_threads(cores.min(WORKERS))
        .max_blocking_threads(READERS)
        .enable_all()
        .build();
    built.map_err(|error| {
        Failure::of(Kind::Unreachable, &error).hint(format!("raise the limit: {}", in_words()))
    })
}

/// How many files may be open, after as many were asked for as are wanted; none without a limit.
fn raised(limit: Rlimit) -> Option<u64> {
    let current = limit.current?;
    if current >= FILES_WANTED {
        return Some(current);
    }
    let most = limit.maximum.unwrap_or(FILES_WANTED).min(FILES_WANTED);
    let wanted = Rlimit {
        current: Some(most.max(current)),
        ..limit
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted.current,
        // Then it stays as it is.
        Err(_) => Some(current),
    }
}

/// Starts as many threads as are needed, all at the same time, and ends them. Says how many there were, and why not more.
fn start_threads() -> (usize, Option<io::Error>) {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let mut threads = Vec::with_capacity(THREADS);
    let mut error = None;
    for _ in 0..THREADS {
        let gate = Arc::clone(&gate);
        let waits = move || drop(gate.lock());
        match thread::Builder::new().stack_size(SMALL_STACK).spawn(waits) {
            Ok(thread) => threads.push(thread),
            Err(refused) => {
                error = Some(refused);
                break;
            }
        }
    }
    drop(closed);
    let started = threads.len();
    for thread in threads {
        // It does nothing that could panic.
        drop(thread.join());
    }
    (started, error)
}

fn too_little(what: &str, command: &str) -> Failure {
    let message = "the system gives this process too little to work with".to_owned();
    let mut failure = Failure::new(Kind::Unreachable, message);
    failure.causes.push(what.to_owned());
    failure.hint(format!(
        "raise the limit, for example with `{command}`, then run the same command again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_threads_as_are_needed_are_had_and_ended() {
        let (started, error) = start_threads();
        assert_eq!((started, error.map(|error| error.kind())), (THREADS, None));
        assert!(check().is_ok());
    }

    #[test]
    fn what_is_limited_is_said_with_its_unit() {
        let words = in_words();
        let files = getrlimit(Resource::Nofile).current.unwrap();
        assert!(
            words.contains(&format!("`ulimit -n` is {files} files")),
            "{words}"
        );
    }
}
