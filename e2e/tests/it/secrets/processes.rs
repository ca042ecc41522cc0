//! Every program that a command starts, however short it lives: its arguments, and the environment that it is given.
//!
//! `strace` writes down each start. Not here: what must not be in them (`canary`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use e2e::engine::TestEngine;
use e2e::packages;

use super::canary::ALL;
use super::search::{Home, holds};
use crate::process::{Ran, run};

/// Runs a command while it, and every process that comes from it, is watched: no argument holds a canary, and no environment that
/// the command itself makes holds one that was not in its own. (Compose puts its env file into the environment of its children.)
#[track_caller]
pub(super) fn watched(command: &mut Command) -> Ran {
    let folder = tempfile::tempdir_in(TestEngine::shared().folder()).unwrap();
    let log = folder.path().join("starts");
    let mut traced = Command::new(packages::strace().unwrap());
    traced.args(["-f", "-qq", "--seccomp-bpf", "-e", "signal=none"]);
    traced.args(["-e", "trace=execve,execveat,clone,clone3,fork,vfork"]);
    // Whole, and in a form that needs no knowledge of quotes.
    traced.args(["-v", "-xx", "-s", "4194304", "-o"]).arg(&log);
    traced.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        traced.current_dir(folder);
    }
    let ran = run(&mut traced);
    let starts = read(&fs::read_to_string(&log).unwrap());
    assert!(!starts.is_empty(), "strace saw nothing: {ran:?}");
    let seen = canaries(&starts);
    assert!(seen.is_empty(), "{seen:#?}");
    ran
}

/// A start of a program.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    arguments: Vec<u8>,
    environment: Vec<u8>,
    /// It is the command itself or a child of it.
    is_near: bool,
}

/// Where canaries are, in words.
fn canaries(starts: &[Start]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for start in starts {
        let shown = String::from_utf8_lossy(&start.arguments);
        for canary in ALL {
            let text = canary.text;
            if holds(&start.arguments, text) {
                seen.insert(format!("`{text}` in the arguments {shown:?}"));
            }
            let is_new = canary.home != Home::Environment && start.is_near;
            if is_new && holds(&start.environment, text) {
                seen.insert(format!("`{text}` in the environment of {shown:?}"));
            }
        }
    }
    seen
}

/// The threads that a log has shown so far: whose process each is, and whose child that is.
#[derive(Default)]
struct Family {
    processes: BTreeMap<u32, u32>,
    parents: BTreeMap<u32, u32>,
    /// A call that has not ended makes a thread, and no process.
    making_threads: BTreeMap<u32, bool>,
}

impl Family {
    fn process(&self, thread: u32) -> u32 {
        self.processes.get(&thread).copied().unwrap_or(thread)
    }

    fn made(&mut self, by: u32, child: u32, is_thread: bool) {
        let process = self.process(by);
        if is_thread {
            self.processes.insert(child, process);
        } else {
            self.parents.insert(child, process);
        }
    }
}

/// The starts of a log, in order. Its first process is the command.
fn read(log: &str) -> Vec<Start> {
    let lines = log.lines().filter_map(|line| {
        let (thread, call) = line.trim_start().split_once(' ')?;
        Some((thread.parse().ok()?, call.trim_start()))
    });
    let lines: Vec<(u32, &str)> = lines.collect();
    let root = lines.first().map(|(thread, _)| *thread);
    // A child may start a program before the call that made it has ended: families come first.
    let mut family = Family::default();
    for &(thread, call) in &lines {
        if call.contains("execve") {
            continue;
        }
        let is_thread = if call.starts_with("<... ") {
            family.making_threads.remove(&thread).unwrap_or(false)
        } else {
            call.contains("CLONE_THREAD")
        };
        if call.ends_with("<unfinished ...>") {
            family.making_threads.insert(thread, is_thread);
        } else if let Some((_, child)) = call.rsplit_once(" = ")
            && let Ok(child) = child.trim().parse()
        {
            family.made(thread, child, is_thread);
        }
    }
    let mut starts = Vec::new();
    for &(thread, call) in &lines {
        let is_start = call.starts_with("execve(") || call.starts_with("execveat(");
        let Some((_, lists)) = call.split_once('[').filter(|_| is_start) else {
            continue;
        };
        let (arguments, rest) = lists.split_once(']').unwrap_or((lists, ""));
        let environment = rest.split_once('[').map_or("", |(_, list)| list);
        let environment = environment.split(']').next().unwrap_or_default();
        let process = family.process(thread);
        let parent = family.parents.get(&process).copied();
        starts.push(Start {
            arguments: bytes(arguments),
            environment: bytes(environment),
            is_near: Some(process) == root || parent == root,
        });
    }
    starts
}

/// The texts of a list, a blank after each: `"\x61", "\x62"` are `a b `.
fn bytes(list: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in list.split('"').skip(1).step_by(2) {
        let digits = text.split("\\x").skip(1);
        bytes.extend(digits.filter_map(|digits| u8::from_str_radix(digits, 16).ok()));
        bytes.push(b' ');
    }
    bytes
}

#[test]
fn a_log_is_read_with_its_families() {
    let log = concat!(
        "10 execve(\"\\x61\", [\"\\x61\", \"\\x62\\x63\"], [\"\\x58\\x3d\\x31\"]) = 0\n",
        "10 clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND, exit_signal=0}, 88 <unfinished ...>\n",
        "10 <... clone3 resumed> => {parent_tid=[11]}, 88) = 11\n",
        "11 vfork( <unfinished ...>\n",
        "12 execve(\"\\x64\", [\"\\x64\"], [\"\\x59\"]) = -1 ENOENT (No such file or directory)\n",
        "11 <... vfork resumed>) = 12\n",
        "12 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 13\n",
        "13 execve(\"\\x65\", [\"\\x65\"], [] <unfinished ...>\n",
        "13 <... execve resumed>) = 0\n",
    );
    let start = |arguments: &str, environment: &str, is_near| Start {
        arguments: arguments.into(),
        environment: environment.into(),
        is_near,
    };
    let expected = [
        start("a bc ", "X=1 ", true),
        start("d ", "Y ", true),
        start("e ", "", false),
    ];
    assert_eq!(read(log), expected);
}

/// The watch sees what a child was told by somebody who may know it, however short the child lives.
#[test]
#[should_panic(expected = "in the arguments")]
fn a_canary_in_an_argument_of_a_child_is_seen() {
    let known = ALL.iter().find(|one| one.home == Home::Environment);
    let script = "/bin/true \"$CANARY\"; true";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]);
    watched(shell.env("CANARY", known.unwrap().text));
}

/// A child is told what its parent was not.
#[test]
#[should_panic(expected = "in the environment")]
fn a_canary_in_the_environment_that_a_command_makes_is_seen() {
    let hidden = ALL.iter().find(|one| one.home == Home::Files).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), hidden.text).unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "CANARY=$(cat secret) /bin/true; true"]);
    watched(shell.current_dir(folder.path()));
}
