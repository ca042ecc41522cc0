//! Wildcards: those of paths in COPY and ADD, and those of `${name%pattern}`.

/// What one place of a pattern matches.
#[derive(Debug)]
enum Token {
    /// Any text.
    Star,
    /// Any one character.
    Any,
    /// This character.
    One(char),
    /// One character within these ranges, or outside of all of them.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    /// Whether it takes this character; a star takes any.
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Star | Self::Any => true,
            Self::One(expected) => *expected == c,
            Self::Class { negated, ranges } => {
                *negated != ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
            }
        }
    }
}

/// Where a shell pattern (`*`, `?`, `\` before a literal character) matches from one end of a text: how many characters
/// each match takes, ascending. One pass over the text for all of them.
pub(super) fn lengths(pattern: &str, text: &str, from: End) -> Vec<usize> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::One(chars.next().unwrap_or('\\')),
            _ => Token::One(c),
        });
    }
    let mut text: Vec<char> = text.chars().collect();
    match from {
        End::Front => {}
        End::Back => {
            tokens.reverse();
            text.reverse();
        }
    }
    // The places of the pattern that may be reached after so many characters; a star is passed without one.
    let pass = |mut reached: Vec<bool>| {
        for (index, token) in tokens.iter().enumerate() {
            let star = matches!(token, Token::Star);
            reached[index + 1] |= reached[index] && star;
        }
        reached
    };
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    reached = pass(reached);
    let mut lengths = Vec::new();
    for taken in 0..=text.len() {
        if reached[tokens.len()] {
            lengths.push(taken);
        }
        let Some(c) = text.get(taken) else { break };
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens
            .iter()
            .enumerate()
            .filter(|(index, _)| reached[*index])
        {
            match token {
                Token::Star => next[index] = true,
                Token::Any | Token::One(_) | Token::Class { .. } => {
                    next[index + 1] |= token.takes(*c);
                }
            }
        }
        reached = pass(next);
    }
    lengths
}

/// An end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its beginning.
    Front,
    /// Its end.
    Back,
}

/// Whether one part of a path pattern (also `[a-z]`, `[^a-z]`) matches a part of a path; none when the pattern is malformed.
pub fn part(pattern: &str, text: &str) -> Option<bool> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::One(chars.next()?),
            '[' => class(&mut chars)?,
            _ => Token::One(c),
        });
    }
    Some(matches(&tokens, text))
}

/// Reads a class behind its `[`.
fn class(chars: &mut std::str::Chars<'_>) -> Option<Token> {
    let negated = chars.as_str().starts_with('^');
    if negated {
        chars.next();
    }
    let one = |chars: &mut std::str::Chars<'_>| match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        c => Some(c),
    };
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.as_str().starts_with(']') {
            chars.next();
            return Some(Token::Class { negated, ranges });
        }
        let low = one(chars)?;
        let high = if chars.as_str().starts_with('-') {
            chars.next();
            one(chars)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

/// Matches with one point to come back to: the last star.
fn matches(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut token) = (0, 0);
    let mut star = None;
    loop {
        let fits = match (tokens.get(token), text.get(at)) {
            (None, None) => return true,
            (Some(Token::Star), _) => {
                star = Some((token + 1, at));
                token += 1;
                continue;
            }
            (Some(token), Some(c)) => token.takes(*c),
            (None, Some(_)) | (Some(Token::Any | Token::One(_) | Token::Class { .. }), None) => {
                false
            }
        };
        if fits {
            (at, token) = (at + 1, token + 1);
            continue;
        }
        match &mut star {
            Some((after, from)) if *from < text.len() => {
                *from += 1;
                (at, token) = (*from, *after);
            }
            Some(_) | None => return false,
        }
    }
}
