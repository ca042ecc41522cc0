//! What `use` declarations name, each as one path: braces opened, new names left out, `super` resolved.
//!
//! A wall that looks for `crate::docker::` in a line does not see `use crate::{docker as engine}`.

use rstest::rstest;

/// A path that is imported, and the line of its declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) line: usize,
    /// Without a leading `::`, and without a name given by `as`.
    pub(super) path: String,
}

impl Import {
    /// It is this module or crate, or something below it.
    pub(super) fn is_below(&self, path: &str) -> bool {
        let rest = self.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// What a file imports. `module` is the file's own module, from its crate: `crate::merge::plan`.
pub(super) fn imports(text: &str, module: &str) -> Vec<Import> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(begin) = declaration(line) else {
            continue;
        };
        let mut tree = begin.to_owned();
        while !tree.contains(';') {
            let Some((_, more)) = lines.next() else { break };
            let more = more.split("//").next().unwrap_or_default();
            tree.push(' ');
            tree.push_str(more.trim());
        }
        let tree = tree.split(';').next().unwrap_or_default();
        let mut paths = Vec::new();
        open(String::new(), tree, &mut paths);
        let line = index + 1;
        let resolved = paths.into_iter().map(|path| resolve(&path, module));
        found.extend(resolved.map(|path| Import { line, path }));
    }
    found
}

/// What follows `use` or `extern crate` in a line that begins a declaration.
fn declaration(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        None => line,
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
    };
    let of = |word| line.strip_prefix(word);
    of("use ").or_else(|| of("extern crate "))
}

/// Each path of a tree: `a::{b, c::{d as e, self}}` has `a::b`, `a::c::d` and `a::c`.
fn open(before: String, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let path = format!("{before}{}", path.trim());
        if !tree.is_empty() {
            let path = path.strip_suffix("::self").unwrap_or(&path);
            paths.push(path.trim_start_matches("::").to_owned());
        }
        return;
    };
    let before = before + head.trim();
    let (mut depth, mut begin) = (1, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && c == ',' {
            open(before.clone(), &rest[begin..at], paths);
            begin = at + 1;
        }
        if depth == 0 {
            return;
        }
    }
}

/// A path from the crate, where it begins with `self` or `super`.
fn resolve(path: &str, module: &str) -> String {
    let mut module: Vec<&str> = module.split("::").collect();
    let mut rest = path;
    let mut is_relative = false;
    while let Some((first, more)) = rest.split_once("::") {
        match first {
            "self" => {}
            "super" => drop(module.pop()),
            _ => break,
        }
        is_relative = true;
        rest = more;
    }
    if is_relative {
        format!("{}::{rest}", module.join("::"))
    } else {
        path.to_owned()
    }
}

/// The module of a file below the `src` of a crate: `merge/plan.rs` is `crate::merge::plan`.
pub(super) fn module_of(inside: &str) -> String {
    let inside = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut names = vec!["crate"];
    let is_own = |name: &&str| !["mod", "lib", "main"].contains(name);
    names.extend(inside.split('/').filter(is_own));
    names.join("::")
}

#[rstest]
#[case::plain("use shed::Db;", &["shed::Db"])]
#[case::renamed("use shed as s;", &["shed"])]
#[case::renamed_within("pub(crate) use crate::{shed as s, barn};", &["crate::shed", "crate::barn"])]
#[case::nested("use {a::{b, c::{d as e, self}}, f};", &["a::b", "a::c::d", "a::c", "f"])]
#[case::over_lines("use crate::{\n    // With a word.\n    one,\n    two::Three,\n};", &["crate::one", "crate::two::Three"])]
#[case::everything("pub use ::shed::*;", &["shed::*"])]
#[case::by_its_old_name("extern crate shed as s;", &["shed"])]
#[case::from_above("use super::super::shed::Db;", &["crate::shed::Db"])]
#[case::from_here("use self::shed;", &["crate::room::part::shed"])]
#[case::within_a_function("    use shed::Db;", &["shed::Db"])]
#[case::no_declaration("let user = shed::Db::new();", &[])]
fn an_import_is_read_as_its_paths(#[case] text: &str, #[case] expected: &[&str]) {
    let found = imports(text, "crate::room::part");
    let paths: Vec<&str> = found.iter().map(|import| import.path.as_str()).collect();
    assert_eq!(paths, expected);
}

#[test]
fn a_module_is_below_itself_and_not_below_one_whose_name_goes_on() {
    let at = |path: &str| imports(&format!("use {path};"), "crate").remove(0);
    assert!(at("shed").is_below("shed") && at("shed::Db").is_below("shed"));
    assert!(!at("shed_door").is_below("shed") && !at("crate::shed").is_below("shed"));
    assert_eq!(module_of("merge/mod.rs"), "crate::merge");
    assert_eq!(module_of("merge/plan.rs"), "crate::merge::plan");
    assert_eq!(module_of("lib.rs"), "crate");
}
