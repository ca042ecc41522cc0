//! Writing a tree as YAML that readers of YAML 1.1 and of YAML 1.2 understand alike.
//!
//! Here: the block layout (two spaces a level, keys sorted, numbers as they were written), and texts with references that a
//! gateway replaces (`substitution`). How any other string is quoted is left to `serde-saphyr`, which knows the traps of both
//! versions. Its serializer does not write the whole document, because it has no way to write a number by its text
//! (`1.10`), and because it leaves the traps of YAML 1.1 (`on`, `1:30`) unquoted where they are keys.

use super::substitution::has_reference;
use super::{Map, Node, Value};

#[cfg(test)]
mod tests;

/// The most characters a key may have and still stand before its colon without a `?` (YAML 1.2, 7.4.2; 1.1 counts the quotes).
const SHORT_KEY: usize = 1000;

/// Writes a tree as one YAML document that ends with a newline. The same values give the same bytes.
pub fn emit(node: &Node) -> String {
    let mut out = String::new();
    match block(&node.value) {
        Some(block) => write_block(&mut out, block, 0, false),
        None => write_scalar_line(&mut out, &node.value, 0),
    }
    out
}

/// A collection with something in it: it is written on lines of its own.
#[derive(Clone, Copy)]
enum Block<'a> {
    List(&'a [Node]),
    Map(&'a Map),
}

/// The collection a value is; none for scalars and for what is empty, which are written in place.
fn block(value: &Value) -> Option<Block<'_>> {
    match value {
        Value::List(items) if !items.is_empty() => Some(Block::List(items)),
        Value::Map(map) if !map.is_empty() => Some(Block::Map(map)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::List(_)
        | Value::Map(_) => None,
    }
}

/// Writes the lines of a collection. `hangs` says that the first one goes on after a list dash, and is indented already.
fn write_block(out: &mut String, block: Block<'_>, depth: usize, hangs: bool) {
    let mut indented = hangs;
    let mut indent = |out: &mut String| {
        if !indented {
            write_indent(out, depth);
        }
        indented = false;
    };
    match block {
        Block::List(items) => {
            for item in items {
                indent(out);
                out.push_str("- ");
                write_list_item(out, &item.value, depth + 1);
            }
        }
        Block::Map(map) => {
            for (key, entry) in map {
                indent(out);
                write_key(out, key, depth);
                write_map_value(out, &entry.node.value, depth + 1);
            }
        }
    }
}

fn write_list_item(out: &mut String, value: &Value, depth: usize) {
    match block(value) {
        Some(block) => write_block(out, block, depth, true),
        None => write_scalar_line(out, value, depth),
    }
}

fn write_map_value(out: &mut String, value: &Value, depth: usize) {
    if let Some(block) = block(value) {
        out.push('\n');
        write_block(out, block, depth, false);
    } else {
        out.push(' ');
        write_scalar_line(out, value, depth);
    }
}

fn write_key(out: &mut String, key: &str, depth: usize) {
    let text = quoted(key);
    if text.len() > SHORT_KEY {
        out.push_str("? ");
        out.push_str(&text);
        out.push('\n');
        write_indent(out, depth);
    } else {
        out.push_str(&text);
    }
    out.push(':');
}

/// Writes a scalar and the end of its line; `depth` is that of a line below it.
fn write_scalar_line(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(text) if depth > 0 && is_filled_in_later(text) => {
            out.push_str("|2-\n");
            write_indent(out, depth);
            out.push_str(text);
        }
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(text) => out.push_str(text),
        Value::String(text) => out.push_str(&quoted(text)),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
    out.push('\n');
}

/// Whether a gateway will put values into the text, which may hold any sign of YAML. They are text whatever they hold, as long as
/// they have one line, in a literal block only: the value `12` would be a number elsewhere, and `"` end a string.
fn is_filled_in_later(text: &str) -> bool {
    has_reference(text)
        && text
            .chars()
            .all(|c| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric())
}

/// A string on one line, quoted unless every reader takes it as this string.
fn quoted(text: &str) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut line = serde_saphyr::to_string_with_options(&text, options)
        .expect("writing a string into memory cannot fail");
    if line.ends_with('\n') {
        line.pop();
    }
    line
}

fn write_indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}
