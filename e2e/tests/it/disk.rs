//! A disk that is full, for real: a file system in memory of a few pages, filled to the last.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::refusal::{Bench, Mount, Said, contents, run, shared_stack};

/// Writes until nothing more fits, and says how much did.
fn fill(path: &Path) -> usize {
    let mut file = File::create_new(path).unwrap();
    let mut written = 0;
    // Down to single bytes, so that not even the last page has room.
    for size in [4096, 1] {
        loop {
            match file.write(&[b'x'; 4096][..size]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(written > 0, "there was room to fill");
    written
}

#[test]
fn a_full_disk_while_publishing_leaves_the_old_files_and_the_same_command_goes_on() {
    let stack = shared_stack();
    let bench = Bench::with_images_of("disk");
    let _mount = Mount::memory(&bench.out(), 64);
    bench.write("out/functions.yml", "functions: {}\n");
    bench.write("out/routing.yml", "routes: []\n");
    fill(&bench.path("out/filler"));
    let before = contents(&bench.out());
    let deploy = || run(bench.deploy_onto(stack).args(["--format", "json"]));

    let failed = deploy();
    assert_eq!(failed.code, Some(7), "{failed:?}");
    let error = failed.error();
    assert_eq!(error["kind"], "publish");
    let message = error["message"].to_string();
    assert!(message.contains("/out/"), "{message}");
    assert!(message.contains("No space left on device"), "{message}");
    let hints = error["hints"].to_string();
    assert!(hints.contains("free some space"), "{hints}");
    assert!(hints.contains("artifactctl resume"), "{hints}");
    let after = contents(&bench.out());
    assert_eq!(after, before, "no file is new, none is half written");

    bench.remove("out/filler");
    let applied = deploy();
    assert_eq!(applied.code, Some(0), "{applied:?}");
    for kind in ["\"kind\":\"Resumed\"", "\"kind\":\"Applied\""] {
        assert!(applied.stdout.contains(kind), "{}", applied.stdout);
    }
    let again = applied.stdout.contains("\"kind\":\"Requested\"");
    assert!(!again, "it is the same deploy");
    for (file, holds) in [
        ("functions.yml", "orders-place"),
        ("routing.yml", "/stock/audit"),
    ] {
        let text = fs::read_to_string(bench.out().join(file)).unwrap();
        assert!(text.contains(holds), "{text}");
    }
    let names: Vec<_> = contents(&bench.out()).into_keys().collect();
    assert_eq!(names.len(), 4, "the directory and three files: {names:?}");
}

/// The engine is not there: were it asked before the journal can be used, the error would be another.
#[test]
fn a_journal_on_a_full_disk_is_an_error_before_anything_happens() {
    let bench = Bench::new();
    fs::create_dir(bench.journal()).unwrap();
    let _mount = Mount::memory(&bench.journal(), 64);
    fill(&bench.path("journal/filler"));
    let before = contents(&bench.out());
    let said = run(&mut bench.deploy());
    assert_full(&said);
    assert_eq!(contents(&bench.out()), before);
}

/// sled takes 512 KiB for its log when it makes it. A deploy has room beside that, and then its traces have none.
#[test]
fn a_journal_whose_disk_fills_up_is_whole_and_goes_on_when_there_is_room() {
    const MOST: usize = 50;
    let bench = Bench::new();
    fs::create_dir(bench.journal()).unwrap();
    let mount = Mount::memory(&bench.journal(), 528);
    let verify = || run(&mut bench.command(&["verify"]));
    let before = contents(&bench.out());
    let runs = (0..MOST).map(|_| run(&mut bench.deploy()));
    let said = runs.skip_while(|said| said.stderr.contains("cannot reach the Docker engine"));
    assert_full(&said.take(1).next().expect("528 KiB are full by now"));
    assert_eq!(contents(&bench.out()), before);

    mount.grow(4096);
    let whole = verify();
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let said = run(&mut bench.deploy());
    assert!(
        said.stderr.contains("cannot reach the Docker engine"),
        "{said:?}"
    );
    let on = verify();
    assert_eq!(on.code, Some(0), "{on:?}");
    assert_ne!(on.stdout, whole.stdout, "facts were added");
}

fn assert_full(said: &Said) {
    assert_eq!(said.code, Some(9), "{said:?}");
    assert_eq!(said.stdout, "");
    for part in [
        "/journal/",
        "No space left on device",
        "hint: free some space where the journal is",
    ] {
        assert!(said.stderr.contains(part), "`{part}`: {}", said.stderr);
    }
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
}
