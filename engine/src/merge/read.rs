//! From trees to slots: what a source writes, and what stands in the output directory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, btree_map};

use super::slot::{Keyed, KeyedList, ResourceList, Section, Slot};
use super::{ConfigFile, ConfigText, ConfigTrees, EntryConfig, Key};
use crate::contract::{Digest, Place, Rule, Source, Violation, Warning, quoted};
use crate::yaml::{Map, Node, Span, Value, emit};

/// The rule of resources that cannot be told apart from others of their list.
const ITEM_WITHOUT_KEY: &str = "item-without-key";

/// A slot and what fills it. The trees of ten thousand functions are large: nothing is copied that is not changed.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub(super) slot: Slot,
    pub(super) node: Cow<'a, Node>,
    pub(super) place: Place,
    /// It is a resource that stands at the top of its file, where the provisioner does not look.
    pub(super) is_old_form: bool,
}

/// What was read of some files.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    /// The items in the order of the text.
    pub(super) items: Vec<Item<'a>>,
    pub(super) warnings: Vec<Warning>,
    pub(super) violations: Vec<Violation>,
}

/// The output directory by slot.
#[derive(Debug, Default)]
pub(super) struct Current<'a> {
    /// The digest of what fills each slot.
    pub(super) digests: BTreeMap<Slot, Digest>,
    /// Those of the slots that are resources at the top of their file.
    pub(super) old_form: BTreeSet<Slot>,
    /// List items whose slot an earlier item of the same list fills.
    pub(super) duplicates: Vec<Item<'a>>,
}

/// Reads what an entry writes. What the contract does not know is dropped, with a warning.
pub(super) fn read_entry(entry: &EntryConfig) -> Reading<'_> {
    let mut reading = Reading::default();
    for (file, text) in entry.files() {
        Reader::new(file, text, Origin::Source, &mut reading).read();
    }
    reading
}

/// Reads what stands in the output directory. What the contract does not know is left alone.
pub(super) fn read_output(trees: &ConfigTrees) -> (Current<'_>, Vec<Violation>) {
    let mut reading = Reading::default();
    for (file, text) in &trees.files {
        Reader::new(*file, text, Origin::Output, &mut reading).read();
    }
    let mut current = Current::default();
    for item in reading.items {
        match current.digests.entry(item.slot.clone()) {
            btree_map::Entry::Occupied(_) => current.duplicates.push(item),
            btree_map::Entry::Vacant(free) => {
                free.insert(digest(&item.node));
                if item.is_old_form {
                    current.old_form.insert(item.slot);
                }
            }
        }
    }
    (current, reading.violations)
}

/// What fills each key of an output directory; of a key that stands there twice the first.
pub(super) fn slots(trees: &ConfigTrees) -> BTreeMap<Key, Cow<'_, Node>> {
    let mut reading = Reading::default();
    for (file, text) in &trees.files {
        Reader::new(*file, text, Origin::Output, &mut reading).read();
    }
    let mut slots = BTreeMap::new();
    for item in reading.items {
        slots.entry(item.slot.key()).or_insert(item.node);
    }
    slots
}

/// The digest of a value: of its canonical YAML.
pub(super) fn digest(node: &Node) -> Digest {
    Digest::of(emit(node))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Source,
    Output,
}

struct Reader<'a, 'r> {
    file: ConfigFile,
    tree: &'a Node,
    source: Source<'a>,
    origin: Origin,
    in_old_form: bool,
    reading: &'r mut Reading<'a>,
}

impl<'a, 'r> Reader<'a, 'r> {
    fn new(
        file: ConfigFile,
        text: &'a ConfigText,
        origin: Origin,
        reading: &'r mut Reading<'a>,
    ) -> Self {
        Self {
            file,
            tree: &text.tree,
            source: Source::new(&text.name, &text.text),
            origin,
            in_old_form: false,
            reading,
        }
    }

    fn read(&mut self) {
        let Some(root) = self.map(self.tree, "document") else {
            return;
        };
        match self.file {
            ConfigFile::Functions => self.functions(root),
            ConfigFile::Routing => {
                self.drop_unknown(root, "", &["routes"]);
                self.list(root, "", KeyedList::Routes);
            }
            ConfigFile::Resources => self.resources_file(root),
        }
    }

    fn functions(&mut self, root: &'a Map) {
        self.drop_unknown(root, "", &["functions", "defaults"]);
        if let Some(functions) = self.section(root, "", "functions") {
            for (name, entry) in functions {
                match &entry.node.value {
                    Value::Map(_) => {
                        self.item(Slot::Function(name.clone()), &entry.node, entry.key_span);
                    }
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::List(_) => {
                        self.wrong_kind(&entry.node, &format!("functions.{name}"), "a mapping");
                    }
                }
            }
        }
        let Some(defaults) = self.section(root, "", "defaults") else {
            return;
        };
        for (key, entry) in defaults {
            let Some(section) = Section::of(key) else {
                self.item(Slot::Default(key.clone()), &entry.node, entry.key_span);
                continue;
            };
            for (key, entry) in self
                .section(defaults, "defaults.", section.name())
                .into_iter()
                .flatten()
            {
                let slot = Slot::SectionDefault(section, key.clone());
                self.item(slot, &entry.node, entry.key_span);
            }
        }
    }

