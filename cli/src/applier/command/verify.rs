//! `verify`: the journal's hash chain is whole, and its events can follow each other.

use std::io::{BufReader, Read};
use std::panic::resume_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use engine::run::{DeployJournalError, StreamFold};
use journal::chain::{self, VerifiedPart};
use journal::transfer::{Whole, verify as verify_export};
use journal::{
    Damage, DamageKind, EventLog, Head, Journal, ReadError, StoreError, StreamId, VerifyReport,
};
use serde::Serialize;

use crate::applier::args::Verify;
use crate::applier::command::transfer;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::counted;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Verified {
    #[serde(flatten)]
    report: VerifyReport,
    /// The first event that cannot follow those before it, in words.
    illegal: Option<String>,
    /// Deploys with events of a newer tool, which could not be folded.
    unread: u64,
}

/// Verifies every target that is meant, all of them before the first failure is reported.
pub(crate) fn run(global: &Global, args: &Verify, output: &Output) -> Ended {
    let noted = args.head.as_deref().map(target::parse_head).transpose()?;
    if let Some(file) = &args.export {
        return export(file, noted.as_ref(), output);
    }
    let (root, targets) = match noted {
        // A head belongs to one target.
        Some(_) => {
            let (root, one) = target::one(global, args.target.as_deref())?;
            (root, vec![one])
        }
        None => target::all_or(global, args.target.as_deref())?,
    };
    target::must_have_targets(&root, &targets)?;
    let (mut damaged, mut kind) = (Vec::new(), Kind::Assertion);
    for stream in &targets {
        let verified = verify(&root, stream, noted.as_ref())?;
        output.result(Type::Verified, &verified, || text(&verified))?;
        let reason = verified
            .report
            .damage
            .as_ref()
            .map(ToString::to_string)
            .or(verified.illegal);
        if let Some(reason) = reason {
            damaged.push(format!("{stream}: {reason}"));
            // A journal that is whole without the noted head is not damaged: it is another one.
            if noted.is_none() || broken(&verify(&root, stream, None)?) {
                kind = Kind::Journal;
            }
        }
    }
    if damaged.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(kind, damaged.join("\n")).hint(
        "keep the journal as it is; `artifactctl import FILE --journal DIR` makes another of its last export",
    ))
}

/// Verifies an export, event by event as it is read.
fn export(file: &Path, noted: Option<&Head>, output: &Output) -> Ended {
    let from: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(transfer::open(file)?)
    };
    let mut folded = Folded::default();
    let report = verify_export(BufReader::new(from), noted, |whole| folded.add(whole))
        .map_err(|error| transfer::import_failure(&error))?;
    folded.end();
    let verified = Verified {
        illegal: folded.illegal.filter(|_| report.damage.is_none()),
        unread: folded.fold.unread(),
        report,
    };
    output.result(Type::Verified, &verified, || text(&verified))?;
    let reason = match (&verified.report.damage, &verified.illegal) {
        (Some(damage), _) => damage.to_string(),
        (None, Some(illegal)) => illegal.clone(),
        (None, None) => return Ok(ExitCode::SUCCESS),
    };
    // An export that is whole without the noted head is another one.
    let other = matches!(
        &verified.report.damage,
        Some(Damage {
            what: DamageKind::OtherHead | DamageKind::LostTail(_),
            ..
        })
    );
    let kind = if other {
        Kind::Assertion
    } else {
        Kind::Journal
    };
    Err(Failure::new(kind, format!("{}: {reason}", file.display()))
        .hint("export the journal again, with `artifactctl export`, from where it is whole"))
}

/// What folding the whole of a journal found.
#[derive(Default)]
pub(super) struct Folded {
    fold: StreamFold,
    /// The first event that cannot follow, or that names a document which is not what it says, in words.
    illegal: Option<String>,
}

impl Folded {
    /// Folds one more event, or sees one more document, until something cannot be.
    pub(super) fn add(&mut self, whole: Whole<'_>) {
        self.note(|fold| match whole {
            Whole::Event(event) => fold.add(event),
            Whole::Document(bytes) => fold.add_document(bytes),
        });
    }

    /// There is nothing more: every document that an event names must have been seen.
    fn end(&mut self) {
        self.note(|fold| fold.end());
    }

    /// What keeps an export from being imported: its events follow, and a document that one of them names is not what it says, or is
    /// not there.
    pub(super) fn broken_document(mut self) -> Option<String> {
        if self.illegal.is_some() {
            return None;
        }
        self.end();
        self.illegal
    }

