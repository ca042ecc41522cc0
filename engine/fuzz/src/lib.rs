//! What must hold for any input whatever: the bodies of the fuzz targets.
//!
//! Each takes bytes as a stranger may write them, reads them the way a deploy does, and panics where a rule is broken. The
//! tests of `engine` call the same functions with the committed corpus (`engine/tests/corpus.rs`); `docs/internals/testing.md` says
//! how to let libFuzzer look for more. Not here: files and connections, whose tests are in `e2e`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use engine::compat::{Policy, check};
use engine::contract::{
    Ids, Manifest, Shape, Source, Violation, check_functions, check_manifest, check_resources,
    check_routing, check_secrets, parse_manifest, parse_secret_env, render_violations,
};
use engine::docker::replies;
use engine::image::{Registries, RewriteContext, glob_part, rewrite};
use engine::load::sync_ids;
use engine::machine::{Event, ObservedStack, decode, encode};
use engine::merge::{
    BaseOwnership, ConfigFile, ConfigText, ConfigTrees, EntryConfig, MergeOptions, MergeOutcome,
    SourceKey, merge,
};
use engine::views::{Pattern, PatternDifference, PatternError, TimedEvent, parse_assertions};
use engine::yaml::{Node, ParseLimits, Span, parse, parse_bytes};
use journal::transfer;
use journal::{EventLog, MemoryStore, NewEvent, SUPPORTED, Store, StreamId};
use uuid::Uuid;

/// The body of a target.
pub type Body = fn(&[u8]);

/// Every target by its name, which is also the name of its program and of the folder of its corpus.
pub const TARGETS: [(&str, Body); 7] = [
    ("manifest", manifest),
    ("config", config),
    ("dockerfile", dockerfile),
    ("journal", journal),
    ("secrets", secrets),
    ("replies", replies),
    ("pattern", pattern),
];

/// Ends each part of an input that stands for several files.
const PART: &str = "=====\n";

/// `artifact.yml`: what is refused has its place in the text, what is accepted is the same after it was recorded, and ids
/// that were filled in are right.
pub fn manifest(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let source = Source::new("artifact.yml", text);
    let checked = check_manifest(&source, Ids::Checked);
    assert_eq!(checked.manifest.is_none(), !checked.violations.is_empty());
    in_place(&source, &checked.violations);
    let recomputed = check_manifest(&source, Ids::Recomputed);
    let Some(manifest) = recomputed.manifest else {
        return;
    };
    let recorded = serde_json::to_vec(&manifest).expect("a manifest is made of texts");
    let read: Manifest = serde_json::from_slice(&recorded).expect("what was recorded is read");
    assert_eq!(read, manifest, "a recorded manifest is the same");
    if checked.manifest.as_ref() != Some(&manifest) {
        ids_are_filled_in(text, &manifest);
    }
}

/// Writing ids changes ids and nothing else, or is refused.
fn ids_are_filled_in(text: &str, wanted: &Manifest) {
    let path = std::env::temp_dir().join(format!("fuzz-manifest-{}.yml", std::process::id()));
    std::fs::write(&path, text).expect("the temporary folder can be written");
    if sync_ids(&path, false).is_ok() {
        let written = std::fs::read_to_string(&path).expect("the manifest is there");
        let (read, _) =
            parse_manifest("artifact.yml", &written).expect("it satisfies the contract");
        assert_eq!(read, *wanted, "the manifest with its ids");
        let again = sync_ids(&path, true).expect("it is read again");
        assert!(again.changes.is_empty(), "{:?}", again.changes);
    }
    std::fs::remove_file(&path).expect("the manifest is there");
}

/// The output directory and two entries: what is merged can be read again as it was meant, and merging it again changes
/// nothing.
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut parts = text.split(PART);
    let mut next = || parts.next().unwrap_or_default();
    let mut standing = BTreeMap::new();
    for file in ConfigFile::ALL {
        let part = next();
        if !part.is_empty() {
            standing.insert(file, part.to_owned());
        }
    }
    let entries: Vec<EntryConfig> = ["a", "b"]
        .into_iter()
        .filter_map(|source| entry(source, next(), next(), next()))
        .collect();
    let Ok(current) = ConfigTrees::parse("out", standing, &ParseLimits::default()) else {
        return;
    };
    let options = MergeOptions::default();
    let base = BaseOwnership::default();
    let Ok(merged) = merge(&current, &entries, &base, &options) else {
        return;
    };
    let published = published(&merged);
    let again = merge(&published, &entries, &base_of(&merged), &options)
        .expect("what was merged is taken again");
    assert_eq!(again.texts, merged.texts, "merging again changes no text");
    assert!(again.changes.is_empty(), "{:?}", again.changes);
    assert!(again.drift.is_empty(), "{:?}", again.drift);
    assert_eq!(again.ownership, merged.ownership);
}

/// An entry whose files satisfy the contract.
fn entry(source: &str, functions: &str, routing: &str, resources: &str) -> Option<EntryConfig> {
    let resources = match resources {
        "" => None,
        text => Some(file("resources.yml", text, check_resources)?),
    };
    Some(EntryConfig {
        source: SourceKey(source.to_owned()),
        functions: file("functions.yml", functions, check_functions)?,
        routing: file("routing.yml", routing, check_routing)?,
        resources,
    })
}

