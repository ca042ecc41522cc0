//! From text to a pattern. `docs/guide/assertions.md` has the grammar.

use winnow::combinator::{alt, delimited, eof, opt, repeat, separated, terminated};
use winnow::error::{EmptyError, ErrMode, ModalResult, ParserError};
use winnow::prelude::*;
use winnow::stream::Location;
use winnow::token::{take_till, take_while};
use winnow::{LocatingSlice, Stateful};

use super::ast::{EventTest, Node, Parsed, Single};
use super::brackets::bracketed;
use super::fields;
use super::predicate::Predicate;
use crate::contract::{did_you_mean, quoted};
use crate::machine::Event;

/// The longest pattern, in bytes: a page of them.
pub(super) const TEXT_MAX: usize = 64 << 10;
/// Groups in groups, at most.
const DEPTH_MAX: usize = 32;
/// `within` in `within`, at most: the work grows with the events for each of them.
const WITHIN_DEPTH_MAX: usize = 3;
/// The most often that a part can be asked for.
const TIMES_MAX: u32 = 100_000;

/// A text, what was read of it, and what is known.
pub(super) type Input<'i> = Stateful<LocatingSlice<&'i str>, State>;

/// What is known on the way.
#[derive(Debug, Default, Clone)]
pub(super) struct State {
    tests: Vec<EventTest>,
    depth: usize,
}

/// Where a text is no pattern, and why.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The first byte of what is wrong.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) message: String,
    /// What would be right.
    pub(super) hint: Option<String>,
}

impl<'i> ParserError<Input<'i>> for Problem {
    type Inner = Self;

    fn from_input(input: &Input<'i>) -> Self {
        Self {
            at: input.current_token_start(),
            message: "this is no part of a pattern".to_owned(),
            hint: None,
        }
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

pub(super) fn wrong<T>(
    at: usize,
    message: impl Into<String>,
    hint: Option<String>,
) -> ModalResult<T, Problem> {
    let message = message.into();
    Err(ErrMode::Cut(Problem { at, message, hint }))
}

/// Reads a whole pattern.
pub(super) fn parse(text: &str) -> Result<Parsed, Problem> {
    if text.len() > TEXT_MAX {
        return Err(Problem {
            at: 0,
            message: format!("the pattern is longer than {TEXT_MAX} bytes"),
            hint: None,
        });
    }
    let mut input = Stateful {
        input: LocatingSlice::new(text),
        state: State::default(),
    };
    match whole(&mut input) {
        Ok(node) => Ok(Parsed {
            node,
            tests: input.state.tests,
        }),
        Err(ErrMode::Backtrack(problem) | ErrMode::Cut(problem)) => Err(problem),
        Err(ErrMode::Incomplete(_)) => Err(Problem::from_input(&input)),
    }
}

fn whole(input: &mut Input<'_>) -> ModalResult<Node, Problem> {
    blank(input)?;
    if at_end(input) {
        return wrong(0, "the pattern is empty", None);
    }
    let node = alternatives(input)?;
    match peeked(input) {
        Some(')') => wrong(
            input.current_token_start(),
            "this `)` closes no group",
            None,
        ),
        Some(_) => Err(ErrMode::Cut(Problem::from_input(input))),
        None if within_depth(&node) > WITHIN_DEPTH_MAX => wrong(
            0,
            format!("`within` stands in `within` more than {WITHIN_DEPTH_MAX} times"),
            None,
        ),
        None => Ok(node),
    }
}

fn within_depth(node: &Node) -> usize {
    match node {
        Node::Event(_) => 0,
        Node::Sequence(nodes) | Node::Either(nodes) => {
            nodes.iter().map(within_depth).max().unwrap_or_default()
        }
        Node::Repeat { node, .. } => within_depth(node),
        Node::Within { node, .. } => 1 + within_depth(node),
    }
}

pub(super) fn peeked(input: &Input<'_>) -> Option<char> {
    input.input.chars().next()
}

pub(super) fn at_end(input: &Input<'_>) -> bool {
    input.input.is_empty()
}

/// Blanks, line ends, and comments from `#` to the end of their line.
pub(super) fn blank(input: &mut Input<'_>) -> ModalResult<(), Problem> {
    let spaces = take_while(1.., char::is_whitespace).void();
    let comment = ('#', take_till(0.., '\n')).void();
    repeat(0.., alt((spaces, comment))).parse_next(input)
}

/// `A | B | C`
fn alternatives(input: &mut Input<'_>) -> ModalResult<Node, Problem> {
    let mut nodes: Vec<Node> =
        separated(1.., sequence, terminated('|', blank)).parse_next(input)?;
    Ok(match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            Node::Either(nodes)
        }
    })
}

