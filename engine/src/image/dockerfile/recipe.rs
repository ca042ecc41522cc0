//! A Dockerfile as typed instructions, of the stages that its last stage reaches: what is assembled without a builder.
//!
//! Words keep their variables, since a base's environment is known only when its image is. What only a builder can do, or what
//! this tool does not read in full, is refused with its line. Not here: what the instructions do (`assemble`).

mod parse;
mod prefix;
mod words;

use std::collections::BTreeMap;

use super::split::{Instruction, Split, split};
use super::text::Piece;
use super::walk::{MAX_STAGES, SCRATCH, shown};
use super::words::{self as line, Flag};
use super::{MAX_SOURCE, place};
use crate::image::reference::Reference;

pub use prefix::{BuildPrefix, build_prefix};
pub use words::Word;

/// Why a Dockerfile is not assembled: the first line that needs a builder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{instruction}` needs a builder: {why}")]
pub struct NotAssembled {
    /// Line, from 1.
    pub line: u32,
    /// The name of the instruction.
    pub instruction: String,
    /// A lowercase fragment, no period.
    pub why: String,
}

/// What a Dockerfile does, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The stages that the last one reaches, itself included, in the order of the file.
    pub(in crate::image) stages: Vec<RecipeStage>,
    /// The arguments that the build was given.
    pub(in crate::image) given: BTreeMap<String, String>,
    /// The arguments before the first FROM, and those of the platform.
    pub(in crate::image) global: BTreeMap<String, String>,
    /// The platform, `os/arch[/variant]`, in its usual form.
    pub(in crate::image) platform: [String; 3],
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct RecipeStage {
    /// The line of its FROM.
    pub(in crate::image) line: u32,
    /// What it is made over.
    pub(in crate::image) base: StageBase,
    /// Its instructions.
    pub(in crate::image) steps: Vec<RecipeStep>,
}

/// What a stage is made over, or copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) enum StageBase {
    /// Nothing.
    Scratch,
    /// An earlier stage, by its index in [`Recipe::stages`].
    Stage(usize),
    /// An image.
    Image(Reference),
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct RecipeStep {
    /// Its line.
    pub(in crate::image) line: u32,
    /// Its name, in upper case.
    pub(in crate::image) name: String,
    /// What it does.
    pub(in crate::image) action: Action,
}

/// What an instruction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) enum Action {
    Arg(Vec<(String, Option<Word>)>),
    Copy(Transfer),
    Workdir(Word),
    Set(Setting),
}

/// An instruction that changes the configuration alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) enum Setting {
    Cmd(CommandLine),
    Entrypoint(CommandLine),
    Env(Vec<(Word, Word)>),
    Expose(Vec<Word>),
    Healthcheck(Check),
    Label(Vec<(Word, Word)>),
    Maintainer(String),
    Shell(Vec<String>),
    Stopsignal(Word),
    User(Word),
    Volume(Vec<Word>),
}

/// The command of CMD, ENTRYPOINT and HEALTHCHECK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) enum CommandLine {
    /// The JSON form.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

/// How a container is checked; none is not at all. Durations are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::image) struct Check {
    pub(in crate::image) command: Option<CommandLine>,
    pub(in crate::image) interval: i64,
    pub(in crate::image) timeout: i64,
    pub(in crate::image) start_period: i64,
    pub(in crate::image) retries: i64,
}

/// COPY or ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Transfer {
    /// It is ADD, which unpacks archives.
    pub(in crate::image) unpacks: bool,
    /// Where the sources are; none is the context.
    pub(in crate::image) from: Option<StageBase>,
    pub(in crate::image) sources: Vec<Word>,
    pub(in crate::image) destination: Word,
    pub(in crate::image) chown: Option<Word>,
    pub(in crate::image) chmod: Option<u32>,
}

impl Recipe {
    /// Every image that is needed, each once.
    pub fn bases(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        for stage in &self.stages {
            let copied = stage.steps.iter().filter_map(|step| match &step.action {
                Action::Copy(transfer) => transfer.from.as_ref(),
                Action::Arg(_) | Action::Workdir(_) | Action::Set(_) => None,
            });
            for base in std::iter::once(&stage.base).chain(copied) {
                if let StageBase::Image(reference) = base
                    && !found.contains(&reference)
                {
                    found.push(reference);
                }
            }
        }
        found
    }
}

