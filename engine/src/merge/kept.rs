//! The values of our keys as the journal keeps them: without secrets, each with the deploys that changed its fields last.
//!
//! Values of others, who write into the same files, are not ours to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::read::{digest, slots};
use super::values::changed_fields;
use super::withheld::without_secrets;
use super::{
    BaseOwnership, ConfigFile, ConfigText, ConfigTrees, Key, OwnedConfiguration, OwnedValue,
    Ownership,
};
use crate::contract::Digest;
use crate::yaml::{Node, ParseLimits, Value, emit, parse};

/// The values of our keys in one file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptValues {
    /// Each by its key.
    pub keys: BTreeMap<Key, KeptValue>,
}

/// The value of one key, as it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptValue {
    /// Its canonical YAML, with `***` where something is withheld.
    pub yaml: String,
    /// Fields of which something is withheld: paths with dots, sorted. Empty when the value is whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// The deploy that changed each field last, by the field's path; the empty path stands for fields that are not named. A field
    /// without any was changed before values were kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<String, Uuid>,
}

impl KeptValue {
    /// Nothing of it is withheld: it can be published again.
    pub fn is_whole(&self) -> bool {
        self.withheld.is_empty()
    }

    /// It is the value with this digest, as far as that can be told: what is withheld cannot be compared.
    pub fn may_be(&self, digest: &Digest) -> bool {
        !self.is_whole() || Digest::of(&self.yaml) == *digest
    }

    /// The value as a tree. What was kept reads; anything else is no value.
    pub fn node(&self) -> Node {
        parse(&self.yaml, &ParseLimits::default()).unwrap_or_default()
    }

    /// The fields of the value, each with what stands there in one line, as YAML has it in flow style.
    pub fn fields(&self) -> Vec<(String, String)> {
        let fields = changed_fields(None, Some(&self.node())).into_iter();
        fields
            .filter_map(|field| Some((field.field, field.after?)))
            .collect()
    }

    /// The deploy that changed a field last; none when that was before values were kept.
    pub fn changed_by(&self, field: &str) -> Option<Uuid> {
        self.since
            .get(field)
            .or_else(|| self.since.get(""))
            .copied()
    }
}

/// What was kept before.
#[derive(Debug, Clone, Default)]
pub struct KeptBefore {
    /// The deploy that kept it; none when there was none.
    pub deploy: Option<Uuid>,
    /// Its values. Nothing stands for a file of which nothing is known.
    pub files: BTreeMap<ConfigFile, KeptValues>,
}

/// What is kept of the trees that a deploy publishes: the values of our keys that stand there as they were written.
///
/// A value that somebody has changed by hand, and that this deploy leaves alone, is not ours; it is kept as it was before where that
/// is known. `secrets` are the names that the artifact requires.
pub fn kept_values(
    trees: BTreeMap<ConfigFile, Node>,
    ownership: &Ownership,
    base: &BaseOwnership,
    before: &KeptBefore,
    deploy: Uuid,
    secrets: &BTreeSet<&str>,
) -> BTreeMap<ConfigFile, KeptValues> {
    let files = trees.into_iter().map(|(file, tree)| {
        let text = ConfigText {
            name: String::new(),
            text: String::new(),
            tree: Arc::new(tree),
        };
        (file, text)
    });
    let trees = ConfigTrees {
        files: files.collect(),
    };
    let standing = slots(&trees);
    let earlier = base.ownership.digests();
    let mut kept: BTreeMap<ConfigFile, KeptValues> = BTreeMap::new();
    for (key, written) in ownership.digests() {
        let known = before.files.get(&key.file());
        let known = known.and_then(|values| values.keys.get(key));
        let is_same = earlier.get(key) == Some(&written);
        let value = match standing.get(key).filter(|node| digest(node) == *written) {
            Some(_) if is_same && known.is_some() => known.cloned(),
            Some(standing) => {
                let (node, withheld) = without_secrets(key, standing, secrets);
                Some(KeptValue {
                    since: match (is_same, earlier.get(key), known) {
                        // It changed before values were kept.
                        (true, _, _) | (false, Some(_), None) => BTreeMap::new(),
                        (false, None, _) => BTreeMap::from([(String::new(), deploy)]),
                        (false, Some(digest), Some(known)) => {
                            let mut since = since(known, &node, deploy);
                            if withheld_changed(known, digest, standing) {
                                let fields = withheld.iter().cloned();
                                since.extend(fields.map(|field| (field, deploy)));
                            }
                            since
                        }
                    },
                    yaml: emit(&node),
                    withheld,
                })
            }
            None => known.filter(|_| is_same).cloned(),
        };
        let Some(mut value) = value else { continue };
        if !base.applied {
            // What the base may have published in part is true since this deploy.
            let of_base = value.since.values_mut();
            let of_base = of_base.filter(|since| Some(**since) == before.deploy);
            of_base.for_each(|since| *since = deploy);
        }
        let values = kept.entry(key.file()).or_default();
        values.keys.insert(key.clone(), value);
    }
    kept
}