/// `A B (C D) within 30s E`
fn sequence(input: &mut Input<'_>) -> ModalResult<Node, Problem> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut after_group = false;
    loop {
        blank(input)?;
        let at = input.current_token_start();
        match peeked(input) {
            None | Some('|' | ')') => break,
            Some('w') if opt(word_within).parse_next(input)?.is_some() => {
                let limit_ms = duration(input)?;
                let Some(last) = nodes.pop() else {
                    return wrong(at, "`within` stands behind what it limits", None);
                };
                // Directly behind a group it limits the group; else all that stands before it.
                let node = if after_group || nodes.is_empty() {
                    last
                } else {
                    nodes.push(last);
                    Node::Sequence(std::mem::take(&mut nodes))
                };
                let node = Box::new(node);
                nodes.push(Node::Within { node, limit_ms });
                after_group = false;
            }
            Some(first) => {
                nodes.push(element(input)?);
                after_group = first == '(';
            }
        }
    }
    match nodes.pop() {
        Some(only) if nodes.is_empty() => Ok(only),
        Some(last) => {
            nodes.push(last);
            Ok(Node::Sequence(nodes))
        }
        None => {
            let hint = "to let something be left out, write `?` behind it".to_owned();
            wrong(
                input.current_token_start(),
                "an event should stand here",
                Some(hint),
            )
        }
    }
}

fn word_within(input: &mut Input<'_>) -> ModalResult<(), Problem> {
    let name = take_while(1.., is_of_kind).parse_next(input)?;
    if name == "within" {
        Ok(())
    } else {
        Err(ErrMode::Backtrack(Problem::from_input(input)))
    }
}

pub(super) fn is_of_kind(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// A duration behind `within`: `30s`, `1m30s`, `500ms`.
fn duration(input: &mut Input<'_>) -> ModalResult<i64, Problem> {
    blank(input)?;
    let at = input.current_token_start();
    let text = take_while(0.., |c: char| c.is_alphanumeric() || c == '.').parse_next(input)?;
    let mut parts = LocatingSlice::new(text);
    let part = (
        take_while::<_, _, ErrMode<EmptyError>>(1..=9, '0'..='9'),
        alt(("ms", "s", "m", "h")),
    );
    let ms = part.map(|(number, unit): (&str, &str)| {
        let number: i64 = number.parse().unwrap_or(i64::MAX);
        number.saturating_mul(match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            _ => 3_600_000,
        })
    });
    let total = repeat(1.., ms).fold(|| 0_i64, i64::saturating_add);
    let read: Result<i64, _> = terminated(total, eof).parse_next(&mut parts);
    read.or_else(|_| {
        let hint = "write one as `500ms`, `30s`, `5m` or `1m30s`".to_owned();
        wrong(at, "a duration should stand here", Some(hint))
    })
}

/// `!Kind[predicates]{2,}` or `(group)?`
fn element(input: &mut Input<'_>) -> ModalResult<Node, Problem> {
    let at = input.current_token_start();
    let is_negated = opt(terminated('!', blank)).parse_next(input)?.is_some();
    match peeked(input) {
        Some('(') => {
            let node = group(input)?;
            let node = if is_negated {
                negated(input, at, &node)?
            } else {
                node
            };
            if peeked(input) == Some('[') {
                let hint = "put the predicates into the group, behind each event".to_owned();
                return wrong(
                    input.current_token_start(),
                    "predicates stand behind an event, and not behind a group",
                    Some(hint),
                );
            }
            let times = times(input)?;
            Ok(repeated(node, times))
        }
        Some('.') => {
            let dots = take_while(1.., '.').parse_next(input)?;
            if dots != "..." || is_negated {
                return wrong(at, "`...` stands by itself, for any events", None);
            }
            let any = event(input, None, Vec::new(), false, "_".to_owned());
            if let Some('?' | '*' | '+' | '{' | '[') = peeked(input) {
                return wrong(
                    input.current_token_start(),
                    "`...` stands for any number of events already",
                    Some("`_` stands for one event of any kind".to_owned()),
                );
            }
            Ok(repeated(any, Some((0, None))))
        }
        Some(c) if is_of_kind(c) => single(input, is_negated),
        Some(_) | None => {
            let hint = format!("kinds are {}", Event::KINDS.join(", "));
            wrong(
                input.current_token_start(),
                "an event should stand here",
                Some(hint),
            )
        }
    }
}

fn group(input: &mut Input<'_>) -> ModalResult<Node, Problem> {
    let at = input.current_token_start();
    let _ = '('.parse_next(input)?;
    input.state.depth += 1;
    if input.state.depth > DEPTH_MAX {
        return wrong(
            at,
            format!("groups are nested deeper than {DEPTH_MAX}"),
            None,
        );
    }
    let node = alternatives(input)?;
    input.state.depth -= 1;
    if opt(')').parse_next(input)?.is_none() {
        return wrong(at, "this group is not closed", Some("add `)`".to_owned()));
    }
    Ok(node)
}

