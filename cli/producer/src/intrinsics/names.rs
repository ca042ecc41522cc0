//! The names that a value refers to, found without evaluating it.

use engine::yaml::{Node, Value};

use super::sub::{Piece, pieces};

/// A name and, where one is asked for, its attribute.
pub(super) type Reference = (String, Option<String>);

/// Every reference of a value, in the order of its tree.
pub fn references(node: &Node) -> Vec<Reference> {
    let mut found = Vec::new();
    walk(node, &mut found);
    found
}

fn walk(node: &Node, found: &mut Vec<Reference>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Map(map) => {
            for (key, entry) in map {
                let node = &entry.node;
                match (key.as_str(), node.value.text(), &node.value) {
                    ("Ref" | "Fn::GetAtt", Some(text), _) => found.push(parted(text)),
                    ("Fn::GetAtt", None, Value::List(items)) => {
                        let texts: Vec<&str> =
                            items.iter().filter_map(|item| item.value.text()).collect();
                        found.push(parted(&texts.join(".")));
                        walk(node, found);
                    }
                    ("Fn::Sub", Some(text), _) => variables(text, found),
                    ("Fn::Sub", None, Value::List(items)) => {
                        if let Some(text) = items.first().and_then(|first| first.value.text()) {
                            variables(text, found);
                        }
                        walk(node, found);
                    }
                    _ => walk(node, found),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn variables(text: &str, found: &mut Vec<Reference>) {
    for piece in pieces(text).unwrap_or_default() {
        match piece {
            Piece::Variable(name) => found.push(parted(name)),
            Piece::Literal(_) => {}
        }
    }
}

fn parted(text: &str) -> Reference {
    match text.split_once('.') {
        Some((id, attribute)) => (id.to_owned(), Some(attribute.to_owned())),
        None => (text.to_owned(), None),
    }
}
