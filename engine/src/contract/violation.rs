//! What is wrong with an artifact, and where.

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// One breach of the payload contract. Data: a whole list of them is one error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Violation {
    /// Where it stands.
    pub place: Place,
    /// The rule's stable name, kebab case: `path-escape`, `duplicate-key`, `missing-field`, …
    pub rule: String,
    /// What is wrong: a lowercase fragment, no period, values in backticks.
    pub message: String,
    /// What to do about it, when there is more to say.
    pub hint: Option<String>,
}

impl Violation {
    /// A breach of a rule at a place.
    pub fn new(rule: Rule, place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            rule: rule.name().to_owned(),
            message: message.into(),
            hint: None,
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// How keys and folders are taken that look like misspellings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unknown {
    /// They are violations.
    #[default]
    Refused,
    /// They are warnings.
    Kept,
}

impl Unknown {
    /// Makes warnings of the violations that are tolerated.
    pub(crate) fn sort(self, violations: &mut Vec<Violation>, warnings: &mut Vec<Warning>) {
        if self == Self::Refused {
            return;
        }
        let rules = [Rule::MisspeltKey, Rule::UnusedDockerfile].map(Rule::name);
        let tolerated = violations.extract_if(.., |found| rules.contains(&found.rule.as_str()));
        warnings.extend(tolerated.map(|violation| Warning {
            place: violation.place,
            rule: violation.rule,
            message: violation.message,
        }));
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// The file, as the user would name it.
    pub file: String,
    /// Line and column, from 1; 0 when the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1; 0 when the whole line is meant.
    pub column: u32,
    /// The source line, cut to 200 characters; empty when there is none.
    pub excerpt: String,
}

impl Place {
    /// A file as a whole.
    pub fn file(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            excerpt: String::new(),
        }
    }

    /// The same place without its source line, for lines that may hold a secret.
    #[must_use]
    pub fn without_excerpt(mut self) -> Self {
        self.excerpt.clear();
        self
    }
}

/// Something odd that is accepted: an unknown key, a dropped item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Warning {
    /// Where it stands.
    pub place: Place,
    /// The rule's stable name, kebab case.
    pub rule: String,
    /// A lowercase fragment, no period.
    pub message: String,
}

impl Warning {
    /// Something odd under a rule at a place.
    pub fn new(rule: Rule, place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            rule: rule.name().to_owned(),
            message: message.into(),
        }
    }
}
