//! From the parser's events to a tree: anchors, aliases, merge keys, duplicate keys, bounds.
//!
//! The walk keeps its own stack, so that a deep document meets the depth limit and not the end of the thread's stack.
//! Not here: what a scalar means.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, ScalarStyle, Span as Range, Tag};

use super::copy::{Cost, cost, merge_bases};
use super::problem::{self, ParseError, YamlRule};
use super::{ParseLimits, schema, span_at};
use crate::yaml::{Entry, Map, Node, Span, Value};

/// At most this many problems of one document are collected.
pub(super) const MAX_PROBLEMS: usize = 100;

fn span_of(range: &Range) -> Span {
    span_at(range.start.line(), range.start.col())
}

fn sorted(mut problems: Vec<ParseError>) -> Vec<ParseError> {
    problems.sort_by_key(|problem| problem.span);
    problems
}

/// A key that waits for its value.
enum Key {
    Text(String, Span),
    /// `<<`.
    Merge(Span),
    /// A key that was refused; its value is read and dropped.
    Refused,
}

/// A list or mapping that is not closed yet.
struct Frame {
    span: Span,
    /// The key of the mapping that its tag is short for.
    long: Option<&'static str>,
    anchor: usize,
    /// It stands where a key should; it is read and dropped.
    is_key: bool,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map {
        map: Map,
        key: Option<Key>,
        merge: Option<Span>,
        merged: Vec<Map>,
    },
}

/// The mapping that a tagged value is short for.
fn written_out(node: Node, long: Option<&'static str>) -> Node {
    let Some(key) = long else {
        return node;
    };
    let span = node.span;
    let entry = Entry {
        key_span: span,
        node,
    };
    Node {
        span,
        value: Value::Map(BTreeMap::from([(key.to_owned(), entry)])),
    }
}

/// A tree in the making.
pub(super) struct Builder {
    limits: ParseLimits,
    shorthand: fn(&str) -> Option<&'static str>,
    frames: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    anchors: BTreeMap<usize, (Node, Cost)>,
    nodes: usize,
    alias_nodes: usize,
    alias_bytes: usize,
    problems: Vec<ParseError>,
    /// Keys that stand twice, where the last one counts; none where they are problems.
    tolerated: Option<Vec<ParseError>>,
}

/// A step either succeeds (perhaps with a problem noted) or ends the reading.
type Step = Result<(), ParseError>;

impl Builder {
    pub(super) fn new(limits: ParseLimits, shorthand: fn(&str) -> Option<&'static str>) -> Self {
        Self {
            limits,
            shorthand,
            frames: Vec::new(),
            root: None,
            documents: 0,
            anchors: BTreeMap::new(),
            nodes: 0,
            alias_nodes: 0,
            alias_bytes: 0,
            problems: Vec::new(),
            tolerated: None,
        }
    }

    /// Lets the last of several equal keys count.
    pub(super) fn last_wins(mut self) -> Self {
        self.tolerated = Some(Vec::new());
        self
    }

    /// The tree, and the keys that stand twice in it where that is no problem.
    pub(super) fn finish(self) -> Result<(Node, Vec<ParseError>), Vec<ParseError>> {
        if self.problems.is_empty() {
            let nothing = || Node {
                span: Span { line: 1, column: 1 },
                value: Value::Null,
            };
            let tolerated = sorted(self.tolerated.unwrap_or_default());
            return Ok((self.root.unwrap_or_else(nothing), tolerated));
        }
        Err(sorted(self.problems))
    }

    /// Ends the reading: the problems noted before, and the one that ended it.
    pub(super) fn fail(mut self, fatal: ParseError) -> Vec<ParseError> {
        self.problems.push(fatal);
        sorted(self.problems)
    }

    fn note(&mut self, problem: ParseError) -> Step {
        if self.problems.len() + 1 >= MAX_PROBLEMS {
            return Err(problem);
        }
        self.problems.push(problem);
        Ok(())
    }

