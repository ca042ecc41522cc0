//! The words of one instruction: its name, flags, JSON form, `NAME=value` pairs and the fields of a mount.

use super::text::{Piece, Placed, is_blank};

/// A flag: `--name=value`, quotes and backslashes taken away.
#[derive(Debug)]
pub(super) struct Flag {
    cooked: Placed,
    start: usize,
}

impl Flag {
    /// Name and value; the value of a flag without `=` is empty.
    pub(super) fn parts(&self) -> (&str, Option<Piece<'_>>) {
        let whole = self.cooked.piece(self.start).skip("--".len());
        match whole.split_once('=') {
            Some((name, value)) => (name.text, Some(value)),
            None => (whole.text, None),
        }
    }

    /// The value, when the flag has this name.
    pub(super) fn value(&self, name: &str) -> Option<Piece<'_>> {
        let (own, value) = self.parts();
        if own == name { value } else { None }
    }
}

/// The name of an instruction and what follows.
pub(super) fn instruction(line: Piece<'_>) -> (Piece<'_>, Piece<'_>) {
    let line = line.trim();
    let end = line.text.find(is_blank).unwrap_or(line.text.len());
    let (name, rest) = line.split_at(end);
    (name, rest.trim())
}

/// The flags before an instruction's arguments, and the arguments. A lone `--` ends the flags.
pub(super) fn flags(rest: Piece<'_>) -> (Vec<Flag>, Piece<'_>) {
    let mut flags = Vec::new();
    let mut rest = rest.trim();
    while rest.text.starts_with("--") {
        let (flag, after) = flag(rest);
        let end = flag.cooked.piece(flag.start).text == "--";
        if !end {
            flags.push(flag);
        }
        rest = after.trim();
        if end {
            break;
        }
    }
    (flags, rest)
}

/// Reads one flag. Quotes join blanks into it, a backslash takes the next character as it is.
fn flag(rest: Piece<'_>) -> (Flag, Piece<'_>) {
    let mut cooked = Placed::default();
    let mut quote = None;
    let mut escaped = false;
    let mut end = rest.text.len();
    for (index, c) in rest.text.char_indices() {
        let piece = rest.slice(index..index + c.len_utf8());
        if escaped {
            escaped = false;
            cooked.push(piece);
        } else if c == '\\' {
            escaped = true;
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_some() {
            cooked.push(piece);
        } else if c == '\'' || c == '"' {
            quote = Some(c);
        } else if c.is_whitespace() {
            end = index;
            break;
        } else {
            cooked.push(piece);
        }
    }
    let flag = Flag {
        cooked,
        start: rest.start(),
    };
    (flag, rest.skip(end))
}

/// The strings of a JSON array of strings; none when the text is anything else.
pub(super) fn json_strings(text: &str) -> Option<Vec<String>> {
    if !text.starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// The words of ENV and ARG: quotes and escapes keep blanks within a word, and stay in it.
pub(super) fn quoted_words(text: &str, escape: char) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        let Some(begin) = start else {
            if !c.is_whitespace() {
                start = Some(index);
                escaped = c == escape;
                quote = (c == '"' || c == '\'').then_some(c);
            }
            continue;
        };
        if escaped {
            escaped = false;
        } else if c == escape && quote != Some('\'') {
            escaped = true;
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && (c == '"' || c == '\'') {
            quote = Some(c);
        } else if quote.is_none() && c.is_whitespace() {
            words.push(&text[begin..index]);
            start = None;
        }
    }
    if let Some(begin) = start {
        words.push(&text[begin..]);
    }
    words
}

/// The comma-separated fields of a `--mount` value, as `key` and `value`. A field may stand in double quotes.
pub(super) fn mount_fields(value: Piece<'_>) -> Vec<(String, Piece<'_>)> {
    let mut fields = Vec::new();
    let mut rest = value;
    loop {
        let quoted = rest.text.starts_with('"');
        let field;
        if quoted {
            let body = rest.skip(1);
            let end = body.text.find('"').unwrap_or(body.text.len());
            field = body.slice(0..end);
            rest = body.skip(end);
            rest = rest.skip(rest.text.find(',').unwrap_or(rest.text.len()));
        } else {
            let end = rest.text.find(',').unwrap_or(rest.text.len());
            let (left, right) = rest.split_at(end);
            field = left;
            rest = right;
        }
        if let Some((key, value)) = field.split_once('=') {
            fields.push((key.text.to_ascii_lowercase(), value));
        }
        if rest.text.is_empty() {
            return fields;
        }
        rest = rest.skip(1);
    }
}