/// One event that is none of a group's.
fn negated(input: &mut Input<'_>, at: usize, node: &Node) -> ModalResult<Node, Problem> {
    let nodes = match node {
        Node::Either(nodes) => nodes.as_slice(),
        Node::Event(_) | Node::Sequence(_) | Node::Repeat { .. } | Node::Within { .. } => {
            std::slice::from_ref(node)
        }
    };
    let mut any = Vec::new();
    let mut labels = Vec::new();
    for node in nodes {
        let test = match node {
            Node::Event(test) => input.state.tests.get(*test),
            Node::Sequence(_) | Node::Either(_) | Node::Repeat { .. } | Node::Within { .. } => None,
        };
        match test {
            Some(test) if !test.negated => {
                any.extend(test.any.iter().cloned());
                labels.push(test.label.clone());
            }
            Some(_) | None => {
                let hint =
                    "write `!(A | B)` for one event that is neither, `(!A)*` for events without it";
                return wrong(
                    at,
                    "`!` negates one event, or a group of alternatives of one event each",
                    Some(hint.to_owned()),
                );
            }
        }
    }
    let label = format!("!({})", labels.join("|"));
    input.state.tests.push(EventTest {
        any,
        negated: true,
        label,
    });
    Ok(Node::Event(input.state.tests.len() - 1))
}

fn event(
    input: &mut Input<'_>,
    kind: Option<&'static str>,
    predicates: Vec<Predicate>,
    negated: bool,
    label: String,
) -> Node {
    let tests = &mut input.state.tests;
    let test = EventTest {
        any: vec![Single { kind, predicates }],
        negated,
        label,
    };
    let known = tests.iter().position(|known| *known == test);
    Node::Event(known.unwrap_or_else(|| {
        tests.push(test);
        tests.len() - 1
    }))
}

/// A kind, or `_`, with how often and with predicates, in either order.
fn single(input: &mut Input<'_>, is_negated: bool) -> ModalResult<Node, Problem> {
    let at = input.current_token_start();
    let name = take_while(1.., is_of_kind).parse_next(input)?;
    let kind = if name == "_" {
        None
    } else if let Some(kind) = fields::kind_named(name) {
        Some(kind)
    } else {
        let known = || format!("kinds are {}", Event::KINDS.join(", "));
        let hint = did_you_mean(name, Event::KINDS.into_iter()).unwrap_or_else(known);
        return wrong(at, format!("{} is no event kind", quoted(name)), Some(hint));
    };
    let mut label = format!("{}{name}", if is_negated { "!" } else { "" });
    let mut predicates = Vec::new();
    let mut often = times(input)?;
    while peeked(input) == Some('[') {
        let written = bracketed(input, kind, &mut predicates)?;
        label.push_str(&written);
        if often.is_none() {
            often = times(input)?;
        }
    }
    let node = event(input, kind, predicates, is_negated, label);
    Ok(repeated(node, often))
}

type Times = Option<(u32, Option<u32>)>;

fn repeated(node: Node, times: Times) -> Node {
    match times {
        Some((least, most)) => Node::Repeat {
            node: Box::new(node),
            least,
            most,
        },
        None => node,
    }
}

/// `?`, `*`, `+`, `{2}`, `{2,}`, `{2,4}`, `{,4}`
fn times(input: &mut Input<'_>) -> ModalResult<Times, Problem> {
    let sign = opt(alt(('?', '*', '+', '{'))).parse_next(input)?;
    match sign {
        None => Ok(None),
        Some('?') => Ok(Some((0, Some(1)))),
        Some('*') => Ok(Some((0, None))),
        Some('+') => Ok(Some((1, None))),
        Some(_) => counted(input).map(Some),
    }
}

fn counted(input: &mut Input<'_>) -> ModalResult<(u32, Option<u32>), Problem> {
    let at = input.current_token_start();
    let number = |input: &mut Input<'_>| -> ModalResult<Option<u32>, Problem> {
        let digits: &str = delimited(blank, take_while(0.., '0'..='9'), blank).parse_next(input)?;
        match digits.parse::<u32>() {
            Ok(number) if number <= TIMES_MAX => Ok(Some(number)),
            _ if digits.is_empty() => Ok(None),
            _ => wrong(
                at,
                format!("more than {TIMES_MAX} times cannot be asked for"),
                None,
            ),
        }
    };
    let least = number(input)?;
    let has_comma = opt(',').parse_next(input)?.is_some();
    let most = if has_comma { number(input)? } else { least };
    let is_closed = opt('}').parse_next(input)?.is_some();
    let is_said = least.is_some() || most.is_some();
    let is_in_order = most.is_none_or(|most| least.unwrap_or(0) <= most);
    if is_closed && is_said && is_in_order {
        return Ok((least.unwrap_or(0), most));
    }
    let what = if is_closed && is_said {
        "the first number is larger than the second"
    } else {
        "how often should stand here"
    };
    let hint = "write `{2}`, `{2,}`, `{2,4}` or `{,4}`".to_owned();
    wrong(at, what, Some(hint))
}
