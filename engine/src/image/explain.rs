//! Why an image is built again, in words.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{Digest, printable};

/// What differs between the parts of two keys, one sentence each without a period; empty when nothing does.
pub fn explain(old: &BTreeMap<String, Digest>, new: &BTreeMap<String, Digest>) -> Vec<String> {
    if old.get("algorithm") != new.get("algorithm") {
        return vec!["the way content keys are computed changed".to_owned()];
    }
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut said = Vec::new();
    for name in names {
        let change = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old == new => continue,
            (Some(_), Some(_)) => Change::Differs,
            (None, _) => Change::New,
            (_, None) => Change::Gone,
        };
        let sentence = sentence(name, change, old, new);
        if !said.contains(&sentence) {
            said.push(sentence);
        }
    }
    said
}

#[derive(Clone, Copy)]
enum Change {
    Differs,
    New,
    Gone,
}

fn sentence(
    name: &str,
    change: Change,
    old: &BTreeMap<String, Digest>,
    new: &BTreeMap<String, Digest>,
) -> String {
    let (kind, subject) = name.split_once(' ').unwrap_or((name, ""));
    let shown = printable(subject);
    let other = match change {
        Change::New => Some(old),
        Change::Gone => Some(new),
        Change::Differs => None,
    };
    if other.is_some_and(|other| folded_elsewhere(kind, subject, other)) {
        return match kind {
            "file" | "files" => "the set of files changed so much that they are recorded in another detail",
            _ => "the set of arguments or images changed so much that it is recorded in another detail",
        }
        .to_owned();
    }
    let verb = match (change, kind) {
        (Change::Differs, "base" | "bases") => "moved",
        (Change::Differs, _) => "changed",
        (Change::New, _) => "is new",
        (Change::Gone, _) => "is gone",
    };
    match kind {
        "dockerfile" => format!("the Dockerfile {verb}"),
        "platform" => format!("the platform {verb}"),
        "file" => format!("{shown} {verb}"),
        "files" => format!("the content of {shown} {verb}"),
        "base" => format!("base {shown} {verb}"),
        "bases" => format!("one of the bases {verb}"),
        "arg" => format!("build argument {shown} {verb}"),
        "args" => format!("one of the build arguments {verb}"),
        _ => format!("{} {verb}", printable(name)),
    }
}

/// Whether the other side records the same thing in more or less detail, so that it is neither new nor gone.
fn folded_elsewhere(kind: &str, subject: &str, other: &BTreeMap<String, Digest>) -> bool {
    let below = |path: &str, folder: &str| {
        folder == "."
            || path == folder
            || path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    other.keys().any(|name| {
        let (other_kind, other_subject) = name.split_once(' ').unwrap_or((name, ""));
        match (kind, other_kind) {
            ("file", "files") => below(subject, other_subject),
            ("files", "file") => below(other_subject, subject),
            ("files", "files") => below(subject, other_subject) || below(other_subject, subject),
            ("arg", "args") | ("args", "arg") | ("base", "bases") | ("bases", "base") => true,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parts(parts: &[(&str, &str)]) -> BTreeMap<String, Digest> {
        let part = |(name, value): &(&str, &str)| ((*name).to_owned(), Digest::of(value));
        parts.iter().map(part).collect()
    }

    #[rstest]
    #[case(&[("file a/x.py", "1")], &[("file a/x.py", "2")], "a/x.py changed")]
    #[case(&[], &[("file a/x.py", "2")], "a/x.py is new")]
    #[case(&[("file a b", "1")], &[], "a b is gone")]
    #[case(&[], &[("file a\nb\u{1b}", "1")], r"a\nb\u{1b} is new")]
    #[case(&[("dockerfile", "1")], &[("dockerfile", "2")], "the Dockerfile changed")]
    #[case(&[("platform", "1")], &[("platform", "2")], "the platform changed")]
    #[case(&[("base r:1/b", "1")], &[("base r:1/b", "2")], "base r:1/b moved")]
    #[case(&[], &[("base r", "2")], "base r is new")]
    #[case(&[("arg A", "1")], &[("arg A", "2")], "build argument A changed")]
    #[case(&[("files a", "1")], &[("files a", "2")], "the content of a changed")]
    #[case(&[], &[("files a", "2")], "the content of a is new")]
    #[case(
        &[("algorithm", "1"), ("platform", "1")],
        &[("algorithm", "2"), ("platform", "2")],
        "the way content keys are computed changed"
    )]
    #[case(
        &[("file a/x", "1"), ("file a/y", "1")],
        &[("files a", "2")],
        "the set of files changed so much that they are recorded in another detail"
    )]
    #[case(
        &[("files a/b", "1")],
        &[("files .", "2")],
        "the set of files changed so much that they are recorded in another detail"
    )]
    fn a_change_is_said_in_words(
        #[case] old: &[(&str, &str)],
        #[case] new: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        assert_eq!(explain(&parts(old), &parts(new)), [expected]);
    }

    #[test]
    fn equal_parts_have_nothing_to_say() {
        let same = parts(&[("algorithm", "1"), ("file a", "1")]);
        assert!(explain(&same, &same).is_empty());
    }

    #[test]
    fn each_change_is_said_once_in_a_stable_order() {
        let old = parts(&[("file a", "1"), ("file b", "1"), ("base r", "1")]);
        let new = parts(&[("file b", "2"), ("file c", "1"), ("base r", "2")]);
        assert_eq!(
            explain(&old, &new),
            ["base r moved", "a is gone", "b changed", "c is new"]
        );
    }
}
