//! Dockerfiles: which images and context paths they name, and the one text change that a deploy makes to them.
//!
//! Here: the rewrite of image references, by byte spans, so that every other byte stays; and `embed`, which makes a Dockerfile
//! of a folder build from an artifact. Not here: building.
//! Decision record 0003 says why the splitter is our own.

mod embed;
mod heredoc;
mod reach;
mod recipe;
mod scope;
mod shell;
mod split;
mod text;
mod walk;
mod words;

pub use embed::{Embedding, embed};
pub(in crate::image) use reach::is_remote;
pub(in crate::image) use recipe::{
    Action, Check, CommandLine, RecipeStage, RecipeStep, Setting, StageBase, Transfer,
};
pub use recipe::{BuildPrefix, NotAssembled, Recipe, Word, build_prefix, recipe};

use std::collections::BTreeMap;

use super::reference::Reference;
use super::registries::Registries;

#[cfg(test)]
mod tests;

/// Largest Dockerfile that is read, in bytes.
const MAX_SOURCE: usize = 1024 * 1024;

/// The first Docker Engine whose own frontend knows heredocs.
pub const HEREDOC_ENGINE: u64 = 23;

/// What the environment of a deploy says about the images that a Dockerfile names.
#[derive(Debug, Clone, Copy)]
pub struct RewriteContext<'a> {
    /// The registry of the stack under its two names.
    pub registries: &'a Registries,
    /// Observed version of the stack: the tag of a lambda base that names none.
    pub stack_version: Option<&'a str>,
    /// The tag where no version was observed.
    pub esb_tag: Option<&'a str>,
}

/// A Dockerfile as it is built, and what it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The text; it differs from the source in image references only.
    pub text: String,
    /// Every external image, as rewritten, each once, in the order of the file: FROM, COPY --from, RUN --mount from.
    pub bases: Vec<Reference>,
    /// Those of the bases that a FROM names for a platform of its own.
    pub foreign: Vec<Reference>,
    /// Paths of the context that COPY, ADD and bind mounts reach, each once: no leading `/` or `./`, wildcards kept,
    /// `.` for the whole context, which is also what a variable that only the build knows widens a path to.
    pub sources: Vec<String>,
    /// The line of the instruction that names each of the sources first, from 1.
    pub source_lines: Vec<u32>,
    /// The predefined proxy arguments that a stage declares, each with its line: the builder writes the values of
    /// declared arguments into the image's history.
    pub declared_proxies: Vec<(String, u32)>,
    /// The line of the first heredoc that the engine itself has to understand, because the text names no frontend.
    pub heredoc: Option<u32>,
    /// It uses what the classic builder does not know.
    pub builder_needs_buildkit: bool,
    /// What is odd, in the order of the file.
    pub warnings: Vec<DockerfileWarning>,
}

/// The names of a Dockerfile's instructions, in their order.
pub fn instructions(source: &str) -> Result<Vec<String>, DockerfileError> {
    let parts = split::split(source).map_err(|fault| located(source, fault))?;
    let names = parts.instructions.iter().map(|instruction| {
        let (name, _) = words::instruction(instruction.line());
        name.text.to_ascii_uppercase()
    });
    Ok(names.collect())
}

/// Why a Dockerfile cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct DockerfileError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// A lowercase fragment, no period.
    pub message: String,
}

/// Something odd in a Dockerfile that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileWarning {
    /// Line of the instruction, from 1.
    pub line: u32,
    /// A lowercase fragment, no period.
    pub message: String,
}

/// Rewrites the image references of a Dockerfile for the environment of a deploy.
pub fn rewrite(text: &str, context: &RewriteContext<'_>) -> Result<Rewritten, DockerfileError> {
    if text.len() > MAX_SOURCE {
        let message = "the Dockerfile is larger than 1 MiB".to_owned();
        return Err(located(text, split::Fault { offset: 0, message }));
    }
    walk::walk(text, context, &BTreeMap::new()).map_err(|fault| located(text, fault))
}

/// Names each base of a rewritten Dockerfile by its pin, which is the same image by digest: a tag may move until it is built from.
pub fn pinned(
    text: &str,
    pins: &BTreeMap<Reference, Reference>,
) -> Result<String, DockerfileError> {
    // What was rewritten is rewritten to itself.
    let context = RewriteContext {
        registries: &Registries::default(),
        stack_version: None,
        esb_tag: None,
    };
    let walked = walk::walk(text, &context, pins);
    walked
        .map(|walked| walked.text)
        .map_err(|fault| located(text, fault))
}

fn located(text: &str, fault: split::Fault) -> DockerfileError {
    let (line, column) = place(text, fault.offset);
    DockerfileError {
        line,
        column,
        message: fault.message,
    }
}

/// Line and column of a byte offset, both from 1.
fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..offset];
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    let bounded = |n| u32::try_from(n).unwrap_or(u32::MAX);
    (bounded(line), bounded(column))
}
