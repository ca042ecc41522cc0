//! A command that is overtaken: between its look at the unfinished deploy and its lock of the journal, somebody else gives that
//! deploy up and begins another.
//!
//! `strace` stops the command where it opens the lock, so that the moment is the same each time.

use std::fs;
use std::process::Command;

use e2e::packages;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Running, eventually, run};
use crate::refusal::{Bench, program};

/// The processes that come from one, which has one thread.
fn children(pid: u32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[rstest]
fn a_command_that_was_overtaken_appends_nothing(#[values("resume", "abandon")] word: &str) {
    let bench = Bench::new();
    // No engine answers, which leaves the deploy unfinished.
    let deploy = || run(&mut bench.deploy()).ended(9);
    let events = || run(&mut bench.command(&["export"])).ended(0).stdout;
    deploy();

    let trace = bench.path("trace");
    let mut traced = Command::new(packages::strace().unwrap());
    bench.prepare(&mut traced);
    traced.args(["-f", "-o"]).arg(&trace);
    traced
        .arg("-P")
        .arg(bench.journal().join("esb-dev/dev/lock"));
    traced.args(["-e", "trace=openat"]);
    traced.args(["-e", "inject=openat:signal=SIGSTOP:when=1"]);
    let overtaken = Running::start(traced.arg(program()).arg(word));
    let has_stopped =
        || fs::read_to_string(&trace).is_ok_and(|it| it.contains("stopped by SIGSTOP"));
    eventually("it stops before its lock", has_stopped);

    run(&mut bench.command(&["abandon"])).ended(0);
    deploy();
    let before = events();
    for child in children(overtaken.pid()) {
        kill_process(Pid::from_raw(child).unwrap(), Signal::CONT).unwrap();
    }
    let ran = overtaken.wait().ended(5);
    ran.said("is not unfinished any more");
    assert_eq!(events(), before);
    run(&mut bench.command(&["abandon"])).ended(0);
}
