//! Typed access to the properties of a resource; what does not fit is reported, and reading goes on.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use engine::contract::quoted;
use engine::yaml::{Entry, Map, Node, Span, Value};

use super::path::{join, local_path};
use super::property::{Properties, Support};
use crate::intrinsics::{Resolved, Resolver};
use crate::model::LocalPath;
use crate::parameters::is_flag;
use crate::report::{Level, Read, Reported, Subject, TemplateRule, did_you_mean};
use crate::template::{Kind, Resource, is_call, is_function};
use crate::text::Text;

/// A mapping of properties.
pub(super) struct Fields<'c, 'n> {
    resolver: Resolver<'c>,
    properties: &'static Properties,
    /// Path of the mapping in the list of properties.
    prefix: String,
    map: &'n Map,
    /// The properties that somebody asked for.
    asked: RefCell<BTreeSet<&'n str>>,
    /// Where the mapping, or its resource, stands.
    pub(super) span: Span,
}

impl<'c, 'n> Fields<'c, 'n> {
    /// Opens a mapping, and reports every property in it that is not read.
    pub(super) fn open(
        resolver: Resolver<'c>,
        properties: &'static Properties,
        prefix: &str,
        node: &'n Node,
    ) -> Read<Self> {
        let Value::Map(map) = &node.value else {
            let message = format!("a mapping stands here, not {}", node.value.kind());
            return Err(resolver.error(TemplateRule::WrongKind, node.span, message));
        };
        let fields = Self {
            resolver,
            properties,
            prefix: prefix.to_owned(),
            map,
            asked: RefCell::default(),
            span: node.span,
        };
        fields.look_over()?;
        Ok(fields)
    }

    fn look_over(&self) -> Read<()> {
        let mut refused = None;
        for (name, entry) in self.map {
            if is_function(name) && is_call(self.map) {
                let why = "a mapping stands here, not the value of a function";
                refused = Some(
                    if name.starts_with("Fn::Transform") || name.starts_with("Fn::ForEach") {
                        self.resolver.refused(name, entry.key_span)
                    } else {
                        self.resolver
                            .error(TemplateRule::WrongKind, entry.key_span, why)
                    },
                );
                continue;
            }
            if let Some(reported) = self.look_at(name, entry) {
                refused = Some(reported);
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn look_at(&self, name: &str, entry: &Entry) -> Option<Reported> {
        let own = self.at(name);
        let span = entry.key_span;
        let Some(property) = self.properties.find(&self.path(name)) else {
            let subject = &own.subject;
            if self.properties.open {
                let message = "it has no effect: it is for other tools";
                let (level, rule) = (Level::Note, TemplateRule::NoEffect);
                own.findings()
                    .note(level, rule, subject, span, message, None);
            } else {
                let message = format!("no property {} is known here", quoted(name));
                let known: Vec<&str> = self.properties.names(&self.prefix).collect();
                let findings = own.findings();
                if !findings.is_misspelling(subject, span, &message, name, &known) {
                    let message = format!("{message}; it is left out");
                    let hint = did_you_mean(name, known.into_iter());
                    let (level, rule) = (Level::Warning, TemplateRule::UnknownProperty);
                    findings.note(level, rule, subject, span, message, hint);
                }
            }
            return None;
        };
        let (level, rule) = property.support.finding()?;
        let message = match property.support {
            Support::Read | Support::NoEffect => format!("it has no effect: {}", property.says),
            Support::LeftOut => format!("it is left out: {}", property.says),
            Support::Refused => format!("it is not supported: {}", property.says),
        };
        if level == Level::Error {
            return Some(own.error(rule, span, message));
        }
        let subject = &own.subject;
        own.findings()
            .note(level, rule, subject, span, message, None);
        None
    }

    fn path(&self, name: &str) -> String {
        joined(&self.prefix, name)
    }

    /// Evaluates and reports on behalf of the mapping as a whole.
    pub(super) fn own(&self) -> &Resolver<'c> {
        &self.resolver
    }

    /// Evaluates and reports on behalf of one property.
    pub(super) fn at(&self, name: &str) -> Resolver<'c> {
        let subject = &self.resolver.subject;
        self.resolver.context().resolver(Subject {
            property: joined(&subject.property, name),
            ..subject.clone()
        })
    }

    /// A property that is there and has a value.
    pub(super) fn entry(&self, name: &str) -> Option<&'n Entry> {
        debug_assert!(
            self.properties
                .find(&self.path(name))
                .is_some_and(|property| property.support == Support::Read),
            "{}: `{}` is read, and the list does not say so",
            self.properties.of,
            self.path(name),
        );
        let (name, entry) = self.map.get_key_value(name)?;
        self.asked.borrow_mut().insert(name);
        if entry.node.value == Value::Null {
            let own = self.at(name);
            let message = "it has no value, and is left out";
            let (level, rule) = (Level::Warning, TemplateRule::NoValue);
            own.findings()
                .note(level, rule, &own.subject, entry.key_span, message, None);
            return None;
        }
        Some(entry)
    }

