//! A naive model of the rules, and histories of deploys compared with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Out, entry};
use crate::merge::{ConfigFile, EntryConfig, MergeOutcome, SourceKey};
use crate::yaml::{Node, ParseLimits, Value, parse};

/// The keys that histories are about, by file, as the journal writes them.
const FUNCTIONS: [&str; 8] = [
    "functions/f",
    "functions/g",
    "functions/h",
    "defaults/timeout",
    "defaults/net",
    "defaults/environment/A",
    "defaults/environment/B",
    "defaults/scaling/max",
];
const ROUTES: [&str; 4] = [
    "routes/GET /a",
    "routes/POST /a",
    "routes/GET /b",
    "routes/GET /c",
];
const RESOURCES: [&str; 4] = ["dynamodb/t", "s3/b", "s3/c", "layers/l"];

/// What stands under which key.
type Values = BTreeMap<&'static str, u32>;

/// One entry: its source, and what it writes.
#[derive(Debug, Clone)]
struct Wish {
    source: &'static str,
    values: Values,
}

/// The model: values and owners, and nothing else.
#[derive(Debug, Clone, Default)]
struct Model {
    values: Values,
    owners: BTreeMap<&'static str, &'static str>,
    /// Keys of the lists in the order in which they stand.
    listed: Vec<&'static str>,
}

impl Model {
    fn put(&mut self, key: &'static str, value: u32) {
        if self.values.insert(key, value).is_none() && is_listed(key) {
            self.listed.push(key);
        }
    }

    fn remove(&mut self, key: &'static str) {
        self.values.remove(key);
        self.owners.remove(key);
        self.listed.retain(|listed| *listed != key);
    }

    fn deploy(&mut self, wishes: &[Wish], prune: bool) {
        let owners = self.owners.clone();
        for (key, owner) in &owners {
            let is_here = wishes.iter().any(|w| w.source == *owner);
            let still_wanted = wishes.iter().any(|w| {
                w.values.contains_key(key) && (w.source == *owner || !key.starts_with("defaults/"))
            });
            if is_here && !still_wanted && prune {
                self.remove(key);
            }
        }
        let mut written = BTreeSet::new();
        for wish in wishes {
            // Lists keep the order of the text; the fixtures write keys in the order of the constants.
            for key in all_keys().filter(|key| wish.values.contains_key(key)) {
                let mine = owners.get(key) == Some(&wish.source) && !written.contains(key);
                if key.starts_with("defaults/") && self.values.contains_key(key) && !mine {
                    continue;
                }
                written.insert(key);
                self.put(key, wish.values[key]);
                self.owners.insert(key, wish.source);
            }
        }
    }
}

fn all_keys() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.into_iter().chain(ROUTES).chain(RESOURCES)
}

fn is_listed(key: &str) -> bool {
    ROUTES.contains(&key) || RESOURCES.contains(&key)
}

fn file_of(key: &str) -> ConfigFile {
    if FUNCTIONS.contains(&key) {
        ConfigFile::Functions
    } else if ROUTES.contains(&key) {
        ConfigFile::Routing
    } else {
        ConfigFile::Resources
    }
}

/// The three files that hold these values; written in flow style, so that comparing them with ours compares trees.
fn texts(values: &Values) -> [String; 3] {
    let mut functions = String::new();
    let mut defaults = String::new();
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    let mut lists: BTreeMap<&str, String> = BTreeMap::new();
    for key in all_keys() {
        let Some(value) = values.get(key) else {
            continue;
        };
        let mut parts = key.split('/');
        let (kind, rest) = (parts.next().unwrap(), &key[key.find('/').unwrap() + 1..]);
        let result = match kind {
            "functions" => write!(functions, "{rest}: {{v: {value}}}, "),
            "defaults" => match rest.split_once('/') {
                Some((section, name)) => {
                    write!(sections.entry(section).or_default(), "{name}: {value}, ")
                }
                None => write!(defaults, "{rest}: {value}, "),
            },
            "routes" => {
                let (method, path) = rest.split_once(' ').unwrap();
                let list = lists.entry("routes").or_default();
                write!(list, "{{path: {path}, method: {method}, v: {value}}}, ")
            }
            _ => {
                let field = match kind {
                    "dynamodb" => "TableName",
                    "s3" => "BucketName",
                    _ => "Name",
                };
                write!(
                    lists.entry(kind).or_default(),
                    "{{{field}: {rest}, v: {value}}}, "
                )
            }
        };
        result.unwrap();
    }
    for (section, entries) in sections {
        write!(defaults, "{section}: {{{entries}}}, ").unwrap();
    }
    let routes = lists.remove("routes").unwrap_or_default();
    let mut resources = String::new();
    for (list, items) in lists {
        write!(resources, "{list}: [{items}], ").unwrap();
    }
    [
        format!("functions: {{{functions}}}\ndefaults: {{{defaults}}}\n"),
        format!("routes: [{routes}]\n"),
        format!("resources: {{{resources}}}\n"),
    ]
}

