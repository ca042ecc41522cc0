//! The rules of the report: stable names, and what they say.

/// A rule that a template can break; `meaning` says what each is. YAML's own rules keep their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateRule {
    /// The text is no template with resources.
    NotATemplate,
    /// A value of another kind: a list where a mapping belongs, and so on.
    WrongKind,
    /// A required property that is absent.
    MissingProperty,
    /// A value that the property does not allow.
    BadValue,
    /// A property without a value; it is left out.
    NoValue,
    /// A property nobody knows; it is left out.
    UnknownProperty,
    /// A name that looks like a misspelling of a known one; a warning with `--allow-unknown`.
    MisspeltName,
    /// A property without a counterpart in the stack; it is left out.
    PropertyLeftOut,
    /// A property without which the function would not work, and which the stack has not.
    PropertyRefused,
    /// A property or type that changes nothing about what runs locally.
    NoEffect,
    /// A type of resource or event without a counterpart; it is left out.
    TypeLeftOut,
    /// A template that gives no function, table or bucket.
    NothingMade,
    /// A reference to something that is not in the template, or absent under its condition.
    UnknownName,
    /// A reference to a resource that is left out; its logical id stands in its place.
    NotInStack,
    /// An intrinsic function with wrong arguments.
    BadIntrinsic,
    /// An intrinsic function that is not supported.
    RefusedIntrinsic,
    /// Names or conditions that need each other.
    Cycle,
    /// An import without a given value.
    NoImport,
    /// A dynamic reference without a given value.
    NoLookup,
    /// A parameter that is declared wrongly.
    BadParameter,
    /// A value that its parameter does not allow.
    ParameterValue,
    /// A parameter without a value and without a default.
    MissingParameter,
    /// A given parameter that no template declares.
    UnknownParameter,
    /// An `AllowedPattern` that uses look-around or back-references; values are not checked against it.
    UncheckedPattern,
    /// The value of a `NoEcho` parameter where it would be written down.
    SecretInText,
    /// A secret that the cloud would look up; the gateway gives it to functions.
    SecretByReference,
    /// Two resources, two routes, or two secrets, with one name.
    DuplicateName,
    /// A nested template that cannot be read, or nests itself.
    NestedTemplate,
    /// A text that grows over the limit when it is resolved.
    TooLong,
    /// References nested over the limit.
    TooDeep,
    /// More resources or parameters than the limit; a warning when it is warnings and notes.
    TooMany,
}

impl TemplateRule {
    /// Every rule.
    #[cfg(test)]
    pub const ALL: [Self; 31] = [
        Self::NotATemplate,
        Self::WrongKind,
        Self::MissingProperty,
        Self::BadValue,
        Self::NoValue,
        Self::UnknownProperty,
        Self::MisspeltName,
        Self::PropertyLeftOut,
        Self::PropertyRefused,
        Self::NoEffect,
        Self::TypeLeftOut,
        Self::NothingMade,
        Self::UnknownName,
        Self::NotInStack,
        Self::BadIntrinsic,
        Self::RefusedIntrinsic,
        Self::Cycle,
        Self::NoImport,
        Self::NoLookup,
        Self::BadParameter,
        Self::ParameterValue,
        Self::MissingParameter,
        Self::UnknownParameter,
        Self::UncheckedPattern,
        Self::SecretInText,
        Self::SecretByReference,
        Self::DuplicateName,
        Self::NestedTemplate,
        Self::TooLong,
        Self::TooDeep,
        Self::TooMany,
    ];

