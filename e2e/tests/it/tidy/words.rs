//! The words of the project: what `docs/internals/glossary.md` replaces does not come back, and the pages are in form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::ownership::{cell, quoted, read, rows_of};
use super::{Source, none, sources};

/// Pages that speak of what was: records of decisions, the changelog, and the glossary itself.
fn speaks_of_the_past(path: &str) -> bool {
    path.starts_with("docs/adr/")
        || ["docs/changelog.md", "docs/internals/glossary.md"].contains(&path)
}

/// The words that the glossary replaces.
fn replaced() -> BTreeSet<String> {
    let rows = rows_of("docs/internals/glossary.md", "words");
    assert!(rows.len() > 30, "{}", rows.len());
    let words = rows
        .iter()
        .flat_map(|row| quoted(cell(row, 2)).map(str::to_owned).collect::<Vec<_>>());
    words.collect()
}

/// A line of code without its comment and without its texts.
fn identifiers(line: &str) -> Vec<String> {
    let line = line.trim_start();
    if line.starts_with("//") {
        return Vec::new();
    }
    let code: String = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let code = code.split("//").next().unwrap_or_default();
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_word_that_the_glossary_replaces_names_nothing() {
    let replaced = replaced();
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        if source.path.starts_with("e2e/tests/it/tidy") {
            continue;
        }
        places.extend(source.places(|line| {
            // A fact about a container is no event of a journal.
            if source.path.starts_with("engine/src/compat/") || line.contains("compat::facts") {
                return false;
            }
            let named = identifiers(line);
            named.iter().any(|word| replaced.contains(word))
        }));
    }
    none(&places, "the glossary has another word for it");
}

#[test]
fn identifiers_are_told_from_comments_and_texts() {
    assert_eq!(identifiers("let door = 1; // a door"), ["let", "door", "1"]);
    assert_eq!(identifiers("say(\"a door\")"), ["say"]);
    assert_eq!(identifiers("/// A door."), Vec::<String>::new());
}

/// Lines of a page that are prose, made from the code or not: no table, no code, no marker.
fn prose(source: &Source) -> Vec<(usize, &str)> {
    let mut inside_code = false;
    let mut lines = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside_code = !inside_code;
            continue;
        }
        let is_prose = !inside_code && !line.starts_with('|') && !line.starts_with("    ");
        if is_prose && !line.starts_with("<!--") {
            lines.push((index + 1, line));
        }
    }
    lines
}

fn is_page(source: &Source) -> bool {
    let is_markdown = Path::new(&source.path)
        .extension()
        .is_some_and(|extension| extension == "md");
    is_markdown && (source.path == "README.md" || source.path.starts_with("docs/"))
}

#[test]
fn a_page_calls_an_event_an_event() {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| is_page(source)) {
        // A fact about a container is no event of a journal.
        if speaks_of_the_past(&source.path) || source.path == "docs/guide/compat.md" {
            continue;
        }
        for (line, text) in prose(source) {
            let words = text.split(|c: char| !c.is_alphanumeric());
            if words
                .into_iter()
                .any(|word| ["ledger", "fact", "facts"].contains(&word))
            {
                places.push(format!("{}:{line}: {text}", source.path));
            }
        }
    }
    none(&places, "the glossary has another word for it");
}

/// Who a page is for stands in its first lines, and the page stands where such readers look.
#[test]
fn a_page_says_for_whom_it_is() {
    let mut places = Vec::new();
    let mut pages = 0;
    for source in sources().iter().filter(|source| is_page(source)) {
        let reader = if source.path.starts_with("docs/guide/") {
            "For operators"
        } else if source.path.starts_with("docs/internals/") {
            "For developers"
        } else {
            continue;
        };
        pages += 1;
        if !source
            .text
            .lines()
            .take(4)
            .any(|line| line.starts_with(reader))
        {
            places.push(format!("{}: `{reader} …`", source.path));
        }
    }
    assert!(pages > 15, "{pages}");
    none(&places, "a page does not begin with whom it is for");
}

/// Longest line of prose, in characters.
const COLUMNS_MAX: usize = 100;

#[test]
fn prose_is_wrapped() {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| is_page(source)) {
        for (line, text) in prose(source) {
            if text.chars().count() > COLUMNS_MAX {
                places.push(format!("{}:{line}", source.path));
            }
        }
    }
    none(&places, "a line of prose is longer than 100 columns");
}

#[test]
fn every_decision_record_is_in_the_index() {
    let rows = rows_of("docs/adr/README.md", "records");
    let listed: Vec<String> = rows.iter().map(|row| row.trim().to_owned()).collect();
    let mut records: Vec<String> = sources()
        .iter()
        .filter_map(|source| source.path.strip_prefix("docs/adr/").map(str::to_owned))
        .filter(|name| name != "README.md")
        .collect();
    records.sort();
    let expected: Vec<String> = records
        .iter()
        .map(|name| {
            let text = read(&format!("docs/adr/{name}"));
            let title = text.lines().next().unwrap_or_default();
            let is_number = |c: char| c.is_ascii_digit() || "# .:".contains(c);
            let title = title.trim_start_matches(is_number);
            let number = name.split('-').next().unwrap_or_default();
            format!("| [{number}]({name}) | {title} |")
        })
        .collect();
    assert_eq!(listed, expected);
}

/// Names of the types that a file declares for others, test modules left out.
fn public_types(source: &Source) -> Vec<String> {
    let declared = |line: &str| {
        let rest = line.trim_start().strip_prefix("pub ")?;
        let (kind, rest) = rest.split_once(' ')?;
        if !["struct", "enum", "trait", "type"].contains(&kind) {
            return None;
        }
        let name = rest
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()?;
        // An associated type repeats the name of its trait's.
        (!line.starts_with(' ')).then(|| name.to_owned())
    };
    source.text.lines().filter_map(declared).collect()
}

#[test]
fn no_two_public_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // What the end-to-end tests name among themselves is public to nobody.
    let published = |source: &&Source| source.is_rust() && !source.path.starts_with("e2e/");
    for source in sources().iter().filter(published) {
        for name in public_types(source) {
            places.entry(name).or_default().push(source.path.clone());
        }
    }
    assert!(places.len() > 200, "{}", places.len());
    places.retain(|_, paths| paths.len() > 1);
    assert!(places.is_empty(), "one name for two things: {places:#?}");
}
