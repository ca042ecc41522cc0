//! A Dockerfile in two parts: what goes up to the last RUN, which a builder makes, and what is assembled over it.
//!
//! The first part is a Dockerfile by itself, whose image does not depend on what follows. Decision record 0074 says when a
//! Dockerfile is divided, and when it is left whole.

use std::collections::BTreeMap;

use super::{Action, Reader, Recipe, line, of_platform, recipe, usual};
use crate::image::dockerfile::split::{Instruction, split};
use crate::image::reference::Reference;

/// A stage in which an image stands for its first instructions.
const STAND_IN: &str = "build-prefix:1";

/// The part of a Dockerfile up to its last RUN, and what goes on over its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPrefix {
    /// A Dockerfile that ends with the RUN.
    pub dockerfile: String,
    /// The line of the RUN, from 1.
    pub line: u32,
    /// What stands before the FROM of its stage.
    before: String,
    /// The name of its stage.
    stage: Option<String>,
    /// The arguments that the stage has declared so far, as instructions.
    arguments: Vec<String>,
    /// What stands behind the RUN.
    after: String,
}

impl BuildPrefix {
    /// The whole Dockerfile, with the image of the prefix in place of the instructions that made it.
    pub fn over(&self, image: &Reference) -> String {
        let mut from = format!("FROM {image}");
        if let Some(stage) = &self.stage {
            from.push_str(" AS ");
            from.push_str(stage);
        }
        let arguments = self.arguments.iter().map(String::as_str);
        let lines: Vec<&str> = std::iter::once(from.as_str()).chain(arguments).collect();
        format!("{}{}{}", self.before, lines.join("\n"), self.after)
    }
}

/// Divides a Dockerfile whose references are rewritten. None where a builder makes all of it, and where one makes nothing of it.
pub fn build_prefix(
    dockerfile: &str,
    args: &BTreeMap<String, String>,
    platform: &str,
) -> Option<BuildPrefix> {
    let parts = split(dockerfile).ok().filter(|parts| !parts.syntax)?;
    let platform_parts = usual(platform);
    let mut reader = Reader {
        source: dockerfile,
        parts: &parts,
        given: args,
        global: of_platform(&platform_parts),
        platform: platform_parts,
        drafts: Vec::new(),
    };
    reader.read_stages().ok()?;
    let mut reached = vec![false; reader.drafts.len()];
    reader.reach(reader.drafts.len().checked_sub(1)?, &mut reached);
    let has_run = |number: &usize| {
        let mut instructions = reader.drafts[*number].instructions.iter();
        reached[*number] && instructions.any(|one| is(one, "RUN"))
    };
    let number = (0..reached.len()).rev().find(has_run)?;
    let instructions = reader.drafts[number].instructions;
    let last = instructions.iter().rposition(|one| is(one, "RUN"))?;
    let (made, follows) = instructions.split_at(last + 1);
    let froms = parts.instructions.iter();
    let from = froms.filter(|one| is(one, "FROM")).nth(number)?.line();
    if !line::flags(line::instruction(from).1).0.is_empty() {
        return None;
    }
    let next = if let Some(next) = follows.first() {
        next.line().start()
    } else {
        let mut later = parts.instructions.iter().map(|one| one.line().start());
        later.find(|start| *start > made[last].line().start())?
    };
    let end = end_of_instruction(dockerfile, next);
    let prefix = BuildPrefix {
        dockerfile: dockerfile[..end].to_owned(),
        line: reader.line_of(made[last].line()),
        before: dockerfile[..from.start()].to_owned(),
        stage: reader.drafts[number].name.clone(),
        arguments: carried(made, &dockerfile[end..])?,
        after: dockerfile[end..].to_owned(),
    };
    let stand_in = Reference::parse(STAND_IN).expect("it is a reference");
    let rest = recipe(&prefix.over(&stand_in), args, platform).ok()?;
    reads_context(&rest).then_some(prefix)
}

fn is(instruction: &Instruction, name: &str) -> bool {
    let (keyword, _) = line::instruction(instruction.line());
    keyword.text.eq_ignore_ascii_case(name)
}

/// Where the last line ends that is no comment and not blank, before the instruction that begins at an offset.
fn end_of_instruction(source: &str, next: usize) -> usize {
    let mut end = next;
    for raw in source[..next].split_inclusive('\n').rev() {
        let text = raw.trim();
        if !text.is_empty() && !text.starts_with('#') {
            return end - (raw.len() - raw.trim_end_matches(['\r', '\n']).len());
        }
        end -= raw.len();
    }
    end
}

/// The arguments that what follows may use. None where the image of the instructions does not stand for all that they did.
fn carried(made: &[Instruction], after: &str) -> Option<Vec<String>> {
    let mut carried = Vec::new();
    for instruction in made {
        // Its image forgets that it has a command of its own, and would have images that build on it do something.
        if is(instruction, "CMD") || is(instruction, "ONBUILD") {
            return None;
        }
        if is(instruction, "ARG") {
            let (_, rest) = line::instruction(instruction.line());
            // A default may mean another value once the environment is another.
            if rest.text.contains('$') {
                return None;
            }
            carried.push(format!("ARG {}", rest.text));
        }
    }
    if !after.contains('$') {
        carried.clear();
    }
    Some(carried)
}

