//! `journal doctor`: why a deploy cannot go on or a journal does not open, and the command that mends it. It changes nothing.

use std::path::Path;
use std::process::ExitCode;

use engine::machine::{Deploy, Failed, Stage, State};
use engine::run::{DeployJournalError, latest_state, must_be_appendable};
use journal::{Holder, Journal, ReadError, Reader, RefusedPath, StreamId, TargetCondition};
use serde::Serialize;

use crate::applier::args::DoctorArgs;
use crate::applier::hold::HoldLine;
use crate::applier::ids::Ids;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::{bytes, counted};
use crate::{identity, when};

/// Fewer free bytes than these are a problem: the storage writes segments of half a mebibyte, and a deploy a few of them.
const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// One thing that was found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Diagnosis {
    /// The target; none when it is about the journal as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// What a command ends with that meets it; none when nothing is kept from going on.
    kind: Option<Kind>,
    /// What was found, in words.
    cause: String,
    /// The next command, or the next thing to do.
    next: Option<String>,
}

impl Diagnosis {
    fn problem(kind: Kind, cause: String, next: impl Into<String>) -> Self {
        Self {
            target: None,
            kind: Some(kind),
            cause,
            next: Some(next.into()),
        }
    }

    /// Worth knowing, and no problem.
    fn note(cause: String, next: Option<String>) -> Self {
        Self {
            target: None,
            kind: None,
            cause,
            next,
        }
    }

    /// What reading failed with.
    fn of(failure: Failure) -> Self {
        Self {
            target: None,
            kind: Some(failure.kind),
            cause: failure.sentence(),
            next: failure.hints.into_iter().next(),
        }
    }

    fn line(&self) -> Line {
        let subject = self.target.as_deref().unwrap_or("journal");
        let tone = if self.kind.is_some() {
            Tone::Bad
        } else {
            Tone::Plain
        };
        let line = Line::default().and(Tone::Strong, subject);
        let line = line.and(Tone::Plain, ": ").and(tone, &self.cause);
        match &self.next {
            Some(next) => line.and(Tone::Plain, format!("; next: {next}")),
            None => line,
        }
    }
}

/// Examines the targets that are meant, each for itself.
pub(crate) fn run(global: &Global, args: &DoctorArgs, output: &Output) -> Ended {
    let root = target::root(global)?;
    let mut found = of_root(&root);
    let unreadable = RefusedPath::at(&root).filter(|refused| refused.is_unreadable);
    let targets = match &unreadable {
        Some(path) => {
            found.push(refused(path));
            Vec::new()
        }
        None => target::all_or(global, args.target.as_deref())?.1,
    };
    for stream in &targets {
        let name = stream.to_string();
        found.extend(of_target(&root, stream).into_iter().map(|one| Diagnosis {
            target: Some(name.clone()),
            ..one
        }));
    }
    let worst = found
        .iter()
        .filter_map(|one| one.kind)
        .max_by_key(|kind| rank(*kind));
    if output.is_json() {
        for one in &found {
            Output::json(Type::Diagnosis, one)?;
        }
    } else {
        let mut page = Page::default();
        for one in &found {
            page.line(one.line());
        }
        if worst.is_none() && !targets.is_empty() {
            let targets = counted(targets.len() as u64, "target");
            page.line(Line::new(format!("{targets}: ")).and(Tone::Good, "all is well"));
        }
        Output::page(&page)?;
    }
    if targets.is_empty() && found.is_empty() {
        // Where somebody said where it is, it should be there.
        if global.journal.is_some() {
            target::must_have_targets(&root, &targets)?;
        }
        target::nothing_in(&root);
    }
    Ok(worst.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.code())))
}

