//! What differs between two configurations whose values were kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::values::changed_fields;
use super::{FieldChange, KeptValue, Key, SourceKey};
use crate::contract::Digest;
use crate::redact::REDACTED;

/// The keys that are ours once a deploy is published, each with what is known of its value.
pub type OwnedConfiguration = BTreeMap<Key, OwnedValue>;

/// One key of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedValue {
    /// The source that wrote it.
    pub source: SourceKey,
    /// The digest of its canonical YAML.
    pub digest: Digest,
    /// The value; none when the journal kept none.
    pub value: Option<KeptValue>,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// It is only there afterwards.
    Added,
    /// Its value is another one.
    Changed,
    /// It was only there before.
    Removed,
}

/// How one key differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyDifference {
    /// What became of it.
    pub change: KeyChange,
    /// The values that were compared were kept. When one was not, nothing is known but that they differ.
    pub is_kept: bool,
    /// The fields that differ. Of what is withheld both sides are `"***"`.
    pub fields: Vec<FieldChange>,
    /// The YAML before and after, where there is one.
    #[serde(skip)]
    pub texts: (Option<String>, Option<String>),
}

/// The keys that differ between two configurations, each with how.
pub fn differences(
    before: &OwnedConfiguration,
    after: &OwnedConfiguration,
) -> BTreeMap<Key, KeyDifference> {
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let different = keys.into_iter().filter_map(|key| {
        let difference = difference(before.get(key), after.get(key))?;
        Some((key.clone(), difference))
    });
    different.collect()
}

/// How a key differs; none when it does not.
fn difference(before: Option<&OwnedValue>, after: Option<&OwnedValue>) -> Option<KeyDifference> {
    let change = match (before, after) {
        (None, None) => return None,
        (Some(before), Some(after)) if before.digest == after.digest => return None,
        (Some(_), Some(_)) => KeyChange::Changed,
        (None, Some(_)) => KeyChange::Added,
        (Some(_), None) => KeyChange::Removed,
    };
    let is_kept = [before, after]
        .into_iter()
        .flatten()
        .all(|owned| owned.value.is_some());
    if !is_kept {
        return Some(KeyDifference {
            change,
            is_kept,
            fields: Vec::new(),
            texts: (None, None),
        });
    }
    let value = |side: Option<&OwnedValue>| side.and_then(|owned| owned.value.clone());
    let (before, after) = (value(before), value(after));
    let node = |side: &Option<KeptValue>| side.as_ref().map(KeptValue::node);
    let mut fields = changed_fields(node(&before).as_ref(), node(&after).as_ref());
    if let (Some(before), Some(after)) = (&before, &after) {
        let others = fields.iter().map(|change| change.field.clone()).collect();
        fields.extend(withheld(before, after, &others));
    }
    let text = |side: Option<KeptValue>| side.map(|value| value.yaml);
    Some(KeyDifference {
        change,
        is_kept,
        fields,
        texts: (text(before), text(after)),
    })
}

/// The fields of which something is withheld on both sides and may have changed, since different deploys changed them last. When no
/// other field differs and nobody is known to have changed one, it is one of all.
fn withheld(before: &KeptValue, after: &KeptValue, others: &BTreeSet<String>) -> Vec<FieldChange> {
    let both = before.withheld.iter();
    let both = both.filter(|field| after.withheld.contains(field) && !others.contains(*field));
    let (changed, same): (Vec<&String>, Vec<&String>) =
        both.partition(|field| before.changed_by(field) != after.changed_by(field));
    let fields = if changed.is_empty() && others.is_empty() {
        same
    } else {
        changed
    };
    let shown = || Some(format!("\"{REDACTED}\""));
    let changes = fields.into_iter().map(|field| FieldChange {
        field: field.clone(),
        before: shown(),
        after: shown(),
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// The value with a secret, as the deploy with a number changed it last.
    fn owned(yaml: &str, secret: &str, by: u128) -> OwnedValue {
        let withheld = (!secret.is_empty()).then(|| "environment.TOKEN".to_owned());
        OwnedValue {
            source: SourceKey("svc".to_owned()),
            digest: Digest::of(format!("{yaml}{secret}")),
            value: Some(KeptValue {
                yaml: yaml.to_owned(),
                withheld: withheld.into_iter().collect(),
                since: BTreeMap::from([("environment.TOKEN".to_owned(), Uuid::from_u128(by))]),
            }),
        }
    }

    fn one(value: OwnedValue) -> OwnedConfiguration {
        OwnedConfiguration::from([(Key("functions/a".to_owned()), value)])
    }

    fn fields(before: OwnedValue, after: OwnedValue) -> Vec<String> {
        let differences = differences(&one(before), &one(after));
        let fields = differences.into_values().flat_map(|one| one.fields);
        fields.map(|change| change.field).collect()
    }

    #[test]
    fn values_differ_field_by_field_and_what_is_withheld_differs_by_name() {
        let value = |timeout: u32| format!("environment:\n  TOKEN: '***'\ntimeout: {timeout}\n");
        let changed = |before: (u32, &str, u128), after: (u32, &str, u128)| {
            let side = |(timeout, secret, by)| owned(&value(timeout), secret, by);
            fields(side(before), side(after))
        };
        assert_eq!(changed((3, "a", 1), (5, "a", 1)), ["timeout"]);
        assert_eq!(
            changed((3, "a", 1), (5, "b", 2)),
            ["timeout", "environment.TOKEN"]
        );
        assert_eq!(changed((3, "a", 1), (3, "b", 2)), ["environment.TOKEN"]);
        assert_eq!(changed((3, "a", 1), (3, "b", 1)), ["environment.TOKEN"]);
        assert!(changed((3, "a", 1), (3, "a", 1)).is_empty());
    }

    #[test]
    fn a_value_that_was_not_kept_is_known_to_differ_and_no_more() {
        let before = OwnedValue {
            value: None,
            ..owned("timeout: 3\n", "", 1)
        };
        let differences = differences(&one(before), &one(owned("timeout: 5\n", "", 1)));
        let difference = differences.values().next().unwrap();
        assert!(!difference.is_kept && difference.fields.is_empty());
        assert_eq!(difference.change, KeyChange::Changed);
    }
}
