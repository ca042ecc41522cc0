//! What becomes of each property: the one list that readers, reports and the documentation share.

use crate::report::{Level, TemplateRule};

/// What becomes of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Support {
    /// It is read.
    Read,
    /// It changes nothing about what runs locally.
    NoEffect,
    /// It is left out, and something may be missing.
    LeftOut,
    /// Without it the function would not work: there is no artifact.
    Refused,
}

impl Support {
    /// How the report says it; none for what is read.
    pub(super) fn finding(self) -> Option<(Level, TemplateRule)> {
        match self {
            Self::Read => None,
            Self::NoEffect => Some((Level::Note, TemplateRule::NoEffect)),
            Self::LeftOut => Some((Level::Warning, TemplateRule::PropertyLeftOut)),
            Self::Refused => Some((Level::Error, TemplateRule::PropertyRefused)),
        }
    }

    /// The word of the documentation.
    #[cfg(test)]
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::NoEffect => "no effect",
            Self::LeftOut => "left out",
            Self::Refused => "refused",
        }
    }
}

/// One property of a type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Property {
    /// `Environment.Variables`; the properties of a list's items follow the list's own name.
    pub path: &'static str,
    /// What becomes of it.
    pub support: Support,
    /// What it means here, or why it is left out: a fragment.
    pub says: &'static str,
}

/// The properties of one type of resource or event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Properties {
    /// The type, or what else has properties.
    pub of: &'static str,
    /// Sorted by path.
    pub list: &'static [Property],
    /// Whether other tools keep properties of their own there, so that unknown ones are none of our business.
    pub open: bool,
}

impl Properties {
    /// The property with this path.
    pub(super) fn find(&self, path: &str) -> Option<&'static Property> {
        self.list.iter().find(|property| property.path == path)
    }

    /// The names on one level.
    pub(super) fn names<'p>(
        &self,
        prefix: &'p str,
    ) -> impl Iterator<Item = &'static str> + use<'p> {
        self.list.iter().filter_map(move |property| {
            let rest = match prefix {
                "" => property.path,
                prefix => property.path.strip_prefix(prefix)?.strip_prefix('.')?,
            };
            (!rest.contains('.')).then_some(rest)
        })
    }
}

/// A property that is read.
pub(super) const fn read(path: &'static str, says: &'static str) -> Property {
    Property {
        path,
        support: Support::Read,
        says,
    }
}

/// A property without effect.
pub(super) const fn no_effect(path: &'static str, says: &'static str) -> Property {
    Property {
        path,
        support: Support::NoEffect,
        says,
    }
}

/// A property that is left out.
pub(super) const fn left_out(path: &'static str, says: &'static str) -> Property {
    Property {
        path,
        support: Support::LeftOut,
        says,
    }
}

/// A property that is refused.
pub(super) const fn refused(path: &'static str, says: &'static str) -> Property {
    Property {
        path,
        support: Support::Refused,
        says,
    }
}