fn entry_of(wish: &Wish) -> EntryConfig {
    let [functions, routing, resources] = texts(&wish.values);
    entry(wish.source, &functions, &routing, &resources)
}

fn seeded(values: &Values) -> Out {
    let [functions, routing, resources] = texts(values);
    let mut out = Out::with(ConfigFile::Functions, &functions);
    out.texts.insert(ConfigFile::Routing, routing);
    out.texts.insert(ConfigFile::Resources, resources);
    out
}

/// The value of a field, by its path; none when it is absent.
fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| {
        let Value::Map(map) = &node.value else {
            return None;
        };
        map.get(*key).map(|entry| &entry.node)
    })
}

fn number(node: Option<&Node>) -> Option<u32> {
    node?.value.text()?.parse().ok()
}

/// What stands in the output directory, and the listed keys in their order.
fn found(out: &Out) -> (Values, Vec<&'static str>) {
    let trees: BTreeMap<ConfigFile, Node> = out
        .texts
        .iter()
        .map(|(file, text)| (*file, parse(text, &ParseLimits::default()).unwrap()))
        .collect();
    let mut values = Values::new();
    let mut positions = Vec::new();
    for key in all_keys() {
        let Some(tree) = trees.get(&file_of(key)) else {
            continue;
        };
        let path: Vec<&str> = key.split('/').collect();
        let value = match path[0] {
            "functions" => number(at(tree, &["functions", path[1], "v"])),
            "defaults" => number(at(tree, &path)),
            kind => {
                let list = if kind == "routes" {
                    at(tree, &["routes"])
                } else {
                    at(tree, &["resources", kind])
                };
                let Some(Value::List(items)) = list.map(|list| &list.value) else {
                    continue;
                };
                let hit = items.iter().position(|item| {
                    let text = |field| at(item, &[field]).and_then(|node| node.value.text());
                    let name = match kind {
                        "routes" => {
                            format!("{} {}", text("method").unwrap(), text("path").unwrap())
                        }
                        "dynamodb" => text("TableName").unwrap().to_owned(),
                        "s3" => text("BucketName").unwrap().to_owned(),
                        _ => text("Name").unwrap().to_owned(),
                    };
                    name == key[kind.len() + 1..]
                });
                hit.and_then(|position| {
                    positions.push((kind, position, key));
                    number(at(&items[position], &["v"]))
                })
            }
        };
        if let Some(value) = value {
            values.insert(key, value);
        }
    }
    positions.sort_unstable();
    (
        values,
        positions.into_iter().map(|(_, _, key)| key).collect(),
    )
}

fn owners(outcome: &MergeOutcome) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    for (SourceKey(source), keys) in &outcome.ownership.sources {
        for key in keys.keys() {
            let before = owners.insert(key.0.clone(), source.clone());
            assert_eq!(before, None, "{} has two owners", key.0);
        }
    }
    owners
}

fn any_values(values: std::ops::Range<u32>) -> impl Strategy<Value = Values> {
    let keys: Vec<_> = all_keys().collect();
    prop::collection::btree_map(prop::sample::select(keys), values, 0..8)
}

fn any_wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = (prop::sample::select(vec!["a", "b", "c"]), any_values(0..3));
    let wish = wish.prop_map(|(source, values)| Wish { source, values });
    prop::collection::vec(wish, 1..4)
}

/// Seeds have values that no entry ever writes.
fn any_seed() -> impl Strategy<Value = Values> {
    any_values(100..103)
}

fn any_files() -> impl Strategy<Value = Vec<ConfigFile>> {
    prop::sample::subsequence(ConfigFile::ALL.to_vec(), 0..=3)
}

