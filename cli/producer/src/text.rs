//! A text that remembers which secrets had a part in it.
//!
//! The value of a `NoEcho` parameter, and every text made from one, carries the names of the parameters. Such a text cannot be
//! printed, compared or written by accident: the only way to the characters of any text is [`Text::shown`], which refuses, and
//! [`Text::reveal`], which only the intrinsic functions call (docs/adr/0025).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// A text and the secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    text: String,
    taint: Taint,
    /// A secret whose value nobody gave had a part in it, so that the characters are not what they will be.
    lacks_value: bool,
}

/// Which secrets had a part in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taint {
    /// None.
    None,
    /// Values of parameters stand in it unchanged, between characters that no secret had a part in.
    Inside(Vec<Piece>),
    /// It was made from the values of these parameters.
    Part(BTreeSet<String>),
}

/// A piece of a text with secrets in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Piece {
    /// Characters that no secret had a part in.
    Literal(String),
    /// The value of the parameter of this name.
    Secret(String),
}

impl Text {
    /// A text that no secret had a part in.
    pub fn clean(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            taint: Taint::None,
            lacks_value: false,
        }
    }

    /// The value of a `NoEcho` parameter.
    pub fn secret(parameter: &str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            taint: Taint::Inside(vec![Piece::Secret(parameter.to_owned())]),
            lacks_value: false,
        }
    }

    /// A `NoEcho` parameter whose value nobody gave. It can be named by a reference; nothing can be computed with it.
    pub fn secret_without_value(parameter: &str) -> Self {
        Self {
            lacks_value: true,
            ..Self::secret(parameter, "")
        }
    }

    /// Whether a secret whose value nobody gave had a part in it.
    pub fn lacks_value(&self) -> bool {
        self.lacks_value
    }

    /// The secrets in it.
    pub fn taint(&self) -> &Taint {
        &self.taint
    }

    /// The characters, when no secret had a part in them; else the secrets.
    pub fn shown(&self) -> Result<&str, &Taint> {
        match self.taint {
            Taint::None => Ok(&self.text),
            Taint::Inside(_) | Taint::Part(_) => Err(&self.taint),
        }
    }

    /// The characters. For computing with them; what is computed must be [`Text::made_from`] this text.
    pub(super) fn reveal(&self) -> &str {
        &self.text
    }

    /// A text computed from others: every secret in them is in it.
    pub fn made_from<'t>(
        text: impl Into<String>,
        sources: impl IntoIterator<Item = &'t Text>,
    ) -> Self {
        let mut names = BTreeSet::new();
        let mut lacks_value = false;
        for source in sources {
            lacks_value |= source.lacks_value;
            match &source.taint {
                Taint::None => {}
                Taint::Inside(pieces) => names.extend(secrets(pieces).map(str::to_owned)),
                Taint::Part(others) => names.extend(others.iter().cloned()),
            }
        }
        Self {
            text: text.into(),
            taint: if names.is_empty() {
                Taint::None
            } else {
                Taint::Part(names)
            },
            lacks_value,
        }
    }

    /// The same characters, no longer known to hold a parameter's value unchanged.
    #[must_use]
    pub fn altered(self) -> Self {
        Self::made_from(self.text.clone(), [&self])
    }

    /// Texts one after the other. Values of parameters that stand in them unchanged still do.
    pub fn concat(parts: &[Self]) -> Self {
        let text: String = parts.iter().map(|part| part.text.as_str()).collect();
        let mut pieces = Vec::new();
        for part in parts {
            match &part.taint {
                Taint::None if part.text.is_empty() => {}
                Taint::None => push(&mut pieces, &Piece::Literal(part.text.clone())),
                Taint::Inside(inside) => inside.iter().for_each(|piece| push(&mut pieces, piece)),
                Taint::Part(_) => return Self::made_from(text, parts),
            }
        }
        let is_clean = secrets(&pieces).next().is_none();
        let taint = if is_clean {
            Taint::None
        } else {
            Taint::Inside(pieces)
        };
        let lacks_value = parts.iter().any(|part| part.lacks_value);
        Self {
            text,
            taint,
            lacks_value,
        }
    }
}

/// The names of the parameters whose values are among pieces.
fn secrets(pieces: &[Piece]) -> impl Iterator<Item = &str> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Literal(_) => None,
        Piece::Secret(name) => Some(name.as_str()),
    })
}

/// Whether a text can name a variable, and so the secret in it.
pub fn is_env_name(name: &str) -> bool {
    let begins = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    name.as_bytes().first().is_some_and(begins)
        && name.len() <= 256
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Adds a piece; literal ones that follow each other are one.
pub(crate) fn push(pieces: &mut Vec<Piece>, piece: &Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Literal(text)), Piece::Literal(more)) => text.push_str(more),
        (_, piece) => pieces.push(piece.clone()),
    }
}

/// Shows no character of a secret.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.taint {
            Taint::None => write!(f, "{:?}", self.text),
            taint @ (Taint::Inside(_) | Taint::Part(_)) => write!(f, "Secret({taint:?})"),
        }
    }
}

impl Taint {
    /// The parameters.
    pub fn parameters(&self) -> BTreeSet<&str> {
        match self {
            Self::None => BTreeSet::new(),
            Self::Inside(pieces) => secrets(pieces).collect(),
            Self::Part(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// The names of the parameters, in backticks, for messages.
    pub fn names(&self) -> String {
        let names = self.parameters();
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Text {
        Text::secret("Password", "hunter2")
    }

    #[test]
    fn a_secret_shows_its_name_only() {
        for text in [
            secret(),
            secret().altered(),
            Text::concat(&[secret(), Text::clean("x")]),
        ] {
            let taint = text.shown().unwrap_err();
            assert_eq!(taint.names(), "`Password`");
            assert!(!format!("{text:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_secret_with_nothing_around_it_stays_whole() {
        let alone = Text::concat(&[Text::clean(""), secret()]);
        let whole = Piece::Secret("Password".to_owned());
        assert_eq!(alone.taint(), &Taint::Inside(vec![whole]));
    }

    #[test]
    fn a_secret_between_texts_stays_known() {
        let inner = Text::concat(&[Text::clean("b"), secret()]);
        let text = Text::concat(&[Text::clean("a"), inner, Text::clean(""), Text::clean("c")]);
        let pieces = vec![
            Piece::Literal("ab".to_owned()),
            Piece::Secret("Password".to_owned()),
            Piece::Literal("c".to_owned()),
        ];
        assert_eq!(text.taint(), &Taint::Inside(pieces));
        assert_eq!(text.reveal(), "abhunter2c");
    }

    #[test]
    fn a_secret_that_was_computed_with_is_not_known_any_more() {
        let text = Text::concat(&[Text::clean("a"), secret(), secret().altered()]);
        assert!(matches!(text.taint(), Taint::Part(_)));
    }

    #[test]
    fn an_empty_secret_is_one_too() {
        let empty = Text::secret("Empty", "");
        let text = Text::concat(&[Text::clean("x"), empty]);
        assert!(text.shown().is_err());
    }

    #[test]
    fn what_is_made_from_clean_texts_is_clean() {
        let text = Text::concat(&[Text::clean("a"), Text::clean("b")]);
        assert_eq!(text.shown(), Ok("ab"));
    }
}
