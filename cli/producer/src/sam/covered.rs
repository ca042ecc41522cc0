//! Everything that `docs/guide/producer.md` says is read stands in a template that has a golden artifact, and so in the golden's sight.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use engine::yaml::{Map, Node, Value};

use super::property::{Properties, Support};
use super::{bucket, documented, event, function, globals, layer, table};
use crate::intrinsics::{FUNCTIONS, PSEUDO};
use crate::template::{Kind, LOOP, Template};

/// What the golden templates use: each feature once, as the documentation calls it.
#[derive(Default)]
struct Used(BTreeSet<String>);

impl Used {
    fn add(&mut self, of: &str, what: &str) {
        self.0.insert(format!("{of}: {what}"));
    }

    /// Properties, also behind a condition, in lists, and of events.
    fn properties(&mut self, list: &Properties, prefix: &str, node: &Node) {
        let map = match &node.value {
            Value::List(items) => {
                for item in items {
                    self.properties(list, prefix, item);
                }
                return;
            }
            Value::Map(map) => map,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
        };
        for (name, entry) in map {
            if name == "Fn::If" {
                self.properties(list, prefix, &entry.node);
                continue;
            }
            let path = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            if list.list.iter().any(|property| property.path == path) {
                self.add(list.of, &path);
                self.properties(list, &path, &entry.node);
            }
            if path == "Events" {
                self.events(&entry.node);
            }
        }
    }

    fn events(&mut self, node: &Node) {
        for entry in map(node).values() {
            self.properties(&event::EVENT, "", &entry.node);
            let event = map(&entry.node);
            let name = event.get("Type").and_then(|entry| entry.node.value.text());
            let known = event::TYPES.iter().find(|known| Some(known.of) == name);
            if let (Some(known), Some(properties)) = (known, event.get("Properties")) {
                self.properties(known, "", &properties.node);
            }
        }
    }

    /// Intrinsic functions, wherever they stand.
    fn functions(&mut self, section: &str, node: &Node) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.functions(section, item)),
            Value::Map(map) => {
                for (name, entry) in map {
                    if name.starts_with(LOOP) {
                        self.add(section, LOOP);
                    } else if map.len() == 1 {
                        self.add(section, name);
                    }
                    self.functions(section, &entry.node);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn template(&mut self, text: &str) {
        let template = Template::read("template", text).ok().unwrap();
        for section in ["Resources", "Conditions"] {
            for entry in template.section(section).values() {
                self.functions(section, &entry.node);
            }
        }
        for name in PSEUDO.iter().filter(|name| text.contains(**name)) {
            self.add("pseudo parameter", name);
        }
        let globals = template.section("Globals");
        let lists = [
            &function::properties::SERVERLESS,
            &table::properties::SIMPLE,
        ];
        for (name, list) in globals::READ.iter().zip(lists) {
            if let Some(section) = globals.get(*name) {
                self.add("Globals", name);
                self.properties(list, "", &section.node);
            }
        }
        for (id, resource) in template.resources() {
            let Some(kind) = resource.kind else { continue };
            self.add("type", kind.name());
            for attribute in kind.attributes() {
                let ways = [format!("{id}.{attribute}"), format!("[{id}, {attribute}]")];
                if ways.iter().any(|way| text.contains(way)) {
                    self.add(kind.name(), &format!("attribute {attribute}"));
                }
            }
            if let Some(properties) = resource.map.get("Properties") {
                self.properties(list_of(kind), "", &properties.node);
            }
            if let Some(metadata) = resource.map.get("Metadata") {
                let list = match kind {
                    Kind::ServerlessLayer | Kind::LambdaLayer => {
                        &function::properties::LAYER_METADATA
                    }
                    Kind::ServerlessFunction
                    | Kind::LambdaFunction
                    | Kind::SimpleTable
                    | Kind::Table
                    | Kind::Bucket => &function::properties::METADATA,
                };
                self.properties(list, "", &metadata.node);
            }
        }
        let runtimes = text.split("Runtime: ").skip(1);
        for family in [
            "python3",
            "nodejs",
            "java",
            "provided.al2",
            "provided.al2023",
        ] {
            let mut runtimes = runtimes.clone();
            if runtimes.any(|runtime| runtime.starts_with(family)) {
                self.add("runtime", family);
            }
        }
    }
}

fn map(node: &Node) -> &Map {
    static NONE: Map = Map::new();
    match &node.value {
        Value::Map(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => {
            &NONE
        }
    }
}

fn list_of(kind: Kind) -> &'static Properties {
    match kind {
        Kind::ServerlessFunction => &function::properties::SERVERLESS,
        Kind::LambdaFunction => &function::properties::LAMBDA,
        Kind::ServerlessLayer => &layer::SERVERLESS,
        Kind::LambdaLayer => &layer::LAMBDA,
        Kind::SimpleTable => &table::properties::SIMPLE,
        Kind::Table => &table::properties::TABLE,
        Kind::Bucket => &bucket::PROPERTIES,
    }
}

/// The templates that have a golden artifact.
fn golden() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    ["templates", "packages"]
        .iter()
        .flat_map(|kind| fs::read_dir(fixtures.join(kind)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("artifact.txt").exists())
        .flat_map(|folder| ["template.yaml", "template.json"].map(|file| folder.join(file)))
        .filter(|template| template.exists())
        .collect()
}

/// Everything that is documented as read.
fn documented() -> Used {
    let mut all = Used::default();
    for list in documented::all() {
        for property in list.list {
            if property.support == Support::Read {
                all.add(list.of, property.path);
            }
        }
    }
    for kind in Kind::ALL {
        all.add("type", kind.name());
        for attribute in kind.attributes() {
            all.add(kind.name(), &format!("attribute {attribute}"));
        }
    }
    for name in FUNCTIONS {
        all.add("Resources", name);
    }
    for name in documented::CONDITIONS {
        all.add("Conditions", name);
    }
    for name in PSEUDO {
        all.add("pseudo parameter", name);
    }
    for name in globals::READ {
        all.add("Globals", name);
    }
    for family in [
        "python3",
        "nodejs",
        "java",
        "provided.al2",
        "provided.al2023",
    ] {
        all.add("runtime", family);
    }
    all
}

#[test]
fn everything_that_is_read_stands_in_a_template_with_a_golden_artifact() {
    let mut used = Used::default();
    for template in golden() {
        used.template(&fs::read_to_string(template).unwrap());
    }
    let unseen: Vec<String> = documented().0.difference(&used.0).cloned().collect();
    assert!(unseen.is_empty(), "in no golden:\n{}", unseen.join("\n"));
}