fn entries(wishes: &[Wish]) -> Vec<EntryConfig> {
    wishes.iter().map(entry_of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_history_ends_as_the_model_says(
        seed in any_seed(),
        history in prop::collection::vec((any_wishes(), any::<bool>()), 1..6),
    ) {
        let mut out = seeded(&seed);
        let mut model = Model::default();
        for key in all_keys().filter(|key| seed.contains_key(key)) {
            model.put(key, seed[key]);
        }
        for (wishes, prune) in &history {
            out.options.prune = *prune;
            let entries = entries(wishes);
            let before = found(&out).0;
            let outcome = out.deploy(&entries);
            model.deploy(wishes, *prune);

            let (values, listed) = found(&out);
            prop_assert_eq!(&values, &model.values);
            let mut expected: Vec<_> = model.listed.iter().enumerate().map(|(at, key)| (key.split('/').next(), at, *key)).collect();
            expected.sort_unstable();
            let expected: Vec<_> = expected.into_iter().map(|(_, _, key)| key).collect();
            prop_assert_eq!(listed, expected);
            let model_owners: BTreeMap<_, _> = model.owners.iter().map(|(k, o)| ((*k).to_owned(), (*o).to_owned())).collect();
            prop_assert_eq!(owners(&outcome), model_owners);
            let differ = |keys: &[crate::merge::Key]| keys.iter().map(|key| key.0.clone()).collect::<BTreeSet<_>>();
            let expect = |differs: &dyn Fn(Option<&u32>, Option<&u32>) -> bool| {
                let keys = all_keys().filter(|key| differs(before.get(key), values.get(key)));
                keys.map(str::to_owned).collect::<BTreeSet<_>>()
            };
            prop_assert_eq!(differ(&outcome.changes.added), expect(&|old, new| old.is_none() && new.is_some()));
            prop_assert_eq!(differ(&outcome.changes.changed), expect(&|old, new| old.is_some() && new.is_some() && old != new));
            prop_assert_eq!(differ(&outcome.changes.removed), expect(&|old, new| old.is_some() && new.is_none()));
            prop_assert!(outcome.drift.is_empty());

            let again = out.merge(&entries);
            prop_assert!(again.changes.is_empty(), "{:?}", again.changes);
            prop_assert_eq!(&again.texts, &out.texts);
            prop_assert_eq!(&again.ownership, &outcome.ownership);
            prop_assert!(again.drift.is_empty());
        }
    }

    #[test]
    fn a_killed_publish_that_is_repeated_ends_as_a_whole_one(
        seed in any_seed(),
        history in prop::collection::vec(any_wishes(), 0..4),
        last in any_wishes(),
        published in any_files(),
        prune in any::<bool>(),
    ) {
        let run = |killed: bool| {
            let mut out = seeded(&seed);
            for wishes in &history {
                out.deploy(&entries(wishes));
            }
            out.options.prune = prune;
            if killed {
                out.deploy_in_part(&entries(&last), &published);
            }
            out.deploy(&entries(&last))
        };
        let (whole, repeated) = (run(false), run(true));
        prop_assert_eq!(&repeated.texts, &whole.texts);
        prop_assert_eq!(&repeated.ownership, &whole.ownership);
    }

    #[test]
    fn whatever_is_killed_seeds_that_were_never_replaced_stay_and_nothing_of_ours_is_left_behind(
        seed in any_seed(),
        history in prop::collection::vec((any_wishes(), prop::option::of(any_files())), 1..7),
    ) {
        let mut out = seeded(&seed);
        let mut intact = seed.clone();
        for (wishes, killed) in &history {
            let outcome = match killed {
                Some(published) => out.deploy_in_part(&entries(wishes), published),
                None => out.deploy(&entries(wishes)),
            };
            let owned = owners(&outcome);
            intact.retain(|key, _| {
                let published = killed.as_ref().is_none_or(|files| files.contains(&file_of(key)));
                !(published && owned.contains_key(*key))
            });
            let (values, _) = found(&out);
            for (key, value) in &intact {
                prop_assert_eq!(values.get(key), Some(value), "{}", key);
            }
        }
        let nothing = ["a", "b", "c"].map(|source| Wish { source, values: Values::new() });
        let outcome = out.deploy(&entries(&nothing));
        prop_assert_eq!(found(&out).0, intact);
        prop_assert!(owners(&outcome).is_empty());
    }
}
