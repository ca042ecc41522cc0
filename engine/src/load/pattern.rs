//! One part of a COPY source against one name, as Go's `filepath.Match` compares them.

use crate::image::glob_part;

/// Whether a part of a pattern holds anything but literal characters.
pub(super) fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// Whether a part of a pattern matches a name: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a literal character. A malformed
/// pattern matches every name, so that a file is rather hashed in vain than missed.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    glob_part(pattern, name).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("abc", "abc", true)]
    #[case("abc", "abcd", false)]
    #[case("*", "", true)]
    #[case("*.py", "app.py", true)]
    #[case("*.py", "app.pyc", false)]
    #[case("a*b*c", "axbxbc", true)]
    #[case("a*b*c", "axbx", false)]
    #[case("a?c", "aéc", true)]
    #[case("a?c", "ac", false)]
    #[case("[a-c]x", "bx", true)]
    #[case("[^a-c]x", "bx", false)]
    #[case("[^a-c]x", "zx", true)]
    #[case("[!a]", "!", true)]
    #[case("[\\]]", "]", true)]
    #[case("\\*", "*", true)]
    #[case("\\*", "x", false)]
    #[case("[", "x", true)]
    #[case("[]a]", "x", true)]
    #[case("a\\", "x", true)]
    #[case(
        "*a*a*a*a*a*a*a*a*a*a*b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        false
    )]
    fn a_name_is_matched_as_copy_does(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(matches(pattern, name), expected);
    }
}
