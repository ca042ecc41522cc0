//! Which files of a context a Dockerfile's sources reach.

use super::glob;

/// A source as a path of the context: no leading `/` or `./`, no trailing `/`, `..` resolved and stopped at the root.
pub(super) fn normalised(source: &str) -> String {
    let mut parts = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

/// Whether a source reaches a path of the context: the path itself, or a folder above it. Wildcards as in COPY; one that
/// is malformed reaches everything, so that a build is rather done than missed.
pub fn reaches(source: &str, path: &str) -> bool {
    let source = normalised(source);
    if source == "." {
        return true;
    }
    let mut path = path.split('/').filter(|part| !matches!(*part, "" | "."));
    for pattern in source.split('/') {
        if pattern == "**" {
            return true;
        }
        match path.next().map(|part| glob::part(pattern, part)) {
            Some(None | Some(true)) => {}
            Some(Some(false)) | None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(".", ".")]
    #[case("/", ".")]
    #[case("", ".")]
    #[case("./a//b/", "a/b")]
    #[case("/a/../b", "b")]
    #[case("../../a", "a")]
    #[case("a/*.py", "a/*.py")]
    fn a_source_is_a_path_of_the_context(#[case] written: &str, #[case] expected: &str) {
        assert_eq!(normalised(written), expected);
    }

    #[rstest]
    #[case(".", "a/b", true)]
    #[case("a", "a", true)]
    #[case("a", "a/b/c", true)]
    #[case("./a/", "a/b", true)]
    #[case("a", "ab", false)]
    #[case("a/b", "a", false)]
    #[case("a/*.py", "a/x.py", true)]
    #[case("a/*.py", "a/x.txt", false)]
    #[case("a/*.py", "a/b/x.py", false)]
    #[case("a/*", "a/b/x.py", true)]
    #[case("*/x", "a/x", true)]
    #[case("a/?", "a/bc", false)]
    #[case("a/[b-d]", "a/c", true)]
    #[case("a/[^b-d]", "a/c", false)]
    #[case("a/[", "a/c", true)]
    #[case("a/[", "b/c", false)]
    #[case("a/\\*", "a/*", true)]
    #[case("a/\\*", "a/b", false)]
    #[case("a/**/x", "a/b/c/y", true)]
    #[case(
        "*a*a*a*a*a*a*a*a*b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        false
    )]
    fn a_source_reaches_what_copy_would_take(
        #[case] source: &str,
        #[case] path: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(reaches(source, path), expected);
    }
}