/// Reads a Dockerfile whose references are rewritten. `args` are the build arguments, `platform` is `os/arch[/variant]`.
pub fn recipe(
    dockerfile: &str,
    args: &BTreeMap<String, String>,
    platform: &str,
) -> Result<Recipe, NotAssembled> {
    if dockerfile.len() > MAX_SOURCE {
        return Err(refused(1, "FROM", "the Dockerfile is larger than 1 MiB"));
    }
    let parts = split(dockerfile)
        .map_err(|fault| refused(place(dockerfile, fault.offset).0, "FROM", &fault.message))?;
    if parts.syntax {
        return Err(refused(1, "# syntax", "it names a frontend of its own"));
    }
    let platform = usual(platform);
    let mut reader = Reader {
        source: dockerfile,
        parts: &parts,
        given: args,
        global: of_platform(&platform),
        platform,
        drafts: Vec::new(),
    };
    reader.read_stages()?;
    let Some(last) = reader.drafts.len().checked_sub(1) else {
        return Err(refused(1, "FROM", "the Dockerfile has no stage"));
    };
    let mut reached = vec![false; reader.drafts.len()];
    reader.reach(last, &mut reached);
    let stages = reader.stages(&reached)?;
    Ok(Recipe {
        stages,
        given: args.clone(),
        global: reader.global,
        platform: reader.platform,
    })
}

fn refused(line: u32, instruction: &str, why: &str) -> NotAssembled {
    NotAssembled {
        line,
        instruction: instruction.to_owned(),
        why: why.to_owned(),
    }
}

/// A platform in the form that builders give it.
fn usual(platform: &str) -> [String; 3] {
    let platform = platform.to_ascii_lowercase();
    let mut parts = platform.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let (os, architecture, variant) = (next(), next(), next());
    let (architecture, variant) = match (architecture, variant) {
        ("x86_64" | "x86-64" | "amd64", "v1" | "") => ("amd64", ""),
        ("aarch64" | "arm64", "v8" | "8" | "") => ("arm64", ""),
        ("arm", "") => ("arm", "v7"),
        other => other,
    };
    [os, architecture, variant].map(str::to_owned)
}

/// The arguments that say which platform is built for.
fn of_platform([os, architecture, variant]: &[String; 3]) -> BTreeMap<String, String> {
    let mut platform = format!("{os}/{architecture}");
    if !variant.is_empty() {
        platform.push('/');
        platform.push_str(variant);
    }
    let values = [
        ("TARGETPLATFORM", &platform),
        ("TARGETOS", os),
        ("TARGETARCH", architecture),
        ("TARGETVARIANT", variant),
    ];
    let pairs = values.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

/// A stage of which only the name and what it needs is known.
struct Draft<'a> {
    line: u32,
    name: Option<String>,
    base: StageBase,
    instructions: &'a [Instruction],
}

struct Reader<'a> {
    source: &'a str,
    parts: &'a Split,
    given: &'a BTreeMap<String, String>,
    platform: [String; 3],
    global: BTreeMap<String, String>,
    drafts: Vec<Draft<'a>>,
}

impl<'a> Reader<'a> {
    fn line_of(&self, piece: Piece<'_>) -> u32 {
        place(self.source, piece.start()).0
    }

    /// Whether this is the platform that is built for.
    fn is_target(&self, platform: &str) -> bool {
        self.platform == usual(platform)
    }

    fn word(&self, text: &str) -> Word {
        Word::new(text, self.parts.escape)
    }

    /// Finds the stages, and the arguments before them.
    fn read_stages(&mut self) -> Result<(), NotAssembled> {
        let parts = self.parts;
        let is_from = |instruction: &Instruction| {
            let (name, _) = line::instruction(instruction.line());
            name.text.eq_ignore_ascii_case("FROM")
        };
        let all = parts.instructions.as_slice();
        let starts: Vec<usize> = (0..all.len()).filter(|at| is_from(&all[*at])).collect();
        for instruction in &all[..starts.first().copied().unwrap_or(all.len())] {
            let (name, rest) = line::instruction(instruction.line());
            let at = self.line_of(name);
            if !name.text.eq_ignore_ascii_case("ARG") {
                return Err(refused(at, name.text, "it stands before the first FROM"));
            }
            self.global_argument(at, rest)?;
        }
        for (number, start) in starts.iter().enumerate() {
            let end = starts.get(number + 1).copied().unwrap_or(all.len());
            if number >= MAX_STAGES {
                let at = self.line_of(all[*start].line());
                return Err(refused(
                    at,
                    "FROM",
                    "the Dockerfile has more than 64 stages",
                ));
            }
            let draft = self.from(all[*start].line(), &all[start + 1..end])?;
            self.drafts.push(draft);
        }
        Ok(())
    }