    fn note(&mut self, step: impl FnOnce(&mut StreamFold) -> Result<(), DeployJournalError>) {
        if self.illegal.is_none()
            && let Err(error) = step(&mut self.fold)
        {
            self.illegal = Some(Failure::of(Kind::Journal, &error).sentence());
        }
    }
}

fn broken(verified: &Verified) -> bool {
    verified.report.damage.is_some() || verified.illegal.is_some()
}

fn verify(root: &Path, stream: &StreamId, noted: Option<&Head>) -> Result<Verified, Failure> {
    let (reader, refused) = match Journal::read(root, stream) {
        Ok(reader) => (reader, None),
        Err(ReadError::Store(StoreError::Damaged(refused))) => {
            match Journal::read_damaged(root, stream) {
                Ok(reader) => (reader, Some(refused)),
                // So damaged that it cannot be opened: a finding as any other, and the other targets are still looked at.
                Err(ReadError::Store(StoreError::Damaged(damage))) => {
                    return Ok(unopened(stream, damage));
                }
                Err(error) => return Err(target::read_failure(&error)),
            }
        }
        Err(error) => return Err(target::read_failure(&error)),
    };
    let (report, folded) = read_and_folded(&reader, noted);
    let mut report = report.map_err(|error| target::store_failure(&error))?;
    report.damage = report.damage.or(refused);
    // What a part of a journal says of the documents behind the damage says nothing.
    let folded = if report.damage.is_none() {
        folded
    } else {
        Folded::default()
    };
    Ok(Verified {
        report,
        illegal: folded.illegal,
        unread: folded.fold.unread(),
    })
}

/// Parts that are folded at a time, and the bytes behind which there are no more.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait to be folded.
const BATCHES: usize = 4;

/// Reads the whole journal once, in this thread, while another folds what was read.
fn read_and_folded(
    events: &dyn EventLog,
    noted: Option<&Head>,
) -> (Result<VerifyReport, StoreError>, Folded) {
    thread::scope(|scope| {
        let (to_fold, read) = mpsc::sync_channel::<Vec<VerifiedPart>>(BATCHES);
        let folding = scope.spawn(move || {
            let mut folded = Folded::default();
            for part in read.into_iter().flatten() {
                folded.add(match &part {
                    VerifiedPart::Event(event) => Whole::Event(event),
                    VerifiedPart::Document(bytes) => Whole::Document(bytes),
                });
            }
            folded.end();
            folded
        });
        let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
        let report = chain::verify_each(events, noted, |part| {
            bytes += match &part {
                VerifiedPart::Event(event) => event.payload.len(),
                VerifiedPart::Document(bytes) => bytes.len(),
            };
            batch.push(part);
            if batch.len() == BATCH || bytes > BATCH_BYTES {
                // That thread is gone only when it panicked, which is seen when it is joined.
                let _ = to_fold.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
                bytes = 0;
            }
        });
        let _ = to_fold.send(batch);
        drop(to_fold);
        let folded = folding.join().unwrap_or_else(|panic| resume_unwind(panic));
        (report, folded)
    })
}

/// The report on a journal of which nothing can be read.
fn unopened(stream: &StreamId, damage: Damage) -> Verified {
    Verified {
        report: VerifyReport {
            stream: stream.clone(),
            head: Head::empty(stream),
            checkpoint: None,
            events: 0,
            deploys: 0,
            documents: 0,
            damage: Some(damage),
        },
        illegal: None,
        unread: 0,
    }
}

fn text(verified: &Verified) -> String {
    let Verified {
        report,
        illegal,
        unread,
    } = verified;
    let state = match (&report.damage, illegal) {
        (Some(damage), _) => format!("damaged: {damage}"),
        (None, Some(illegal)) => format!("damaged: {illegal}"),
        (None, None) if *unread > 0 => {
            let deploys = counted(*unread, "deploy");
            format!("whole; {deploys} of a newer tool could not be folded")
        }
        (None, None) => "whole".to_owned(),
    };
    let pruned = match report.checkpoint {
        Some(checkpoint) => format!(", pruned up to event {}", checkpoint.sequence),
        None => String::new(),
    };
    format!(
        "{}: {state}; {} in {}{pruned}, head {}",
        report.stream,
        counted(report.events, "event"),
        counted(report.deploys, "deploy"),
        target::head_text(&report.head)
    )
}
