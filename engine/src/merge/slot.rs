//! Slots: the places in the configuration that one writer fills as a whole.

use super::{ConfigFile, Key};
use crate::yaml::{Map, Node, Value};

/// One place in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// `functions.<name>`.
    Function(String),
    /// `defaults.<key>`, whole.
    Default(String),
    /// `defaults.<section>.<key>`.
    SectionDefault(Section, String),
    /// The route of a path and a method.
    Route {
        /// The path, as written.
        path: String,
        /// The method, as written; `GET` when there is none.
        method: String,
    },
    /// The item of a resource list.
    Resource(ResourceList, String),
}

/// A part of `defaults` that is merged key by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Environment,
    Scaling,
}

impl Section {
    pub(super) fn of(key: &str) -> Option<Self> {
        [Self::Environment, Self::Scaling]
            .into_iter()
            .find(|section| section.name() == key)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Scaling => "scaling",
        }
    }
}

/// A list of `resources.yml` whose items have a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ResourceList {
    Dynamodb,
    S3,
    Layers,
}

impl ResourceList {
    pub(super) const ALL: [Self; 3] = [Self::Dynamodb, Self::S3, Self::Layers];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dynamodb => "dynamodb",
            Self::S3 => "s3",
            Self::Layers => "layers",
        }
    }

    /// The field of an item that is its key.
    pub(super) fn key_field(self) -> &'static str {
        match self {
            Self::Dynamodb => "TableName",
            Self::S3 => "BucketName",
            Self::Layers => "Name",
        }
    }
}

/// A list of the configuration that is merged item by item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyedList {
    Routes,
    Resources(ResourceList),
}

/// What an item of a list says of its slot.
#[derive(Debug, PartialEq)]
pub(super) enum Keyed<'a> {
    /// It has one.
    Slot(Slot),
    /// The field that is its key is absent or blank.
    Missing(&'static str),
    /// This field should be text, and is not.
    NotText(&'static str, &'a Node),
}

impl KeyedList {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Resources(list) => list.name(),
        }
    }

    /// The slot of an item of this list.
    pub(super) fn slot(self, item: &Map) -> Keyed<'_> {
        match self {
            Self::Routes => route_slot(item),
            Self::Resources(list) => match field(item, list.key_field()) {
                Field::Text(key) => Keyed::Slot(Slot::Resource(list, key.to_owned())),
                Field::Absent => Keyed::Missing(list.key_field()),
                Field::NotText(node) => Keyed::NotText(list.key_field(), node),
            },
        }
    }
}

fn route_slot(route: &Map) -> Keyed<'_> {
    let path = match field(route, "path") {
        Field::Text(path) => path.to_owned(),
        Field::Absent => return Keyed::Missing("path"),
        Field::NotText(node) => return Keyed::NotText("path", node),
    };
    let method = match field(route, "method") {
        Field::Text(method) => method.to_owned(),
        Field::Absent => "GET".to_owned(),
        Field::NotText(node) => return Keyed::NotText("method", node),
    };
    Keyed::Slot(Slot::Route { path, method })
}

enum Field<'a> {
    Text(&'a str),
    Absent,
    NotText(&'a Node),
}

fn field<'a>(item: &'a Map, name: &str) -> Field<'a> {
    let Some(entry) = item.get(name) else {
        return Field::Absent;
    };
    match &entry.node.value {
        Value::Null => Field::Absent,
        Value::List(_) | Value::Map(_) => Field::NotText(&entry.node),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            match entry.node.value.text().filter(|text| !text.is_empty()) {
                Some(text) => Field::Text(text),
                None => Field::Absent,
            }
        }
    }
}

impl Slot {
    /// The file it is in.
    pub(super) fn file(&self) -> ConfigFile {
        match self {
            Self::Function(_) | Self::Default(_) | Self::SectionDefault(..) => {
                ConfigFile::Functions
            }
            Self::Route { .. } => ConfigFile::Routing,
            Self::Resource(..) => ConfigFile::Resources,
        }
    }

    /// Whether the first writer fills it, and not the last.
    pub(super) fn is_default(&self) -> bool {
        match self {
            Self::Default(_) | Self::SectionDefault(..) => true,
            Self::Function(_) | Self::Route { .. } | Self::Resource(..) => false,
        }
    }

    /// Its text, for the journal. Two slots never share one.
    pub(super) fn key(&self) -> Key {
        Key(match self {
            Self::Function(name) => format!("functions/{name}"),
            Self::Default(key) => format!("defaults/{}", escape(key, '/')),
            Self::SectionDefault(section, key) => format!("defaults/{}/{key}", section.name()),
            Self::Route { path, method } => format!("routes/{} {path}", escape(method, ' ')),
            Self::Resource(list, key) => format!("{}/{key}", list.name()),
        })
    }
}

/// A part of a key in which its separator must not stand as such.
fn escape(text: &str, separator: char) -> String {
    let code = format!("%{:02X}", u32::from(separator));
    text.replace('%', "%25").replace(separator, &code)
}
