//! The search for canaries: in everything that a command has said or left behind, in every process that it has started, in every
//! spelling in which a program may print a text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::canary::{ALL, surround};
use crate::process::{Ran, Running, run};
use crate::refusal::{Bench, contents};

/// Where a canary may be found although nothing has gone wrong, besides the files in which it was planted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// Nowhere.
    Files,
    /// In the environment of processes: that is where it came from.
    Environment,
    /// In the published configuration.
    Published,
}

/// A text that must not come out.
#[derive(Clone, Copy)]
pub(super) struct Canary {
    pub(super) text: &'static str,
    home: Home,
}

impl Canary {
    pub(super) const fn new(text: &'static str, home: Home) -> Self {
        Self { text, home }
    }
}

/// Runs a command while it, and every process that comes from it, is watched: no argument holds a canary, and no environment that
/// the command itself makes holds one that was not in its own. (Compose puts its env file into the environment of its children.)
#[track_caller]
pub(super) fn watched(command: &mut Command) -> Ran {
    let running = Running::start(command);
    let mut watch = Watch::of(running.pid());
    while is_running(running.pid()) {
        watch.look();
        std::thread::sleep(Duration::from_millis(1));
    }
    let ran = running.wait();
    assert!(watch.seen.is_empty(), "{:#?}", watch.seen);
    ran
}

/// The state and the parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, between parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// What was seen of a process and its family.
struct Watch {
    root: u32,
    /// Those that were seen, with their arguments when they were looked at.
    family: BTreeMap<u32, Vec<u8>>,
    seen: BTreeSet<String>,
}

impl Watch {
    fn of(root: u32) -> Self {
        Self {
            root,
            family: BTreeMap::from([(root, Vec::new())]),
            seen: BTreeSet::new(),
        }
    }

    fn look(&mut self) {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        for pid in numbers {
            let parent = stat(pid).map(|(_, parent)| parent);
            let is_family = parent.is_some_and(|parent| self.family.contains_key(&parent));
            if pid == self.root || is_family {
                let is_near = pid == self.root || parent == Some(self.root);
                self.look_at(pid, is_near);
            }
        }
    }

    fn look_at(&mut self, pid: u32, is_near: bool) {
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let arguments = read("cmdline");
        if self.family.get(&pid) == Some(&arguments) {
            return;
        }
        let environment = if is_near { read("environ") } else { Vec::new() };
        let shown = String::from_utf8_lossy(&arguments).into_owned();
        for canary in ALL {
            let text = canary.text;
            if holds(&arguments, text) {
                self.seen
                    .insert(format!("`{text}` in the arguments {shown:?}"));
            }
            if canary.home != Home::Environment && holds(&environment, text) {
                self.seen
                    .insert(format!("`{text}` in the environment of {shown:?}"));
            }
        }
        self.family.insert(pid, arguments);
    }
}

/// The questions that a journal answers.
const QUESTIONS: [&[&str]; 10] = [
    &["export"],
    &["show", "latest", "-vvv"],
    &["show", "latest", "--format", "json"],
    &["history"],
    &["history", "--format", "json"],
    &["status"],
    &["status", "--format", "json"],
    &["lock", "status", "--format", "json"],
    &["verify"],
    &["assert", "latest", "Requested"],
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
            left.push((path.display().to_string(), bytes));
        }
    }
    let mut found = Vec::new();
    for (place, bytes) in &left {
        for canary in ALL {
            let published = canary.home == Home::Published && place.ends_with("/out/functions.yml");
            if !published && holds(bytes, canary.text) {
                let text = String::from_utf8_lossy(bytes);
                let mut lines = text.lines();
                let line = lines.find(|line| holds(line.as_bytes(), canary.text));
                found.push(format!("`{}` is in {place}: {line:?}", canary.text));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
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

/// The watch sees what a child was told by somebody who may know it.
#[test]
#[should_panic(expected = "in the arguments")]
fn a_canary_in_an_argument_of_a_child_is_seen() {
    let of_the_environment = ALL
        .iter()
        .find(|one| one.home == Home::Environment)
        .unwrap();
    let script = "/bin/sh -c 'sleep 1; true' x \"$CANARY\"; true";
    watched(
        Command::new("/bin/sh")
            .args(["-c", script])
            .env("CANARY", of_the_environment.text),
    );
}
