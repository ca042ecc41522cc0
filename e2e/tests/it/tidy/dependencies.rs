//! What others wrote and we ship: licences, crates that stay away, sources, and the two that sled alone brings.
//!
//! `.cargo/deny.toml` is the one list; `cargo deny` reads it too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::none;
use super::ownership::{quoted as in_backticks, read};
use e2e::{command, workspace};

const RULES: &str = ".cargo/deny.toml";

/// The quoted texts of a list of the rules: of a section, under a key. Comments are passed over.
pub(super) fn list(section: &str, key: &str) -> BTreeSet<String> {
    let rules = read(RULES);
    let (_, rest) = rules
        .split_once(&format!("[{section}]\n"))
        .expect("the section");
    let rest = rest.split("\n[").next().unwrap_or_default();
    let (_, rest) = rest.split_once(&format!("\n{key} = [")).unwrap_or_else(|| {
        rest.split_once(&format!("{key} = ["))
            .expect("the key of the section")
    });
    let (items, _) = rest.split_once("\n]").expect("the end of the list");
    let lines = items.lines().filter(|line| !line.trim().starts_with('#'));
    lines
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

fn metadata() -> Value {
    let mut metadata = workspace::cargo();
    metadata.args([
        "metadata",
        "--format-version",
        "1",
        "--all-features",
        "--locked",
    ]);
    let output = command::output(&mut metadata).unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Whether an expression of licences can be met with these: `A OR B`, `A AND B`, parentheses; `/` is an old `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    met && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        // Each side is read, so that what follows stands where it should.
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    if words.get(*at) == Some(&"(") {
        *at += 1;
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    let name = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    let mut met = allowed.contains(name);
    if words.get(*at) == Some(&"WITH") {
        met &= allowed.contains(&format!(
            "{name} WITH {}",
            words.get(*at + 1).unwrap_or(&"")
        ));
        *at += 2;
    }
    met
}

#[test]
fn an_expression_of_licences_is_met_by_what_is_allowed() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/Apache-2.0",
        "(Apache-2.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR GPL-3.0) AND Apache-2.0",
        "MIT WITH Classpath-exception-2.0",
        "",
    ] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn every_crate_has_an_allowed_licence_a_known_source_and_none_is_banned() {
    let (allowed, banned) = (list("licenses", "allow"), list("bans", "deny"));
    assert!(
        allowed.len() > 3 && banned.len() > 3,
        "{allowed:?} {banned:?}"
    );
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let others: Vec<&Value> = packages
        .iter()
        .filter(|package| !package["source"].is_null())
        .collect();
    assert!(others.len() > 200, "{}", others.len());
    let sources: BTreeSet<&str> = others
        .iter()
        .map(|package| text(package, "source"))
        .collect();
    assert!(
        sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+")),
        "crates come from one registry: {sources:?}"
    );
    let mut broken = Vec::new();
    for package in others {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if !is_met(licence, &allowed) {
            broken.push(format!("{name}: {licence}"));
        }
        if banned.contains(name) {
            broken.push(format!("{name} is banned"));
        }
    }
    none(&broken, "a dependency breaks the rules of .cargo/deny.toml");
}

/// The crates that have an accepted advisory, as the reasons in the rules name them.
#[test]
fn what_has_no_maintainer_comes_with_sled_alone() {
    let accepted = list("advisories", "ignore");
    let crates: Vec<&str> = accepted
        .iter()
        .filter_map(|text| text.strip_suffix(", by sled"))
        .collect();
    assert_eq!(crates.len(), 2, "{accepted:?}");
    let page = read("docs/security.md");
    for name in &crates {
        assert!(in_backticks(&page).any(|word| word == *name), "{name}");
    }
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<&str, &str> = packages
        .iter()
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect();
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        for dependency in node["dependencies"].as_array().unwrap() {
            let users = users.entry(dependency.as_str().unwrap()).or_default();
            users.insert(text(node, "id"));
        }
    }
    for name in crates {
        let mut open: Vec<&str> = names
            .iter()
            .filter(|(_, known)| **known == name)
            .map(|(id, _)| *id)
            .collect();
        assert!(!open.is_empty(), "{name} is not there any more");
        let (mut seen, mut ends) = (BTreeSet::new(), BTreeSet::new());
        while let Some(next) = open.pop() {
            if names[next] == "sled" || !seen.insert(next) {
                continue;
            }
            match users.get(next) {
                Some(users) => open.extend(users),
                None => drop(ends.insert(names[next])),
            }
        }
        assert!(ends.is_empty(), "{name} comes another way too: {ends:?}");
    }
}
