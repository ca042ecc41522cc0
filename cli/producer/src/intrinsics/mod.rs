//! Intrinsic functions: from what a template says to texts and lists.
//!
//! Here: the functions, conditions, and what a reference to a parameter or a resource gives. Not here: which properties there are.
//!
//! Evaluation is by need, and bounded: nesting (so that no chain of names or conditions ends the stack), the length of a text, and the
//! bytes of all texts together (so that no `Sub` of `Sub`s grows exponentially).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod attributes;
mod call;
mod cidr;
mod condition;
mod dynamic;
mod language;
mod names;
mod reference;
mod repeat;
mod sub;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use call::FUNCTIONS;
#[cfg(test)]
pub use reference::PSEUDO;

pub use names::references;
pub use repeat::{has_loops, written_out};

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use engine::contract::Place;
use engine::yaml::{Entry, Map, Node, Span, Value};
use serde::Serialize;

use super::parameters::{Bound, Given};
use super::report::{self, Findings, Read, Reported, Subject, TemplateRule};
use super::template::{Resource, Template, is_function, is_refused};
use super::text::Text;

/// Nested evaluations: mappings, functions, and whatever a name or condition needs.
const MAX_DEPTH: usize = 60;
/// Bytes of one text.
const MAX_TEXT: usize = 1 << 20;
/// Bytes of all texts that are made while a template is resolved.
const MAX_BYTES: usize = 64 << 20;
/// What a single evaluation counts besides, so that empty texts have an end too.
const STEP_BYTES: usize = 64;

