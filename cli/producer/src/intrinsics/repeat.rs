//! `Fn::ForEach`: the repeated parts of a template, written out before anything else is read.
//!
//! A loop is a key `Fn::ForEach::NAME` with a list of three: the identifier, the collection, and what is repeated. In what is
//! repeated `${IDENTIFIER}`, `&{IDENTIFIER}` (letters and digits only) and `{Ref: IDENTIFIER}` stand for each value in turn.

use std::borrow::Cow;
use std::cell::Cell;

use engine::contract::quoted;
use engine::yaml::{Entry, Map, Node, Span, Value};

use super::{Context, Resolved, Resolver};
use crate::report::{Read, Subject, TemplateRule};
use crate::template::{LOOP, Template, needs_language};

/// Sections that may hold loops.
const SECTIONS: [&str; 3] = ["Conditions", "Outputs", "Resources"];

/// Values of everything that is written out.
const MAX_VALUES: usize = 500_000;

/// The identifiers of the loops around a part, the outermost first, each with its value.
type Names = Vec<(String, String)>;

/// Whether a template has a loop.
pub fn has_loops(template: &Template<'_>) -> bool {
    let root = template.root();
    let mut sections = SECTIONS.iter().filter_map(|name| root.get(*name));
    sections.any(|entry| has_loop(&entry.node))
}

/// The tree of a template with its loops written out.
pub fn written_out(context: &Context<'_>) -> Read<Map> {
    let root = context.template.root();
    let mut written = root.clone();
    let values = Cell::new(0);
    for (name, entry) in SECTIONS.iter().filter_map(|name| root.get_key_value(*name)) {
        let writer = Writer {
            resolver: context.resolver(Subject {
                id: name.clone(),
                ..Subject::default()
            }),
            values: &values,
        };
        let node = writer.node(&entry.node, &Names::new())?;
        let key_span = entry.key_span;
        written.insert(name.clone(), Entry { key_span, node });
    }
    Ok(written)
}

fn has_loop(node: &Node) -> bool {
    match &node.value {
        Value::Map(map) => map
            .iter()
            .any(|(key, entry)| key.starts_with(LOOP) || has_loop(&entry.node)),
        Value::List(items) => items.iter().any(has_loop),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

struct Writer<'c> {
    resolver: Resolver<'c>,
    values: &'c Cell<usize>,
}

impl Writer<'_> {
    fn node(&self, node: &Node, names: &Names) -> Read<Node> {
        self.count(node.span)?;
        let value = match &node.value {
            Value::String(text) => Value::String(named(text, names)),
            Value::List(items) => {
                let items = items.iter().map(|item| self.node(item, names));
                Value::List(items.collect::<Read<_>>()?)
            }
            Value::Map(map) => match identifier(map, names) {
                Some(value) => Value::String(value.to_owned()),
                None => Value::Map(self.map(map, names)?),
            },
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other.clone(),
        };
        Ok(Node {
            span: node.span,
            value,
        })
    }

    fn count(&self, span: Span) -> Read<()> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES {
            let message = format!("the loops make more than {MAX_VALUES} values");
            return Err(self.resolver.error(TemplateRule::TooMany, span, message));
        }
        Ok(())
    }

    fn map(&self, map: &Map, names: &Names) -> Read<Map> {
        let mut written = Map::new();
        self.write(map, names, &mut written)?;
        Ok(written)
    }

    /// Writes the entries of a mapping into another; a loop among them gives entries beside its own.
    fn write(&self, map: &Map, names: &Names, written: &mut Map) -> Read<()> {
        for (key, entry) in map {
            if key.starts_with(LOOP) {
                self.repeat(entry, names, written)?;
                continue;
            }
            let key = named(key, names);
            let node = self.node(&entry.node, names)?;
            let key_span = entry.key_span;
            if written.contains_key(&key) {
                let message = format!("a loop makes the key {} twice", quoted(&key));
                let hint = "let the key hold the identifier of each loop around it";
                return Err(self.resolver.findings().error_with_hint(
                    TemplateRule::DuplicateName,
                    &self.resolver.subject,
                    key_span,
                    message,
                    hint,
                ));
            }
            written.insert(key, Entry { key_span, node });
        }
        Ok(())
    }

    fn repeat(&self, entry: &Entry, names: &Names, written: &mut Map) -> Read<()> {
        let own = &self.resolver;
        if !own.context().template.has_language() {
            return Err(needs_language(
                own.findings(),
                &own.subject,
                entry.key_span,
                LOOP,
            ));
        }
        let [identifier, collection, repeated] = own.arguments::<3>(LOOP, &entry.node)?;
        let Some(identifier) = identifier.value.text().filter(|text| is_identifier(text)) else {
            let message = "`Fn::ForEach` takes an identifier first, of letters and digits";
            return Err(own.bad(identifier.span, message));
        };
        if names.iter().any(|(name, _)| name == identifier) {
            let message = format!("a loop around this one has the identifier `{identifier}` too");
            return Err(own.bad(entry.node.span, message));
        }
        let Value::Map(repeated) = &repeated.value else {
            return Err(own.bad(repeated.span, "`Fn::ForEach` takes a mapping to repeat"));
        };
        let collection = self.node(collection, names)?;
        for value in self.values_of(&collection)? {
            let mut inner = names.clone();
            inner.push((identifier.to_owned(), value));
            self.write(repeated, &inner, written)?;
        }
        Ok(())
    }

    fn values_of(&self, collection: &Node) -> Read<Vec<String>> {
        let own = &self.resolver;
        let wrong = || own.bad(collection.span, "`Fn::ForEach` takes a list of texts");
        let Some(Resolved::Many(items)) = own.value(collection)? else {
            return Err(wrong());
        };
        items
            .iter()
            .map(|item| match item {
                Resolved::One(text) => own.plain(text, collection.span).map(Cow::into_owned),
                Resolved::Many(_) => Err(wrong()),
            })
            .collect()
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The value that `{Ref: IDENTIFIER}` stands for.
fn identifier<'n>(map: &Map, names: &'n Names) -> Option<&'n str> {
    let target = map.get("Ref").filter(|_| map.len() == 1)?;
    let target = target.node.value.text()?;
    let (_, value) = names.iter().find(|(name, _)| name == target)?;
    Some(value)
}

/// A text with the identifiers replaced.
fn named(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| {
        if !text.contains(['$', '&']) {
            return text;
        }
        let letters: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        text.replace(&format!("${{{name}}}"), value)
            .replace(&format!("&{{{name}}}"), &letters)
    })
}
