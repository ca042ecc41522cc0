//! Every rule of the payload contract, by its stable name.

use crate::yaml;

/// Defines the rules, each with its name, so that none can be missing from the list of all.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal,)*) => {
        /// A rule of the payload contract. Its name is what violations and warnings carry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            /// A rule that every YAML text must keep.
            Yaml(yaml::YamlRule),
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// Every rule, those of YAML first.
            pub fn all() -> impl Iterator<Item = Self> {
                let own = [$(Self::$rule),*];
                yaml::YamlRule::ALL.into_iter().map(Self::Yaml).chain(own)
            }

            /// The stable name, kebab case.
            pub fn name(self) -> &'static str {
                match self {
                    Self::Yaml(rule) => rule.name(),
                    $(Self::$rule => $name,)*
                }
            }
        }
    };
}

rules! {
    /// A required key is absent or null.
    MissingField = "missing-field",
    /// `functions` or `routes` without a value.
    NoValue = "no-value",
    /// A value is of another kind than the contract says.
    WrongKind = "wrong-kind",
    /// A number that is too small.
    OutOfRange = "out-of-range",
    /// A method that is a misspelling of another, or that no call can have.
    BadMethod = "bad-method",
    /// A path of a route that matches no call, or that the gateway cannot read.
    BadRoutePath = "bad-route-path",
    /// A schedule that the stack would drop.
    BadSchedule = "bad-schedule",
    /// A value that the stack ignores (warning).
    IgnoredValue = "ignored-value",
    /// A key that the contract does not know (warning).
    UnknownKey = "unknown-key",
    /// A key that is a misspelling of one that the contract knows.
    MisspeltKey = "misspelt-key",
    /// `schema_version` is not `1`.
    SchemaVersion = "schema-version",
    /// A name that is no safe part of a path or argument.
    BadName = "bad-name",
    /// A mode other than `docker` and `containerd`.
    BadMode = "bad-mode",
    /// The two modes of the manifest differ.
    ModeMismatch = "mode-mismatch",
    /// An api version other than `MAJOR` or `MAJOR.MINOR`.
    BadApiVersion = "bad-api-version",
    /// `esb_version` is neither version, range nor tag.
    BadEsbVersion = "bad-esb-version",
    /// A requirement is no semver range.
    BadVersionRange = "bad-version-range",
    /// `artifacts` is empty.
    NoArtifacts = "no-artifacts",
    /// A path that is empty, or holds a backslash or a control character.
    BadPath = "bad-path",
    /// An absolute path where a relative one is required.
    AbsolutePath = "absolute-path",
    /// A path that leaves the artifact root, by its text.
    PathEscape = "path-escape",
    /// A path that is the artifact root itself.
    PathIsRoot = "path-is-root",
    /// A path that leads into `runtime-base`.
    RuntimeBase = "runtime-base",
    /// A name that no environment variable can have.
    BadSecretName = "bad-secret-name",
    /// `sha256` is not 64 lowercase hexadecimal digits.
    BadSha256 = "bad-sha256",
    /// `generated_at` is no RFC 3339 timestamp.
    BadTimestamp = "bad-timestamp",
    /// A merge policy other than the only one.
    MergePolicy = "merge-policy",
    /// An id that is not of the form of an id.
    BadId = "bad-id",
    /// An id other than the computed one.
    IdMismatch = "id-mismatch",
    /// Two entries with one id.
    DuplicateId = "duplicate-id",
    /// An id without a source template.
    IdWithoutTemplate = "id-without-template",
    /// Two entries with one source (warning).
    DuplicateSource = "duplicate-source",
    /// A function name that is no part of a path.
    BadFunctionName = "bad-function-name",
    /// An image that cannot be a reference.
    BadImage = "bad-image",
    /// A function of an artifact that names no image.
    MissingImage = "missing-image",
    /// An image that is built and pushed, and names no registry.
    NoRegistry = "no-registry",
    /// Functions with one image reference and different build inputs.
    ImageConflict = "image-conflict",
    /// A Dockerfile that cannot be read as one.
    BadDockerfile = "bad-dockerfile",
    /// Something in a Dockerfile that builds, and perhaps not as meant (warning).
    OddDockerfile = "odd-dockerfile",
    /// A Dockerfile that would write a proxy's password into its image.
    ProxyPassword = "proxy-password",
    /// A COPY or ADD of something that the artifact does not have.
    MissingSource = "missing-source",
    /// A Dockerfile below `functions/` of which no function knows.
    UnusedDockerfile = "unused-dockerfile",
    /// A folder of a function that has no Dockerfile (warning).
    NoDockerfile = "no-dockerfile",
    /// Build inputs that cannot be taken: too many, too large, or with a name that is no text.
    BadBuildInput = "bad-build-input",
    /// A route to a function that nobody has.
    UnknownFunction = "unknown-function",
    /// A route without a path (warning).
    RouteWithoutPath = "route-without-path",
    /// A file is not there.
    MissingFile = "missing-file",
    /// Something else stands where a file should.
    NotAFile = "not-a-file",
    /// Something else stands where a directory should.
    NotADirectory = "not-a-directory",
    /// A file or directory may not be read.
    Unreadable = "unreadable",
    /// A path that leaves the artifact root through a symlink.
    OutsideRoot = "outside-root",
    /// Symlinks that lead in a circle.
    SymlinkLoop = "symlink-loop",
    /// A line of the secret file that is no `KEY=value`.
    BadSecretLine = "bad-secret-line",
    /// Secrets are required and no file was given.
    NoSecretFile = "no-secret-file",
    /// A required secret is not in the file.
    MissingSecret = "missing-secret",
    /// A required secret is empty.
    EmptySecret = "empty-secret",
    /// There are more violations than are listed.
    TooMany = "too-many",
}

impl Rule {
    /// Something odd that is accepted, not a breach.
    pub fn is_warning(self) -> bool {
        matches!(
            self,
            Self::UnknownKey
                | Self::IgnoredValue
                | Self::DuplicateSource
                | Self::OddDockerfile
                | Self::NoDockerfile
                | Self::RouteWithoutPath
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table of rules in the contract's document: name, and whether it is a warning.
    fn documented() -> Vec<(String, bool)> {
        let text = include_str!("../../../docs/guide/contract.md");
        let (_, rules) = text.split_once("\n## Rules\n").unwrap();
        rules
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|row| {
                let (name, rest) = row.split_once("` | ").unwrap();
                let (kind, meaning) = rest.split_once(" | ").unwrap();
                assert!(meaning.len() > " |".len(), "{name} says what breaks it");
                assert!(matches!(kind, "warning" | "violation"), "{kind}");
                (name.to_owned(), kind == "warning")
            })
            .collect()
    }

    #[test]
    fn the_document_lists_the_rules_of_the_code() {
        let rules: Vec<_> = Rule::all()
            .map(|rule| (rule.name().to_owned(), rule.is_warning()))
            .collect();

        assert_eq!(documented(), rules);
    }

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Rule::all().map(Rule::name).collect();

        assert_eq!(names.len(), Rule::all().count());
    }
}
