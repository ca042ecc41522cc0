//! Hostile input from outside: whatever stands in the place of a file, however large, deep or named, and whatever an engine or
//! a registry answers. Every command here ends in time, within 256 MiB, and leaves no control character on a terminal.

mod names;
mod output;
mod places;
mod replies;
mod size;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::refusal::{Bench, Said, program, run};

/// The longest a command may take here, in seconds; a command that blocks never ends by itself.
const SECONDS: &str = "60";

/// The most memory that a command may make its own: 256 MiB. Beyond it an allocation fails, which ends a process.
const DATA: &str = "--data=268435456";

/// A command line under limits of time and memory, in the folder of a bench.
fn limited(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--signal=KILL", SECONDS, "prlimit", DATA, "--"])
        .arg(program())
        .args(arguments);
    bench.prepare(&mut command);
    command
}

/// Runs a command that must be refused: its exit code, all of the words, a next step, and nothing that moves a terminal.
#[track_caller]
fn refused(what: &str, command: &mut Command, code: i32, words: &[&str]) -> Said {
    let said = run(command);
    assert_eq!(said.code, Some(code), "{what}: {said:?}");
    assert!(!said.stderr.contains("panicked"), "{what}: {said:?}");
    for word in words {
        assert!(said.stderr.contains(word), "{what}, `{word}`: {said:?}");
    }
    let has_next_step = said.stderr.contains("\n  hint: ") || said.stderr.contains("= help: ");
    assert!(has_next_step, "{what} has no next step: {said:?}");
    unmoving(what, &said);
    said
}

/// Neither output holds a character that moves a terminal.
#[track_caller]
fn unmoving(what: &str, said: &Said) {
    let moves = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    for text in [&said.stdout, &said.stderr] {
        assert!(!text.contains(moves), "{what}: {text:?}");
    }
}

/// What may stand where a file should, and what is said of it.
#[derive(Clone, Copy)]
struct Thing {
    name: &'static str,
    make: fn(&Path),
    rule: &'static str,
    words: &'static str,
}

/// What is no file, however it is opened.
const THINGS: [Thing; 6] = [
    Thing {
        name: "a FIFO",
        make: |path| node(path, FileType::Fifo, 0),
        rule: "not-a-file",
        words: "is a FIFO, not a file",
    },
    Thing {
        name: "a socket",
        make: |path| {
            // The name of a socket may be at most some hundred bytes long.
            let short = tempfile::tempdir().unwrap();
            drop(UnixListener::bind(short.path().join("s")).unwrap());
            fs::rename(short.path().join("s"), path).unwrap();
        },
        rule: "not-a-file",
        words: "is a socket, not a file",
    },
    Thing {
        name: "a device without an end",
        make: |path| node(path, FileType::CharacterDevice, makedev(1, 5)),
        rule: "not-a-file",
        words: "is a device, not a file",
    },
    Thing {
        name: "a directory",
        make: |path| fs::create_dir(path).unwrap(),
        rule: "not-a-file",
        words: "is a directory, not a file",
    },
    Thing {
        name: "a symlink in a circle",
        make: |path| symlink(path, path).unwrap(),
        rule: "symlink-loop",
        words: "is a symlink that leads in a circle",
    },
    Thing {
        name: "a file of 100 GiB",
        make: |path| fs::File::create(path).unwrap().set_len(100 << 30).unwrap(),
        rule: "too-large",
        words: "is larger than",
    },
];

fn node(path: &Path, kind: FileType, device: u64) {
    mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device).unwrap();
}
