//! A word of an instruction, whose variables are still to be replaced.

use std::collections::BTreeMap;

use crate::image::dockerfile::shell;

/// A word with its quotes, escapes and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    text: String,
    escape: char,
}

impl Word {
    pub(super) fn new(text: &str, escape: char) -> Self {
        Self {
            text: text.to_owned(),
            escape,
        }
    }

    /// The word without quotes and escapes, and with the values of its variables; one that is not set is empty.
    pub(in crate::image) fn expand(
        &self,
        variables: &BTreeMap<String, String>,
    ) -> Result<String, &'static str> {
        shell::expand_known(&self.text, self.escape, &|name| {
            variables.get(name).cloned()
        })
    }

    /// Whether a value would be put in.
    pub(super) fn has_variables(&self) -> bool {
        self.text.contains('$')
    }
}
