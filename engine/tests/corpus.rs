//! The corpora of the fuzz targets, replayed: what libFuzzer once found stays mended.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zip::ZipArchive;

#[path = "../fuzz/src/lib.rs"]
pub mod targets;

use targets::{Body, TARGETS};

/// Targets whose bodies are not of this crate: the producer's, whose corpus it replays itself.
const ELSEWHERE: [&str; 1] = ["template"];

/// The longest one input may take, as in a campaign; a thousandth of it is usual.
const LIMIT: Duration = Duration::from_secs(5);

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/fuzz")
}

/// The inputs of a corpus with their names, in the order in which the archive has them.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let archive = fs::File::open(corpora().join(format!("{target}.zip"))).expect("it has a corpus");
    let mut archive = ZipArchive::new(archive).expect("a corpus is an archive");
    let mut inputs = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("it was listed");
        let mut input = Vec::new();
        entry.read_to_end(&mut input).expect("the archive is whole");
        inputs.push((entry.name().to_owned(), input));
    }
    inputs
}

/// Replays a corpus; names each input that breaks a rule or takes too long.
fn replay(target: &str, body: Body) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, input) in inputs(target) {
        let began = Instant::now();
        let held = catch_unwind(|| body(&input)).is_ok();
        if !held || began.elapsed() > LIMIT {
            let took = began.elapsed();
            broken.push(format!("{target}/{name}, held: {held}, took {took:?}"));
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
        bytes += inputs.iter().map(|(_, input)| input.len()).sum::<usize>();
    }
    assert!(bytes < 2 << 20, "{bytes} bytes: minimise the corpora");
    let archives = fs::read_dir(corpora()).expect("there are corpora");
    let archives = archives.map(|entry| entry.expect("an archive").file_name());
    let known = names
        .iter()
        .map(|name| OsString::from(format!("{name}.zip")));
    assert_eq!(
        archives.collect::<BTreeSet<_>>(),
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
