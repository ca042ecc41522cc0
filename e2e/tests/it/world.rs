//! A world that is not as a deploy needs it: engine and registry that are down, a journal that cannot be used.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use e2e::command;
use e2e::engine::TestEngine;
use e2e::stack::{Stack, StackOptions};
use rstest::rstest;

use crate::refusal::{Bench, Mount, Said, contents, run};

/// The folder of the target in a journal.
const TARGET: &str = "journal/esb-dev/dev";

/// Asserts how a command ended: code, words, a next step, and no panic.
fn assert_failed(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    for part in words.iter().chain(&["\n  hint: "]) {
        assert!(said.stderr.contains(part), "`{part}`: {}", said.stderr);
    }
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
}

/// A bench on whose journal two deploys have failed for want of an engine.
fn with_journal() -> Bench {
    let bench = Bench::new();
    for _ in 0..2 {
        assert_eq!(run(&mut bench.deploy()).code, Some(9));
    }
    bench
}

#[test]
fn an_engine_that_is_down_is_an_error_that_can_be_gone_on_from() {
    let bench = Bench::new();
    // A socket that is left over from an engine that has ended.
    drop(UnixListener::bind(bench.path("docker.sock")).unwrap());
    let before = contents(&bench.out());
    let left_over = format!("unix://{}", bench.path("docker.sock").display());
    for address in [
        "unix:///nowhere/docker.sock",
        &left_over,
        "tcp://127.0.0.1:1",
    ] {
        let said = run(bench.deploy().env("DOCKER_HOST", address));
        let words = [
            "cannot reach the Docker engine",
            address,
            "start the Docker engine",
        ];
        assert_failed(&said, 9, &words);
        assert_failed(&said, 9, &["artifactctl resume esb-dev/dev"]);
        assert_eq!(said.stdout, "");
    }
    let json = run(bench.deploy().args(["--format", "json"]));
    assert_eq!(json.error()["kind"], "unreachable");
    assert_eq!(contents(&bench.out()), before);
}

#[test]
fn a_registry_that_is_down_is_an_error_that_can_be_gone_on_from() {
    let stack = Stack::up(TestEngine::shared(), StackOptions::default()).unwrap();
    let bench = Bench::new();
    let before = contents(&bench.out());
    command::run(stack.compose().args(["stop", "--timeout", "1", "registry"])).unwrap();
    let said = run(&mut bench.deploy_onto(&stack));
    assert_failed(
        &said,
        9,
        &[
            "cannot ask the registry",
            "see that the registry",
            &stack.host_registry(),
        ],
    );
    assert_eq!(contents(&bench.out()), before);

    command::run(stack.compose().args(["start", "registry"])).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !e2e::http::call(stack.registry_port(), "GET", "/v2/", "")
        .is_ok_and(|it| it.status == 200)
    {
        assert!(Instant::now() < deadline, "the registry does not come back");
    }
    let said = run(&mut bench.deploy_onto(&stack));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr.contains("resumed: attempt 2"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_journal_directory_that_cannot_be_written_is_an_error_before_anything_happens() {
    let mounted = Bench::new();
    fs::create_dir(mounted.journal()).unwrap();
    let _mount = Mount::read_only(&mounted.journal());
    let file = Bench::new();
    file.write("journal", "no directory\n");
    let held_by_a_folder = Bench::new();
    fs::create_dir_all(held_by_a_folder.path(TARGET).join("lock")).unwrap();
    for (bench, why) in [
        (&mounted, "Read-only file system"),
        (&file, "journal` is not a directory"),
        (&held_by_a_folder, "Is a directory"),
    ] {
        let before = contents(&bench.path(""));
        let said = run(&mut bench.deploy());
        assert_failed(
            &said,
            9,
            &["/journal", why, "or name another with `--journal DIR`"],
        );
        assert_eq!(said.stdout, "");
        assert_eq!(contents(&bench.path("")), before, "{why}");
    }
}

#[rstest]
#[case::named(
    r#"{"actor":"ops","pid":4711,"host":"here","boot_id":"b","since":"2026-02-20T00:00:00Z","deploy":null}"#,
    "target `esb-dev/dev` is held by ops (process 4711 on here) since 2026-02-20 00:00:00Z"
)]
#[case::unnamed("", "has not written its name into")]
fn a_target_that_another_process_holds_is_refused_at_once(
    #[case] holder: &str,
    #[case] words: &str,
) {
    let bench = with_journal();
    let mut lock = File::create(bench.path(TARGET).join("lock")).unwrap();
    lock.lock().unwrap();
    lock.write_all(holder.as_bytes()).unwrap();
    let before = contents(&bench.path(""));
    let asked = Instant::now();
    let said = run(&mut bench.deploy());
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    assert_failed(&said, 5, &[words]);
    assert_eq!(contents(&bench.path("")), before);

    drop(lock);
    assert_eq!(run(&mut bench.deploy()).code, Some(9), "it is free again");
}

