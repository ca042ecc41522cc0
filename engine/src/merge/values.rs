//! How the value of a key changes, field by field.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::kept::at;
use super::read::slots;
use super::withheld::without_secrets;
use super::{ConfigTrees, Key};
use crate::yaml::{Map, Node, Value};

/// One field of a key whose value changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldChange {
    /// Its path below the key, with dots: `environment.GREETING`. Empty where the whole value is meant.
    pub field: String,
    /// What stands there, in one line as YAML has it in flow style; none when nothing does.
    pub before: Option<String>,
    /// What will stand there.
    pub after: Option<String>,
}

/// The fields that change, of each of these keys, without secrets. `secrets` are the names that the artifact requires.
pub fn field_changes(
    before: &ConfigTrees,
    after: &ConfigTrees,
    keys: &[Key],
    secrets: &BTreeSet<&str>,
) -> BTreeMap<Key, Vec<FieldChange>> {
    let (before, after) = (slots(before), slots(after));
    let changes = keys.iter().map(|key| {
        let side = |slots: &BTreeMap<Key, Cow<'_, Node>>| {
            let node = slots.get(key)?.clone().into_owned();
            let shown = without_secrets(key, &node, secrets).0;
            Some((node, shown))
        };
        let (old, new) = (side(&before), side(&after));
        let whole = changed_fields(
            old.as_ref().map(|(node, _)| node),
            new.as_ref().map(|(node, _)| node),
        );
        // Both values are told apart as they are, and shown as they may be.
        let shown = |side: &Option<(Node, Node)>, field: &str| {
            let (_, shown) = side.as_ref()?;
            at(shown, field).map(|node| flow(&node.value))
        };
        let changes = whole.into_iter().map(|change| FieldChange {
            before: shown(&old, &change.field),
            after: shown(&new, &change.field),
            field: change.field,
        });
        (key.clone(), changes.collect())
    });
    changes.collect()
}

/// The fields that change between two values, of which one may be none.
pub(super) fn changed_fields(before: Option<&Node>, after: Option<&Node>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes
}

fn compare(field: &str, old: Option<&Node>, new: Option<&Node>, changes: &mut Vec<FieldChange>) {
    if old == new {
        return;
    }
    // A mapping that is new, or gone, is told field by field: a name decides whether its value may be shown.
    let none = Map::new();
    let maps = (old.map(|node| &node.value), new.map(|node| &node.value));
    let maps = match maps {
        (Some(Value::Map(old)), Some(Value::Map(new))) => Some((old, new)),
        (Some(Value::Map(old)), None) => Some((old, &none)),
        (None, Some(Value::Map(new))) => Some((&none, new)),
        _ => None,
    };
    if let Some((old, new)) = maps {
        let added = new.keys().filter(|name| !old.contains_key(*name));
        for name in old.keys().chain(added) {
            let field = if field.is_empty() {
                name.clone()
            } else {
                format!("{field}.{name}")
            };
            let node = |map: &Map| map.get(name).map(|entry| entry.node.clone());
            compare(&field, node(old).as_ref(), node(new).as_ref(), changes);
        }
        return;
    }
    changes.push(FieldChange {
        field: field.to_owned(),
        before: old.map(|node| flow(&node.value)),
        after: new.map(|node| flow(&node.value)),
    });
}

/// A value in one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.text().unwrap_or_default().to_owned(),
        Value::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, entry)| format!("{name}: {}", flow(&entry.node.value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::merge::ConfigFile;
    use crate::yaml::ParseLimits;

    fn trees(functions: &str) -> ConfigTrees {
        let texts = BTreeMap::from([(ConfigFile::Functions, functions.to_owned())]);
        ConfigTrees::parse("out", texts, &ParseLimits::default()).unwrap()
    }

    #[test]
    fn a_change_names_its_field_and_both_values() {
        let before =
            trees("functions:\n  a: {image: r/a:1, timeout: 3, environment: {G: hi, GONE: x}}\n");
        let after = trees(
            "functions:\n  a: {image: r/a:1, timeout: 5, environment: {G: \"hello \\\"you\\\"\"}, scaling: {max_capacity: 2}, events: [{schedule: {rate: r}}]}\n",
        );
        let key = Key("functions/a".to_owned());
        assert_eq!(
            lines(&before, &after, &key),
            [
                "environment.G: \"hi\" -> \"hello \\\"you\\\"\"",
                "environment.GONE: \"x\" -> nothing",
                "timeout: 3 -> 5",
                "events: nothing -> [{schedule: {rate: \"r\"}}]",
                "scaling.max_capacity: nothing -> 2",
            ]
        );
    }

    fn lines(before: &ConfigTrees, after: &ConfigTrees, key: &Key) -> Vec<String> {
        let changes = field_changes(before, after, std::slice::from_ref(key), &BTreeSet::new());
        changes[key]
            .iter()
            .map(|change| {
                let or_nothing = |text: &Option<String>| text.clone().unwrap_or("nothing".into());
                format!(
                    "{}: {} -> {}",
                    change.field,
                    or_nothing(&change.before),
                    or_nothing(&change.after)
                )
            })
            .collect()
    }

    /// A place decides, and a name alone does not: the key of a table is no secret.
    #[test]
    fn only_what_may_be_a_secret_where_it_stands_is_hidden() {
        let before = trees("functions: {a: {environment: {API_KEY: canary, KEPT: canary}}}\n");
        let after = trees("functions: {a: {environment: {API_KEY: other, KEPT: other}}}\n");
        assert_eq!(
            lines(&before, &after, &Key("functions/a".to_owned())),
            [
                "environment.API_KEY: \"***\" -> \"***\"",
                "environment.KEPT: \"canary\" -> \"other\""
            ]
        );
        let resources = |kind: &str| {
            let text = format!(
                "resources:\n  dynamodb:\n  - {{TableName: t, KeySchema: [{{AttributeName: id, KeyType: {kind}}}]}}\n"
            );
            let texts = BTreeMap::from([(ConfigFile::Resources, text)]);
            ConfigTrees::parse("out", texts, &ParseLimits::default()).unwrap()
        };
        let key = Key("dynamodb/t".to_owned());
        assert_eq!(
            lines(&resources("HASH"), &resources("RANGE"), &key),
            [
                "KeySchema: [{AttributeName: \"id\", KeyType: \"HASH\"}] -> [{AttributeName: \"id\", KeyType: \"RANGE\"}]"
            ]
        );
    }
}
