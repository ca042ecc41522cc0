//! The cases, as `fixtures/assembled` has them.

use e2e::workspace;

/// One Dockerfile and what becomes of it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) dockerfile: String,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// Both builders build the image that is assembled.
    Same,
    /// `BuildKit` does; the classic builder builds none, or another one.
    SameByBuildKit,
    /// It is not assembled, for this reason.
    LeftToTheBuilder(String),
}

/// The cases of every file, in the order of the names.
pub(super) fn all() -> Vec<Case> {
    let folder = workspace::fixture("assembled");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    texts.flat_map(|text| read(&text)).collect()
}

/// A case begins with `== name`, with `== name (BuildKit)`, or with `== name: reason` when it is left to the builder.
fn read(text: &str) -> Vec<Case> {
    let blocks = text.split("== ").skip(1);
    let case = |block: &str| {
        let (head, dockerfile) = block.split_once('\n').unwrap();
        let (name, outcome) = if let Some((name, why)) = head.split_once(": ") {
            (name, Outcome::LeftToTheBuilder(why.to_owned()))
        } else if head.ends_with(" (BuildKit)") {
            (head, Outcome::SameByBuildKit)
        } else {
            (head, Outcome::Same)
        };
        Case {
            name: name.to_owned(),
            dockerfile: dockerfile.to_owned(),
            outcome,
        }
    };
    blocks.map(case).collect()
}
