//! Parameters of a template: what it declares, what was given, whether the two fit.
//!
//! Here: declarations, their checks, the forms in which values are given. Not here: what refers to a parameter (`intrinsics`), reading
//! files, asking a person.
//!
//! A given value may be a secret: it has no `Display`, its `Debug` shows nothing, and no message of this room repeats the value of a
//! `NoEcho` parameter or a piece of a file of values.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod bind;
mod declare;
mod overrides;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;

pub use bind::{Bound, Missing, Question, bind, bind_nested, questions, unknown};
pub use declare::{Declaration, declarations, is_flag};
pub use source::{MAX_FILE_BYTES, read_file};
pub use value::assignment;

/// What stands before the name of an export whose value is given: `ImportValue:NAME=VALUE`.
pub const IMPORT: &str = "ImportValue:";

/// What stands before the name of a parameter of SSM whose value is given: `resolve:ssm:NAME=VALUE`.
pub const SSM: &str = "resolve:ssm:";

/// Whether a given value is one of the cloud, which no template declares: another stack's export, or a parameter of SSM.
pub fn is_of_the_cloud(name: &str) -> bool {
    name.starts_with(IMPORT) || name.starts_with(SSM)
}

/// A value as it was given: a secret, for all that is known.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenValue(String);

impl GivenValue {
    /// A value.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Who takes it has to know that it may be a secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GivenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenValue(..)")
    }
}

/// Given values, by the name of the parameter, by [`IMPORT`] and the name of an export, or by [`SSM`] and a name in SSM.
pub type Given = BTreeMap<String, GivenValue>;
