//! Credentials that a text shows by its form: those of URLs, of signed addresses, of `Authorization`.
//!
//! Every text that is recorded, shown or logged passes [`credentials`]: faults (`docker/fault`), events (`machine`), output and log
//! (`cli`). Not here: secrets of a run, which are known by their value (`docker/redact`). Pure.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod header;
mod query;
mod url;

use std::borrow::Cow;

/// Stands where something secret stood.
pub const REDACTED: &str = "***";

/// The text without the credentials of URLs, signed addresses and headers. What is redacted already stays as it is.
pub fn credentials(text: &str) -> Cow<'_, str> {
    let text = then(Cow::Borrowed(text), url::redacted);
    let text = then(text, query::redacted);
    then(text, header::redacted)
}

/// Applies a step that returns nothing when there is nothing to take out.
fn then(text: Cow<'_, str>, step: fn(&str) -> Option<String>) -> Cow<'_, str> {
    match step(&text) {
        Some(cleaned) => Cow::Owned(cleaned),
        None => text,
    }
}

#[cfg(test)]
mod tests;
