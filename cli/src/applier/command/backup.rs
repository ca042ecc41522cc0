//! `journal backup`: the journals of several targets in one file.

use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use journal::transfer::{BackupWriter, ExportError};
use journal::{EventLog, Journal, StreamId};
use serde::Serialize;

use crate::applier::args::BackupArgs;
use crate::applier::command::verify::Folded;
use crate::applier::target;
use crate::applier::whole_file::WholeFile;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::identity::TOOL;
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::{self, bytes, counted};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BackedUp {
    /// The file that was written.
    file: String,
    /// The size of the file.
    bytes: u64,
    /// When the backup was made.
    made_at: Timestamp,
    /// The targets that the file holds.
    targets: Vec<BackedUpTarget>,
}

/// One target of a backup.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct BackedUpTarget {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// How many events the backup has of it.
    events: u64,
    /// The head of its journal in the backup, `SEQUENCE:HASH`.
    head: String,
}

/// Writes what is durable of each target at the moment at which its turn comes.
pub(crate) fn run(global: &Global, args: &BackupArgs, output: &Output) -> Ended {
    let root = target::root(global)?;
    let targets = meant(global, &root, &args.targets)?;
    let made_at = Timestamp::now();
    if args.file.as_os_str() == "-" {
        return to_standard_output(&root, &targets, made_at);
    }
    let file = WholeFile {
        path: &args.file,
        what: "backup",
        hint: "free some space or name another file",
        replaces: args.force,
    };
    let written =
        file.write(|out| write(&root, &targets, made_at, out, &|error| file.failed(&error)))?;
    let size = std::fs::metadata(&args.file).map_err(|error| file.failed(&error))?;
    let body = BackedUp {
        file: args.file.display().to_string(),
        bytes: size.len(),
        made_at,
        targets: written,
    };
    output.shown(Type::BackedUp, &body, || page(&body))?;
    Ok(ExitCode::SUCCESS)
}

/// The targets that are named, else all. There must be one: a backup of nothing is a mistake.
fn meant(global: &Global, root: &Path, named: &[String]) -> Result<Vec<StreamId>, Failure> {
    if named.is_empty() {
        let targets = Journal::targets(root).map_err(|error| target::read_failure(&error))?;
        if targets.is_empty() {
            let message = format!("the journal `{}` is empty", root.display());
            return Err(Failure::new(Kind::Refused, message)
                .hint("name another journal with `--journal DIR`"));
        }
        return Ok(targets);
    }
    let mut targets = Vec::new();
    for text in named {
        let (_, target) = target::named(global, text)?;
        target::must_have_journal(root, &target)?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

fn to_standard_output(root: &Path, targets: &[StreamId], made_at: Timestamp) -> Ended {
    let stdout = std::io::stdout().lock();
    if stdout.is_terminal() {
        let message = "a backup is not for a terminal to show";
        return Err(Failure::new(Kind::Usage, message)
            .hint("name a file, or send standard output to a file or a program"));
    }
    let mut out = BufWriter::new(stdout);
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::BrokenPipe {
            let message = "whoever read the backup stopped before its end";
            return Failure::new(Kind::Unreachable, message);
        }
        let mut failure = Failure::new(Kind::Unreachable, "cannot write to standard output");
        failure.causes.push(error.to_string());
        failure
    };
    let written = write(root, targets, made_at, &mut out, &failed)?;
    out.flush().map_err(failed)?;
    report::talk(&format!(
        "backed up {}",
        counted(written.len() as u64, "target")
    ));
    Ok(ExitCode::SUCCESS)
}

fn write(
    root: &Path,
    targets: &[StreamId],
    made_at: Timestamp,
    to: &mut impl Write,
    failed: &dyn Fn(std::io::Error) -> Failure,
) -> Result<Vec<BackedUpTarget>, Failure> {
    let mut backup = BackupWriter::begin(to, made_at, TOOL, targets).map_err(failed)?;
    let mut written = Vec::new();
    for target in targets {
        let of_target = |failure: Failure| Failure {
            message: format!("target `{target}`: {}", failure.message),
            ..failure
        };
        let reader = target::reader(root, target).map_err(of_target)?;
        let failed_to_read = |error| of_target(target::store_failure(&error));
        let begin = reader.checkpoint().map_err(failed_to_read)?;
        let mut folded = Folded::default();
        let head = backup
            .add(&reader, |whole| folded.add(whole))
            .map_err(|error| match error {
                ExportError::Store(error) => of_target(target::store_failure(&error)),
                ExportError::Io(error) => failed(error),
            })?;
        // What could not be restored is no backup.
        if let Some(problem) = folded.broken_document() {
            let failure = Failure::new(Kind::Journal, problem);
            return Err(of_target(failure).hint(format!(
                "`artifactctl verify {target}` shows what is left of it"
            )));
        }
        written.push(BackedUpTarget {
            target: target.to_string(),
            events: head.sequence.saturating_sub(begin.sequence),
            head: target::head_text(&head),
        });
    }
    backup.finish().map_err(failed)?;
    Ok(written)
}

fn page(body: &BackedUp) -> Page {
    let mut page = Page::default();
    for target in &body.targets {
        let line = Line::default().and(Tone::Strong, &target.target);
        let events = counted(target.events, "event");
        page.line(line.and(Tone::Plain, format!(": {events}")));
    }
    let targets = counted(body.targets.len() as u64, "target");
    page.text(format!("{}: {targets}, {}", body.file, bytes(body.bytes)));
    page
}
