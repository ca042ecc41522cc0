//! The words of `assert`: a deploy and a pattern, which are told apart by their form.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::applier::deploys::{self, LATEST};

#[derive(Debug, clap::Args)]
pub(crate) struct Assert {
    /// Event kinds in order, as the deploy must have them. Before them a deploy may stand: its id or some digits of it, `latest`,
    /// `latest~2`, `last-good`, `@{yesterday}` [default: latest]
    #[arg(value_name = "PATTERN")]
    pub(crate) words: Vec<String>,
    /// Read named patterns from a file, one assertion each
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Write the results as `JUnit` XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Say what does not hold as a pipeline shows it: workflow commands on standard error (github), or
    /// gl-code-quality-report.json in the current directory (gitlab)
    #[arg(long, value_name = "SERVICE")]
    pub(crate) annotations: Option<Annotations>,
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
}

/// Where what does not hold is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Annotations {
    // Workflow commands.
    Github,
    // A report of code quality.
    Gitlab,
}

impl Assert {
    /// The deploy that is meant, and the words of the pattern.
    pub(crate) fn deploy_and_words(&self) -> (&str, &[String]) {
        match self.words.split_first() {
            Some((first, rest)) if names_a_deploy(first) => (first, rest),
            Some(_) | None => (LATEST, &self.words),
        }
    }

    /// Takes a target out that stands behind the pattern, as people write it: no pattern is one word with a slash and without brackets.
    pub(super) fn take_target(&mut self) -> Option<String> {
        let is_target = |word: &mut String| {
            word.contains('/')
                && !word.contains(|c: char| c.is_whitespace() || "[]\"()".contains(c))
        };
        self.words.pop_if(is_target)
    }
}

/// The name of a deploy, also a misspelt one: every kind begins with a capital letter, and no kind is digits of an id.
fn names_a_deploy(word: &str) -> bool {
    let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '@';
    let is_one_word = !word.contains(char::is_whitespace) && word != "within";
    deploys::is_name(word) || (is_one_word && word.starts_with(begins))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::names_a_deploy;

    #[rstest]
    #[case("latest", true)]
    #[case("019c7a47-0280-7fab-8e54-a60934808fce", true)]
    #[case("019C7A47", true)]
    #[case("ABCD", true)]
    #[case("newest", true)]
    #[case("latest~2", true)]
    #[case("last-good", true)]
    #[case("@{2 days ago}", true)]
    #[case("within 3s", false)]
    #[case("Requested", false)]
    #[case("_", false)]
    #[case("...", false)]
    #[case("!Failed*", false)]
    #[case("(Requested", false)]
    #[case("", false)]
    fn a_deploy_is_told_from_a_pattern(#[case] word: &str, #[case] expected: bool) {
        assert_eq!(names_a_deploy(word), expected);
    }
}