    fn global_argument(&mut self, at: u32, rest: Piece<'_>) -> Result<(), NotAssembled> {
        for (name, default) in self.arguments(at, rest)? {
            let value = match (self.given.get(&name), default) {
                (Some(given), _) => given.clone(),
                (None, Some(default)) => {
                    let value = default.expand(&self.global);
                    value.map_err(|why| refused(at, "ARG", why))?
                }
                (None, None) => continue,
            };
            self.global.insert(name, value);
        }
        Ok(())
    }

    fn from(
        &self,
        whole: Piece<'_>,
        instructions: &'a [Instruction],
    ) -> Result<Draft<'a>, NotAssembled> {
        let (keyword, rest) = line::instruction(whole);
        let at = self.line_of(keyword);
        let refuse = |why: &str| Err(refused(at, "FROM", why));
        let (flags, arguments) = line::flags(rest);
        for flag in &flags {
            let platform = flag.value("platform");
            let platform = platform.map(|value| self.word(value.text).expand(&self.global));
            if !platform.is_some_and(|platform| platform.is_ok_and(|name| self.is_target(&name))) {
                return refuse("it names a platform of its own");
            }
        }
        let words: Vec<_> = arguments.words().collect();
        let (image, name) = match words.as_slice() {
            [image] => (image, None),
            [image, r#as, name] if r#as.text.eq_ignore_ascii_case("AS") => {
                (image, Some(name.text.to_lowercase()))
            }
            _ => return refuse("it is not an image, or an image, `AS` and a name"),
        };
        let image = match self.word(image.text).expand(&self.global) {
            Ok(image) => image,
            Err(why) => return refuse(why),
        };
        // A stage's name is in lower case here, whatever it was written in.
        let base = match self.stage_named(&image) {
            Some(number) => StageBase::Stage(number),
            None if image == SCRATCH => StageBase::Scratch,
            None => match Reference::parse(&image) {
                Ok(reference) => StageBase::Image(reference),
                Err(_) => return refuse(&format!("`{}` is no image", shown(&image))),
            },
        };
        Ok(Draft {
            line: at,
            name,
            base,
            instructions,
        })
    }

    /// The stage of this name among those that are known, the last one first.
    fn stage_named(&self, name: &str) -> Option<usize> {
        self.drafts
            .iter()
            .rposition(|draft| draft.name.as_deref() == Some(name))
    }

    /// Marks a stage and those that it needs.
    fn reach(&self, number: usize, reached: &mut [bool]) {
        if std::mem::replace(&mut reached[number], true) {
            return;
        }
        let draft = &self.drafts[number];
        if let StageBase::Stage(base) = draft.base {
            self.reach(base, reached);
        }
        for instruction in draft.instructions {
            let (name, rest) = line::instruction(instruction.line());
            if name.text.eq_ignore_ascii_case("COPY")
                && let Some(from) = from_flag(&line::flags(rest).0)
                && let Some(stage) = self.copied_stage(&from)
            {
                self.reach(stage, reached);
            }
        }
    }

    fn copied_stage(&self, from: &str) -> Option<usize> {
        match from.parse::<usize>() {
            Ok(number) => (number < self.drafts.len()).then_some(number),
            Err(_) => self.stage_named(&from.to_lowercase()),
        }
    }

    /// Reads the stages that are reached; their numbers become those among themselves.
    fn stages(&self, reached: &[bool]) -> Result<Vec<RecipeStage>, NotAssembled> {
        let number = |stage: usize| reached[..stage].iter().filter(|reached| **reached).count();
        let renumbered = |base: &StageBase| match base {
            StageBase::Stage(stage) => StageBase::Stage(number(*stage)),
            StageBase::Scratch | StageBase::Image(_) => base.clone(),
        };
        let mut stages = Vec::new();
        for (own, draft) in self
            .drafts
            .iter()
            .enumerate()
            .filter(|(own, _)| reached[*own])
        {
            let mut steps = Vec::new();
            for instruction in draft.instructions {
                let mut step = self.step(instruction, own)?;
                if let Action::Copy(transfer) = &mut step.action {
                    transfer.from = transfer.from.as_ref().map(renumbered);
                }
                steps.push(step);
            }
            stages.push(RecipeStage {
                line: draft.line,
                base: renumbered(&draft.base),
                steps,
            });
        }
        Ok(stages)
    }
}

/// The value of the last `--from` that has one.
fn from_flag(flags: &[Flag]) -> Option<String> {
    let from = flags.iter().rev().find_map(|flag| flag.value("from"))?;
    (!from.text.is_empty()).then(|| from.text.to_owned())
}