/// The values that stand for the keys of a configuration, whoever put them there, without secrets. A key that is gone has none.
pub fn standing_values(
    trees: &ConfigTrees,
    owned: &OwnedConfiguration,
    secrets: &BTreeSet<&str>,
) -> OwnedConfiguration {
    let standing = slots(trees);
    let values = owned.iter().filter_map(|(key, of)| {
        let found = standing.get(key)?;
        let (node, withheld) = without_secrets(key, found, secrets);
        let value = KeptValue {
            yaml: emit(&node),
            withheld,
            since: BTreeMap::new(),
        };
        let standing = OwnedValue {
            source: of.source.clone(),
            digest: digest(found),
            value: Some(value),
        };
        Some((key.clone(), standing))
    });
    values.collect()
}

/// Who changed each field of a value last, as far as it can be seen, when this deploy changes the value.
fn since(known: &KeptValue, node: &Node, deploy: Uuid) -> BTreeMap<String, Uuid> {
    let changes = changed_fields(Some(&known.node()), Some(node)).into_iter();
    let mut since = known.since.clone();
    let written = changes.filter(|change| change.after.is_some());
    since.extend(written.map(|change| (change.field, deploy)));
    let fields: BTreeSet<String> = changed_fields(None, Some(node))
        .into_iter()
        .map(|change| change.field)
        .collect();
    since.retain(|field, _| field.is_empty() || fields.contains(field));
    since
}

/// Something that is withheld differs from what stood there: with the secrets of now in its place, the value of before does not have
/// the digest that it had.
fn withheld_changed(known: &KeptValue, was: &Digest, standing: &Node) -> bool {
    let mut before = known.node();
    for field in &known.withheld {
        let (Some(place), Some(secret)) = (at_mut(&mut before, field), at(standing, field)) else {
            return true;
        };
        *place = secret.clone();
    }
    digest(&before) != *was
}

/// What stands in a field. The path of what a list holds ends at the list.
pub(super) fn at<'n>(node: &'n Node, field: &str) -> Option<&'n Node> {
    if field.is_empty() || matches!(node.value, Value::List(_)) {
        return Some(node);
    }
    let Value::Map(entries) = &node.value else {
        return None;
    };
    entries
        .iter()
        .find_map(|(name, entry)| at(&entry.node, below(field, name)?))
}

fn at_mut<'n>(node: &'n mut Node, field: &str) -> Option<&'n mut Node> {
    if field.is_empty() || matches!(node.value, Value::List(_)) {
        return Some(node);
    }
    let Value::Map(entries) = &mut node.value else {
        return None;
    };
    entries
        .iter_mut()
        .find_map(|(name, entry)| at_mut(&mut entry.node, below(field, name)?))
}

/// The rest of a path that begins with a name. Names may have dots.
fn below<'f>(field: &'f str, name: &str) -> Option<&'f str> {
    let rest = field.strip_prefix(name)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('.')
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn node(yaml: &str) -> Node {
        parse(yaml, &ParseLimits::default()).unwrap()
    }

    #[rstest]
    #[case::beside(
        "{environment: {TOKEN: a}, timeout: 3}",
        "{environment: {TOKEN: a}, timeout: 5}",
        false
    )]
    #[case::alone(
        "{environment: {TOKEN: a}, timeout: 3}",
        "{environment: {TOKEN: b}, timeout: 3}",
        true
    )]
    #[case::both(
        "{environment: {TOKEN: a}, timeout: 3}",
        "{environment: {TOKEN: b}, timeout: 5}",
        true
    )]
    #[case::number(
        "{environment: {TOKEN: 1}, timeout: 3}",
        "{environment: {TOKEN: 1}, timeout: 5}",
        false
    )]
    #[case::list(
        "{environment: {TOKENS: [a, {b: c}]}}",
        "{environment: {TOKENS: [a, {b: c}], X: 1}}",
        false
    )]
    #[case::in_list(
        "{environment: {TOKENS: [a, {b: c}]}}",
        "{environment: {TOKENS: [a, {b: d}], X: 1}}",
        true
    )]
    #[case::dots(
        "{environment: {A.TOKEN: a}}",
        "{environment: {A.TOKEN: a, X: 1}}",
        false
    )]
    #[case::gone("{environment: {TOKEN: a}}", "{environment: {X: 1}}", true)]
    fn a_secret_that_changed_is_known_by_the_digest_alone(
        #[case] before: &str,
        #[case] now: &str,
        #[case] changed: bool,
    ) {
        let (before, now) = (node(before), node(now));
        let key = Key("functions/a".to_owned());
        let (kept, withheld) = without_secrets(&key, &before, &BTreeSet::new());
        let known = KeptValue {
            yaml: emit(&kept),
            withheld,
            since: BTreeMap::new(),
        };
        assert!(!known.is_whole());
        assert_eq!(withheld_changed(&known, &digest(&before), &now), changed);
    }
}
