//! Every rule of the payload contract, by its stable name.

use crate::yaml;

/// A rule of the payload contract. Its name is what violations and warnings carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A rule that every YAML text must keep.
    Yaml(yaml::Rule),
    /// A required key is absent or null.
    MissingField,
    /// A value is of another kind than the contract says.
    WrongKind,
    /// A key that the contract does not know (warning).
    UnknownKey,
    /// `schema_version` is not `1`.
    SchemaVersion,
    /// A name that is no safe part of a path or argument.
    BadName,
    /// A mode other than `docker` and `containerd`.
    BadMode,
    /// The two modes of the manifest differ.
    ModeMismatch,
    /// An api version other than `MAJOR` or `MAJOR.MINOR`.
    BadApiVersion,
    /// `esb_version` is neither version, range nor tag.
    BadEsbVersion,
    /// A requirement is no semver range.
    BadVersionRange,
    /// `artifacts` is empty.
    NoArtifacts,
    /// A path that is empty, or holds a backslash or a control character.
    BadPath,
    /// An absolute path where a relative one is required.
    AbsolutePath,
    /// A path that leaves the artifact root, by its text.
    PathEscape,
    /// A path that is the artifact root itself.
    PathIsRoot,
    /// A path that leads into `runtime-base`.
    RuntimeBase,
    /// A name that no environment variable can have.
    BadSecretName,
    /// `sha256` is not 64 lowercase hexadecimal digits.
    BadSha256,
    /// `generated_at` is no RFC 3339 timestamp.
    BadTimestamp,
    /// A merge policy other than the only one.
    MergePolicy,
    /// An id that is not of the form of an id.
    BadId,
    /// An id other than the computed one.
    IdMismatch,
    /// Two entries with one id.
    DuplicateId,
    /// An id without a source template.
    IdWithoutTemplate,
    /// Two entries with one source (warning).
    DuplicateSource,
    /// A function name that is no part of a path.
    BadFunctionName,
    /// An image that cannot be a reference.
    BadImage,
    /// Functions with one image reference and different build inputs.
    ImageConflict,
    /// A route without a path (warning).
    RouteWithoutPath,
    /// A file is not there.
    MissingFile,
    /// Something else stands where a file should.
    NotAFile,
    /// Something else stands where a directory should.
    NotADirectory,
    /// A file or directory may not be read.
    Unreadable,
    /// A path that leaves the artifact root through a symlink.
    OutsideRoot,
    /// Symlinks that lead in a circle.
    SymlinkLoop,
    /// A line of the secret file that is no `KEY=value`.
    BadSecretLine,
    /// Secrets are required and no file was given.
    NoSecretFile,
    /// A required secret is not in the file.
    MissingSecret,
    /// A required secret is empty.
    EmptySecret,
    /// There are more violations than are listed.
    TooMany,
}

/// The rules that are not about YAML as such.
const OWN: [Rule; 40] = [
    Rule::MissingField,
    Rule::WrongKind,
    Rule::UnknownKey,
    Rule::SchemaVersion,
    Rule::BadName,
    Rule::BadMode,
    Rule::ModeMismatch,
    Rule::BadApiVersion,
    Rule::BadEsbVersion,
    Rule::BadVersionRange,
    Rule::NoArtifacts,
    Rule::BadPath,
    Rule::AbsolutePath,
    Rule::PathEscape,
    Rule::PathIsRoot,
    Rule::RuntimeBase,
    Rule::BadSecretName,
    Rule::BadSha256,
    Rule::BadTimestamp,
    Rule::MergePolicy,
    Rule::BadId,
    Rule::IdMismatch,
    Rule::DuplicateId,
    Rule::IdWithoutTemplate,
    Rule::DuplicateSource,
    Rule::BadFunctionName,
    Rule::BadImage,
    Rule::ImageConflict,
    Rule::RouteWithoutPath,
    Rule::MissingFile,
    Rule::NotAFile,
    Rule::NotADirectory,
    Rule::Unreadable,
    Rule::OutsideRoot,
    Rule::SymlinkLoop,
    Rule::BadSecretLine,
    Rule::NoSecretFile,
    Rule::MissingSecret,
    Rule::EmptySecret,
    Rule::TooMany,
];

impl Rule {
    /// Every rule, those of YAML first.
    pub fn all() -> impl Iterator<Item = Self> {
        yaml::Rule::ALL.into_iter().map(Self::Yaml).chain(OWN)
    }

    /// The stable name, kebab case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml(rule) => rule.name(),
            Self::MissingField => "missing-field",
            Self::WrongKind => "wrong-kind",
            Self::UnknownKey => "unknown-key",
            Self::SchemaVersion => "schema-version",
            Self::BadName => "bad-name",
            Self::BadMode => "bad-mode",
            Self::ModeMismatch => "mode-mismatch",
            Self::BadApiVersion => "bad-api-version",
            Self::BadEsbVersion => "bad-esb-version",
            Self::BadVersionRange => "bad-version-range",
            Self::NoArtifacts => "no-artifacts",
            Self::BadPath => "bad-path",
            Self::AbsolutePath => "absolute-path",
            Self::PathEscape => "path-escape",
            Self::PathIsRoot => "path-is-root",
            Self::RuntimeBase => "runtime-base",
            Self::BadSecretName => "bad-secret-name",
            Self::BadSha256 => "bad-sha256",
            Self::BadTimestamp => "bad-timestamp",
            Self::MergePolicy => "merge-policy",
            Self::BadId => "bad-id",
            Self::IdMismatch => "id-mismatch",
            Self::DuplicateId => "duplicate-id",
            Self::IdWithoutTemplate => "id-without-template",
            Self::DuplicateSource => "duplicate-source",
            Self::BadFunctionName => "bad-function-name",
            Self::BadImage => "bad-image",
            Self::ImageConflict => "image-conflict",
            Self::RouteWithoutPath => "route-without-path",
            Self::MissingFile => "missing-file",
            Self::NotAFile => "not-a-file",
            Self::NotADirectory => "not-a-directory",
            Self::Unreadable => "unreadable",
            Self::OutsideRoot => "outside-root",
            Self::SymlinkLoop => "symlink-loop",
            Self::BadSecretLine => "bad-secret-line",
            Self::NoSecretFile => "no-secret-file",
            Self::MissingSecret => "missing-secret",
            Self::EmptySecret => "empty-secret",
            Self::TooMany => "too-many",
        }
    }

    /// Something odd that is accepted, not a breach.
    pub fn is_warning(self) -> bool {
        matches!(
            self,
            Self::UnknownKey | Self::DuplicateSource | Self::RouteWithoutPath
        )
    }
}
