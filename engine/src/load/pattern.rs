//! One part of a COPY source against one name, as Go's `filepath.Match` compares them.

/// Whether a part of a pattern holds anything but literal characters.
pub(super) fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// Whether a part of a pattern matches a name: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a literal character. A malformed
/// pattern matches every name, so that a file is rather hashed in vain than missed.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some(tokens) = tokens(pattern) else {
        return true;
    };
    let name: Vec<char> = name.chars().collect();
    // One point to come back to is enough: a later star can do whatever an earlier one could.
    let (mut token, mut at) = (0, 0);
    let mut retry = None;
    loop {
        match (tokens.get(token), name.get(at)) {
            (Some(Token::Star), _) => {
                token += 1;
                retry = Some((token, at));
                continue;
            }
            (Some(one), Some(c)) if one.takes(*c) => {
                (token, at) = (token + 1, at + 1);
                continue;
            }
            (None, None) => return true,
            (Some(_) | None, _) => {}
        }
        match retry {
            Some((after, from)) if from < name.len() => {
                retry = Some((after, from + 1));
                (token, at) = (after, from + 1);
            }
            Some(_) | None => return false,
        }
    }
}

enum Token {
    Star,
    Any,
    One(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::One(own) => *own == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::One(chars.next()?),
            '[' => class(&mut chars)?,
            _ => Token::One(c),
        });
    }
    Some(tokens)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
        let low = bound(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => bound(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
    Some(Token::Class { negated, ranges })
}

fn bound(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("abc", "abc", true)]
    #[case("abc", "abcd", false)]
    #[case("*", "", true)]
    #[case("*.py", "app.py", true)]
    #[case("*.py", "app.pyc", false)]
    #[case("a*b*c", "axbxbc", true)]
    #[case("a*b*c", "axbx", false)]
    #[case("a?c", "aéc", true)]
    #[case("a?c", "ac", false)]
    #[case("[a-c]x", "bx", true)]
    #[case("[^a-c]x", "bx", false)]
    #[case("[^a-c]x", "zx", true)]
    #[case("[!a]", "!", true)]
    #[case("[\\]]", "]", true)]
    #[case("\\*", "*", true)]
    #[case("\\*", "x", false)]
    #[case("[", "x", true)]
    #[case("[]a]", "x", true)]
    #[case("a\\", "x", true)]
    #[case(
        "*a*a*a*a*a*a*a*a*a*a*b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        false
    )]
    fn a_name_is_matched_as_copy_does(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(matches(pattern, name), expected);
    }
}