    pub(super) fn take(&mut self, event: Event<'_>, range: &Range) -> Step {
        let span = span_of(range);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Anchor(..) => {
                Ok(())
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(ParseError::new(
                        YamlRule::SecondDocument,
                        span,
                        "a second document begins here; the file must hold one",
                    ));
                }
                Ok(())
            }
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                self.note(ParseError::new(
                    YamlRule::UnknownAlias,
                    span,
                    format!(
                        "no anchor `{}` stands above this alias",
                        name.escape_debug()
                    ),
                ))?;
                self.attach(Node::default(), 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, span)?;
                self.scalar(&text, style, anchor, tag.as_deref(), range)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let long = self.tag_of_collection(tag.as_deref(), "seq", span)?;
                self.open(span, anchor, long, Open::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let long = self.tag_of_collection(tag.as_deref(), "map", span)?;
                let open = Open::Map {
                    map: Map::new(),
                    key: None,
                    merge: None,
                    merged: Vec::new(),
                };
                self.open(span, anchor, long, open)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            // The parser may learn further events; none of them is asked for in its options.
            _ => Err(ParseError::new(
                YamlRule::Syntax,
                span,
                "this part of YAML is not supported",
            )),
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Step {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes {
            return Err(ParseError::new(
                YamlRule::TooManyNodes,
                span,
                format!("the document has more than {} values", self.limits.nodes),
            ));
        }
        Ok(())
    }

    /// Counts one copy of a node, made for an anchor or for an alias.
    fn count_copy(&mut self, cost: Cost, span: Span) -> Step {
        self.alias_nodes = self.alias_nodes.saturating_add(cost.nodes);
        self.alias_bytes = self.alias_bytes.saturating_add(cost.bytes);
        if self.alias_nodes > self.limits.alias_nodes || self.alias_bytes > self.limits.alias_bytes
        {
            return Err(ParseError::new(
                YamlRule::AliasBomb,
                span,
                format!(
                    "aliases expand to more than {} values or {} bytes",
                    self.limits.alias_nodes, self.limits.alias_bytes
                ),
            ));
        }
        Ok(())
    }

    fn depth(&self, further: usize, span: Span) -> Step {
        let tagged = self.frames.iter().filter(|frame| frame.long.is_some());
        if self.frames.len() + tagged.count() + further > self.limits.depth {
            return Err(ParseError::new(
                YamlRule::TooDeep,
                span,
                format!(
                    "lists and mappings are nested more than {} deep",
                    self.limits.depth
                ),
            ));
        }
        Ok(())
    }

    fn open(&mut self, span: Span, anchor: usize, long: Option<&'static str>, open: Open) -> Step {
        let levels = 1 + usize::from(long.is_some());
        self.count(levels, span)?;
        self.depth(levels, span)?;
        let is_key = self.wants_key();
        if is_key {
            self.note(ParseError::new(
                YamlRule::ComplexKey,
                span,
                "a key must be a scalar, not a list or a mapping",
            ))?;
        }
        self.frames.push(Frame {
            span,
            long,
            anchor,
            is_key,
            open,
        });
        Ok(())
    }

    fn close(&mut self) -> Step {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        if frame.is_key {
            return self.key(Key::Refused);
        }
        let value = match frame.open {
            Open::List(items) => Value::List(items),
            Open::Map {
                mut map, merged, ..
            } => {
                for base in merged {
                    for (key, entry) in base {
                        map.entry(key).or_insert(entry);
                    }
                }
                Value::Map(map)
            }
        };
        let node = Node {
            span: frame.span,
            value,
        };
        self.attach(written_out(node, frame.long), frame.anchor)
    }

    fn alias(&mut self, id: usize, span: Span) -> Step {
        let Some((node, cost)) = self.anchors.get(&id).cloned() else {
            // The parser resolves names, so an anchor without a node is one that is still open.
            return Err(ParseError::new(
                YamlRule::RecursiveAlias,
                span,
                "this alias stands inside the value that it names",
            ));
        };
        self.count_copy(cost, span)?;
        self.count(cost.nodes, span)?;
        self.depth(cost.height, span)?;
        if self.wants_key() {
            return match node.value.text() {
                Some(text) => self.key(Key::Text(text.to_owned(), span)),
                None => self.refuse_key(span, "a key must be a scalar, not this alias"),
            };
        }
        self.attach(node, 0)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        range: &Range,
    ) -> Step {
        let span = span_of(range);
        let plain = style == ScalarStyle::Plain;
        let long = self.long(tag);
        let known_tag = tag.filter(|_| long.is_none());
        let value = match schema::resolve(text, plain, known_tag) {
            Ok(value) => value,
            Err(message) => {
                self.note(ParseError::new(YamlRule::UnsupportedTag, span, message))?;
                Value::Null
            }
        };
        if !self.wants_key() {
            if long.is_some() {
                self.count(1, span)?;
                self.depth(1, span)?;
            }
            return self.attach(written_out(Node { span, value }, long), anchor);
        }
        if long.is_some() {
            return self.refuse_key(span, "a key must be a scalar, not a tagged value");
        }
        if plain && tag.is_none() && text == "<<" {
            return self.key(Key::Merge(span));
        }
        if value == Value::Null && range.is_empty() {
            return self.refuse_key(span, "a key is missing before `:`");
        }
        if anchor != 0 {
            self.anchor(anchor, &Node { span, value })?;
        }
        self.key(Key::Text(text.to_owned(), span))
    }

    /// The key that a local tag is short for.
    fn long(&self, tag: Option<&Tag>) -> Option<&'static str> {
        match tag?.parts() {
            ("!", name) => (self.shorthand)(name),
            _ => None,
        }
    }

