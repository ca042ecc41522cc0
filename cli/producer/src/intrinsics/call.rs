//! The functions, one by one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::contract::quoted;
use engine::yaml::{Entry, Map, Node, Span, Value};

use super::sub::{Piece, pieces};
use super::{Resolved, Resolver};
use crate::parameters::IMPORT;
use crate::report::{Read, Reported, TemplateRule};
use crate::template::{is_call, needs_language, refuse, unknown_name};
use crate::text::Text;

/// Functions that are read in values; `Fn::If` is followed before any of them. The documentation's list.
#[cfg(test)]
pub const FUNCTIONS: [&str; 15] = [
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::FindInMap",
    "Fn::ForEach",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Ref",
];

impl Resolver<'_> {
    /// Calls a function.
    pub(super) fn call(&self, name: &str, entry: &Entry) -> Read<Option<Resolved>> {
        let args = &entry.node;
        match name {
            "Ref" => match self.name_of(args)? {
                Some(target) => self.reference(&target, args.span),
                None => Err(self.bad(args.span, "`Ref` takes a name")),
            },
            "Fn::GetAZs" => self.zones(args).map(Some),
            "Fn::Length" | "Fn::ToJsonString" if !self.context.template.has_language() => Err(
                needs_language(self.findings(), &self.subject, entry.key_span, name),
            ),
            "Fn::Length" => self.length(args).map(one),
            "Fn::ToJsonString" => self.to_json_string(args).map(one),
            "Fn::GetAtt" => self.get_att(args).map(one),
            "Fn::Sub" => self.sub(args).map(one),
            "Fn::Join" => self.join(args).map(one),
            "Fn::Cidr" => self.cidr(args).map(Some),
            "Fn::Split" => self.split(args).map(Some),
            "Fn::Select" => self.select(args),
            "Fn::FindInMap" => self.find_in_map(args).map(Some),
            "Fn::Base64" => {
                let text = self.need_text("what `Fn::Base64` takes", args)?;
                let encoded = match text.shown() {
                    Ok(clean) => STANDARD.encode(&*self.without_references(clean, args.span)?),
                    Err(_) => STANDARD.encode(text.reveal()),
                };
                self.charge(encoded.len(), args.span)?;
                Ok(one(Text::made_from(encoded, [&text])))
            }
            "Fn::ImportValue" => self.import(args).map(one),
            "Fn::And" | "Fn::Equals" | "Fn::Not" | "Fn::Or" => {
                let message = format!("`{name}` is a condition; it stands in `Conditions`");
                Err(self.bad(entry.key_span, message))
            }
            other => Err(self.refused(other, entry.key_span)),
        }
    }

    /// Refuses a function by name.
    pub fn refused(&self, name: &str, span: Span) -> Reported {
        refuse(self.findings(), &self.subject, span, name)
    }

    fn get_att(&self, args: &Node) -> Read<Text> {
        if let Some(text) = args.value.text() {
            return match text.split_once('.') {
                Some((id, attribute)) => self.attribute(id, attribute, args.span),
                None => Err(self.bad(args.span, "`Fn::GetAtt` takes `RESOURCE.ATTRIBUTE`")),
            };
        }
        let [id, attribute] = self.arguments::<2>("Fn::GetAtt", args)?;
        let Some(id) = self.name_of(id)? else {
            return Err(self.bad(id.span, "`Fn::GetAtt` takes a logical id first"));
        };
        let attribute = self.need_text("the attribute of `Fn::GetAtt`", attribute)?;
        match attribute.shown() {
            Ok(name) => self.attribute(&id, name, args.span),
            Err(_) => Err(self.bad(args.span, "an attribute's name is no secret")),
        }
    }

    /// A logical id, which functions may give where the template extends the language.
    fn name_of(&self, node: &Node) -> Read<Option<String>> {
        let is_given = matches!(&node.value, Value::Map(map) if is_call(map));
        if !is_given || !self.context.template.has_language() {
            return Ok(node.value.text().map(str::to_owned));
        }
        let text = self.need_text("a logical id", node)?;
        self.plain(&text, node.span)
            .map(|text| Some(text.into_owned()))
    }

    /// Names for the zones of the pretended region; nothing here lies in one.
    fn zones(&self, region: &Node) -> Read<Resolved> {
        let region_text = self.need_value("the region of `Fn::GetAZs`", region)?;
        let own = &self.context.outside.pseudo.region;
        let name = match region_text.reveal() {
            "" => own,
            name => name,
        };
        let zone =
            |letter| Resolved::One(Text::made_from(format!("{name}{letter}"), [&region_text]));
        Ok(Resolved::Many(['a', 'b', 'c'].map(zone).into()))
    }

    fn sub(&self, args: &Node) -> Read<Text> {
        static NONE: Map = Map::new();
        let (template, variables) = match &args.value {
            Value::List(_) => {
                let [template, variables] = self.arguments::<2>("Fn::Sub", args)?;
                let Value::Map(map) = &variables.value else {
                    return Err(self.bad(variables.span, "`Fn::Sub` takes a mapping of variables"));
                };
                (template, map)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_) => {
                (args, &NONE)
            }
        };
        let Some(text) = template.value.text() else {
            return Err(self.bad(template.span, "`Fn::Sub` takes a text"));
        };
        let pieces = pieces(text).map_err(|name| {
            let message = format!("{} can be no variable of `Fn::Sub`", quoted(name));
            let hint = "write `${!…}` for a literal `${…}`";
            self.findings().error_with_hint(
                TemplateRule::BadIntrinsic,
                &self.subject,
                template.span,
                message,
                hint,
            )
        })?;
        let mut parts = Vec::with_capacity(pieces.len());
        let mut length = 0;
        for piece in pieces {
            let part = match piece {
                Piece::Literal(text) => Text::clean(text),
                Piece::Variable(name) => self.variable(name, variables, template.span)?,
            };
            length += part.reveal().len();
            self.charge(length, template.span)?;
            parts.push(part);
        }
        Ok(Text::concat(&parts))
    }

    fn variable(&self, name: &str, variables: &Map, span: Span) -> Read<Text> {
        if let Some(entry) = variables.get(name) {
            return self.need_text("a variable of `Fn::Sub`", &entry.node);
        }
        if let Some((id, attribute)) = name.split_once('.') {
            return self.attribute(id, attribute, span);
        }
        match self.reference(name, span)? {
            Some(Resolved::One(text)) => Ok(text),
            Some(Resolved::Many(_)) => {
                let message = format!("`{name}` is a list, which cannot stand in a text");
                Err(self.bad(span, message))
            }
            None => Err(self.bad(span, format!("`{name}` cannot stand in a text"))),
        }
    }

    fn join(&self, args: &Node) -> Read<Text> {
        let [delimiter, list] = self.arguments::<2>("Fn::Join", args)?;
        let Some(between) = delimiter.value.text() else {
            return Err(self.bad(delimiter.span, "`Fn::Join` takes a text first"));
        };
        let items = self.texts("Fn::Join", list)?;
        let mut parts = Vec::with_capacity(items.len() * 2);
        let mut length = 0;
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 && !between.is_empty() {
                parts.push(Text::clean(between));
                length += between.len();
            }
            length += item.reveal().len();
            self.charge(length, args.span)?;
            parts.push(item);
        }
        Ok(Text::concat(&parts))
    }

    /// A list of texts.
    fn texts(&self, function: &str, list: &Node) -> Read<Vec<Text>> {
        let items = match self.value(list)? {
            Some(Resolved::Many(items)) => items,
            Some(Resolved::One(_)) | None => {
                return Err(self.bad(list.span, format!("`{function}` takes a list of texts")));
            }
        };
        items
            .into_iter()
            .map(|item| match item {
                Resolved::One(text) => Ok(text),
                Resolved::Many(_) => {
                    let message = format!("`{function}` takes texts, not a list in the list");
                    Err(self.bad(list.span, message))
                }
            })
            .collect()
    }

    fn split(&self, args: &Node) -> Read<Resolved> {
        let [delimiter, source] = self.arguments::<2>("Fn::Split", args)?;
        let Some(between) = delimiter.value.text().filter(|text| !text.is_empty()) else {
            return Err(self.bad(
                delimiter.span,
                "`Fn::Split` takes a text first, not an empty one",
            ));
        };
        let source_text = self.need_value("what `Fn::Split` splits", source)?;
        self.charge(source_text.reveal().len(), source.span)?;
        let part = |part| Resolved::One(Text::made_from(part, [&source_text]));
        Ok(Resolved::Many(
            source_text.reveal().split(between).map(part).collect(),
        ))
    }

    fn select(&self, args: &Node) -> Read<Option<Resolved>> {
        let [index, list] = self.arguments::<2>("Fn::Select", args)?;
        let index_text = self.need_value("the index of `Fn::Select`", index)?;
        let items = self.texts("Fn::Select", list)?;
        let position = index_text.reveal().parse::<usize>().ok();
        let Some(item) = position.and_then(|position| items.get(position)) else {
            let message = format!("`Fn::Select` takes an index below {}", items.len());
            return Err(self.bad(index.span, message));
        };
        Ok(one(if index_text.shown().is_ok() {
            item.clone()
        } else {
            Text::made_from(item.reveal(), [item, &index_text])
        }))
    }

    fn find_in_map(&self, args: &Node) -> Read<Resolved> {
        let (keys, fallback) = self.keys_and_fallback(args)?;
        let [map, first, second] = keys;
        let map_name = self.need_value("the name of a mapping", map)?;
        let first_key = self.need_value("the first key of `Fn::FindInMap`", first)?;
        let second_key = self.need_value("the second key of `Fn::FindInMap`", second)?;
        let mut at = self.context.template.section("Mappings");
        self.context.ask("Mappings", map_name.reveal());
        if let Some(fallback) = fallback
            && !is_there(at, [&map_name, &first_key, &second_key])
        {
            let message = "`DefaultValue` is a text or a list, not `AWS::NoValue`";
            return self
                .value(fallback)?
                .ok_or_else(|| self.bad(fallback.span, message));
        }
        let steps = [(&map_name, map), (&first_key, first)];
        for (key, node) in steps {
            let found = self.key(at, key, node)?;
            let Value::Map(inner) = &found.value else {
                return Err(self.bad(found.span, "a mapping has two levels of keys"));
            };
            at = inner;
        }
        let found = self.key(at, &second_key, second)?;
        let made = |node: &Node| {
            let text = node.value.text()?;
            let keys = [&map_name, &first_key, &second_key];
            Some(Resolved::One(Text::made_from(text, keys)))
        };
        let value = match &found.value {
            Value::List(items) => items
                .iter()
                .map(made)
                .collect::<Option<_>>()
                .map(Resolved::Many),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_) => {
                made(found)
            }
        };
        value.ok_or_else(|| self.bad(found.span, "a mapping holds texts and lists of texts"))
    }

    /// The three keys of `Fn::FindInMap`, and its `DefaultValue`.
    fn keys_and_fallback<'n>(&self, args: &'n Node) -> Read<([&'n Node; 3], Option<&'n Node>)> {
        let Value::List(items) = &args.value else {
            return Ok((self.arguments::<3>("Fn::FindInMap", args)?, None));
        };
        let [map, first, second, options] = items.as_slice() else {
            return Ok((self.arguments::<3>("Fn::FindInMap", args)?, None));
        };
        if !self.context.template.has_language() {
            let (findings, subject) = (self.findings(), &self.subject);
            let what = "DefaultValue";
            return Err(needs_language(findings, subject, options.span, what));
        }
        match &options.value {
            Value::Map(options) if options.len() == 1 && options.contains_key("DefaultValue") => {
                let fallback = &options["DefaultValue"].node;
                Ok(([map, first, second], Some(fallback)))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Map(_) => {
                let message = "`Fn::FindInMap` takes `DefaultValue` after its keys";
                Err(self.bad(options.span, message))
            }
        }
    }

    fn key<'n>(&self, map: &'n Map, key: &Text, node: &Node) -> Read<&'n Node> {
        if let Some(entry) = map.get(key.reveal()) {
            return Ok(&entry.node);
        }
        let shown = key.shown().unwrap_or("of a secret");
        let message = format!("no key {} is in the mapping", quoted(shown));
        let known = map.keys().map(String::as_str);
        Err(unknown_name(
            self.findings(),
            &self.subject,
            node.span,
            message,
            shown,
            known,
        ))
    }

    /// The value of another stack's export, which must have been given.
    fn import(&self, args: &Node) -> Read<Text> {
        let name = self.need_text("the name of an export", args)?;
        let Ok(name) = name.shown() else {
            return Err(self.bad(args.span, "the name of an export is no secret"));
        };
        let Some(value) = self.context.outside.given.get(&format!("{IMPORT}{name}")) else {
            let message = format!("no value is given for the export {}", quoted(name));
            let hint = format!("give it with `--parameter {IMPORT}{name}=VALUE`");
            return Err(self.findings().error_with_hint(
                TemplateRule::NoImport,
                &self.subject,
                args.span,
                message,
                hint,
            ));
        };
        self.charge(value.reveal().len(), args.span)?;
        Ok(Text::clean(value.reveal()))
    }
}

/// Whether a mapping has a value under these keys.
fn is_there(section: &Map, keys: [&Text; 3]) -> bool {
    let mut at = Some(section);
    for key in &keys[..2] {
        at = match at.and_then(|map| map.get(key.reveal())) {
            Some(Entry {
                node:
                    Node {
                        value: Value::Map(map),
                        ..
                    },
                ..
            }) => Some(map),
            Some(_) | None => None,
        };
    }
    at.is_some_and(|map| map.contains_key(keys[2].reveal()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "most calls give one text, and may give none"
)]
fn one(text: Text) -> Option<Resolved> {
    Some(Resolved::One(text))
}