    /// The stable name, kebab case.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotATemplate => "not-a-template",
            Self::WrongKind => "wrong-kind",
            Self::MissingProperty => "missing-property",
            Self::BadValue => "bad-value",
            Self::NoValue => "no-value",
            Self::UnknownProperty => "unknown-property",
            Self::MisspeltName => "misspelt-name",
            Self::PropertyLeftOut => "property-left-out",
            Self::PropertyRefused => "property-refused",
            Self::NoEffect => "no-effect",
            Self::TypeLeftOut => "type-left-out",
            Self::NothingMade => "nothing-made",
            Self::UnknownName => "unknown-name",
            Self::NotInStack => "not-in-stack",
            Self::BadIntrinsic => "bad-intrinsic",
            Self::RefusedIntrinsic => "refused-intrinsic",
            Self::Cycle => "cycle",
            Self::NoImport => "no-import",
            Self::NoLookup => "no-lookup",
            Self::BadParameter => "bad-parameter",
            Self::ParameterValue => "parameter-value",
            Self::MissingParameter => "missing-parameter",
            Self::UnknownParameter => "unknown-parameter",
            Self::UncheckedPattern => "unchecked-pattern",
            Self::SecretInText => "secret-in-text",
            Self::SecretByReference => "secret-by-reference",
            Self::DuplicateName => "duplicate-name",
            Self::NestedTemplate => "nested-template",
            Self::TooLong => "too-long",
            Self::TooDeep => "too-deep",
            Self::TooMany => "too-many",
        }
    }

    /// What it means, as the documentation says it: the level, and the words.
    #[cfg(test)]
    pub fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::NotATemplate => ("error", "the text is no template with resources"),
            Self::WrongKind => (
                "error",
                "a value of another kind: a list where a mapping belongs, and so on",
            ),
            Self::MissingProperty => ("error", "a required property that is absent"),
            Self::BadValue => ("error", "a value that the property does not allow"),
            Self::NoValue => ("warning", "a property without a value; it is left out"),
            Self::UnknownProperty => ("warning", "a property nobody knows; it is left out"),
            Self::MisspeltName => (
                "error",
                "a property, type or section that looks like a misspelling of a known one; with `--allow-unknown` it is left out, with a warning",
            ),
            Self::PropertyLeftOut => (
                "warning",
                "a property without a counterpart in the stack; it is left out",
            ),
            Self::PropertyRefused => (
                "error",
                "a property without which the function would not work, and which the stack has not",
            ),
            Self::NoEffect => (
                "note",
                "a property or type that changes nothing about what runs locally",
            ),
            Self::TypeLeftOut => (
                "warning",
                "a type of resource or event without a counterpart; it is left out",
            ),
            Self::NothingMade => (
                "warning",
                "a template that gives no function, table or bucket",
            ),
            Self::UnknownName => (
                "error",
                "a reference to something that is not in the template, or absent under its condition",
            ),
            Self::NotInStack => (
                "warning",
                "a reference to a resource that is left out; its logical id stands in its place",
            ),
            Self::BadIntrinsic => ("error", "an intrinsic function with wrong arguments"),
            Self::RefusedIntrinsic => ("error", "an intrinsic function that is not supported"),
            Self::Cycle => ("error", "names or conditions that need each other"),
            Self::NoImport => ("error", "an import without a given value"),
            Self::NoLookup => ("error", "a dynamic reference without a given value"),
            Self::BadParameter => ("error", "a parameter that is declared wrongly"),
            Self::ParameterValue => ("error", "a value that its parameter does not allow"),
            Self::MissingParameter => {
                ("error", "a parameter without a value and without a default")
            }
            Self::UnknownParameter => ("error", "a given parameter that no template declares"),
            Self::UncheckedPattern => (
                "warning",
                "an `AllowedPattern` that uses look-around or back-references; values are not checked against it",
            ),
            Self::SecretInText => (
                "error",
                "the value of a `NoEcho` parameter, or of a secret, where it would be written down",
            ),
            Self::SecretByReference => (
                "note",
                "a secret that the cloud would look up; the gateway gives it to functions",
            ),
            Self::DuplicateName => (
                "error",
                "two resources, two routes, or two secrets, with one name",
            ),
            Self::NestedTemplate => (
                "error",
                "a nested template that cannot be read, or that nests itself",
            ),
            Self::TooLong => (
                "error",
                "a text that grows over the limit when it is resolved",
            ),
            Self::TooDeep => ("error", "references nested over the limit"),
            Self::TooMany => (
                "error",
                "more resources or parameters than the limit; a warning when it is warnings and notes",
            ),
        }
    }
}
