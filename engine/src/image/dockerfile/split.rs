//! From a Dockerfile's text to its instructions, by the rules of `BuildKit`'s line reader.
//!
//! Here: byte-order mark, parser directives, comments, continuations, heredocs. Not here: what an instruction means.

use super::heredoc;
use super::text::{Piece, Placed};

/// The instructions of a Dockerfile, and what its directives say.
#[derive(Debug)]
pub(super) struct Split {
    /// In the order of the file.
    pub(super) instructions: Vec<Instruction>,
    /// Escapes characters and continues lines.
    pub(super) escape: char,
    /// There is a `# syntax=` directive.
    pub(super) syntax: bool,
}

/// One instruction, its continued lines joined.
#[derive(Debug)]
pub(super) struct Instruction {
    line: Placed,
    start: usize,
    /// Heredocs follow it.
    pub(super) heredocs: bool,
}

/// A place and what is wrong there.
#[derive(Debug)]
pub(super) struct Fault {
    /// Byte offset in the source.
    pub(super) offset: usize,
    /// What is wrong.
    pub(super) message: String,
}

impl Instruction {
    /// The joined line.
    pub(super) fn line(&self) -> Piece<'_> {
        self.line.piece(self.start)
    }
}

/// One line of the source, without its line feed and the carriage returns before it.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    offset: usize,
}

/// Splits a Dockerfile into instructions.
pub(super) fn split(source: &str) -> Result<Split, Fault> {
    let mut lines = lines(source);
    let mut directives = Directives::default();
    let mut instructions = Vec::new();
    while let Some(line) = lines.next() {
        let line = trim_start(line);
        directives.read(line)?;
        if line.text.is_empty() || line.text.starts_with('#') {
            continue;
        }
        let instruction = join(line, &mut lines, &directives);
        if instruction.line().text.trim().is_empty() {
            continue;
        }
        let heredocs = heredoc::announced(instruction.line());
        for heredoc in &heredocs {
            let ends = |line: Line<'_>| heredoc.ends(line.text);
            if !lines.by_ref().any(ends) {
                return Err(Fault {
                    offset: instruction.start,
                    message: format!("the heredoc `{}` has no end", heredoc.name.escape_debug()),
                });
            }
        }
        instructions.push(Instruction {
            heredocs: !heredocs.is_empty(),
            ..instruction
        });
    }
    Ok(Split {
        instructions,
        escape: directives.escape,
        syntax: directives.syntax,
    })
}

/// Joins an instruction's first line with the lines that continue it; comments and empty lines between them are dropped.
fn join<'a>(
    first: Line<'a>,
    lines: &mut impl Iterator<Item = Line<'a>>,
    directives: &Directives,
) -> Instruction {
    let mut joined = Placed::default();
    let mut line = first;
    loop {
        let (text, continues) = directives.without_continuation(line.text);
        joined.push_str(text, line.offset);
        if !continues {
            break;
        }
        let counts = |line: &Line<'_>| {
            let text = line.text.trim_start();
            !text.is_empty() && !text.starts_with('#')
        };
        let Some(next) = lines.find(counts) else {
            break;
        };
        line = next;
    }
    Instruction {
        line: joined,
        start: first.offset,
        heredocs: false,
    }
}

/// The lines of a source; a byte-order mark before the first is no part of it.
fn lines(source: &str) -> impl Iterator<Item = Line<'_>> {
    let mut offset = if source.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    source[offset..].split_inclusive('\n').map(move |raw| {
        let line = Line {
            text: raw.trim_end_matches(['\r', '\n']),
            offset,
        };
        offset += raw.len();
        line
    })
}

fn trim_start(line: Line<'_>) -> Line<'_> {
    let text = line.text.trim_start();
    Line {
        text,
        offset: line.offset + line.text.len() - text.len(),
    }
}

/// The parser directives at the top of a file: `# syntax=`, `# escape=`, `# check=`.
struct Directives {
    escape: char,
    syntax: bool,
    /// The names seen so far; each may stand once.
    seen: Vec<String>,
    /// Anything else has been read, so that what looks like a directive is a comment.
    done: bool,
}

impl Default for Directives {
    fn default() -> Self {
        Self {
            escape: '\\',
            syntax: false,
            seen: Vec::new(),
            done: false,
        }
    }
}

impl Directives {
    fn read(&mut self, line: Line<'_>) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        let Some((name, value)) = directive(line.text) else {
            self.done = true;
            return Ok(());
        };
        let fault = |message| {
            Err(Fault {
                offset: line.offset,
                message,
            })
        };
        if self.seen.contains(&name) {
            return fault(format!("the directive `{name}` stands twice"));
        }
        match name.as_str() {
            "syntax" => self.syntax = true,
            "check" => {}
            "escape" => match value {
                "\\" => self.escape = '\\',
                "`" => self.escape = '`',
                _ => return fault("the escape directive takes `\\` or a backtick".to_owned()),
            },
            _ => {
                self.done = true;
                return Ok(());
            }
        }
        self.seen.push(name);
        Ok(())
    }

    /// A line without its continuation character, and whether it has one: the last character but blanks, and not
    /// escaped by another before it.
    fn without_continuation<'a>(&self, text: &'a str) -> (&'a str, bool) {
        let Some(rest) = text.trim_end_matches([' ', '\t']).strip_suffix(self.escape) else {
            return (text, false);
        };
        if rest.ends_with(self.escape) {
            (text, false)
        } else {
            (rest, true)
        }
    }
}

/// `# name = value`, the name in lower case.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let alphanumeric = name.bytes().all(|b| b.is_ascii_alphanumeric());
    let fits =
        alphanumeric && name.starts_with(|c: char| c.is_ascii_alphabetic()) && !value.is_empty();
    fits.then(|| (name.to_ascii_lowercase(), value))
}
