//! Configurations of the past, written again.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::*;
use crate::contract::Digest;
use crate::merge::{
    BaseOwnership, KeptBefore, KeptValue, MergeOptions, MergeOutcome, kept_values, merge,
};
use crate::yaml::ParseLimits;

const LIMITS: fn() -> ParseLimits = ParseLimits::default;

fn standing(functions: &str) -> ConfigTrees {
    let texts = BTreeMap::from([(ConfigFile::Functions, functions.to_owned())]);
    ConfigTrees::parse("out", texts, &LIMITS()).unwrap()
}

/// The configuration that a merge leaves, as the journal keeps it.
fn recorded(outcome: &MergeOutcome) -> OwnedConfiguration {
    let kept = kept_values(
        outcome.trees.clone(),
        &outcome.ownership,
        &BaseOwnership::default(),
        &KeptBefore::default(),
        Uuid::nil(),
        &BTreeSet::new(),
    );
    let mut values: BTreeMap<Key, KeptValue> =
        kept.into_values().flat_map(|one| one.keys).collect();
    let mut recorded = OwnedConfiguration::new();
    for (source, keys) in &outcome.ownership.sources {
        for (key, digest) in keys {
            let owned = OwnedValue {
                source: source.clone(),
                digest: digest.clone(),
                value: values.remove(key),
            };
            recorded.insert(key.clone(), owned);
        }
    }
    recorded
}

fn entry(functions: &str, routing: &str, resources: &str) -> EntryConfig {
    let text = |text: &str| ConfigText::parse("svc", text.to_owned(), &LIMITS()).unwrap();
    EntryConfig {
        source: SourceKey("svc".to_owned()),
        functions: text(functions),
        routing: text(routing),
        resources: Some(text(resources)),
    }
}

fn merged(current: &ConfigTrees, entries: &[EntryConfig], base: &BaseOwnership) -> MergeOutcome {
    merge(current, entries, base, &MergeOptions::default()).unwrap()
}

/// What an outcome leaves in the output directory, and who owns it.
fn left(outcome: &MergeOutcome) -> (ConfigTrees, BaseOwnership) {
    let trees = ConfigTrees::parse("out", outcome.texts.clone(), &LIMITS()).unwrap();
    let base = BaseOwnership {
        ownership: outcome.ownership.clone(),
        ..BaseOwnership::default()
    };
    (trees, base)
}

#[test]
fn every_kind_of_key_is_written_where_it_stood_and_later_ones_go() {
    let first = entry(
        "functions:\n  a: {image: r/a:1, timeout: 3}\n\
         defaults:\n  memory: 128\n  odd/na%me: x\n  environment: {LEVEL: info, A/B: c}\n  scaling: {max_capacity: 2}\n",
        "routes:\n  - {path: /a, method: POST, function: a}\n  - {path: /b, function: a}\n",
        "resources:\n  dynamodb:\n    - {TableName: t}\n  s3:\n    - {BucketName: b}\n  layers:\n    - {Name: l}\n",
    );
    let seed = standing("functions:\n  theirs: {image: r/theirs:1}\n");
    let before = merged(&seed, &[first], &BaseOwnership::default());
    let record = recorded(&before);
    let (trees, base) = left(&before);
    let mut second = entry(
        "functions:\n  a: {image: r/a:1, timeout: 5}\n  c: {image: r/c:1}\n",
        "routes: []\n",
        "resources: {}\n",
    );
    second.source = SourceKey("svc".to_owned());
    let mut other = second.clone();
    other.source = SourceKey("other".to_owned());
    let between = merged(&trees, &[second, other], &base);
    assert_ne!(between.trees, before.trees);

    let (trees, base) = left(&between);
    let entries = restored(&record, &base.ownership, &trees, "deploy 1a2b").unwrap();
    let after = merged(&trees, &entries, &base);
    assert_eq!(after.ownership.digests(), before.ownership.digests());
    assert_eq!(after.warnings, []);
    let all = |outcome: &MergeOutcome| -> BTreeMap<Key, Digest> {
        let (trees, _) = left(outcome);
        let slots = slots(&trees);
        slots
            .iter()
            .map(|(key, node)| (key.clone(), digest(node)))
            .collect()
    };
    assert_eq!(all(&after), all(&before));
}

fn owned(yaml: &str, value: Option<(&str, &[&str])>) -> OwnedConfiguration {
    let node = crate::yaml::parse(yaml, &LIMITS()).unwrap();
    let value = value.map(|(yaml, withheld)| KeptValue {
        yaml: crate::yaml::emit(&crate::yaml::parse(yaml, &LIMITS()).unwrap()),
        withheld: withheld.iter().map(|one| (*one).to_owned()).collect(),
        since: BTreeMap::new(),
    });
    let owned = OwnedValue {
        source: SourceKey("svc".to_owned()),
        digest: digest(&node),
        value,
    };
    OwnedConfiguration::from([(Key("functions/a".to_owned()), owned)])
}

const KEPT: &str = "{environment: {TOKEN: '***', G: hi}, timeout: 3}";
const FIELDS: &[&str] = &["environment.TOKEN"];

#[test]
fn a_withheld_value_is_taken_from_the_output_directory_where_it_makes_the_recorded_one() {
    let recorded = owned(
        "{environment: {TOKEN: canary, G: hi}, timeout: 3}",
        Some((KEPT, FIELDS)),
    );
    let today = Ownership::default();
    let restore = |functions: &str| restored(&recorded, &today, &standing(functions), "then");
    // Another field was changed since: the secret is still there.
    let entries =
        restore("functions:\n  a: {environment: {TOKEN: canary, G: ho}, timeout: 9}\n").unwrap();
    let text = crate::yaml::emit(&entries[0].functions.tree);
    assert!(text.contains("canary") && text.contains("G: hi"), "{text}");
    for gone in [
        "functions:\n  a: {environment: {TOKEN: other, G: hi}, timeout: 3}\n",
        "functions: {}\n",
    ] {
        let lost = restore(gone).unwrap_err();
        assert_eq!(
            lost[0].why,
            LostValue::Withheld(vec!["environment.TOKEN".to_owned()])
        );
        let said = lost[0].to_string();
        assert!(
            said.contains("environment.TOKEN") && !said.contains("other"),
            "{said}"
        );
    }
}

#[test]
fn a_value_that_was_not_kept_is_restored_only_while_it_stands() {
    let recorded = owned("{timeout: 3}", None);
    let today = Ownership::default();
    let restore = |functions: &str| restored(&recorded, &today, &standing(functions), "then");
    assert!(restore("functions:\n  a: {timeout: 3}\n").is_ok());
    let lost = restore("functions:\n  a: {timeout: 5}\n").unwrap_err();
    assert_eq!(lost[0].why, LostValue::NotKept);
}