    /// Where a property stands, or the mapping when it is absent.
    pub(super) fn place(&self, name: &str) -> Span {
        self.map
            .get(name)
            .map_or(self.span, |entry| entry.node.span)
    }

    /// The line in which a property begins; none when it is absent.
    pub(super) fn line(&self, name: &str) -> Option<u32> {
        self.map.get(name).map(|entry| entry.key_span.line)
    }

    /// Reports a value that its property does not allow.
    pub(super) fn bad(&self, name: &str, message: impl Into<String>) -> Reported {
        self.at(name)
            .error(TemplateRule::BadValue, self.place(name), message)
    }

    /// Reports a required property that is absent.
    pub(super) fn missing(&self, name: &str) -> Reported {
        let message = format!("`{name}` is required");
        self.at(name)
            .error(TemplateRule::MissingProperty, self.span, message)
    }

    /// A required value.
    pub(super) fn need<T>(&self, name: &str, value: Option<T>) -> Read<T> {
        value.ok_or_else(|| self.missing(name))
    }

    /// A value that may hold secrets.
    pub(super) fn tainted(&self, name: &str) -> Read<Option<Text>> {
        match self.entry(name) {
            None => Ok(None),
            Some(entry) => self.at(name).text(&entry.node),
        }
    }

    /// A text, without secrets.
    pub(super) fn text(&self, name: &str) -> Read<Option<String>> {
        let Some(text) = self.tainted(name)? else {
            return Ok(None);
        };
        let own = self.at(name);
        own.plain(&text, self.place(name))
            .map(|text| Some(text.into_owned()))
    }

