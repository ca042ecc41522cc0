//! `journal restore`: makes the journals of a backup again. Everything is verified before anything is written.

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::process::ExitCode;

use engine::run::latest_state;
use journal::transfer::{BackupError, BackupReader, ImportError, LineProblem};
use journal::{BackupPart, ComparedTarget, Comparison, Journal, RestoreError, StreamId};
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::RestoreArgs;
use crate::applier::command::transfer::{import_failure, open_written, spooled};
use crate::applier::command::verify::Folded;
use crate::applier::ids::Ids;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::identity;
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::{self, bytes, counted};

/// What became of one target.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Restored {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// What became of the target.
    how: How,
    /// What the backup holds.
    events: u64,
    /// The head of the journal in the backup, `SEQUENCE:HASH`.
    head: String,
    /// The last event that was here before.
    had: u64,
    #[serde(skip)]
    last: u64,
    /// The deploy that is unfinished in what was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<Uuid>,
    /// Nothing was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum How {
    /// There was no journal.
    Created,
    /// The beginning of it was there.
    Completed,
    /// All of it was there.
    Present,
    /// It was there, and goes on behind the backup.
    Longer,
    /// It was pruned here.
    Pruned,
}

/// Restores all targets of the backup, or those that are named.
pub(crate) fn run(global: &Global, args: &RestoreArgs, output: &Output) -> Ended {
    let root = target::root(global)?;
    let named: Vec<StreamId> = args
        .targets
        .iter()
        .map(|text| Ok(target::named(global, text)?.1))
        .collect::<Result<_, Failure>>()?;
    let (mut file, compared) = compare(&root, &args.file, &named)?;
    must_be_restorable(&root, &compared)?;
    let (missing, present): (Vec<_>, Vec<_>) = compared
        .into_iter()
        .partition(ComparedTarget::is_missing_events);
    for target in &present {
        show(output, &of_target(target, args.dry_run))?;
    }
    if args.dry_run {
        for target in &missing {
            show(output, &of_target(target, true))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    target::warn_of_shared_file_system(&root);
    file.rewind()
        .map_err(|error| Failure::of(Kind::Unreachable, &error))?;
    let backup = BackupReader::open(file).map_err(|error| backup_failure(&error))?;
    let holder = target::holder(&identity::actor(None));
    let mut shown = Ok(());
    Journal::restore_backup(&root, backup, &missing, &holder, |target| {
        let mut restored = of_target(target, false);
        restored.unfinished = unfinished(&root, &target.backup.stream);
        if shown.is_ok() {
            shown = show(output, &restored);
        }
    })
    .map_err(|error| failure(&error))?;
    shown?;
    report::talk(
        "go on with a target from one journal only: another journal of it does not know what this one records",
    );
    Ok(ExitCode::SUCCESS)
}

/// Verifies the whole backup, and compares the targets that are meant with what is here.
fn compare(
    root: &Path,
    path: &Path,
    named: &[StreamId],
) -> Result<(File, Vec<ComparedTarget>), Failure> {
    let is_meant = |stream: &StreamId| named.is_empty() || named.contains(stream);
    let (mut folded, mut broken) = (Folded::default(), None);
    let each = |part: BackupPart<'_>| match part {
        BackupPart::Whole(whole) => folded.add(whole),
        BackupPart::End(stream) => {
            if let Some(problem) = std::mem::take(&mut folded).broken_document() {
                broken.get_or_insert(format!("target `{stream}`: {problem}"));
            }
        }
    };
    let (file, compared) = if path.as_os_str() == "-" {
        let mut spool =
            tempfile::tempfile().map_err(|error| Failure::of(Kind::Unreachable, &error))?;
        let backup = BackupReader::open(spooled(&mut spool));
        let backup = backup.map_err(|error| backup_failure(&error))?;
        must_hold(backup.targets(), named)?;
        let compared = Journal::compare_backup(root, backup, is_meant, each);
        (spool, compared)
    } else {
        let file = open_written(path, "backup", "artifactctl journal backup")?;
        let backup = BackupReader::open(&file).map_err(|error| backup_failure(&error))?;
        must_hold(backup.targets(), named)?;
        let compared = Journal::compare_backup(root, backup, is_meant, each);
        (file, compared)
    };
    let compared = compared.map_err(|error| failure(&error))?;
    match broken {
        Some(problem) => Err(Failure::new(Kind::Journal, problem).hint(NEXT_BACKUP)),
        None => Ok((file, compared)),
    }
}

/// Every target that is named must be in the backup.
fn must_hold(held: &[StreamId], named: &[StreamId]) -> Result<(), Failure> {
    let Some(missing) = named.iter().find(|target| !held.contains(target)) else {
        return Ok(());
    };
    let message = format!("the backup holds nothing of `{missing}`");
    let held: Vec<String> = held.iter().map(ToString::to_string).collect();
    Err(Failure::new(Kind::Refused, message).hint(format!("it holds {}", held.join(", "))))
}

/// No target has another history, and there is room: nothing is written otherwise.
fn must_be_restorable(root: &Path, compared: &[ComparedTarget]) -> Result<(), Failure> {
    let other = compared.iter().filter_map(|target| match target.here {
        Comparison::Other { sequence } => Some(format!(
            "target `{}` has another history: its event {sequence} is not the backup's",
            target.backup.stream
        )),
        Comparison::Apart(here) => Some(format!(
            "the journal of target `{}` ends with event {}, and the backup begins behind it, with event {}: nobody can tell whether they are one history",
            target.backup.stream,
            here.sequence,
            target.backup.checkpoint.map_or(0, |head| head.sequence).saturating_add(1)
        )),
        Comparison::Absent
        | Comparison::Beginning(_)
        | Comparison::Same
        | Comparison::Pruned(_)
        | Comparison::Longer(_) => None,
    });
    let other: Vec<String> = other.collect();
    if !other.is_empty() {
        return Err(Failure::new(Kind::Refused, other.join("\n")).hint(
            "name the other targets, or restore into another directory with `--journal DIR`",
        ));
    }
    let missing = compared.iter().filter(|target| target.is_missing_events());
    let needed = missing.fold(0_u64, |sum, target| sum.saturating_add(target.bytes));
    must_have_room(root, needed)
}

/// So many bytes can be written where the journal is.
pub(super) fn must_have_room(root: &Path, needed: u64) -> Result<(), Failure> {
    match Journal::free_bytes(root) {
        Some(free) if free < needed => Err(Failure::new(
            Kind::Unreachable,
            format!(
                "what is to be written takes at least {}, and {} are free where the journal `{}` is",
                bytes(needed),
                bytes(free),
                root.display()
            ),
        )
        .hint("free some space, then run the same command again")),
        Some(_) | None => Ok(()),
    }
}

fn of_target(target: &ComparedTarget, dry_run: bool) -> Restored {
    let head = &target.backup.head;
    let (how, had) = match target.here {
        // A target without events has nothing to be restored.
        Comparison::Absent if head.sequence == 0 => (How::Present, 0),
        Comparison::Absent => (How::Created, 0),
        Comparison::Beginning(here) => (How::Completed, here.sequence),
        Comparison::Same => (How::Present, head.sequence),
        Comparison::Longer(here) | Comparison::Apart(here) => (How::Longer, here.sequence),
        Comparison::Pruned(here) => (How::Pruned, here.sequence),
        Comparison::Other { sequence } => (How::Longer, sequence),
    };
    Restored {
        target: target.backup.stream.to_string(),
        how,
        events: target.backup.events,
        head: target::head_text(head),
        had,
        last: head.sequence,
        unfinished: None,
        dry_run,
    }
}

/// The unfinished deploy of a target, as far as this build can tell.
fn unfinished(root: &Path, target: &StreamId) -> Option<Uuid> {
    let reader = Journal::read(root, target).ok()?;
    let state = latest_state(&reader).ok()?;
    state.unfinished().map(|deploy| deploy.id)
}

fn show(output: &Output, restored: &Restored) -> Result<(), Failure> {
    output.shown(Type::Restored, restored, || page(restored))
}

fn page(restored: &Restored) -> Page {
    let events = counted(restored.events, "event");
    let would = if restored.dry_run { "would be " } else { "" };
    let said = match restored.how {
        How::Created => format!("{would}restored, with {events}"),
        How::Completed => format!(
            "{would}completed from event {} to event {}",
            restored.had.saturating_add(1),
            restored.last
        ),
        How::Present => format!("nothing to restore: all of its {events} are here"),
        How::Longer => format!(
            "nothing to restore: its {events} are here, and {} more",
            restored.had.saturating_sub(restored.last)
        ),
        How::Pruned => "nothing to restore: what the backup holds of it was pruned here".to_owned(),
    };
    let mut page = Page::default();
    let line = Line::default().and(Tone::Strong, &restored.target);
    page.line(line.and(Tone::Plain, format!(": {said}")));
    if let Some(deploy) = restored.unfinished {
        let id = Ids::default().shown(deploy);
        page.line(Line::new("  ").and(
            Tone::Warn,
            format!(
                "deploy {id} is unfinished and cannot be resumed: deploy the artifact again, or `artifactctl abandon {}`",
                restored.target
            ),
        ));
    }
    page
}

const NEXT_BACKUP: &str = "take another backup, or make one with `artifactctl journal backup` from where the journal is whole";

fn failure(error: &RestoreError) -> Failure {
    match error {
        RestoreError::Backup(error) => backup_failure(error),
        RestoreError::Read(error) => {
            let failure = target::read_failure(error);
            if failure.kind != Kind::Journal {
                return failure;
            }
            failure.hint("keep it: move its folder out of the journal, or restore into another directory with `--journal DIR`")
        }
        RestoreError::Own { stream, source } => target::own_failure(stream, source),
        RestoreError::Changed { .. } => Failure::of(Kind::Refused, error)
            .hint("somebody used the target meanwhile; run the command again"),
    }
}

fn backup_failure(error: &BackupError) -> Failure {
    match error {
        BackupError::OtherFile => Failure::of(Kind::Journal, error)
            .hint("`artifactctl import` reads what `artifactctl export` wrote"),
        BackupError::OtherFormat(_) => Failure::of(Kind::Journal, error).hint("update artifactctl"),
        BackupError::Corrupt(_)
        | BackupError::Import(
            ImportError::Line {
                problem:
                    LineProblem::Malformed(_)
                    | LineProblem::TooLong
                    | LineProblem::NotText
                    | LineProblem::Cut
                    | LineProblem::NoHead
                    | LineProblem::AfterHead
                    | LineProblem::OtherStream(_)
                    | LineProblem::Chain(_)
                    | LineProblem::Reopened(_)
                    | LineProblem::OtherHead { .. },
                ..
            }
            | ImportError::Changed,
        ) => Failure::of(Kind::Journal, error).hint(NEXT_BACKUP),
        BackupError::Import(error) => import_failure(error),
    }
}
