//! Walls that the compiler does not hold. No engine is needed.
//!
//! Each test reads the workspace as text and names every place that is on the wrong side.

mod advisories;
mod dependencies;
mod held;
mod imports;
mod messages;
mod ownership;
mod security;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use e2e::{command, workspace};

use imports::{Import, imports, module_of};

/// A file of the workspace.
struct Source {
    /// Its path from the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The lines that a rule is broken in, as `path:line`.
    fn places(&self, broken: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.text.lines().enumerate();
        lines
            .filter(|(_, line)| broken(line))
            .map(|(index, line)| format!("{}:{}: {}", self.path, index + 1, line.trim()))
            .collect()
    }

    /// The imports that a rule is broken in, as `path:line`.
    fn imports(&self, broken: impl Fn(&Import) -> bool) -> Vec<String> {
        let inside = self
            .path
            .split_once("src/")
            .map_or("", |(_, inside)| inside);
        imports(&self.text, &module_of(inside))
            .into_iter()
            .filter(|import| broken(import))
            .map(|import| format!("{}:{}: {}", self.path, import.line, import.path))
            .collect()
    }

    fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }

    /// Tests may look into every room.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// Every text file of the workspace, what is built and what version control keeps aside.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&workspace::root(), &mut found);
    assert!(found.len() > 200, "the workspace is where it should be");
    found
}

fn walk(folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ["target", ".git", "proptest-regressions"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(workspace::root()).unwrap();
            let path = path.to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
}

fn none(places: &[String], rule: &str) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

/// A line that names a crate by its path: `bollard::x` or `::bollard::x`, and not `crate::bollard::x` or `my_bollard::x`.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = &line[..at];
        let before = before.strip_suffix("::").unwrap_or(before);
        let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '>';
        !before.ends_with(goes_on)
    })
}

#[test]
fn a_crate_is_told_from_a_module_of_its_name() {
    for line in ["use shed::Db;", "&::shed::Db", "fn(shed::Db)"] {
        assert!(names_crate(line, "shed"), "{line}");
    }
    for line in ["crate::store::shed::open", "my_shed::x", "mod shed;"] {
        assert!(!names_crate(line, "shed"), "{line}");
    }
}

#[test]
fn the_top_level_is_what_a_reader_expects() {
    let mut names: Vec<String> = fs::read_dir(workspace::root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    names.sort();
    let expected = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "cli",
        "docs",
        "e2e",
        "engine",
        "fixtures",
        "journal",
    ];
    assert_eq!(names, expected);
}

/// A crate that stays behind one door, and where the door is.
const DOORS: [(&str, &[&str]); 5] = [
    ("bollard", &["engine/src/docker/", "e2e/"]),
    (
        "sled",
        &[
            "journal/src/store/sled.rs",
            "journal/src/store/sled/",
            // The module of that name is meant here.
            "journal/src/store/mod.rs",
            // Its tests change what is stored behind its back.
            "journal/src/tests/sled_store.rs",
            "journal/src/tests/damage.rs",
        ],
    ),
    ("clap", &["cli/", "e2e/src/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
];

#[test]
fn a_crate_with_a_door_is_named_only_behind_it() {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        for (name, doors) in DOORS {
            if !doors.iter().any(|room| source.path.starts_with(room)) {
                places.extend(source.places(|line| names_crate(line, name)));
                places.extend(source.imports(|import| import.is_below(name)));
            }
        }
    }
    none(&places, "a crate is named outside of its room");
}

#[test]
fn nothing_is_left_undone_and_no_test_is_skipped() {
    let marks = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[", "ignore"),
        concat!("#[", "allow("),
        concat!("#![", "allow("),
    ];
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        places.extend(source.places(|line| marks.iter().any(|mark| line.contains(mark))));
    }
    none(&places, "finish it, test it, or expect it with a reason");
}

/// Longest source file, in lines.
const LINES_MAX: usize = 500;

#[test]
fn no_source_file_is_too_long_to_be_read_in_one_go() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none(&long, "two ideas are in it: name both");
}

/// The rooms of the engine, in the order in which they may know of each other; the first eight are pure.
const ROOMS: [&str; 13] = [
    "redact",
    "yaml",
    "contract",
    "compat",
    "merge",
    "image",
    "machine",
    "views",
    "load",
    "failpoint",
    "publish",
    "run",
    "docker",
];
const PURE: usize = 8;

/// What reads templates: pure too, the wall of each at its top.
const PURE_OF_PRODUCER: [&str; 7] = [
    "intrinsics/mod.rs",
    "model.rs",
    "parameters/mod.rs",
    "report/mod.rs",
    "sam/mod.rs",
    "template/mod.rs",
    "text.rs",
];

#[test]
fn every_pure_room_forbids_the_world_at_its_door() {
    let rooms = ROOMS[..PURE]
        .iter()
        .map(|room| format!("engine/src/{room}/mod.rs"));
    let producer = PURE_OF_PRODUCER
        .iter()
        .map(|room| format!("cli/producer/src/{room}"));
    for path in rooms.chain(producer) {
        let text = fs::read_to_string(workspace::root().join(&path)).unwrap();
        let denied = "deny(clippy::disallowed_methods, clippy::disallowed_types)";
        assert!(text.contains(denied), "{path} denies it");
    }
}

