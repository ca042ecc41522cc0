//! A text that remembers which secrets had a part in it.
//!
//! The value of a `NoEcho` parameter, and every text made from one, carries the names of the parameters. Such a text cannot be
//! printed, compared or written by accident: the only way to the characters of any text is [`Text::shown`], which refuses, and
//! [`Text::reveal`], which only the intrinsic functions call (docs/adr/0007).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

use std::collections::BTreeSet;
use std::fmt;

/// A text and the secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    text: String,
    taint: Taint,
}

/// Which secrets had a part in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taint {
    /// None.
    None,
    /// It is the value of this parameter, unchanged.
    Whole(String),
    /// It was made from the values of these parameters.
    Part(BTreeSet<String>),
}

impl Text {
    /// A text that no secret had a part in.
    pub fn clean(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            taint: Taint::None,
        }
    }

    /// The value of a `NoEcho` parameter.
    pub fn secret(parameter: &str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            taint: Taint::Whole(parameter.to_owned()),
        }
    }

    /// The secrets in it.
    pub fn taint(&self) -> &Taint {
        &self.taint
    }

    /// The characters, when no secret had a part in them; else the secrets.
    pub fn shown(&self) -> Result<&str, &Taint> {
        match self.taint {
            Taint::None => Ok(&self.text),
            Taint::Whole(_) | Taint::Part(_) => Err(&self.taint),
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
        for source in sources {
            match &source.taint {
                Taint::None => {}
                Taint::Whole(name) => {
                    names.insert(name.clone());
                }
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
        }
    }

    /// The same characters, no longer known to be the whole of a parameter's value.
    #[must_use]
    pub fn altered(self) -> Self {
        Self::made_from(self.text.clone(), [&self])
    }

    /// Texts one after the other. A single text with nothing around it stays what it is.
    pub fn concat(parts: &[Self]) -> Self {
        let mut filled = parts
            .iter()
            .filter(|part| !part.text.is_empty() || part.taint != Taint::None);
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return only.clone();
        }
        let text: String = parts.iter().map(|part| part.text.as_str()).collect();
        Self::made_from(text, parts)
    }
}

/// Shows no character of a secret.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.taint {
            Taint::None => write!(f, "{:?}", self.text),
            taint @ (Taint::Whole(_) | Taint::Part(_)) => write!(f, "Secret({taint:?})"),
        }
    }
}

impl Taint {
    /// The names of the parameters, in backticks, for messages.
    pub fn names(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Whole(name) => format!("`{name}`"),
            Self::Part(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            }
        }
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
        assert_eq!(alone.taint(), &Taint::Whole("Password".to_owned()));
        let with_text = Text::concat(&[Text::clean("x"), secret()]);
        assert!(matches!(with_text.taint(), Taint::Part(_)));
        assert_eq!(with_text.reveal(), "xhunter2");
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
