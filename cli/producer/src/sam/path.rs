//! Local paths as templates say them.

use engine::contract::quoted;

use crate::model::LocalPath;

/// A path as templates may say it, written clean; the error says what it should be.
pub(super) fn local_path(text: &str) -> Result<LocalPath, String> {
    let wrong = if text.trim().is_empty() {
        "it is empty"
    } else if text.len() > 4096 {
        "it is longer than 4096 bytes"
    } else if text.chars().any(char::is_control) {
        "it holds a control character"
    } else if text.contains('\\') {
        "it holds a backslash; write `/`"
    } else if text.contains("://") {
        "it is a URL, and nothing is fetched"
    } else {
        return Ok(LocalPath(clean(text)));
    };
    Err(format!(
        "a local path stands here, which {} is not: {wrong}",
        quoted(text)
    ))
}

/// A path as seen from the folder that another one is relative to.
pub(super) fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() || path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("{folder}/{path}"))
    }
}

/// The folder of a file; empty for one that lies where paths begin.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path without `.`, and without `..` where a folder stands before it.
fn clean(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (text.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("src", "src")]
    #[case("./src/", "src")]
    #[case(".", ".")]
    #[case("./", ".")]
    #[case("a/../b", "b")]
    #[case("a/..", ".")]
    #[case("../a", "../a")]
    #[case("../../a", "../../a")]
    #[case("a/../../b", "../b")]
    #[case("a//b", "a/b")]
    #[case("/a/./b/", "/a/b")]
    #[case("/", "/")]
    fn a_path_is_written_clean(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(local_path(text).unwrap().as_str(), expected);
    }

    #[rstest]
    #[case("", "src", "src")]
    #[case("network", "src", "network/src")]
    #[case("network", "../src", "src")]
    #[case("network", ".", "network")]
    #[case("network", "/srv/src", "/srv/src")]
    fn a_path_counts_from_the_folder_of_its_template(
        #[case] folder: &str,
        #[case] path: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(join(folder, path), expected);
    }
}