/// The pseudo parameters: where the stack pretends to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pseudo {
    /// `AWS::AccountId`.
    pub account_id: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::StackName`.
    pub stack_name: String,
}

impl Default for Pseudo {
    /// What local stand-ins of the cloud commonly answer to.
    fn default() -> Self {
        Self {
            account_id: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            stack_name: "local".to_owned(),
        }
    }
}

/// What a template gets from elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'a> {
    /// The given values of parameters, exports and names in SSM.
    pub given: &'a Given,
    /// Names under which the gateway has the secrets of dynamic references, by what stands behind `resolve:`.
    pub secret_names: &'a BTreeMap<String, String>,
    /// Where the stack pretends to be.
    pub pseudo: &'a Pseudo,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// The `NoEcho` parameter of this name.
    Parameter(String),
    /// A dynamic reference, without `resolve:`.
    Reference(String),
}

impl SecretSource {
    /// The dynamic reference.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Parameter(_) => None,
            Self::Reference(reference) => Some(reference),
        }
    }
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "the `NoEcho` parameter `{name}`"),
            Self::Reference(reference) => write!(f, "`{{{{resolve:{reference}}}}}`"),
        }
    }
}

/// The places that read secrets, by name and source.
type Secrets = BTreeMap<String, BTreeMap<SecretSource, (Subject, Place)>>;

/// Where a template stands among nested ones.
#[derive(Default)]
pub struct Nest<'a> {
    /// What stands before its logical ids in the artifact: those of the nested stacks around it.
    pub prefix: String,
    /// Its folder, as seen from the outermost template's; empty for that one.
    pub folder: String,
    /// Its file, as findings show it; none for the outermost template.
    pub file: Option<String>,
    /// The stacks nested in it.
    pub stacks: Option<&'a dyn Stacks>,
}

/// The stacks nested in a template.
pub trait Stacks {
    /// An output of a nested stack; none when the stack is left out.
    fn output(
        &self,
        resolver: &Resolver<'_>,
        resource: &Resource<'_>,
        output: &str,
        span: Span,
    ) -> Read<Option<Text>>;
}

/// A value without intrinsic functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A text, a number or a boolean, by its text.
    One(Text),
    /// A list.
    Many(Vec<Resolved>),
}

impl Resolved {
    /// What a person calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::One(_) => "a text",
            Self::Many(_) => "a list",
        }
    }
}

/// Something that is worked out once, by need.
#[derive(Debug, Clone)]
enum Once<T> {
    /// Its own value is needed to work it out: a cycle.
    Begun,
    Done(Read<T>),
}

/// What every evaluation of one template shares.
pub struct Context<'a> {
    template: &'a Template<'a>,
    parameters: &'a BTreeMap<String, Bound>,
    outside: Outside<'a>,
    nest: &'a Nest<'a>,
    resources: BTreeMap<&'a str, Resource<'a>>,
    conditions: RefCell<BTreeMap<String, Once<bool>>>,
    names: RefCell<BTreeMap<String, Once<String>>>,
    /// Names of parameters and mappings that somebody asked for.
    asked: RefCell<BTreeSet<String>>,
    /// Dynamic references that were looked up.
    looked_up: RefCell<BTreeSet<String>>,
    secrets: RefCell<Secrets>,
    depth: Cell<usize>,
    bytes: Cell<usize>,
}

impl<'a> Context<'a> {
    /// A context in which nothing has been resolved yet.
    pub fn new(
        template: &'a Template<'a>,
        parameters: &'a BTreeMap<String, Bound>,
        outside: Outside<'a>,
        nest: &'a Nest<'a>,
    ) -> Self {
        Self {
            template,
            parameters,
            outside,
            nest,
            resources: template.resources(),
            conditions: RefCell::default(),
            names: RefCell::default(),
            asked: RefCell::default(),
            looked_up: RefCell::default(),
            secrets: RefCell::default(),
            depth: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    /// Where findings are collected.
    pub fn findings(&self) -> &'a Findings<'a> {
        &self.template.findings
    }

    /// Where the template stands among nested ones.
    pub fn nest(&self) -> &'a Nest<'a> {
        self.nest
    }

    /// Where the stack pretends to be.
    pub fn pseudo(&self) -> &'a Pseudo {
        self.outside.pseudo
    }

    /// The whole tree.
    pub fn root(&self) -> &'a Map {
        self.template.root()
    }

    /// A section; an absent one is empty.
    pub fn section(&self, name: &str) -> &'a Map {
        self.template.section(name)
    }

    /// One resource.
    pub fn resource(&self, id: &str) -> Option<&Resource<'a>> {
        self.resources.get(id)
    }

    /// The logical id of a resource in the artifact.
    pub fn logical_id(&self, id: &str) -> String {
        format!("{}{id}", self.nest.prefix)
    }

    /// The resources, by logical id.
    pub fn resources(&self) -> impl Iterator<Item = &Resource<'a>> {
        self.resources.values()
    }

    fn ask(&self, section: &str, name: &str) {
        self.asked.borrow_mut().insert(format!("{section}.{name}"));
    }

    fn ask_for(&self, reference: &str) {
        self.looked_up.borrow_mut().insert(reference.to_owned());
    }

    /// Dynamic references that were looked up, without `resolve:`.
    pub fn dynamic_references(&self) -> BTreeSet<String> {
        self.looked_up.take()
    }

    /// Notes that a text has a secret in it, which the gateway has under a name.
    pub fn use_secret(&self, name: &str, source: SecretSource, subject: &Subject, span: Span) {
        let mut secrets = self.secrets.borrow_mut();
        let uses = secrets.entry(name.to_owned()).or_default();
        uses.entry(source)
            .or_insert_with(|| (subject.clone(), self.findings().place(span)));
    }

    /// The secrets that texts have in them, by the names under which the gateway has them.
    pub fn secrets(&self) -> Secrets {
        self.secrets.take()
    }

    /// Notes the parameters, mappings and conditions that nothing asked for.
    pub fn note_unused(&self) {
        // What is wrong ends reading early.
        if self.findings().has_errors() {
            return;
        }
        let kinds = [
            ("Parameters", "parameter"),
            ("Mappings", "mapping"),
            ("Conditions", "condition"),
        ];
        for (section, kind) in kinds {
            for (name, entry) in self.template.section(section) {
                if self.asked.borrow().contains(&format!("{section}.{name}")) {
                    continue;
                }
                let subject = Subject {
                    id: name.clone(),
                    kind: kind.to_owned(),
                    property: String::new(),
                };
                let message = "it has no effect: nothing that is read asks for it";
                let (level, rule, span) =
                    (report::Level::Note, TemplateRule::NoEffect, entry.key_span);
                self.findings()
                    .note(level, rule, &subject, span, message, None);
            }
        }
    }

    /// Evaluates on behalf of something.
    pub fn resolver(&self, subject: Subject) -> Resolver<'_> {
        Resolver {
            context: self,
            subject,
        }
    }
}

/// Gives a level of nesting back.
struct Level<'c>(&'c Cell<usize>);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Evaluates; findings are about its subject.
pub struct Resolver<'c> {
    context: &'c Context<'c>,
    /// What the findings are about.
    pub subject: Subject,
}

impl<'c> Resolver<'c> {
    /// The shared part.
    pub fn context(&self) -> &'c Context<'c> {
        self.context
    }

    /// Where findings are collected.
    pub fn findings(&self) -> &'c Findings<'c> {
        self.context.findings()
    }

    /// Reports an error about the subject.
    pub fn error(&self, rule: TemplateRule, span: Span, message: impl Into<String>) -> Reported {
        self.findings().error(rule, &self.subject, span, message)
    }

    fn bad(&self, span: Span, message: impl Into<String>) -> Reported {
        self.error(TemplateRule::BadIntrinsic, span, message)
    }

    fn enter(&self, span: Span) -> Read<Level<'c>> {
        let depth = &self.context.depth;
        if depth.get() >= MAX_DEPTH {
            let message = format!("values and references are nested more than {MAX_DEPTH} deep");
            return Err(self.error(TemplateRule::TooDeep, span, message));
        }
        self.count(STEP_BYTES, span)?;
        depth.set(depth.get() + 1);
        Ok(Level(depth))
    }

    /// Counts a text that was made.
    fn charge(&self, bytes: usize, span: Span) -> Read<()> {
        if bytes > MAX_TEXT {
            let message = format!("the text grows to more than {MAX_TEXT} bytes");
            return Err(self.error(TemplateRule::TooLong, span, message));
        }
        self.count(bytes, span)
    }

    fn count(&self, bytes: usize, span: Span) -> Read<()> {
        let total = self.context.bytes.get().saturating_add(bytes);
        self.context.bytes.set(total);
        if total > MAX_BYTES {
            let message = format!("the texts of the template grow to more than {MAX_BYTES} bytes");
            return Err(self.error(TemplateRule::TooLong, span, message));
        }
        Ok(())
    }

    /// The one function in a mapping: `{Ref: x}`, `{Fn::Sub: …}`. None for data.
    fn function<'n>(&self, map: &'n Map) -> Read<Option<(&'n str, &'n Entry)>> {
        let Some((name, entry)) = map.iter().find(|(name, _)| is_function(name)) else {
            return Ok(None);
        };
        if map.len() > 1 {
            // Loops and macros may stand beside others.
            if let Some((name, entry)) = map.iter().find(|(name, _)| is_refused(name)) {
                return Err(self.refused(name, entry.key_span));
            }
            if name == "Ref" {
                return Ok(None);
            }
            let message = format!("`{name}` stands alone in its mapping");
            return Err(self.bad(entry.key_span, message));
        }
        Ok(Some((name, entry)))
    }

    /// Follows `Fn::If` to what stands in its place; none where that is `AWS::NoValue`. Nothing else is evaluated.
    pub fn branch<'n>(&self, node: &'n Node) -> Read<Option<&'n Node>> {
        let mut node = node;
        loop {
            let Value::Map(map) = &node.value else {
                return Ok(Some(node));
            };
            match self.function(map)? {
                Some(("Fn::If", entry)) => node = self.choose(&entry.node)?,
                Some(("Ref", entry)) if entry.node.value.text() == Some("AWS::NoValue") => {
                    return Ok(None);
                }
                Some(_) | None => return Ok(Some(node)),
            }
        }
    }

    /// The branch that an `Fn::If` takes.
    fn choose<'n>(&self, args: &'n Node) -> Read<&'n Node> {
        let [condition, yes, no] = self.arguments::<3>("Fn::If", args)?;
        let Some(name) = condition.value.text() else {
            return Err(self.bad(
                condition.span,
                "`Fn::If` takes the name of a condition first",
            ));
        };
        Ok(if self.condition(name, condition.span)? {
            yes
        } else {
            no
        })
    }

    /// Evaluates; none where the value is `AWS::NoValue`.
    pub fn value(&self, node: &Node) -> Read<Option<Resolved>> {
        let _level = self.enter(node.span)?;
        let Some(node) = self.branch(node)? else {
            return Ok(None);
        };
        match &node.value {
            Value::Null => Err(self.error(
                TemplateRule::WrongKind,
                node.span,
                "a text or a list stands here, not null",
            )),
            value @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                let text = value.text().unwrap_or_default();
                self.charge(text.len(), node.span)?;
                Ok(Some(Resolved::One(Text::clean(text))))
            }
            Value::List(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.extend(self.value(item)?);
                }
                Ok(Some(Resolved::Many(resolved)))
            }
            Value::Map(map) => match self.function(map)? {
                Some((name, entry)) => self.call(name, entry),
                None => Err(self.error(
                    TemplateRule::WrongKind,
                    node.span,
                    "a text or a list stands here, not a mapping",
                )),
            },
        }
    }

    /// Evaluates to a text; none where the value is `AWS::NoValue`.
    pub fn text(&self, node: &Node) -> Read<Option<Text>> {
        match self.value(node)? {
            None => Ok(None),
            Some(Resolved::One(text)) => Ok(Some(text)),
            Some(Resolved::Many(_)) => Err(self.error(
                TemplateRule::WrongKind,
                node.span,
                "a text stands here, not a list",
            )),
        }
    }

    /// Evaluates to a text that must be there.
    fn need_text(&self, what: &str, node: &Node) -> Read<Text> {
        self.text(node)?
            .ok_or_else(|| self.bad(node.span, format!("{what} is a text, not `AWS::NoValue`")))
    }

    /// The arguments of a function that takes so many.
    fn arguments<'n, const N: usize>(&self, name: &str, args: &'n Node) -> Read<[&'n Node; N]> {
        if let Value::List(items) = &args.value
            && let Ok(items) = <&[Node; N]>::try_from(items.as_slice())
        {
            return Ok(items.each_ref());
        }
        let message = format!("`{name}` takes a list of {N}");
        Err(self.bad(args.span, message))
    }
}
