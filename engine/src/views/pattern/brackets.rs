//! The predicates behind an event: `[verdict=compatible, findings>2]`.

use winnow::combinator::{alt, delimited, opt, preceded, repeat, separated, terminated};
use winnow::error::{ErrMode, ModalResult};
use winnow::prelude::*;
use winnow::stream::Location;
use winnow::token::{any, none_of, take_while};

use super::fields;
use super::parse::{Input, Problem, at_end, blank, is_of_kind, wrong};
use super::predicate::{Comparison, Literal, Predicate};
use crate::contract::{nearest, quoted};

/// `[verdict=compatible, findings>2]`; what was read, without blanks.
pub(super) fn bracketed(
    input: &mut Input<'_>,
    kind: Option<&'static str>,
    predicates: &mut Vec<Predicate>,
) -> ModalResult<String, Problem> {
    let at = input.current_token_start();
    let mut written = Vec::new();
    let _ = terminated('[', blank).parse_next(input)?;
    loop {
        written.push(predicate(input, kind, predicates)?);
        blank(input)?;
        match opt(alt((',', ']'))).parse_next(input)? {
            Some(']') => return Ok(format!("[{}]", written.join(", "))),
            Some(_) => blank(input)?,
            None if at_end(input) => {
                return wrong(at, "this bracket is not closed", Some("add `]`".to_owned()));
            }
            None => {
                return wrong(
                    input.current_token_start(),
                    "`,` or `]` should stand here",
                    Some("a value with other characters than letters, digits and `._-/:@+*` stands in quotes".to_owned()),
                );
            }
        }
    }
}

fn predicate(
    input: &mut Input<'_>,
    kind: Option<&'static str>,
    predicates: &mut Vec<Predicate>,
) -> ModalResult<String, Problem> {
    let at = input.current_token_start();
    let path: Vec<String> = separated(1.., segment, '.')
        .parse_next(input)
        .or_else(|_: ErrMode<Problem>| wrong(at, "the name of a field should stand here", None))?;
    let name = path.join(".");
    let Some((field, of)) = fields::resolve(kind, &path) else {
        return wrong(at, no_field(kind, &name), field_hint(kind, &name));
    };
    blank(input)?;
    let sign_at = input.current_token_start();
    let Some((sign, comparison)) = opt(comparison).parse_next(input)? else {
        let hint = "write `=`, `!=`, `<`, `<=`, `>` or `>=` and a value".to_owned();
        return wrong(sign_at, "a comparison should stand here", Some(hint));
    };
    blank(input)?;
    let value_at = input.current_token_start();
    let Some(literal) = opt(literal).parse_next(input)? else {
        return wrong(value_at, "a value should stand here", None);
    };
    let value = if literal.is_quoted {
        format!("{:?}", literal.text)
    } else {
        literal.text.clone()
    };
    match Predicate::new(field, of, name.clone(), comparison, &literal) {
        Ok(predicate) => predicates.push(predicate),
        Err(senseless) => return wrong(value_at, senseless.message, senseless.hint),
    }
    Ok(format!("{name}{sign}{value}"))
}

fn no_field(kind: Option<&str>, name: &str) -> String {
    match kind {
        Some(kind) => format!("`{kind}` has no field {}", quoted(name)),
        None => format!("not every event has a field {}", quoted(name)),
    }
}

fn field_hint(kind: Option<&str>, name: &str) -> Option<String> {
    let near = fields::nearest_to(kind, name);
    let last = name.rsplit('.').next().unwrap_or(name);
    // `added` is `changes.added`: a name that stands further down.
    let deeper = kind.and_then(|kind| {
        let listed = fields::of_kind(kind).iter().map(|(listed, _)| *listed);
        let ends = listed.filter(|listed| listed.contains('.'));
        let mut ends = ends.filter(|listed| {
            let end = listed.rsplit('.').next().unwrap_or(listed);
            nearest(last, std::iter::once(end)).is_some_and(|end| end == last)
        });
        ends.next()
    });
    match deeper.or(near) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => kind.map(|kind| {
            let names = fields::of_kind(kind).iter().map(|(listed, _)| *listed);
            let top: Vec<&str> = names.filter(|listed| !listed.contains('.')).collect();
            format!("fields are {}", top.join(", "))
        }),
    }
}

fn segment(input: &mut Input<'_>) -> ModalResult<String, Problem> {
    let bare = take_while(1.., is_of_kind).map(str::to_owned);
    alt((bare, in_quotes)).parse_next(input)
}

fn comparison(input: &mut Input<'_>) -> ModalResult<(&'static str, Comparison), Problem> {
    alt((
        "!=".value(("!=", Comparison::Other)),
        "<=".value(("<=", Comparison::AtMost)),
        ">=".value((">=", Comparison::AtLeast)),
        "=".value(("=", Comparison::Same)),
        "<".value(("<", Comparison::Less)),
        ">".value((">", Comparison::More)),
    ))
    .parse_next(input)
}

fn literal(input: &mut Input<'_>) -> ModalResult<Literal, Problem> {
    let is_bare = |c: char| c.is_alphanumeric() || "._-/:@+*".contains(c);
    let bare = take_while(1.., is_bare).map(|text: &str| Literal {
        text: text.to_owned(),
        is_quoted: false,
    });
    let quoted = in_quotes.map(|text| Literal {
        text,
        is_quoted: true,
    });
    alt((quoted, bare)).parse_next(input)
}

/// A text in quotes, in which `\` stands before a quote and before itself.
fn in_quotes(input: &mut Input<'_>) -> ModalResult<String, Problem> {
    let at = input.current_token_start();
    let escaped = preceded('\\', any);
    let text = delimited(
        '"',
        repeat(0.., alt((escaped, none_of(['"', '\\'])))),
        opt('"'),
    );
    let (text, whole): (String, &str) = text.with_taken().parse_next(input)?;
    if whole.len() < 2 || !whole.ends_with('"') {
        return wrong(at, "this text is not closed", Some("add `\"`".to_owned()));
    }
    Ok(text)
}
