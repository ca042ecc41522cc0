//! The search for canaries: in everything that a command has said or left behind, in every spelling in which a program
//! may print a text.
//!
//! Not here: the processes that it starts (`processes`).

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use flate2::read::DeflateDecoder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::canary::{ALL, surround};
use crate::process::{Ran, run};
use crate::refusal::{Bench, contents};

/// Where a canary may be found although nothing has gone wrong, besides the files in which it was planted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// Nowhere.
    Files,
    /// In the environment of processes: that is where it came from.
    Environment,
    /// In the published configuration, and not among the values of it that the journal keeps.
    Published,
    /// In the published configuration, among the values that the journal keeps, and where somebody asks for these.
    Kept,
}

/// A text that must not come out.
#[derive(Clone, Copy)]
pub(super) struct Canary {
    pub(super) text: &'static str,
    pub(super) home: Home,
}

impl Canary {
    pub(super) const fn new(text: &'static str, home: Home) -> Self {
        Self { text, home }
    }
}

/// The questions that a journal answers.
const QUESTIONS: [&[&str]; 13] = [
    &["export"],
    &["show", "latest", "-vvv"],
    &["show", "latest", "--format", "json"],
    &["show", "latest", "--documents", "--format", "json"],
    &["blame", "orders-place"],
    &["diff", "-v"],
    &["history"],
    &["history", "--format", "json"],
    &["status"],
    &["status", "--format", "json"],
    &["lock", "status", "--format", "json"],
    &["verify"],
    &["assert", "latest", "Requested"],
];

/// Questions that are answered with values.
const TELLS_VALUES: [&str; 4] = [
    "stdout of export",
    "stdout of show latest -vvv",
    "stdout of show latest --documents --format json",
    "stdout of blame orders-place",
];

/// Searches what a command has said, what the journal answers, and all that was left behind: files of the store and its lock as
/// they are, the output directory, what was made of a template, temporary folders and the state directory.
#[track_caller]
pub(super) fn search(bench: &Bench, ran: &Ran) {
    let mut left = Vec::new();
    let mut keep = |of: &str, ran: &Ran| {
        left.push((format!("stdout of {of}"), ran.stdout.clone().into_bytes()));
        left.push((format!("stderr of {of}"), ran.stderr.clone().into_bytes()));
    };
    keep("the command", ran);
    for question in QUESTIONS {
        let mut command = bench.command(question);
        surround(bench, &mut command);
        keep(&question.join(" "), &run(&mut command));
    }
    for folder in ["journal", "out", "tmp", "state", "made"] {
        for (path, (_, _, bytes)) in contents(&bench.path(folder)) {
            let bytes = inflated(&path, bytes);
            left.push((path.display().to_string(), bytes));
        }
    }
    search_files(&left);
}

/// Searches bytes, each with the place that they are from.
#[track_caller]
pub(super) fn search_files(left: &[(String, Vec<u8>)]) {
    let mut found = Vec::new();
    for (place, bytes) in left {
        for canary in ALL {
            let published = place.ends_with("/out/functions.yml");
            let kept = place.contains(DOCUMENTS) || TELLS_VALUES.contains(&place.as_str());
            let is_home = match canary.home {
                Home::Files | Home::Environment => false,
                Home::Published => published,
                Home::Kept => published || kept,
            };
            if !is_home && holds(bytes, canary.text) {
                let text = String::from_utf8_lossy(bytes);
                let mut lines = text.lines();
                let line = lines.find(|line| holds(line.as_bytes(), canary.text));
                found.push(format!("`{}` is in {place}: {line:?}", canary.text));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Where a journal keeps documents.
const DOCUMENTS: &str = "/store/documents/";

/// The bytes of a file, or of the document in it: a journal compresses those, and a byte in front says so.
fn inflated(path: &Path, bytes: Vec<u8>) -> Vec<u8> {
    match bytes.split_first() {
        Some((1, rest)) if path.display().to_string().contains(DOCUMENTS) => {
            let mut document = Vec::new();
            DeflateDecoder::new(rest)
                .read_to_end(&mut document)
                .unwrap();
            document
        }
        Some(_) | None => bytes,
    }
}

/// Whether a text is in some bytes, in any of its spellings.
pub(super) fn holds(bytes: &[u8], word: &str) -> bool {
    let found = |spelling: &String| find(bytes, spelling.as_bytes());
    spellings(word).iter().any(found)
}

/// Whether bytes hold others: byte by byte at the first, which most places do not have.
fn find(bytes: &[u8], word: &[u8]) -> bool {
    let Some((first, rest)) = word.split_first() else {
        return true;
    };
    let mut from = bytes;
    while let Some(at) = from.iter().position(|byte| byte == first) {
        from = &from[at + 1..];
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

/// A text as it is, in JSON, in JSON in JSON, as Rust's `Debug` shows it, in a URL, and in base64 at each of its three offsets.
fn spellings(word: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let url = utf8_percent_encode(word, NON_ALPHANUMERIC).to_string();
    let mild = url.replace("%2D", "-");
    let mut all = vec![
        word.to_owned(),
        json(word),
        json(&json(word)),
        word.escape_debug().to_string(),
        mild.replace("%20", "+"),
        mild.replace("%2F", "/"),
        mild.to_lowercase(),
        mild,
        url,
    ];
    for offset in 0..3 {
        let padded = [&b"   "[..offset], word.as_bytes()].concat();
        for alphabet in [&STANDARD, &URL_SAFE] {
            let encoded = alphabet.encode(&padded);
            // What stands before and behind the text changes the digits at its ends.
            let (begin, end) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
            all.push(encoded[begin..end].to_owned());
        }
    }
    all
}

#[test]
fn a_canary_is_found_in_every_spelling() {
    for canary in ALL {
        let word = canary.text;
        let inner = serde_json::json!({ "b": word }).to_string();
        for text in [
            format!("x{word}x"),
            format!("{word:?}"),
            serde_json::json!({ "a": word }).to_string(),
            serde_json::json!({ "a": inner }).to_string(),
            format!("?a={}", utf8_percent_encode(word, NON_ALPHANUMERIC)),
            STANDARD.encode(format!("a:{word}")),
            STANDARD.encode(format!("ab:{word}")),
            URL_SAFE.encode(format!("abc:{word}:x")),
        ] {
            assert!(holds(text.as_bytes(), word), "{text}");
        }
        let other = word.replace('a', "b");
        assert!(!holds(other.as_bytes(), word));
    }
}
