//! The functions of the transform `AWS::LanguageExtensions`: `Fn::Length` and `Fn::ToJsonString`.

use engine::yaml::{Node, Value};
use serde_json::{Map as Object, Number, Value as Json};

use super::{Resolved, Resolver};
use crate::report::{Read, TemplateRule};
use crate::text::Text;

impl Resolver<'_> {
    /// How many items a list has.
    pub(super) fn length(&self, args: &Node) -> Read<Text> {
        let Some(Resolved::Many(items)) = self.value(args)? else {
            return Err(self.bad(args.span, "`Fn::Length` takes a list"));
        };
        let parts: Vec<&Text> = items
            .iter()
            .filter_map(|item| match item {
                Resolved::One(text) => Some(text),
                Resolved::Many(_) => None,
            })
            .collect();
        Ok(Text::made_from(items.len().to_string(), parts))
    }

    /// A mapping or list as a JSON text, its functions evaluated.
    pub(super) fn to_json_string(&self, args: &Node) -> Read<Text> {
        if !matches!(args.value, Value::Map(_) | Value::List(_)) {
            let message = "`Fn::ToJsonString` takes a mapping or a list";
            return Err(self.bad(args.span, message));
        }
        let mut parts = Vec::new();
        let json = self.json(args, &mut parts)?.unwrap_or(Json::Null);
        let text = json.to_string();
        self.charge(text.len(), args.span)?;
        Ok(Text::made_from(text, &parts))
    }

    /// The JSON of a value; none for `AWS::NoValue`. Every text in it is added to `parts`.
    fn json(&self, node: &Node, parts: &mut Vec<Text>) -> Read<Option<Json>> {
        let _level = self.enter(node.span)?;
        let Some(node) = self.branch(node)? else {
            return Ok(None);
        };
        Ok(Some(match &node.value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Number(text) => number(text),
            Value::String(text) => Json::String(text.clone()),
            Value::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(self.json(item, parts)?);
                }
                Json::Array(list)
            }
            Value::Map(map) => match self.function(map)? {
                None => {
                    let mut object = Object::new();
                    for (key, entry) in map {
                        if let Some(value) = self.json(&entry.node, parts)? {
                            object.insert(key.clone(), value);
                        }
                    }
                    Json::Object(object)
                }
                Some((name, entry)) => match self.call(name, entry)? {
                    None => return Ok(None),
                    Some(value) => self.json_of(value, parts, node)?,
                },
            },
        }))
    }

    fn json_of(&self, value: Resolved, parts: &mut Vec<Text>, node: &Node) -> Read<Json> {
        match value {
            Resolved::One(text) => {
                let json = Json::String(text.reveal().to_owned());
                parts.push(text);
                Ok(json)
            }
            Resolved::Many(items) => items
                .into_iter()
                .map(|item| match item {
                    Resolved::One(_) => self.json_of(item, parts, node),
                    Resolved::Many(_) => {
                        let message = "a list of texts stands here, not a list of lists";
                        Err(self.error(TemplateRule::WrongKind, node.span, message))
                    }
                })
                .collect::<Read<_>>()
                .map(Json::Array),
        }
    }
}

/// A number as it is written; a text where JSON has no such number.
fn number(text: &str) -> Json {
    match text.parse::<Number>() {
        Ok(number) => Json::Number(number),
        Err(_) => Json::String(text.to_owned()),
    }
}
