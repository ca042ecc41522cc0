//! Which files of a context a Dockerfile's sources reach.

use std::collections::BTreeSet;

use super::glob;
use super::key::{InputContent, InputFile};

/// How many paths links may add; beyond it the whole context counts as reached.
const MAX_FOLLOWED: usize = 256;

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

/// The files of a context that sources reach, in the order given. A symbolic link on the way, or reached itself, is
/// followed within the context, since a build may read what it leads to.
pub fn reached<'a>(sources: &[String], files: &'a [InputFile]) -> Vec<&'a InputFile> {
    let links: Vec<(&str, &str)> = files
        .iter()
        .filter_map(|file| match &file.content {
            InputContent::Symlink { target } => Some((file.path.as_str(), target.as_str())),
            InputContent::File { .. } | InputContent::Directory => None,
        })
        .collect();
    let mut wanted: Vec<String> = sources.iter().map(|source| normalised(source)).collect();
    let mut seen: BTreeSet<String> = wanted.iter().cloned().collect();
    let mut next = 0;
    while let Some(source) = wanted.get(next).cloned() {
        next += 1;
        for (link, target) in &links {
            let Some(led) = led(&source, link, target) else {
                continue;
            };
            // Links that lead through each other could go on for ever.
            let led = if seen.len() < MAX_FOLLOWED {
                led
            } else {
                ".".to_owned()
            };
            if seen.insert(led.clone()) {
                wanted.push(led);
            }
        }
    }
    let reaches_any = |file: &&InputFile| wanted.iter().any(|source| reaches(source, &file.path));
    files.iter().filter(reaches_any).collect()
}

/// Where a source leads by way of a link: the link's target, and what of the source lies behind the link.
fn led(source: &str, link: &str, target: &str) -> Option<String> {
    let parts = link.split('/').count();
    let above: Vec<&str> = source.split('/').take(parts).collect();
    if !reaches(&above.join("/"), link) {
        return None;
    }
    let behind: Vec<&str> = source.split('/').skip(parts).collect();
    let folder = if target.starts_with('/') {
        ""
    } else {
        link.rsplit_once('/').map_or("", |(folder, _)| folder)
    };
    Some(normalised(&format!(
        "{folder}/{target}/{}",
        behind.join("/")
    )))
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

    fn context() -> Vec<InputFile> {
        let file = |path: &str| InputFile {
            path: path.to_owned(),
            mode: 0o644,
            content: InputContent::File {
                digest: crate::contract::Digest::of(path),
                size: 1,
            },
        };
        let link = |path: &str, target: &str| InputFile {
            content: InputContent::Symlink {
                target: target.to_owned(),
            },
            ..file(path)
        };
        vec![
            file("a/x"),
            file("a/y"),
            file("b/z"),
            link("la", "a"),
            link("b/up", "../a/y"),
            link("b/rooted", "/a"),
            link("loop/one", "two"),
            link("loop/two", "one"),
            link("loop/grows", "grows/grows"),
            link("out", "../../etc"),
        ]
    }

    #[rstest]
    #[case::file(&["a/x"], &["a/x"])]
    #[case::folder(&["a"], &["a/x", "a/y"])]
    #[case::through_a_link(&["la/x"], &["a/x"])]
    #[case::the_link_itself(&["la"], &["a/x", "a/y", "la"])]
    #[case::relative_link(&["b/up"], &["a/y", "b/up"])]
    #[case::rooted_link(&["b/rooted/x"], &["a/x"])]
    #[case::folder_with_links(&["b"], &["a/x", "a/y", "b/z", "b/up", "b/rooted"])]
    #[case::wildcard_link(&["l*/x"], &["a/x"])]
    #[case::a_loop_ends(&["loop/one"], &["loop/one", "loop/two"])]
    #[case::out_of_the_context(&["out"], &["out"])]
    #[case::nothing(&["c"], &[])]
    fn files_are_reached_also_through_links(#[case] sources: &[&str], #[case] expected: &[&str]) {
        let files = context();
        let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
        let paths: Vec<&str> = reached(&sources, &files)
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(paths, expected);
    }

    #[rstest]
    #[case(&["."])]
    #[case(&["loop/grows"])]
    fn the_whole_context_is_reached_where_links_cannot_be_followed(#[case] sources: &[&str]) {
        let files = context();
        let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
        assert_eq!(reached(&sources, &files).len(), files.len());
    }
}