fn file(name: &str, text: &str, shape: fn(&Source<'_>, &Node) -> Shape) -> Option<ConfigText> {
    let source = Source::new(name, text);
    match ConfigText::parse(name, text.to_owned(), &ParseLimits::default()) {
        Err(violations) => {
            in_place(&source, &violations);
            None
        }
        Ok(config) => {
            let shape = shape(&source, &config.tree);
            in_place(&source, &shape.violations);
            shape.violations.is_empty().then_some(config)
        }
    }
}

/// The output directory after a publish: every text is the tree that was meant.
fn published(merged: &MergeOutcome) -> ConfigTrees {
    for (file, text) in &merged.texts {
        let read = parse(text, &ParseLimits::default()).expect("what was written is read");
        assert_eq!(read, merged.trees[file], "what was meant is read");
    }
    ConfigTrees::parse("out", merged.texts.clone(), &ParseLimits::default())
        .expect("every text was read above")
}

fn base_of(merged: &MergeOutcome) -> BaseOwnership {
    BaseOwnership {
        ownership: merged.ownership.clone(),
        removed: merged.changes.removed.clone(),
        taken: merged.changes.taken.clone(),
        applied: true,
    }
}

/// A Dockerfile: what was rewritten is rewritten to itself, and every source can be compared with every path.
pub fn dockerfile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let registries = Registries {
        container: Some("registry:5000".to_owned()),
        host: Some("127.0.0.1:5000".to_owned()),
    };
    let context = RewriteContext {
        registries: &registries,
        stack_version: Some("1.4.2"),
        esb_tag: None,
    };
    let once = match rewrite(text, &context) {
        Ok(once) => once,
        Err(error) => {
            assert!(error.line > 0 && error.column > 0, "{error}");
            return;
        }
    };
    let twice = rewrite(&once.text, &context).expect("what was rewritten is a Dockerfile");
    assert_eq!(twice.text, once.text);
    assert_eq!(twice.bases, once.bases);
    assert_eq!(twice.sources, once.sources);
    for source in &once.sources {
        // Whether it matches does not matter; that the answer comes does.
        let _ = glob_part(source, text.get(..64).unwrap_or(text));
    }
}

/// An export: one that is whole is imported and exported to the same bytes, and any payloads can be kept in one, in which
/// every change of a byte is found.
pub fn journal(data: &[u8]) {
    if let Ok(checked) = transfer::check(Cursor::new(data)) {
        let copy = MemoryStore::new(checked.stream);
        let head = transfer::import(&copy, Cursor::new(data)).expect("it was checked");
        assert_eq!(head, checked.head);
        assert_eq!(exported(&copy), data, "an export is what was imported");
    }
    let stream = StreamId::new("shop", "dev").expect("both are names");
    let store = MemoryStore::new(stream);
    for payload in data.split(|byte| *byte == b'\n').take(4) {
        let head = store.head().expect("a store in memory");
        store
            .append(&head, vec![draft(payload)])
            .expect("a payload is any bytes");
    }
    let lines = exported(&store);
    let checked = transfer::check(Cursor::new(&lines)).expect("it was exported");
    assert_eq!(checked.head, store.head().expect("a store in memory"));
    let mut changed = lines;
    // Where and how: as the input says, so that the fuzzer can look for a place.
    let (at, bit) = match data {
        [a, b, bit, ..] => (usize::from(u16::from_be_bytes([*a, *b])), bit % 8),
        _ => (0, 0),
    };
    let at = at % changed.len();
    changed[at] ^= 1 << bit;
    transfer::check(Cursor::new(&changed)).expect_err("a change of one bit is found");
}

fn exported(store: &MemoryStore) -> Vec<u8> {
    let mut lines = Vec::new();
    transfer::export(store, &mut lines).expect("memory takes every line");
    lines
}

fn draft(payload: &[u8]) -> NewEvent {
    NewEvent {
        event_id: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001),
        deploy: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002),
        kind: "Requested".to_owned(),
        schema: SUPPORTED,
        recorded_at: jiff::Timestamp::UNIX_EPOCH,
        actor: "ada@forge".to_owned(),
        attempt: 1,
        tool: "0.1.0".to_owned(),
        payload: payload.to_vec(),
    }
}

/// A secret file: what is said of it does not depend on its values.
pub fn secrets(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // A variable names another line, and an escape may be a blank: there the letters of a value mean something.
    if text.contains(['$', '\\']) {
        about(text);
        return;
    }
    let masked: String = text.split_inclusive('\n').map(masked).collect();
    assert_eq!(about(text), about(&masked), "a value shows in what is said");
}

/// What is said of a secret file.
fn about(text: &str) -> Vec<Violation> {
    let required = BTreeSet::from(["AUTH_PASS", "TOKEN"]);
    match parse_secret_env("secrets.env", text) {
        Ok(given) => check_secrets(&required, "secrets.env", Some(&given)),
        Err(violations) => violations,
    }
}

