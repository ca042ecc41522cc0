//! `export` and `import`: a target's journal as JSON lines.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::process::ExitCode;

use journal::exchange::{self, ExportError, ImportError, LineProblem};
use journal::{AppendError, ImportIntoError, Journal};
use serde::Serialize;

use crate::applier::args::{Export, Import};
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::identity;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::counted;

/// Writes the journal to standard output.
pub(crate) fn export(global: &Global, args: &Export, _: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let written = exchange::export(&reader, &mut out).and_then(|_| Ok(out.flush()?));
    match written {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(ExportError::Store(error)) => Err(target::store_failure(&error)),
        // A reader that closed the pipe has read enough; the last line, the head, says whether an export is whole.
        Err(ExportError::Io(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ ExportError::Io(_)) => Err(Failure::of(Kind::Unreachable, &error)),
    }
}

#[derive(Serialize)]
struct Imported {
    target: String,
    facts: u64,
    head: String,
}

/// Reads an export into a target that has no facts: everything is verified before anything is written.
pub(crate) fn import(global: &Global, args: &Import, output: &Output) -> Ended {
    let root = target::root(global)?;
    let mut file = if args.file.as_os_str() == "-" {
        spooled()?
    } else {
        open(args)?
    };
    let checked =
        exchange::check(BufReader::new(&mut file)).map_err(|error| import_failure(&error))?;
    let stream = checked.stream;
    let holder = target::holder(&identity::actor(None));
    std::io::Seek::rewind(&mut file).map_err(|error| Failure::of(Kind::Unreachable, &error))?;
    let head =
        Journal::import(&root, &stream, holder, BufReader::new(file)).map_err(
            |error| match &error {
                ImportIntoError::Own(error) => target::own_failure(&stream, error),
                ImportIntoError::Import(error) => import_failure(error),
            },
        )?;
    let body = Imported {
        target: stream.to_string(),
        facts: head.sequence,
        head: target::head_text(&head),
    };
    output.result(Type::Imported, &body, || {
        format!(
            "imported {} into {}; head {}",
            counted(body.facts, "fact"),
            body.target,
            body.head
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn import_failure(error: &ImportError) -> Failure {
    match error {
        ImportError::NotEmpty { .. } => Failure::of(Kind::Refused, error)
            .hint("import into another directory with `--journal DIR`"),
        ImportError::Append(AppendError::Store(error)) => target::store_failure(error),
        ImportError::Io(_) => Failure::of(Kind::Unreachable, error),
        ImportError::Line {
            problem: LineProblem::NewerSchema { .. } | LineProblem::OtherFormat(_),
            ..
        } => Failure::of(Kind::Journal, error).hint("update artifactctl"),
        ImportError::Line { .. }
        | ImportError::OtherStream { .. }
        | ImportError::Append(_)
        | ImportError::Changed => Failure::of(Kind::Journal, error)
            .hint("export the journal again, with `artifactctl export`, from where it is whole"),
    }
}

fn open(args: &Import) -> Result<File, Failure> {
    File::open(&args.file).map_err(|error| {
        let mut failure = Failure::new(
            Kind::Usage,
            format!("cannot read `{}`", args.file.display()),
        );
        failure.causes.push(error.to_string());
        failure
    })
}

/// Standard input, kept in a file since it is read twice: to verify, and to import.
fn spooled() -> Result<File, Failure> {
    let spool = || -> std::io::Result<File> {
        let mut file = tempfile::tempfile()?;
        std::io::copy(&mut std::io::stdin().lock().take(SPOOL_MAX), &mut file)?;
        std::io::Seek::rewind(&mut file)?;
        Ok(file)
    };
    spool().map_err(|error| Failure::of(Kind::Unreachable, &error))
}

/// The largest export that is read from standard input: 4 GiB.
const SPOOL_MAX: u64 = 4 << 30;
