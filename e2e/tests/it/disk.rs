//! A disk that is full, for real: a file system in memory of a few pages, filled to the last.

use std::fs::{self, File};
use std::io::{Cursor, ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use e2e::workspace;
use journal::{EventLog, MemoryStore, NewEvent, Store, StreamId, transfer};
use rstest::rstest;

use crate::process::said_of;
use crate::refusal::{Bench, Mount, Said, contents, program, run, shared_stack};

/// Writes until nothing more fits, and says how much did.
pub(crate) fn fill(path: &Path) -> usize {
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
    let message = said_of(&error);
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
    assert_ne!(on.stdout, whole.stdout, "events were added");
}

/// An export with three small events and forty that do not fit into the log that sled makes at first.
fn long_export() -> Vec<u8> {
    let short = fs::read(workspace::fixture("journals/v1/envelope-three-facts.jsonl")).unwrap();
    let store = MemoryStore::new(StreamId::new("shop", "dev").unwrap());
    transfer::import(&store, Cursor::new(short)).unwrap();
    let last = store.events(3, 1).unwrap().remove(0).header;
    for number in 0..40 {
        let draft = NewEvent {
            event_id: last.event_id,
            deploy: last.deploy,
            kind: last.kind.clone(),
            schema: last.schema,
            recorded_at: last.recorded_at,
            actor: last.actor.clone(),
            attempt: last.attempt,
            tool: last.tool.clone(),
            payload: vec![number; 60_000],
        };
        store.append(&store.head().unwrap(), vec![draft]).unwrap();
    }
    let mut export = Vec::new();
    transfer::export(&store, &mut export).unwrap();
    export
}

/// Full when the target's folder is made, when sled makes its log, and at several places of the import.
#[rstest]
fn an_import_onto_a_full_disk_leaves_no_journal_and_the_same_command_goes_on(
    #[values(0, 8, 100, 540, 800, 1600)] kib: u32,
) {
    let bench = Bench::new();
    bench.write("export.jsonl", long_export());
    fs::create_dir(bench.journal()).unwrap();
    let mount = Mount::memory(&bench.journal(), kib.max(4));
    if kib == 0 {
        fill(&bench.path("journal/filler"));
    }
    let import = || run(&mut bench.command(&["import", "export.jsonl"]));

    assert_full(&import());
    let left = |name: &str| bench.journal().join("shop/dev").join(name).exists();
    assert!(!left("store"), "a journal that is not whole");
    assert!(!left("store.importing"), "what was made of it");
    let status = run(&mut bench.command(&["status"]));
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(!status.stdout.contains("shop/dev"), "{status:?}");

    mount.grow(16 * 1024);
    let imported = import();
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let exported = run(&mut bench.command(&["export"]));
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert!(exported.stdout.as_bytes() == long_export(), "it is another");
    assert!(!left("store.importing"), "nothing is left of the first try");
}

/// No room at all, and room for a part of it.
#[rstest]
fn ids_that_do_not_fit_onto_the_disk_leave_the_old_manifest(#[values(0, 4096)] room: usize) {
    let bench = Bench::new();
    let folder = bench.path("full");
    fs::create_dir(&folder).unwrap();
    let _mount = Mount::memory(&folder, 64);
    let whole = fs::read_to_string(bench.path("artifact/artifact.yml")).unwrap();
    let long = format!("{whole}# {}\n", "x".repeat(8192));
    let old = long.replace("orders-f2d1205f", "orders-00000000");
    assert_ne!(old, long);
    bench.write("full/artifact.yml", &old);
    let filled = fill(&folder.join("filler")) - room;
    let filler = File::options().write(true).open(folder.join("filler"));
    filler.unwrap().set_len(filled as u64).unwrap();
    let before = contents(&folder);
    let sync =
        || run(&mut bench.command(&["manifest", "sync-ids", "--artifact", "full/artifact.yml"]));

    let said = sync();
    assert_eq!(said.code, Some(7), "{said:?}");
    assert_eq!(said.stdout, "");
    for part in [
        "full/artifact.yml",
        "No space left on device",
        "hint: free some space where the manifest is",
    ] {
        assert!(said.stderr.contains(part), "`{part}`: {}", said.stderr);
    }
    assert!(contents(&folder) == before, "nothing was written");

    bench.remove("full/filler");
    let said = sync();
    assert_eq!(said.code, Some(0), "{said:?}");
    let synced = fs::read_to_string(folder.join("artifact.yml")).unwrap();
    assert!(synced == long, "the id, and nothing else");
}

/// No room at all, and room for a part of the new artifact; with its manifest in it, and beside it.
#[rstest]
fn an_artifact_that_does_not_fit_onto_the_disk_leaves_the_old_one(
    #[values(0, 8, 24)] kib: usize,
    #[values("build/artifact.yml", "made.yml")] manifest: &str,
) {
    let bench = Bench::new();
    let folder = bench.path("full");
    fs::create_dir(&folder).unwrap();
    let _mount = Mount::memory(&folder, 256);
    let generate = |tag: &str| {
        let mut esb = Command::new(program().with_file_name("esb"));
        esb.args(["artifact", "generate", "--template"]);
        esb.arg(workspace::fixture("sam/shop.yaml"));
        esb.args(["--output", "build", "--manifest", manifest, "--tag", tag]);
        run(esb.current_dir(&folder))
    };
    assert_eq!(generate("old").code, Some(0));
    let filled = fill(&folder.join("filler")) - kib * 1024;
    let filler = File::options().write(true).open(folder.join("filler"));
    filler.unwrap().set_len(filled as u64).unwrap();
    let before = contents(&folder);

    let said = generate("new");
    assert_eq!(said.code, Some(7), "{said:?}");
    assert_eq!(said.stdout, "");
    for part in ["No space left on device", "hint: free some space"] {
        assert!(said.stderr.contains(part), "`{part}`: {}", said.stderr);
    }
    assert!(contents(&folder) == before, "nothing was written");

    bench.remove("full/filler");
    assert_eq!(generate("new").code, Some(0));
    let functions = fs::read_to_string(folder.join("build/shop/config/functions.yml")).unwrap();
    assert!(functions.contains(":new\n"), "{functions}");
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
