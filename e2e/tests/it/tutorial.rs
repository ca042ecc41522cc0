//! `docs/guide/tutorial.md` is true: its commands are copied, run line by line in one shell, and what they print is compared.
//!
//! Here: reading the page, running it, comparing. Not here: the stack that it asks its reader for (`rig`).

use std::fs;
use std::process::{Command, Stdio};

use e2e::{artifactctl, workspace};

use crate::rig::Rig;

/// What stands between what two blocks of commands print.
const MARK: &str = "\u{1e}";

/// Commands, and what the page says that they print.
struct Step {
    commands: String,
    expected: Option<String>,
}

/// The blocks of a page: `sh` is run, and a `text` block that follows is what it prints.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step {
                commands: block,
                expected: None,
            }),
            ("text", Some(step)) if step.expected.is_none() => step.expected = Some(block),
            (other, _) => panic!("a block `{other}` that the test does not know:\n{block}"),
        }
    }
    steps
}

/// Whether a text is what a page shows, in which `…` stands for anything.
fn is_as_shown(shown: &str, printed: &str) -> bool {
    let (mut shown, mut printed) = (shown.trim_end(), printed.trim_end());
    while let Some((before, after)) = shown.split_once('…') {
        let Some(rest) = printed.strip_prefix(before) else {
            return false;
        };
        let next = after.split('…').next().unwrap_or_default();
        // At the end of the page everything may be left out; elsewhere what comes next is looked for.
        let at = if after.is_empty() {
            Some(rest.len())
        } else if next.len() == after.len() {
            rest.rfind(next)
        } else {
            rest.find(next)
        };
        let Some(at) = at else { return false };
        (shown, printed) = (after, &rest[at..]);
    }
    shown == printed
}

#[test]
fn what_is_left_out_is_anything_and_the_rest_is_not() {
    assert!(is_as_shown("a … c", "a b c\n"));
    assert!(is_as_shown("in … s (…): ~x", "in 1.6 s (f51e): ~x"));
    assert!(is_as_shown("a\n…", "a\nb\nc"));
    for printed in ["a b d", "b c", "a b c d"] {
        assert!(!is_as_shown("a … c", printed), "{printed}");
    }
}

#[test]
fn every_line_of_the_tutorial_does_what_the_page_says() {
    let page = fs::read_to_string(workspace::root().join("docs/guide/tutorial.md")).unwrap();
    let steps = steps(&page);
    assert!(steps.len() > 7, "{}", steps.len());
    let commands: Vec<&str> = steps.iter().map(|step| step.commands.as_str()).collect();
    let mark = format!("\nprintf '{MARK}'\n");
    let script = commands.join(&mark) + &mark;

    let rig = Rig::with_gateway(&[]);
    let programs = artifactctl::build().unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", programs.parent().unwrap().display());
    let mut shell = Command::new("bash");
    shell
        .args(["-euc", &format!("exec 2>&1\n{script}")])
        .current_dir(rig.folder())
        .stdin(Stdio::null())
        .env("PATH", path)
        .env("ARTIFACTCTL_JOURNAL", &rig.journal)
        .env_remove("REGISTRY")
        .env_remove("ESB_TAG")
        .envs(rig.stack.reader_env());
    let ran = shell.output().unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let printed = printed.replace(rig.stack.project(), "esb-dev");
    let printed = printed.replace(
        &*rig.stack.config_dir().to_string_lossy(),
        "/srv/stack/config",
    );
    let mut blocks = printed.split(MARK);
    for step in &steps {
        let block = blocks.next().unwrap_or_default();
        let expected = step.expected.clone().unwrap_or_default();
        assert!(
            is_as_shown(&expected, block),
            "the page runs\n{}\nand shows\n{expected}\nbut the shell prints\n{block}\n",
            step.commands
        );
    }
    assert!(ran.status.success(), "{printed}");
}