    /// The lists stand below `resources`, or in the old form at the top. An artifact has one form; the output
    /// directory may have both, and what stands below `resources` is what the provisioner reads.
    fn resources_file(&mut self, root: &'a Map) {
        let has_section = root.contains_key("resources");
        if has_section {
            self.drop_unknown(root, "", &["resources"]);
            if let Some(lists) = self.section(root, "", "resources") {
                self.resources(lists, "resources.");
            }
        }
        if !has_section || self.origin == Origin::Output {
            self.in_old_form = true;
            self.resources(root, "");
        }
    }

    fn resources(&mut self, lists: &'a Map, prefix: &str) {
        self.drop_unknown(lists, prefix, &ResourceList::ALL.map(ResourceList::name));
        for list in ResourceList::ALL {
            self.list(lists, prefix, KeyedList::Resources(list));
        }
    }

    fn list(&mut self, parent: &'a Map, prefix: &str, list: KeyedList) {
        let Some(entry) = parent.get(list.name()) else {
            return;
        };
        let path = format!("{prefix}{}", list.name());
        let items = match &entry.node.value {
            Value::List(items) => items,
            // `routes:` with nothing below it is how generated files write an empty list.
            Value::Null => return,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_) => {
                self.wrong_kind(&entry.node, &path, "a list");
                return;
            }
        };
        for (index, node) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Value::Map(map) = &node.value else {
                self.wrong_kind(node, &path, "a mapping");
                continue;
            };
            match (list.slot(map), self.origin) {
                (Keyed::Slot(slot), Origin::Source | Origin::Output) => {
                    self.item(slot, node, node.span);
                }
                // An item that nobody can name belongs to whoever put it there.
                (Keyed::Missing(_) | Keyed::NotText(..), Origin::Output) => {}
                (Keyed::Missing(field), Origin::Source) => {
                    let rule = match list {
                        KeyedList::Routes => Rule::RouteWithoutPath.name(),
                        KeyedList::Resources(_) => ITEM_WITHOUT_KEY,
                    };
                    self.warn(
                        node.span,
                        rule,
                        format!("`{path}` has no `{field}` and is dropped"),
                    );
                }
                (Keyed::NotText(field, node), Origin::Source) => {
                    self.wrong_kind(node, &format!("{path}.{field}"), "text");
                }
            }
        }
    }

    /// The mapping under a key; none when it is absent, empty, or no mapping.
    fn section(&mut self, parent: &'a Map, prefix: &str, key: &str) -> Option<&'a Map> {
        let entry = parent.get(key)?;
        self.map(&entry.node, &format!("{prefix}{key}"))
    }

    /// A mapping; nothing at all is an empty one.
    fn map(&mut self, node: &'a Node, path: &str) -> Option<&'a Map> {
        match &node.value {
            Value::Map(map) => Some(map),
            Value::Null => None,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => {
                self.wrong_kind(node, path, "a mapping");
                None
            }
        }
    }

    fn drop_unknown(&mut self, map: &'a Map, prefix: &str, known: &[&str]) {
        if self.origin == Origin::Output {
            return;
        }
        for (key, entry) in map {
            if !known.contains(&key.as_str()) {
                let path = quoted(&format!("{prefix}{key}"));
                let message = format!("{path} is unknown and is dropped");
                self.warn(entry.key_span, Rule::UnknownKey.name(), message);
            }
        }
    }

    fn item(&mut self, slot: Slot, node: &'a Node, span: Span) {
        let place = self.place(span);
        self.reading.items.push(Item {
            slot,
            node: Cow::Borrowed(node),
            place,
            is_old_form: self.in_old_form,
        });
    }

    fn warn(&mut self, span: Span, rule: &str, message: String) {
        self.reading.warnings.push(Warning {
            place: self.place(span),
            rule: rule.to_owned(),
            message,
        });
    }

    fn wrong_kind(&mut self, node: &Node, path: &str, expected: &str) {
        let found = node.value.kind();
        let message = format!("{} is {found} and should be {expected}", quoted(path));
        let violation = Violation::new(Rule::WrongKind, self.place(node.span), message);
        self.reading.violations.push(violation);
    }

    /// A place. Source lines of `functions.yml` are not shown: an environment may hold a secret.
    fn place(&self, span: Span) -> Place {
        let place = self.source.place(span);
        match self.file {
            ConfigFile::Functions => place.without_excerpt(),
            ConfigFile::Routing | ConfigFile::Resources => place,
        }
    }
}