    /// Checks the tag of a list or a mapping; gives the key that it is short for.
    fn tag_of_collection(
        &mut self,
        tag: Option<&Tag>,
        own: &str,
        span: Span,
    ) -> Result<Option<&'static str>, ParseError> {
        let long = self.long(tag);
        match tag {
            Some(tag)
                if long.is_none()
                    && !tag.is_yaml_core_schema_tag(own)
                    && !schema::is_non_specific(tag) =>
            {
                self.note(ParseError::new(
                    YamlRule::UnsupportedTag,
                    span,
                    format!(
                        "the tag `{}` is not supported here",
                        tag.original().escape_debug()
                    ),
                ))?;
            }
            Some(_) | None => {}
        }
        Ok(long)
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame {
                open: Open::Map { key: None, .. },
                ..
            })
        )
    }

    fn refuse_key(&mut self, span: Span, message: &str) -> Step {
        self.note(ParseError::new(YamlRule::ComplexKey, span, message))?;
        self.key(Key::Refused)
    }

    /// Keeps a key for its value; a key that was there before is a problem of its own.
    fn key(&mut self, new: Key) -> Step {
        let Some(Frame {
            open: Open::Map {
                map, key, merge, ..
            },
            ..
        }) = self.frames.last_mut()
        else {
            return Ok(());
        };
        let clash = match &new {
            Key::Text(text, span) => map
                .get(text)
                .map(|entry| problem::duplicate_key(text, *span, entry.key_span)),
            Key::Merge(span) => {
                let first = merge.replace(*span);
                first.map(|first| problem::duplicate_key("<<", *span, first))
            }
            Key::Refused => None,
        };
        let Some(clash) = clash else {
            *key = Some(new);
            return Ok(());
        };
        if let (Some(tolerated), Key::Text(..)) = (&mut self.tolerated, &new) {
            if tolerated.len() < MAX_PROBLEMS {
                tolerated.push(clash);
            }
            *key = Some(new);
            return Ok(());
        }
        *key = Some(Key::Refused);
        self.note(clash)
    }

    fn anchor(&mut self, id: usize, node: &Node) -> Step {
        let cost = cost(node);
        self.count_copy(cost, node.span)?;
        self.anchors.insert(id, (node.clone(), cost));
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn attach(&mut self, node: Node, anchor: usize) -> Step {
        if anchor != 0 {
            self.anchor(anchor, &node)?;
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let (map, key, merged) = match &mut frame.open {
            Open::List(items) => {
                items.push(node);
                return Ok(());
            }
            Open::Map {
                map, key, merged, ..
            } => (map, key, merged),
        };
        match key.take() {
            Some(Key::Text(text, key_span)) => {
                map.insert(text, Entry { key_span, node });
                Ok(())
            }
            Some(Key::Merge(span)) => {
                if let Some(bases) = merge_bases(node) {
                    merged.extend(bases);
                    return Ok(());
                }
                self.note(ParseError::new(
                    YamlRule::BadMergeKey,
                    span,
                    "`<<` takes a mapping or a list of mappings",
                ))
            }
            // A collection as a key never comes here, and a scalar as a key goes to `key`: an unknown alias is left.
            None => {
                *key = Some(Key::Refused);
                Ok(())
            }
            Some(Key::Refused) => Ok(()),
        }
    }
}