/// What follows copies files of the context: they may change without the prefix.
fn reads_context(rest: &Recipe) -> bool {
    let mut steps = rest.stages.iter().flat_map(|stage| &stage.steps);
    steps.any(|step| match &step.action {
        Action::Copy(transfer) => transfer.from.is_none(),
        Action::Arg(_) | Action::Workdir(_) | Action::Set(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn divided(text: &str) -> Option<(String, String)> {
        let prefix = build_prefix(text, &BTreeMap::new(), "linux/amd64")?;
        let image = Reference::parse("r:5000/f:key1-0").unwrap();
        Some((prefix.dockerfile.clone(), prefix.over(&image)))
    }

    #[rstest]
    #[case::one_stage(
        "FROM base\nCOPY r.txt /\nRUN pip\nCOPY app /app\nCMD [\"a\"]\n",
        "FROM base\nCOPY r.txt /\nRUN pip",
        "FROM r:5000/f:key1-0\nCOPY app /app\nCMD [\"a\"]\n"
    )]
    #[case::comments_go_with_what_follows(
        "# escape=`\nFROM base\nRUN a && `\n  # why\n  b\n\n# the code\nCOPY app /app\n",
        "# escape=`\nFROM base\nRUN a && `\n  # why\n  b",
        "# escape=`\nFROM r:5000/f:key1-0\n\n# the code\nCOPY app /app\n"
    )]
    #[case::a_heredoc(
        "FROM base\nRUN <<E\na\n\nE\nCOPY app /app\n",
        "FROM base\nRUN <<E\na\n\nE",
        "FROM r:5000/f:key1-0\nCOPY app /app\n"
    )]
    #[case::lines_of_another_system(
        "FROM base\r\nRUN a\r\nCOPY app /app\r\n",
        "FROM base\r\nRUN a",
        "FROM r:5000/f:key1-0\r\nCOPY app /app\r\n"
    )]
    #[case::a_stage_of_its_own(
        "FROM sdk AS build\nCOPY r.txt /\nRUN pip\nFROM base\nCOPY --from=build /out /\nCOPY app /app\n",
        "FROM sdk AS build\nCOPY r.txt /\nRUN pip",
        "FROM r:5000/f:key1-0 AS build\nFROM base\nCOPY --from=build /out /\nCOPY app /app\n"
    )]
    #[case::a_stage_over_another(
        "FROM sdk AS a\nRUN one\nFROM a\nRUN two\nCOPY app /app\n",
        "FROM sdk AS a\nRUN one\nFROM a\nRUN two",
        "FROM sdk AS a\nRUN one\nFROM r:5000/f:key1-0\nCOPY app /app\n"
    )]
    #[case::arguments_go_on(
        "ARG G=1\nFROM base\nARG G\nARG A=\"b c\"\nRUN a\nCOPY app$A /app\n",
        "ARG G=1\nFROM base\nARG G\nARG A=\"b c\"\nRUN a",
        "ARG G=1\nFROM r:5000/f:key1-0\nARG G\nARG A=\"b c\"\nCOPY app$A /app\n"
    )]
    #[case::arguments_that_nothing_uses(
        "FROM base\nARG A=1\nRUN a\nCOPY app /app\n",
        "FROM base\nARG A=1\nRUN a",
        "FROM r:5000/f:key1-0\nCOPY app /app\n"
    )]
    fn a_dockerfile_is_divided_after_its_last_run(
        #[case] text: &str,
        #[case] prefix: &str,
        #[case] rest: &str,
    ) {
        assert_eq!(
            divided(text),
            Some((prefix.to_owned(), rest.to_owned())),
            "{text}"
        );
    }

    #[rstest]
    #[case::no_run("FROM base\nCOPY app /app\n")]
    #[case::not_reached("FROM base AS a\nRUN a\nFROM base\nCOPY app /app\n")]
    #[case::nothing_follows("FROM base\nCOPY app /app\nRUN a\n")]
    #[case::no_file_follows("FROM base\nCOPY app /app\nRUN a\nCMD [\"a\"]\n")]
    #[case::all_is_made_in_a_stage(
        "FROM sdk AS build\nCOPY app /\nRUN make\nFROM base\nCOPY --from=build /out /\n"
    )]
    #[case::two_stages_run(
        "FROM a AS a\nRUN a\nFROM b\nRUN b\nCOPY --from=a /x /x\nCOPY app /app\n"
    )]
    #[case::a_heredoc_follows("FROM base\nRUN a\nCOPY <<E /x\na\nE\nCOPY app /app\n")]
    #[case::a_frontend("# syntax=docker/dockerfile:1\nFROM base\nRUN a\nCOPY app /app\n")]
    #[case::a_platform("FROM --platform=linux/amd64 base\nRUN a\nCOPY app /app\n")]
    #[case::a_command("FROM base\nCMD a\nRUN a\nCOPY app /app\nENTRYPOINT b\n")]
    #[case::for_images_over_it("FROM base\nONBUILD COPY a b\nRUN a\nCOPY app /app\n")]
    #[case::an_argument_of_a_variable(
        "FROM base\nENV E=1\nARG A=$E\nENV E=2\nRUN a\nCOPY app$A /app\n"
    )]
    fn a_dockerfile_stays_whole(#[case] text: &str) {
        assert_eq!(divided(text), None, "{text}");
    }

    #[test]
    fn the_run_is_named_by_its_line() {
        let text = "FROM base\nRUN a\n\n# b\nRUN b\nCOPY app /app\n";
        let prefix = build_prefix(text, &BTreeMap::new(), "linux/amd64");
        assert_eq!(prefix.unwrap().line, 5);
    }
}