/// What is wrong with the journal is worse than what keeps one deploy from going on, and that is worse than who is at work.
fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Journal => 4,
        Kind::Internal | Kind::Unreachable => 3,
        Kind::Payload
        | Kind::Incompatible
        | Kind::Image
        | Kind::Publish
        | Kind::Assertion
        | Kind::Drift => 2,
        Kind::Usage | Kind::Interrupted => 1,
        Kind::Refused => 0,
    }
}

/// What concerns every target: the file system that the journal is on.
fn of_root(root: &Path) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    if let Some(shared) = Journal::shared_file_system(root) {
        found.push(Diagnosis::note(
            format!("it is on {shared}, where other machines may not see a lock"),
            Some("use it from one machine at a time".to_owned()),
        ));
    }
    if let Some(free) = Journal::free_bytes(root).filter(|free| *free < FREE_BYTES_MIN) {
        found.push(Diagnosis::problem(
            Kind::Unreachable,
            format!("only {} are free where it is", bytes(free)),
            "free some space; `artifactctl journal stats` shows what each journal takes",
        ));
    }
    found
}

fn of_target(root: &Path, stream: &StreamId) -> Vec<Diagnosis> {
    let condition = match Journal::condition(root, stream) {
        Ok(condition) => condition,
        Err(error) => return vec![unreadable(stream, &error)],
    };
    let mut found: Vec<Diagnosis> = condition
        .refused
        .as_ref()
        .map(refused)
        .into_iter()
        .collect();
    if matches!(&condition.refused, Some(refused) if refused.is_unreadable) {
        return found;
    }
    match Journal::read(root, stream) {
        Ok(reader) => match of_reader(root, stream, &reader, &condition) {
            Ok(more) => found.extend(more),
            Err(failure) => found.push(Diagnosis::of(failure)),
        },
        Err(error) => found.push(unreadable(stream, &error)),
    }
    if condition.has_draft {
        found.push(Diagnosis::note(
            "an import, a restore or a prune was cut; what it left is not used".to_owned(),
            Some("run the same command again".to_owned()),
        ));
    }
    found
}

/// A journal that does not open.
fn unreadable(stream: &StreamId, error: &ReadError) -> Diagnosis {
    let diagnosis = Diagnosis::of(target::read_failure(error));
    let is_damaged = matches!(error, ReadError::Store(journal::StoreError::Damaged(_)));
    let next = if is_damaged {
        Some(format!(
            "`artifactctl export {stream} --damaged` takes out what is left, `artifactctl journal restore FILE {stream} --journal DIR` makes another of a backup"
        ))
    } else if is_without_locks(error) {
        Some("move the journal to a file system that knows `flock`, and name it with `--journal DIR`".to_owned())
    } else {
        diagnosis.next
    };
    Diagnosis { next, ..diagnosis }
}

/// The file system cannot lock a file.
fn is_without_locks(error: &ReadError) -> bool {
    use rustix::io::Errno;
    let source = match error {
        ReadError::Io { source, .. } | ReadError::Store(journal::StoreError::Io { source, .. }) => {
            source
        }
        ReadError::Absent { .. } | ReadError::Busy { .. } | ReadError::Store(_) => return false,
    };
    let found = Errno::from_io_error(source);
    [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP]
        .map(Some)
        .contains(&found)
}

/// Files of another user, or of a file system that takes no changes.
fn refused(refused: &RefusedPath) -> Diagnosis {
    let path = refused.path.display();
    if refused.is_read_only {
        return Diagnosis::problem(
            Kind::Unreachable,
            format!("`{path}` is on a read-only file system: it can be read, and not deployed to"),
            "mount it for writing, or name another journal with `--journal DIR`",
        );
    }
    let (uid, me) = (refused.uid, rustix::process::geteuid().as_raw());
    let cannot = if refused.is_unreadable {
        "cannot be read"
    } else {
        "can be read, and not deployed to"
    };
    let (cause, next) = if uid == me {
        (
            format!("`{path}` {cannot}: its mode keeps this user out, whose it is"),
            format!("chmod -R u+rwX {path}"),
        )
    } else {
        (
            format!("`{path}` {cannot}: it belongs to user {uid}, and this process runs as user {me}"),
            "run artifactctl as that user, or share the journal with a group (docs/guide/journal.md)"
                .to_owned(),
        )
    };
    Diagnosis::problem(Kind::Unreachable, cause, next)
}