/// A line of a secret file with every letter and digit behind its name made the same one.
fn masked(line: &str) -> String {
    let value = line.find('=').map_or(line.len(), |at| at + 1);
    let (name, value) = line.split_at(value);
    let mask = |c: char| if c.is_alphanumeric() { 'x' } else { c };
    format!("{name}{}", value.chars().map(mask).collect::<String>())
}

/// Replies of an engine: an observation is the same after it was recorded and can be checked, and whatever a build says is
/// short and moves no terminal.
pub fn replies(data: &[u8]) {
    let (containers, rest) = cut(data);
    let (version, lines) = cut(rest);
    if let Ok(observation) = replies::observation("shop-dev", containers, version) {
        let event = Event::Observed(ObservedStack { observation });
        let payload = encode(&event);
        let read = decode(event.kind(), SUPPORTED, &payload).expect("what was recorded is read");
        assert_eq!(read, event, "a recorded observation is the same");
        if let Event::Observed(observed) = &event {
            for policy in [Policy::Strict, Policy::Lenient] {
                let found = check(&required(), &observed.observation, policy, false);
                for finding in &found.findings {
                    assert!(!finding.sentence().is_empty());
                }
            }
        }
    }
    let told = replies::told(lines.split(|byte| *byte == b'\n'));
    let error = told.error.iter().flat_map(|text| text.split('\n'));
    assert!(error.clone().count() <= 40, "an error is cut");
    let lines = told.lines.iter().chain(&told.kept).map(String::as_str);
    for line in lines.chain(error) {
        assert!(line.chars().count() <= 400, "a line is cut");
        assert!(
            !line.contains(char::is_control),
            "{line:?} moves a terminal"
        );
    }
    assert!(told.kept.len() <= 40, "the last lines are kept");
}

/// A manifest that requires something of everything.
fn required() -> Manifest {
    let text = "schema_version: 1\nproject: shop-dev\nenv: dev\nmode: docker\nruntime_stack:\n  api_version: 1.2\n  \
                mode: docker\n  esb_version: '>=1.4, <2'\n  requires: { gateway: '^1.4', agent: '*' }\nartifacts:\n  \
                - { artifact_root: a, runtime_config_dir: config }\n";
    parse_manifest("artifact.yml", text)
        .expect("the manifest is right")
        .0
}

/// A pattern, or a file of them: what is wrong has its place in the text, what reads is compared within its bounds, and a
/// mismatch stands in the events.
pub fn pattern(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let in_text = |errors: &[PatternError]| {
        let violations: Vec<Violation> = errors.iter().map(|error| error.violation("p")).collect();
        in_place(&Source::new("p", text), &violations);
    };
    if let Err(errors) = parse_assertions(text) {
        assert!(!errors.is_empty());
        in_text(&errors);
    }
    let pattern = match Pattern::parse(text) {
        Ok(pattern) => pattern,
        Err(error) => return in_text(&[error]),
    };
    let events: Vec<TimedEvent> = (0..12).map(timed).collect();
    if let Err(PatternDifference::Mismatch { mismatch, .. }) = pattern.compare(&events) {
        assert!(mismatch.index <= events.len());
        assert!(mismatch.whole.is_none_or(|whole| whole <= mismatch.index));
        assert_eq!(mismatch.found.is_none(), mismatch.index == events.len());
    }
}

/// Events of a deploy that builds, one a second.
fn timed(index: u16) -> TimedEvent {
    let kinds = ["Requested", "Observed", "TakenOver", "Merged"];
    let kind = kinds.get(usize::from(index)).unwrap_or(&"ImageBuilt");
    TimedEvent {
        kind: (*kind).to_owned(),
        recorded_at_ms: 1000 * i64::from(index),
        actor: "ada@forge".to_owned(),
        attempt: 1,
        payload: serde_json::json!({
            "function": "orders",
            "source": "built",
            "duration_ms": index,
            "changes": {"added": ["a", "b"]},
            "observation": {"containers": [{"service": "gateway", "version": {"value": "1.4.2"}}]},
        }),
    }
}

/// The text of an input, when the YAML reader takes the bytes for text, which is the first thing it looks at.
fn text(data: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(data).ok();
    if text.is_none() {
        parse_bytes(data, &ParseLimits::default()).expect_err("the bytes are no text");
    }
    text
}

/// An input up to the end of its first part, and the rest.
fn cut(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data
        .windows(PART.len())
        .position(|window| window == PART.as_bytes());
    match end {
        Some(at) => (&data[..at], &data[at + PART.len()..]),
        None => (data, b""),
    }
}

/// Every violation stands in the text, and all of them can be shown.
fn in_place(source: &Source<'_>, violations: &[Violation]) {
    for violation in violations {
        let place = &violation.place;
        let span = Span {
            line: place.line,
            column: place.column,
        };
        let inside = span.line == 0 || source.offset(span).is_some();
        assert!(inside, "{violation:?} is outside of the text");
    }
    let shown = render_violations(violations);
    let moves = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!shown.contains(moves), "{shown:?} moves a terminal");
}
