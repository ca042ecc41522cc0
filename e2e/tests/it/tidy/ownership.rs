//! `docs/internals/ownership.md` is true: its tests, owners and parameters are there, and nothing crosses that it does not name.

use std::collections::BTreeSet;
use std::fs;

use e2e::{command, workspace};

use super::{none, sources};

pub(super) fn read(path: &str) -> String {
    let text = fs::read_to_string(workspace::root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of a table of the page.
fn rows(table: &str) -> Vec<String> {
    rows_of("docs/internals/ownership.md", table)
}

/// The rows of a table of a page, below its head.
pub(super) fn rows_of(page: &str, table: &str) -> Vec<String> {
    let page = read(page);
    let begin = format!("<!-- {table}: ");
    let (_, rest) = page.split_once(&begin).expect("the table has its mark");
    let (block, _) = rest.split_once("<!-- end -->").expect("it has an end");
    let lines = block.lines().filter(|line| line.starts_with('|'));
    lines.skip(2).map(str::to_owned).collect()
}

/// What stands in backticks.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

pub(super) fn cell(row: &str, index: usize) -> &str {
    row.split('|')
        .nth(index + 1)
        .expect("every row has every cell")
}

#[test]
fn every_test_of_an_invariant_is_there() {
    let rows = rows("invariants");
    let mut lost = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("| {}. ", index + 1)), "{row}");
        let tests: Vec<&str> = quoted(cell(row, 1)).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            let (path, name) = test.split_once("::").expect("a file and a test");
            if !is_test(&read(path), name) {
                lost.push(test.to_owned());
            }
        }
    }
    assert_eq!(rows.len(), 7, "the contract has seven invariants");
    none(&lost, "a test of an invariant is gone");
}

/// A function of this name stands in the text behind an attribute that makes it a test.
pub(super) fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| {
        let line = line.trim_start().trim_start_matches("async ");
        line.starts_with(&format!("fn {name}("))
    });
    let Some(at) = at else { return false };
    let attributes = lines[..at].iter().rev().map(|line| line.trim());
    let mut attributes = attributes.take_while(|line| !line.is_empty() && *line != "}");
    attributes.any(|line| line == "#[test]" || line == "#[rstest]" || line == "#[tokio::test]")
}

#[test]
fn a_test_is_told_from_a_function() {
    let text = "#[test]\nfn yes() {}\n\nfn no() {\n}\n#[rstest]\n#[case(1)]\nfn cases(x: u8) {}\n";
    for (name, expected) in [
        ("yes", true),
        ("no", false),
        ("cases", true),
        ("none", false),
    ] {
        assert_eq!(is_test(text, name), expected, "{name}");
    }
}

#[test]
fn every_owner_of_a_rule_is_there() {
    let rows = rows("owners");
    assert!(rows.len() > 15);
    for row in rows {
        for path in quoted(cell(&row, 1)) {
            assert!(workspace::root().join(path).is_file(), "{path}");
        }
    }
}

/// The fields of a public struct, as `Name.field`.
fn fields(path: &str, name: &str) -> BTreeSet<String> {
    let text = read(path);
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("pub struct {name}")))
        .take_while(|line| *line != "}");
    let fields = lines.filter_map(|line| line.trim().strip_prefix("pub "));
    let fields = fields.filter_map(|field| field.split_once(": "));
    fields.map(|(field, _)| format!("{name}.{field}")).collect()
}

#[test]
fn what_crosses_into_the_engine_is_what_the_page_says() {
    let crossing = [
        ("engine/src/machine/payload.rs", "Requested"),
        ("engine/src/machine/payload.rs", "Options"),
        ("engine/src/machine/payload.rs", "RegistryNames"),
        ("engine/src/machine/payload.rs", "ComposeCall"),
        ("engine/src/run/drive.rs", "Run"),
        ("engine/src/run/deploy_journal.rs", "Author"),
        ("engine/src/docker/world.rs", "WorldOptions"),
        ("engine/src/docker/limits.rs", "Limits"),
    ];
    let there: BTreeSet<String> = crossing
        .iter()
        .flat_map(|(path, name)| fields(path, name))
        .filter(|field| field != "Requested.options" && field != "Requested.registries")
        .collect();
    let rows = rows("parameters");
    let said: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| quoted(cell(row, 1)))
        .map(str::to_owned)
        .collect();
    assert!(there.len() > 20, "{there:?}");
    assert_eq!(said, there);
    let flags = read("docs/guide/cli.md");
    for row in &rows {
        for flag in quoted(cell(row, 0)).filter(|word| word.starts_with("--")) {
            assert!(flags.contains(flag), "`{flag}` is no flag");
        }
    }
}

/// The engine's environment is the Docker client's; whatever else a run depends on arrives as a value.
#[test]
fn the_engine_reads_no_environment_but_that_of_the_docker_client() {
    let allowed = [
        "engine/src/docker/connect.rs",
        "engine/src/docker/credentials.rs",
        // Not in a program that is released: a feature of tests.
        "engine/src/failpoint.rs",
    ];
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let core =
            source.path.starts_with("engine/src/") || source.path.starts_with("journal/src/");
        if core && !source.is_test() && !allowed.contains(&source.path.as_str()) {
            let reads = |line: &str| line.contains("env::var") || line.contains("env::args");
            places.extend(source.places(reads));
        }
    }
    none(&places, "the core reads the environment");
}

#[test]
fn the_core_has_no_command_line_in_its_graph() {
    for package in ["artifactctl-engine", "artifactctl-journal"] {
        let mut cargo = workspace::cargo();
        cargo.args([
            "tree",
            "--locked",
            "--package",
            package,
            "--edges",
            "normal",
        ]);
        let tree = command::run(cargo.args(["--prefix", "none", "--format", "{p}"])).unwrap();
        assert!(tree.starts_with(package), "{tree}");
        for name in ["clap ", "artifactctl ", "indicatif ", "tracing-subscriber "] {
            let found = tree.lines().find(|line| line.starts_with(name));
            assert_eq!(found, None, "{package}");
        }
    }
}

#[test]
fn ids_are_computed_in_the_contract_alone() {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let inside = source.path.starts_with("engine/src/contract/");
        if !inside && !source.is_test() {
            let names = |line: &str| line.contains(concat!("compute", "_id"));
            places.extend(source.places(names));
        }
    }
    none(&places, "an id is computed outside of the contract");
}