/// What an open journal says.
fn of_reader(
    root: &Path,
    stream: &StreamId,
    reader: &Reader,
    condition: &TargetCondition,
) -> Result<Vec<Diagnosis>, Failure> {
    let mut found = Vec::new();
    let holder = reader
        .holder()
        .map_err(|error| target::store_failure(&error))?;
    if let Some(holder) = &holder {
        found.push(Diagnosis::problem(
            Kind::Refused,
            format!("owned by {}", target::held_by(holder)),
            format!("`artifactctl watch {stream}` shows what it does, `--wait` waits for it"),
        ));
    }
    if let Err(error) = must_be_appendable(reader) {
        found.push(newer(&error));
        return Ok(found);
    }
    let state = latest_state(reader).map_err(|error| target::deploy_journal_failure(&error))?;
    if let Some(hold) = HoldLine::of(reader, &state)? {
        found.push(Diagnosis::problem(
            Kind::Refused,
            hold.words(),
            format!("artifactctl lock release {stream}"),
        ));
    }
    // Whoever owns the target is at work on it.
    if holder.is_none() {
        found.extend(condition.lost.iter().map(died));
        found.extend(unfinished(root, stream, reader, &state)?);
    }
    Ok(found)
}

fn newer(error: &DeployJournalError) -> Diagnosis {
    Diagnosis::of(target::deploy_journal_failure(error))
}

/// An owner that ended without letting go. Its lock went with it.
fn died(holder: &Holder) -> Diagnosis {
    let when = when::second(holder.since);
    let ended = if holder.host != identity::host() {
        "which ended there"
    } else if holder.boot_id != identity::boot_id() {
        "which ended with a restart of this machine"
    } else {
        "which ended"
    };
    Diagnosis::note(
        format!(
            "process {} of {} on {}, owner since {when}, {ended} without letting go; the next command that deploys takes over",
            holder.pid, holder.actor, holder.host
        ),
        None,
    )
}

fn unfinished(
    root: &Path,
    stream: &StreamId,
    reader: &Reader,
    state: &State,
) -> Result<Option<Diagnosis>, Failure> {
    let Some(deploy) = state.unfinished() else {
        return Ok(None);
    };
    let ids = Ids::of(reader, false).map_err(|error| target::store_failure(&error))?;
    let id = ids.shown(deploy.id);
    let failed = failure_of(deploy);
    let kind = failed.map_or(Kind::Refused, |failed| failed.kind.into());
    let said = match failed {
        Some(failed) => format!(
            "deploy {id} failed: {}",
            Failure::from(failed.clone()).sentence()
        ),
        None => format!(
            "deploy {id} is unfinished ({}), and nobody runs it",
            state.stage_name()
        ),
    };
    let next = if target::is_imported(root, stream, deploy)? {
        format!(
            "it came with an import or a restore and cannot be resumed: deploy the artifact again, or `artifactctl abandon {stream}`"
        )
    } else {
        let resume = format!("`artifactctl resume {stream}` goes on with it");
        match failed.and_then(|failed| failed.hints.first()) {
            Some(hint) => format!("{hint}; then {resume}"),
            None => resume,
        }
    };
    Ok(Some(Diagnosis::problem(kind, said, next)))
}

fn failure_of(deploy: &Deploy) -> Option<&Failed> {
    match &deploy.stage {
        Stage::Failed(failed) => Some(failed),
        Stage::Requested
        | Stage::Observed
        | Stage::Checked(_)
        | Stage::Merged { .. }
        | Stage::Applied(_)
        | Stage::Abandoned(_) => None,
    }
}