/// Each way to damage a journal, by the store of before and after its last events.
type Harm = fn(&Bench);

/// A byte in the middle of an event that was appended.
fn flip(bench: &Bench) {
    let log = bench.path(TARGET).join("store/sled/db");
    let mut bytes = fs::read(&log).unwrap();
    let word = b"cannot reach the Docker engine";
    let at = bytes
        .windows(word.len())
        .position(|part| part == word)
        .unwrap();
    bytes[at] ^= 1;
    fs::write(log, bytes).unwrap();
}

/// The log as it was before the last events.
fn cut(bench: &Bench) {
    let store = bench.path(TARGET).join("store/sled");
    let before = bench.path("before");
    let mut copy = std::process::Command::new("cp");
    command::run(copy.arg("-a").args([&store, &before])).unwrap();
    assert_eq!(run(&mut bench.deploy()).code, Some(9));
    fs::remove_dir_all(&store).unwrap();
    fs::rename(before, store).unwrap();
}

/// The log is gone, and what is kept apart says that there was one.
fn lose(bench: &Bench) {
    fs::remove_dir_all(bench.path(TARGET).join("store/sled")).unwrap();
}

/// What is kept apart is gone.
fn behead(bench: &Bench) {
    fs::remove_file(bench.path(TARGET).join("store/head")).unwrap();
}

#[rstest]
#[case::a_byte_is_flipped(flip)]
#[case::the_last_events_are_cut_off(cut)]
#[case::all_events_are_lost(lose)]
#[case::the_head_is_lost(behead)]
fn a_damaged_journal_is_neither_written_nor_believed(#[case] harm: Harm) {
    let bench = with_journal();
    assert_eq!(run(&mut bench.command(&["verify"])).code, Some(0));
    harm(&bench);
    let before = contents(&bench.out());
    let said = run(&mut bench.deploy());
    assert_failed(&said, 8, &["artifactctl verify"]);
    assert_eq!(said.stdout, "");
    let verified = run(&mut bench.command(&["verify"]));
    assert_failed(
        &verified,
        8,
        &["`artifactctl import FILE --journal DIR` makes another"],
    );
    assert!(verified.stdout.contains("damaged"), "{}", verified.stdout);
    assert_eq!(contents(&bench.out()), before);
}

/// A newer store cannot be made by this build; a newer export says in its last line what it is.
#[test]
fn a_journal_of_a_newer_tool_is_refused_by_name() {
    let bench = with_journal();
    let export = run(&mut bench.command(&["export"])).stdout;
    let newer = export.replace("{\"format\":1,", "{\"format\":4,");
    assert_ne!(newer, export);
    bench.write("newer.jsonl", newer);
    bench.write("same.jsonl", export);
    let import = |file| {
        let into = ["import", file, "--journal", "other"];
        run(&mut bench.command(&into))
    };
    let said = import("newer.jsonl");
    assert_failed(&said, 8, &["export format 4", "update artifactctl"]);
    assert!(!bench.path("other").exists());
    bench.write("other", "no directory\n");
    let said = import("same.jsonl");
    assert_failed(&said, 9, &["other` is not a directory"]);
    bench.remove("other");
    assert_eq!(import("same.jsonl").code, Some(0));
}
