//! `export` and `import`: a target's journal as JSON lines, and its events in formats of others.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use engine::load;
use journal::transfer::{self, ExportError, ImportError, LineProblem};
use journal::{
    AppendError, Damage, DamageKind, EventLog, ImportIntoError, Journal, Reader, StoreError,
};
use serde::Serialize;

use crate::applier::args::{Export, Import};
use crate::applier::command::verify::Folded;
use crate::applier::formats::{Encoder, EventFormat};
use crate::applier::posting::{Patience, Posting};
use crate::applier::target;
use crate::applier::whole_file::WholeFile;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::counted;
use crate::{identity, process_limits};

/// Writes the journal to a file or to standard output, or sends it to a receiver.
pub(crate) fn export(global: &Global, args: &Export, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let opened = if args.damaged {
        Journal::read_damaged(&root, &stream)
    } else {
        Journal::read(&root, &stream)
    };
    let reader = opened.map_err(|error| target::read_failure(&error))?;
    if args.receiving.post.is_some() {
        return post(&root, args, &reader, output);
    }
    let format = args.event_format.unwrap_or(EventFormat::Jsonl);
    let mut encoder = Encoder::new(format, args.receiving.source.as_deref(), &stream)?;
    if let Some(file) = &args.output {
        return export_to(&reader, &mut encoder, file);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let written = write(&reader, &mut encoder, &mut out).and_then(|()| Ok(out.flush()?));
    match written {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(ExportError::Store(error)) => Err(target::store_failure(&error)),
        // A reader that closed the pipe has read enough; the last line, the head, shows whether an export is complete.
        Err(ExportError::Io(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ ExportError::Io(_)) => Err(Failure::of(Kind::Unreachable, &error)),
    }
}

/// Sends what the receiver has not got yet.
fn post(root: &Path, args: &Export, reader: &Reader, output: &Output) -> Ended {
    let runtime = process_limits::runtime()?;
    let place = (root, reader.stream());
    let (receiving, format) = (&args.receiving, args.event_format);
    if let Some(posting) = Posting::new(receiving, format, place, &runtime, Patience::Minute)? {
        let posted = posting.send_all(reader)?;
        output.result(Type::Posted, &posted, || posted.text())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes every event up to the present head. Only our own format has the documents and the head besides.
fn write(reader: &Reader, encoder: &mut Encoder, to: &mut impl Write) -> Result<(), ExportError> {
    let (before, between, after) = match encoder.format() {
        EventFormat::Jsonl => return transfer::export(reader, to).map(drop),
        EventFormat::CloudeventsBatch => ("[", ",\n", "]\n"),
        EventFormat::Cloudevents | EventFormat::Cdevents => ("", "\n", "\n"),
    };
    let head = reader.head()?;
    to.write_all(before.as_bytes())?;
    let mut written = reader.checkpoint()?;
    let mut is_first = true;
    for event in journal::scan_all(reader) {
        let event = event?;
        for line in encoder.lines(&event, reader)? {
            if !is_first {
                to.write_all(between.as_bytes())?;
            }
            is_first = false;
            to.write_all(line.as_bytes())?;
        }
        written = event.header.head();
        if written.sequence >= head.sequence {
            break;
        }
    }
    if written != head {
        let lost = Damage {
            sequence: written.sequence.saturating_add(1),
            what: DamageKind::LostTail(head.sequence),
        };
        return Err(StoreError::from(lost).into());
    }
    to.write_all(after.as_bytes())?;
    Ok(())
}

/// Writes an export beside its place and moves it there when it is complete and on the disk: an earlier one is whole until then.
fn export_to(reader: &Reader, encoder: &mut Encoder, path: &Path) -> Ended {
    let file = WholeFile {
        path,
        what: "export",
        hint: "free some space or name another file with `--output FILE`",
        replaces: true,
    };
    file.write(|out| {
        write(reader, encoder, out).map_err(|error| match error {
            ExportError::Store(error) => target::store_failure(&error),
            ExportError::Io(error) => file.failed(&error),
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Imported {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// How many events were imported.
    events: u64,
    /// The head of the journal, `SEQUENCE:HASH`.
    head: String,
}

/// Reads an export into a target that has no events: everything is verified before anything is written.
pub(crate) fn import(global: &Global, args: &Import, output: &Output) -> Ended {
    let root = target::root(global)?;
    let mut folded = Folded::default();
    let (mut file, checked) = if args.file.as_os_str() == "-" {
        let mut spool =
            tempfile::tempfile().map_err(|error| Failure::of(Kind::Unreachable, &error))?;
        let from = BufReader::new(spooled(&mut spool));
        let checked = transfer::check_each(from, |whole| folded.add(whole));
        (spool, checked)
    } else {
        let mut file = open(&args.file)?;
        let checked = transfer::check_each(BufReader::new(&mut file), |whole| folded.add(whole));
        (file, checked)
    };
    let checked = checked.map_err(|error| import_failure(&error))?;
    if let Some(problem) = folded.broken_document() {
        return Err(Failure::new(Kind::Journal, problem).hint(NEXT_EXPORT));
    }
    let (stream, events) = (checked.stream, checked.events);
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
        events,
        head: target::head_text(&head),
    };
    output.result(Type::Imported, &body, || {
        format!(
            "imported {} into {}; head {}",
            counted(body.events, "event"),
            body.target,
            body.head
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn import_failure(error: &ImportError) -> Failure {
    match error {
        ImportError::NotEmpty { .. } => Failure::of(Kind::Refused, error)
            .hint("import into another directory with `--journal DIR`"),
        ImportError::Append(AppendError::Store(error)) => target::store_failure(error),
        ImportError::Io(_) => Failure::of(Kind::Unreachable, error),
        ImportError::Line {
            problem:
                LineProblem::NewerMinor { .. }
                | LineProblem::NewerMajor { .. }
                | LineProblem::OtherFormat(_),
            ..
        } => Failure::of(Kind::Journal, error).hint("update artifactctl"),
        ImportError::Line { .. }
        | ImportError::OtherStream { .. }
        | ImportError::Append(_)
        | ImportError::Changed => Failure::of(Kind::Journal, error).hint(NEXT_EXPORT),
    }
}

/// What to do about an export that is not whole.
const NEXT_EXPORT: &str =
    "export the journal again, with `artifactctl export`, from where it is whole";

/// Opens an export.
pub(crate) fn open(path: &Path) -> Result<File, Failure> {
    open_written(path, "export", "artifactctl export")
}

/// Opens a file that a command of ours wrote.
pub(super) fn open_written(path: &Path, what: &str, by: &str) -> Result<File, Failure> {
    load::open_anywhere(path).map_err(|problem| {
        let message = format!("cannot read the {what} `{}`", path.display());
        let mut failure = Failure::new(Kind::Usage, message);
        failure.causes.push(format!("it {problem}"));
        // It is read twice, which a pipe cannot be.
        failure.hint(format!(
            "name a file that `{by}` wrote, or `-` for standard input"
        ))
    })
}

/// Standard input, kept in a file as it is read, since it is read twice: to verify, and to import or restore. What is no export
/// ends at its first line that is none.
pub(super) struct Spooled<'a, R> {
    from: R,
    spool: &'a mut File,
}

/// What comes on standard input, up to a bound, kept in a file as it is read.
pub(super) fn spooled(spool: &mut File) -> Spooled<'_, impl Read> {
    Spooled {
        from: std::io::stdin().lock().take(SPOOL_MAX),
        spool,
    }
}

impl<R: Read> Read for Spooled<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.spool.write_all(&buffer[..read])?;
        Ok(read)
    }
}

/// The largest export or backup that is read from standard input: 4 GiB.
const SPOOL_MAX: u64 = 4 << 30;