#[test]
fn knowledge_flows_one_way_through_the_engine() {
    let mut places = Vec::new();
    let mut rooms_seen = 0;
    for source in sources().iter().filter(|source| source.is_rust()) {
        let Some(inside) = source.path.strip_prefix("engine/src/") else {
            continue;
        };
        let room = inside.split(['/', '.']).next().unwrap();
        let Some(rank) = ROOMS.iter().position(|known| *known == room) else {
            assert_eq!(room, "lib", "a room without a place in the order");
            continue;
        };
        rooms_seen |= 1 << rank;
        if source.is_test() {
            continue;
        }
        let later = |line: &str| {
            ROOMS[rank + 1..]
                .iter()
                .any(|other| line.contains(&format!("crate::{other}::")))
        };
        places.extend(source.places(later));
        let later = |import: &Import| {
            let mut rooms = ROOMS[rank + 1..].iter();
            rooms.any(|other| import.is_below(&format!("crate::{other}")))
        };
        places.extend(source.imports(later));
    }
    assert_eq!(rooms_seen, (1 << ROOMS.len()) - 1, "every room is there");
    none(&places, "a room names one that comes after it");
}

/// Who may not name whom in `cli`: what applies artifacts never reaches what makes them. Only `esb`, the entry points of both
/// programs (`lib.rs`), the project file of both and the documentation of both know both. The other way round Cargo holds it: the producer is a crate that
/// does not depend on `cli`.
const CLI_WALLS: [(&str, &[&str]); 2] = [
    ("cli/src/applier/", &["producer::", "crate::esb"]),
    ("cli/src/", &["crate::applier", "producer::", "crate::esb"]),
];
const CLI_KNOWS_BOTH: [&str; 6] = [
    "cli/src/esb/",
    "cli/src/lib.rs",
    "cli/src/documented.rs",
    "cli/src/project/",
    // The schemas of what both write, which tests alone make.
    "cli/src/schemas/made.rs",
    // Which words of other tools each program answers, and which are the other program's.
    "cli/src/words.rs",
];

#[test]
fn what_applies_artifacts_never_reaches_what_makes_them() {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let path = source.path.as_str();
        if CLI_KNOWS_BOTH.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        let wall = CLI_WALLS.iter().find(|(room, _)| path.starts_with(room));
        if let Some((_, walled)) = wall {
            // The same through a path that goes up.
            let up: Vec<String> = walled
                .iter()
                .map(|room| room.replace("crate", "super"))
                .collect();
            places.extend(source.places(|line| {
                walled.iter().any(|room| line.contains(room))
                    || up.iter().any(|room| line.contains(room))
            }));
            places.extend(source.imports(|import| {
                let mut rooms = walled.iter();
                rooms.any(|room| import.is_below(room.trim_end_matches("::")))
            }));
        }
    }
    none(&places, "a room of cli names one behind a wall");
}

#[test]
fn the_engine_without_docker_has_no_runtime_and_no_client() {
    let mut cargo = workspace::cargo();
    cargo.args([
        "tree",
        "--locked",
        "--package",
        "artifactctl-engine",
        "--no-default-features",
    ]);
    cargo.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let tree = command::run(&mut cargo).unwrap();
    assert!(
        tree.lines()
            .any(|line| line.starts_with("artifactctl-journal "))
    );
    for name in ["tokio ", "bollard ", "hyper ", "reqwest "] {
        let found = tree.lines().find(|line| line.starts_with(name));
        assert_eq!(found, None);
    }
}

#[test]
fn the_readme_and_the_check_of_a_change_run_the_same_commands() {
    let read = |path: &str| fs::read_to_string(workspace::root().join(path)).unwrap();
    let (readme, check) = (read("README.md"), read(".ci/run"));
    let block = readme.split("```sh\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let commands: Vec<&str> = block
        .lines()
        .map(|line| line.split('#').next().unwrap().trim())
        .filter(|command| !command.is_empty())
        .collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands.contains(&"cargo test --workspace"), "{commands:?}");
    for command in commands {
        let step = format!("step {command}");
        assert!(check.lines().any(|line| line == step), ".ci/run: `{step}`");
    }
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    let mut lost = Vec::new();
    for source in sources() {
        let is_page = source.path == "README.md" || source.path.starts_with("docs/");
        let folder = workspace::root().join(&source.path);
        let folder = folder.parent().unwrap();
        for target in links(&source.text).filter(|_| is_page) {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") && !folder.join(file).exists() {
                lost.push(format!("{}: {target}", source.path));
            }
        }
    }
    none(&lost, "a link leads nowhere");
}

/// Where the links of a page lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let folders = [
        concat!("/", "work/"),
        concat!("/", "root/"),
        concat!("/", "home/"),
        concat!("/", "Users/"),
    ];
    let mut places = Vec::new();
    for source in sources() {
        places.extend(source.places(|line| folders.iter().any(|folder| line.contains(folder))));
    }
    none(&places, "a path of one machine");
}
