//! No version of Cargo.lock has an advisory that nobody accepted, as far as one dated snapshot of the database knows.
//!
//! `advisories.toml` is the snapshot, `.cargo/deny.toml` has what is accepted. A real database: `cargo deny check advisories`.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use semver::{Version, VersionReq};
use serde::Deserialize;

use super::dependencies::list;
use super::none;
use super::ownership::read;

const SNAPSHOT: &str = "e2e/tests/it/tidy/advisories.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    as_of: String,
    newest: String,
    asked: BTreeSet<String>,
    not_asked: Vec<NotAsked>,
    advisories: Vec<Advisory>,
}

/// Crates whose advisories nobody looked for, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NotAsked {
    reason: String,
    crates: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Vulnerability,
    Unsound,
    Unmaintained,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    #[serde(rename = "crate")]
    name: String,
    kind: Kind,
    title: String,
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
    #[serde(default)]
    withdrawn: bool,
}

impl Advisory {
    fn affects(&self, name: &str, version: &Version) -> bool {
        let mut safe = self.patched.iter().chain(&self.unaffected);
        self.name == name && !self.withdrawn && !safe.any(|range| range.matches(version))
    }

    fn named(&self) -> String {
        let kind = match self.kind {
            Kind::Vulnerability => "vulnerability",
            Kind::Unsound => "unsound",
            Kind::Unmaintained => "unmaintained",
        };
        format!("{} ({kind}): {}", self.id, self.title)
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: Version,
    source: Option<String>,
}

fn snapshot() -> Snapshot {
    toml::from_str(&read(SNAPSHOT)).unwrap()
}

/// What others wrote, with each of its versions.
fn locked() -> Vec<Locked> {
    let lock: Lock = toml::from_str(&read("Cargo.lock")).unwrap();
    let others = lock.package.into_iter();
    let others: Vec<Locked> = others.filter(|package| package.source.is_some()).collect();
    assert!(others.len() > 200, "{}", others.len());
    others
}

/// The advisories that are accepted, by `.cargo/deny.toml`.
fn accepted() -> BTreeSet<String> {
    let texts = list("advisories", "ignore").into_iter();
    texts.filter(|text| text.starts_with("RUSTSEC-")).collect()
}

#[rstest]
#[case::before_the_patch("0.4.1", true)]
#[case::patched("0.4.2", false)]
#[case::patched_in_an_older_line("0.3.26", false)]
#[case::before_the_patch_of_an_older_line("0.3.25", true)]
#[case::never_affected("0.2.9", false)]
#[case::a_release_candidate_of_the_patch("0.4.2-rc.1", true)]
#[case::with_a_build("0.4.2+build.7", false)]
fn a_version_outside_of_every_safe_range_is_affected(
    #[case] version: Version,
    #[case] affected: bool,
) {
    let advisory = r#"
        id = "RUSTSEC-2000-0001"
        crate = "x"
        kind = "unsound"
        title = ""
        patched = ["^0.3.26", ">= 0.4.2"]
        unaffected = [">= 0.1, < 0.3"]
    "#;
    let mut advisory: Advisory = toml::from_str(advisory).unwrap();
    assert_eq!(advisory.affects("x", &version), affected);
    assert!(!advisory.affects("another", &version));
    advisory.withdrawn = true;
    assert!(!advisory.affects("x", &version));
}

#[test]
fn no_locked_version_has_an_advisory_that_is_not_accepted() {
    let (snapshot, accepted) = (snapshot(), accepted());
    let mut open = Vec::new();
    for package in locked() {
        let affecting = snapshot.advisories.iter();
        let affecting = affecting.filter(|one| one.affects(&package.name, &package.version));
        for advisory in affecting.filter(|one| !accepted.contains(&one.id)) {
            let patched: Vec<String> = advisory.patched.iter().map(ToString::to_string).collect();
            open.push(format!(
                "{} {}: {}; patched: {}",
                package.name,
                package.version,
                advisory.named(),
                patched.join(" or ")
            ));
        }
    }
    none(
        &open,
        "a locked version has an advisory: `cargo update -p NAME`, or accept it with a reason in .cargo/deny.toml",
    );
}

#[test]
fn every_accepted_advisory_still_affects_a_locked_version() {
    let (snapshot, locked) = (snapshot(), locked());
    let accepted = accepted();
    assert!(!accepted.is_empty());
    let is_needed = |id: &String| {
        let mut advisories = snapshot.advisories.iter().filter(|one| one.id == *id);
        advisories.any(|one| locked.iter().any(|at| one.affects(&at.name, &at.version)))
    };
    let idle: Vec<String> = accepted.into_iter().filter(|id| !is_needed(id)).collect();
    none(&idle, "nothing needs this exception of .cargo/deny.toml");
}

/// A crate that enters the lock is looked up, by a person, before it lands.
#[test]
fn the_database_was_asked_for_every_crate_of_the_lock() {
    let snapshot = snapshot();
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    let reasoned = snapshot.not_asked.iter();
    let reasoned = reasoned.flat_map(|group| group.crates.iter().map(|name| (name, &group.reason)));
    for (name, reason) in reasoned {
        assert!(!reason.is_empty(), "{name}");
        assert!(
            !snapshot.asked.contains(name) && known.insert(name, reason).is_none(),
            "{name} stands in two lists"
        );
    }
    let mut unknown: Vec<String> = locked().into_iter().map(|package| package.name).collect();
    unknown.retain(|name| !snapshot.asked.contains(name) && !known.contains_key(name.as_str()));
    unknown.dedup();
    none(
        &unknown,
        &format!(
            "nobody looked for advisories of this crate: look at `crates/NAME` of the database `rustsec/advisory-db`, \
             write down what it has, and add the name to `asked` in {SNAPSHOT}"
        ),
    );
}

#[test]
fn the_snapshot_is_whole() {
    let snapshot = snapshot();
    let is_date = |text: &str| text.parse::<jiff::civil::Date>().is_ok();
    assert!(is_date(&snapshot.as_of) && is_date(&snapshot.newest));
    assert!(snapshot.newest <= snapshot.as_of);
    let mut ids = BTreeSet::new();
    for advisory in &snapshot.advisories {
        assert!(ids.insert(&advisory.id), "{} twice", advisory.id);
        assert!(snapshot.asked.contains(&advisory.name), "{}", advisory.name);
        assert!(!advisory.title.is_empty(), "{}", advisory.id);
    }
    let page = read("docs/security.md");
    for date in [&snapshot.as_of, &snapshot.newest] {
        assert!(
            page.contains(date.as_str()),
            "docs/security.md names {date}"
        );
    }
}
