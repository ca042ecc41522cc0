//! The corpora of the fuzz targets, replayed: what libFuzzer once found stays mended.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../fuzz/src/lib.rs"]
pub mod targets;

use targets::{Body, TARGETS};

/// Targets whose bodies are not of this crate: the producer's, whose corpus `cli` replays.
const ELSEWHERE: [&str; 1] = ["template"];

/// The longest one input may take, as in a campaign; a thousandth of it is usual.
const LIMIT: Duration = Duration::from_secs(5);

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/fuzz")
}

/// The inputs of a corpus, in the order of their names.
fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(corpora().join(target)).expect("each target has a corpus");
    let mut inputs: Vec<PathBuf> = folder
        .map(|entry| entry.expect("a corpus is a folder of files").path())
        .collect();
    inputs.sort();
    inputs
}

/// Replays a corpus; names each input that breaks a rule or takes too long.
fn replay(target: &str, body: Body) -> Vec<String> {
    let mut broken = Vec::new();
    for path in inputs(target) {
        let input = fs::read(&path).expect("a corpus is a folder of files");
        let began = Instant::now();
        let held = catch_unwind(|| body(&input)).is_ok();
        if !held || began.elapsed() > LIMIT {
            let took = began.elapsed();
            broken.push(format!("{}, held: {held}, took {took:?}", path.display()));
        }
    }
    broken
}

#[test]
fn every_input_that_was_ever_found_keeps_the_rules() {
    let broken: Vec<String> = TARGETS
        .iter()
        .flat_map(|(target, body)| replay(target, *body))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn each_target_has_a_program_and_a_corpus_that_is_not_too_large() {
    let mut bytes = 0;
    let names = TARGETS.iter().map(|(target, _)| *target);
    let names: BTreeSet<&str> = names.chain(ELSEWHERE).collect();
    for target in &names {
        let program = format!("fuzz/targets/{target}.rs");
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(&program)
                .exists(),
            "{program}"
        );
        let inputs = inputs(target);
        assert!(inputs.len() > 3, "`{target}` has seeds");
        bytes += inputs
            .iter()
            .map(|path| fs::metadata(path).expect("it was listed").len())
            .sum::<u64>();
    }
    assert!(bytes < 2 << 20, "{bytes} bytes: minimise the corpora");
    let folders = fs::read_dir(corpora()).expect("there are corpora");
    let folders = folders.map(|entry| entry.expect("a folder").file_name());
    let known = names.iter().map(|name| OsString::from(*name));
    assert_eq!(
        folders.collect::<BTreeSet<_>>(),
        known.collect(),
        "no corpus is without a target"
    );
}

/// What is fuzzed is what is shipped: the fuzz crate stands outside of the workspace and has a lock file of its own.
#[test]
fn the_lock_files_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = locked(&root.join("../Cargo.lock"));
    let fuzzed = locked(&root.join("fuzz/Cargo.lock"));
    let foreign: Vec<_> = fuzzed
        .iter()
        .filter(|(name, versions)| {
            ours.get(*name)
                .is_some_and(|ours| !ours.is_superset(versions))
        })
        .collect();
    assert!(
        foreign.is_empty(),
        "copy `Cargo.lock` to `engine/fuzz` and run `cargo fuzz build`: {foreign:#?}"
    );
}

/// The versions of each package of a lock file.
fn locked(path: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(path).expect("the lock file is committed");
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let field = |line: &str, name: &str| {
        let value = line.strip_prefix(name)?.strip_prefix(" = \"")?;
        Some(value.trim_end_matches('"').to_owned())
    };
    let mut name = String::new();
    for line in text.lines() {
        if let Some(found) = field(line, "name") {
            name = found;
        } else if let Some(version) = field(line, "version") {
            versions.entry(name.clone()).or_default().insert(version);
        }
    }
    versions
}
