//! Something else in the place of what is published.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::command;

use super::{DATA, SECONDS, THINGS, Thing, refused};
use crate::refusal::{Bench, contents, program, run, shared_stack};

/// A deploy of configuration alone, onto the shared stack, under limits.
fn deploy(bench: &Bench) -> Command {
    let stack = shared_stack();
    for entry in ["svc-a", "svc-b"] {
        fs::remove_dir_all(bench.path(&format!("artifact/{entry}/functions"))).ok();
    }
    let mut command = Command::new("timeout");
    command
        .args(["--signal=KILL", SECONDS, "prlimit", DATA, "--"])
        .arg(program())
        .args(crate::refusal::DEPLOY)
        .args(["--compose-project", stack.project()]);
    bench.prepare(&mut command);
    command.envs(stack.deploy_env());
    command
}

#[test]
fn what_stands_in_the_place_of_a_published_file_is_named_and_not_touched() {
    let kept = |path: &Path| fs::symlink_metadata(path).unwrap().file_type();
    for Thing {
        name, make, words, ..
    } in THINGS
    {
        let bench = Bench::new();
        let target = bench.path("out/routing.yml");
        make(&target);
        let before = kept(&target);
        // What a symlink leads to is not asked: a publish would replace the link.
        let words = match name {
            "a symlink in a circle" => "is a symlink, not a regular file",
            "a directory" | "a FIFO" | "a socket" => &words.replace("a file", "a regular file"),
            "a device without an end" => "is a device, not a regular file",
            _ => words,
        };
        let words = ["out/routing.yml`", words];
        refused(name, &mut deploy(&bench), 7, &words);
        assert_eq!(kept(&target), before, "{name}");
        let shown = run(&mut bench.command(&["show", "latest"]));
        assert!(shown.stdout.contains("failed"), "{name}: {shown:?}");
    }
}

#[test]
fn a_symlink_in_the_output_directory_leads_nowhere() {
    for to in ["../elsewhere.yml", "../missing.yml", "/dev/zero"] {
        let bench = Bench::new();
        bench.write("elsewhere.yml", "functions: {}\n");
        bench.remove("out/functions.yml");
        symlink(to, bench.path("out/functions.yml")).unwrap();
        let words = ["out/functions.yml`", "is a symlink, not a regular file"];
        refused(to, &mut deploy(&bench), 7, &words);
        let elsewhere = fs::read_to_string(bench.path("elsewhere.yml")).unwrap();
        assert_eq!(elsewhere, "functions: {}\n", "{to}");
        assert!(!bench.path("missing.yml").exists());
    }
}

/// The other name keeps what it had: a published file is a new one.
#[test]
fn a_second_name_of_a_published_file_keeps_its_text() {
    let bench = Bench::new();
    let other = bench.path("mine.yml");
    fs::hard_link(bench.path("out/functions.yml"), &other).unwrap();
    let said = run(&mut deploy(&bench));
    assert_eq!(said.code, Some(0), "{said:?}");
    let text = fs::read_to_string(&other).unwrap();
    assert_eq!(text, "functions: {}\n# by hand\n");
    let published = fs::read_to_string(bench.path("out/functions.yml")).unwrap();
    assert!(published.contains("orders-list"), "{published}");
}

#[test]
fn what_stands_in_the_place_of_the_output_directory_is_named() {
    for Thing {
        name, make, words, ..
    } in THINGS
    {
        if name == "a directory" {
            continue;
        }
        let bench = Bench::new();
        fs::remove_dir_all(bench.out()).unwrap();
        make(&bench.out());
        let words = match name {
            "a symlink in a circle" => "Too many levels of symbolic links".to_owned(),
            "a file of 100 GiB" => "is a file, not a directory".to_owned(),
            _ => words.replace("a file", "a directory"),
        };
        let words = ["out`", words.as_str()];
        refused(name, &mut deploy(&bench), 7, &words);
    }
}

/// A flag that even root cannot write through; it goes when this is dropped.
struct Immutable(PathBuf);

impl Immutable {
    fn set(path: PathBuf) -> Self {
        command::run(Command::new("chattr").arg("+i").arg(&path))
            .expect("the file system of temporary folders knows the flag, and this is root");
        Self(path)
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        command::run(Command::new("chattr").arg("-i").arg(&self.0)).ok();
    }
}

#[test]
fn a_file_that_cannot_be_replaced_is_named_and_the_publish_is_completed_once_it_can() {
    let bench = Bench::new();
    let flag = Immutable::set(bench.path("out/functions.yml"));
    let words = ["cannot replace", "out/functions.yml`", "not permitted"];
    refused("immutable", &mut deploy(&bench), 7, &words);
    let left = contents(&bench.out());
    let mut names = left.keys().filter_map(|path| path.file_name()?.to_str());
    assert!(names.all(|name| !name.starts_with('.')), "{left:?}");
    let text = fs::read_to_string(bench.path("out/functions.yml")).unwrap();
    assert_eq!(text, "functions: {}\n# by hand\n");
    drop(flag);
    let said = run(&mut deploy(&bench));
    assert_eq!(said.code, Some(0), "the same command goes on: {said:?}");
}