    /// A text that a type can be made from; the error says what it should be.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Read<Option<T>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        parse(&text)
            .map(Some)
            .map_err(|message| self.bad(name, message))
    }

    /// A local path, as seen from the outermost template's folder.
    pub(super) fn local_path(&self, name: &str) -> Read<Option<LocalPath>> {
        let path = self.parsed(name, local_path)?;
        let folder = &self.resolver.context().nest().folder;
        Ok(path.map(|path| LocalPath(join(folder, path.as_str()))))
    }

    /// What stands in place of a property, which somebody else reads or nobody.
    pub(super) fn raw(&self, name: &str) -> Option<&'n Node> {
        self.map.get(name).map(|entry| &entry.node)
    }

    /// A whole number within a range.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<u32>) -> Read<Option<u32>> {
        self.parsed(name, |text| {
            let number = text.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| {
                let (from, to) = (range.start(), range.end());
                format!(
                    "a whole number from {from} to {to} stands here, not {}",
                    quoted(text)
                )
            })
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Read<Option<bool>> {
        self.parsed(name, |text| {
            is_flag(&Value::String(text.to_owned()))
                .ok_or_else(|| format!("`true` or `false` stands here, not {}", quoted(text)))
        })
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Read<Option<T>> {
        self.parsed(name, |text| choose(text, words))
    }

    /// A list of texts, without secrets.
    pub(super) fn texts(&self, name: &str) -> Read<Option<Vec<String>>> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        self.texts_of(name, &entry.node)
    }

    /// A list of texts, without secrets, each with the place of its item.
    pub(super) fn texts_with_places(&self, name: &str) -> Read<Option<Vec<(String, Span)>>> {
        let Some(node) = self.node(name)? else {
            return Ok(None);
        };
        let Value::List(items) = &node.value else {
            let texts = self.texts_of(name, node)?;
            let placed = texts.map(|texts| texts.into_iter().map(|text| (text, node.span)));
            return Ok(placed.map(Iterator::collect));
        };
        let own = self.at(name);
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            if let Some(text) = own.text(item)? {
                texts.push((own.plain(&text, item.span)?.into_owned(), item.span));
            }
        }
        Ok(Some(texts))
    }

    fn texts_of(&self, name: &str, node: &Node) -> Read<Option<Vec<String>>> {
        let own = self.at(name);
        let span = node.span;
        let items = match own.value(node)? {
            None => return Ok(None),
            Some(Resolved::Many(items)) => items,
            Some(one @ Resolved::One(_)) => {
                let message = format!("a list of texts stands here, not {}", one.kind());
                return Err(own.error(TemplateRule::WrongKind, span, message));
            }
        };
        let texts: Read<Vec<String>> = items
            .iter()
            .map(|item| match item {
                Resolved::One(text) => own.plain(text, span).map(Cow::into_owned),
                Resolved::Many(_) => {
                    let message = "a list of texts stands here, not a list of lists";
                    Err(own.error(TemplateRule::WrongKind, span, message))
                }
            })
            .collect();
        texts.map(Some)
    }

    /// What stands in place of a property, `Fn::If` followed.
    pub(super) fn node(&self, name: &str) -> Read<Option<&'n Node>> {
        match self.entry(name) {
            None => Ok(None),
            Some(entry) => self.at(name).branch(&entry.node),
        }
    }

    /// A mapping of further properties.
    pub(super) fn child(&self, name: &str) -> Read<Option<Fields<'c, 'n>>> {
        match self.node(name)? {
            None => Ok(None),
            Some(node) => self.fields(name, node).map(Some),
        }
    }

    fn fields(&self, name: &str, node: &'n Node) -> Read<Fields<'c, 'n>> {
        Fields::open(self.at(name), self.properties, &self.path(name), node)
    }

    /// A list of mappings of further properties.
    pub(super) fn children(&self, name: &str) -> Read<Vec<Fields<'c, 'n>>> {
        let Some(node) = self.node(name)? else {
            return Ok(Vec::new());
        };
        let own = self.at(name);
        let Value::List(items) = &node.value else {
            let message = format!("a list stands here, not {}", node.value.kind());
            return Err(own.error(TemplateRule::WrongKind, node.span, message));
        };
        let mut children = Vec::with_capacity(items.len());
        for item in items {
            if let Some(item) = own.branch(item)? {
                children.push(self.fields(name, item));
            }
        }
        children.into_iter().collect()
    }

    /// A mapping whose keys are the template's own.
    pub(super) fn free(&self, name: &str) -> Read<Option<&'n Map>> {
        let Some(node) = self.node(name)? else {
            return Ok(None);
        };
        match &node.value {
            Value::Map(map) if !is_call(map) => Ok(Some(map)),
            Value::Map(_) => {
                let message = "a mapping stands here, not the value of a function";
                Err(self
                    .at(name)
                    .error(TemplateRule::WrongKind, node.span, message))
            }
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::List(_)) => {
                let message = format!("a mapping stands here, not {}", other.kind());
                Err(self
                    .at(name)
                    .error(TemplateRule::WrongKind, node.span, message))
            }
        }
    }

    /// The name of a resource in the stack, which these are the properties of. Whoever refers to the resource may have asked before.
    pub(super) fn resource_name(&self, resource: &Resource<'_>, kind: Kind) -> Read<String> {
        self.entry(kind.name_property());
        self.resolver.resource_name(resource, kind, resource.span)
    }

    /// Whether a property is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map
            .get(name)
            .is_some_and(|entry| entry.node.value != Value::Null)
    }

    /// Notes that a property has no effect beside others.
    pub(super) fn no_effect(&self, name: &str, why: &str) {
        if let Some((name, entry)) = self.map.get_key_value(name) {
            self.asked.borrow_mut().insert(name);
            let own = self.at(name);
            let message = format!("it has no effect: {why}");
            let (level, rule, span) = (Level::Note, TemplateRule::NoEffect, entry.key_span);
            own.findings()
                .note(level, rule, &own.subject, span, message, None);
        }
    }
}

/// Nothing is dropped silently: a property that its list calls read, and that nobody asked for beside the others, is reported.
impl Drop for Fields<'_, '_> {
    fn drop(&mut self) {
        // What is wrong ends reading early, and there is no model then.
        if self.resolver.findings().has_errors() {
            return;
        }
        let asked = self.asked.take();
        for (name, entry) in self.map {
            let property = self.properties.find(&self.path(name));
            let is_read = property.is_some_and(|property| property.support == Support::Read);
            if is_read && !asked.contains(name.as_str()) {
                let own = self.at(name);
                let message = "it is left out: beside the other properties nothing asks for it";
                let (level, rule, span) = (
                    Level::Warning,
                    TemplateRule::PropertyLeftOut,
                    entry.key_span,
                );
                own.findings()
                    .note(level, rule, &own.subject, span, message, None);
            }
        }
    }
}

/// The path of a property of something.
fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// One of several words; the error lists them.
pub(super) fn choose<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!(
            "`{}` stands here, not {}",
            words.join("` or `"),
            quoted(text)
        )
    })
}
