//! Which journal, and which target of it.

use std::io;
use std::path::{Path, PathBuf};

use engine::contract::{did_you_mean, printable};
use engine::load;
use engine::machine::{Deploy, LostHolder, Refusal};
use engine::run::{Author, DeployJournal, DeployJournalError};
use jiff::Timestamp;
use journal::{
    AppendError, EventLog, Head, Holder, Journal, OwnError, Owned, ReadError, Reader, StoreError,
    StreamId,
};
use rustix::io::Errno;

use crate::applier::at::is_time;
use crate::applier::ids::Ids;
use crate::args::Global;
use crate::failure::{Failure, Kind, is_full};
use crate::identity::{SystemStamp, TOOL};
use crate::project::{self, ProjectFile};
use crate::{identity, process_limits, report, when};

/// Where the journal is: `--journal` or its variable, else the user's state directory.
pub(crate) fn root(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(root) = &global.journal {
        return std::path::absolute(root).map_err(|error| Failure::of(Kind::Usage, &error));
    }
    state().map(|state| state.join("journal")).ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            "there is no place for a journal: neither `XDG_STATE_HOME` nor `HOME` is set",
        )
        .hint("name one with `--journal DIR`")
    })
}

/// Where this user keeps what is to stay.
pub(crate) fn state() -> Option<PathBuf> {
    of_user("XDG_STATE_HOME", ".local/state")
}

/// Where this user keeps what can be made again: indexes of the layers of bases.
pub(crate) fn cache() -> Option<PathBuf> {
    of_user("XDG_CACHE_HOME", ".cache")
}

/// Our folder in a directory of the user, which a variable names or which is at its usual place.
fn of_user(variable: &str, usual: &str) -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let directory = set(variable).or_else(|| set("HOME").map(|home| home.join(usual)));
    directory.map(|directory| directory.join("artifactctl"))
}

/// How many targets a hint names.
const NAMED: usize = 8;

/// A target as the command line names it, and as every output writes it: `PROJECT/ENV`.
fn parse(root: &Path, text: &str) -> Result<StreamId, Failure> {
    text.parse()
        .map_err(|error| with_known(Failure::of(Kind::Usage, &error), root, text))
}

/// The same failure with the next thing to do for whoever named a target that is none: the nearest name, and what there is.
fn with_known(failure: Failure, root: &Path, named: &str) -> Failure {
    let targets = match Journal::targets(root) {
        Ok(targets) => targets,
        Err(ReadError::Io { path, source }) => {
            let path = path.display().to_string();
            let why = format!("cannot read `{}`: {source}", printable(&path));
            return Failure::new(Kind::Unreachable, why).hint(journal_hint(&source));
        }
        Err(_) => Vec::new(),
    };
    if targets.is_empty() {
        return failure
            .hint("no target has a journal here; name another directory with `--journal DIR`");
    }
    let mut names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let nearest = did_you_mean(named, names.iter().map(String::as_str));
    let failure = nearest.into_iter().fold(failure, Failure::hint);
    if names.len() > NAMED {
        names.truncate(NAMED);
        names.push("…".to_owned());
    }
    failure.hint(format!("targets with a journal here: {}", names.join(", ")))
}

/// A mistyped target is not waited for and not made: fails when it has no journal.
pub(crate) fn must_have_journal(root: &Path, target: &StreamId) -> Result<(), Failure> {
    let targets = Journal::targets(root).map_err(|error| read_failure(&error))?;
    if targets.contains(target) {
        return Ok(());
    }
    Err(read_failure(&ReadError::Absent {
        stream: target.clone(),
        root: root.to_owned(),
    }))
}

/// The targets that are meant: the one that is named, else all.
pub(crate) fn all_or(
    global: &Global,
    named: Option<&str>,
) -> Result<(PathBuf, Vec<StreamId>), Failure> {
    let root = root(global)?;
    let targets = match named {
        Some(text) => vec![parse(&root, text)?],
        None => Journal::targets(&root).map_err(|error| read_failure(&error))?,
    };
    Ok((root, targets))
}

/// The same for whoever looks at a moment, deploy or event of the past: but for a moment, it is one target's.
pub(crate) fn all_at(
    global: &Global,
    named: Option<&str>,
    at: Option<&str>,
) -> Result<(PathBuf, Vec<StreamId>), Failure> {
    if at.is_none_or(is_time) {
        return all_or(global, named);
    }
    let (root, one) = one(global, named)?;
    Ok((root, vec![one]))
}

/// The target that is meant: the one that is named, else that of this folder's artifact, else the only one.
pub(crate) fn one(global: &Global, named: Option<&str>) -> Result<(PathBuf, StreamId), Failure> {
    let (root, mut targets) = all_or(global, named)?;
    if named.is_none()
        && let Some(of_folder) = of_folder(global)
    {
        return match targets.first() {
            Some(_) if targets.contains(&of_folder) => Ok((root, of_folder)),
            // Somebody who stands in the folder of one target does not mean another.
            Some(other) => {
                let why = format!("`{of_folder}`, the target of this folder, has no journal here");
                Err(Failure::new(Kind::Refused, why).hint(format!(
                    "`--target {other}` names another one; `artifactctl status` lists them"
                )))
            }
            None => Err(nothing_deployed(&root)),
        };
    }
    match (targets.pop(), targets.is_empty()) {
        (Some(target), true) => Ok((root, target)),
        (None, _) => Err(nothing_deployed(&root)),
        (Some(last), false) => {
            targets.push(last);
            let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
            Err(Failure::new(
                Kind::Usage,
                format!("several targets are in the journal: {}", names.join(", ")),
            )
            .hint(format!("name one of them: `--target {}`", targets[0])))
        }
    }
}

fn nothing_deployed(root: &Path) -> Failure {
    let why = format!("the journal `{}` is empty", root.display());
    Failure::new(Kind::Refused, why)
        .hint("begin with `artifactctl deploy`, or name another journal with `--journal DIR`")
}

/// The target of the artifact that the project file names; none where there is no such file, or its manifest does not read.
fn of_folder(global: &Global) -> Option<StreamId> {
    let file = global.project_file.as_ref();
    let words = file.map(|file| ["artifactctl".into(), project::FLAG.into(), file.into()]);
    let file = ProjectFile::find(words.as_ref().map_or(&[], |words| words)).ok()??;
    let manifest = load::manifest(Path::new(file.texts("artifact").first()?)).ok()?;
    let project = file.texts("compose-project").first();
    StreamId::new(project.unwrap_or(&manifest.project), &manifest.env).ok()
}

/// The target that is named, whether or not it has a journal.
pub(crate) fn named(global: &Global, text: &str) -> Result<(PathBuf, StreamId), Failure> {
    let root = root(global)?;
    let target = parse(&root, text)?;
    Ok((root, target))
}

/// Fails where nothing has been deployed, for whoever relies on an answer: a directory that is not mounted looks like that as well.
pub(crate) fn must_have_targets(root: &Path, targets: &[StreamId]) -> Result<(), Failure> {
    if targets.is_empty() {
        let root = root.display().to_string();
        let why = format!("no deploy has been recorded in `{}`", printable(&root));
        return Err(Failure::new(Kind::Unreachable, why)
            .hint("see whether that is the journal, and mounted; `--journal DIR` names another"));
    }
    Ok(())
}

/// Says that nothing has been deployed, which is no failure.
pub(crate) fn nothing_in(root: &Path) {
    report::talk(&format!(
        "no deploy has been recorded in `{}`",
        root.display()
    ));
}

/// Opens a target for reading, also while a deploy runs.
pub(crate) fn reader(root: &Path, target: &StreamId) -> Result<Reader, Failure> {
    Journal::read(root, target).map_err(|error| read_failure(&error))
}

/// This process, as the lock names it.
pub(crate) fn holder(actor: &str) -> Holder {
    Holder {
        actor: actor.to_owned(),
        pid: std::process::id(),
        host: identity::host(),
        boot_id: identity::boot_id(),
        since: Timestamp::now(),
        deploy: None,
    }
}

/// Takes a target. Refused at once when another process holds it.
pub(crate) fn own(root: &Path, target: &StreamId, actor: &str) -> Result<Owned, Failure> {
    warn_of_shared_file_system(root);
    try_own(root, target, actor).map_err(|error| own_failure(target, &error))
}

/// The same, for whoever may try again.
pub(crate) fn try_own(root: &Path, target: &StreamId, actor: &str) -> Result<Owned, OwnError> {
    Journal::own(root, target, holder(actor))
}

/// Says when other machines may own a target of this journal at the same time.
pub(crate) fn warn_of_shared_file_system(root: &Path) {
    if let Some(shared) = Journal::shared_file_system(root) {
        report::talk(&format!(
            "warning: the journal `{}` is on {shared}, where other machines may not see a lock: use it from one machine at a time",
            root.display()
        ));
    }
}

/// Opens the journal of a target that this process owns. An owner before it that did not let go is recorded by the first append.
pub(crate) fn journal<'a>(owned: &'a Owned, actor: &str) -> Result<DeployJournal<'a>, Failure> {
    let author = Author {
        actor: actor.to_owned(),
        tool: TOOL.to_owned(),
    };
    let journal = DeployJournal::open(owned.store(), &SystemStamp, author)
        .map_err(|error| deploy_journal_failure(&error))?;
    let imported = owned
        .imported_until()
        .map_err(|error| own_failure(EventLog::stream(owned.store()), &error))?;
    Ok(journal
        .taking_over(owned.lost().iter().map(lost))
        .imported_until(imported))
}

/// A deploy of a target was asked for on another machine, and came with an import.
pub(crate) fn is_imported(
    root: &Path,
    target: &StreamId,
    deploy: &Deploy,
) -> Result<bool, Failure> {
    let until = Journal::imported_until(root, target).map_err(|error| read_failure(&error))?;
    Ok(deploy.is_imported(until))
}

fn lost(holder: &Holder) -> LostHolder {
    LostHolder {
        actor: holder.actor.clone(),
        pid: holder.pid,
        host: holder.host.clone(),
        boot_id: holder.boot_id.clone(),
        since: holder.since.to_string(),
        deploy: holder.deploy,
    }
}

/// Who holds a target, in words.
pub(crate) fn held_by(holder: &Holder) -> String {
    let deploy = holder
        .deploy
        .map(|deploy| format!(", with deploy {}", Ids::default().shown(deploy)))
        .unwrap_or_default();
    format!(
        "{} (process {} on {}) since {}{deploy}",
        printable(&holder.actor),
        holder.pid,
        printable(&holder.host),
        when::second(holder.since)
    )
}

/// A target that cannot be owned.
pub(crate) fn own_failure(target: &StreamId, error: &OwnError) -> Failure {
    match error {
        OwnError::Held(holder) => Failure::new(
            Kind::Refused,
            format!("target `{target}` is held by {}", held_by(holder)),
        )
        .hint(format!("`artifactctl watch {target}` shows what it does")),
        OwnError::Unnamed { .. } => Failure::of(Kind::Refused, error).hint("try again in a moment"),
        OwnError::Store(error) => store_failure(error),
        OwnError::Io { source, .. } => {
            Failure::of(Kind::Unreachable, error).hint(journal_hint(source))
        }
        OwnError::Busy { .. } => Failure::of(Kind::Unreachable, error)
            .hint("end the reader, then run the same command again"),
    }
}

/// What to do when the disk of the journal fails. What was recorded before is safe.
const DISK_HINT: &str =
    "see what is wrong with the disk that the journal is on, then run the same command again";

/// What to do when the system refuses a file of the journal.
fn journal_hint(error: &io::Error) -> String {
    use io::ErrorKind as Of;
    let refused = [
        Of::PermissionDenied,
        Of::ReadOnlyFilesystem,
        Of::NotFound,
        Of::NotADirectory,
        Of::IsADirectory,
    ];
    if is_limit(error) {
        return format!(
            "a limit of this process was met: {}; raise it, then run the same command again",
            process_limits::in_words()
        );
    }
    let hint = if is_link(error) {
        LINK_HINT
    } else if is_full(error) {
        "free some space where the journal is, then run the same command again"
    } else if refused.contains(&error.kind()) {
        "let this user write to the journal directory, or name another with `--journal DIR`"
    } else {
        DISK_HINT
    };
    hint.to_owned()
}

const LINK_HINT: &str =
    "a journal has no links: see who put this one there (`ls -l`), and remove it";

/// Says whether a symbolic link stands where a file of the journal should.
fn is_link(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

/// Says whether an error of the system is about a limit of the process: descriptors, threads or memory.
fn is_limit(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// A journal that cannot be read.
pub(crate) fn read_failure(error: &ReadError) -> Failure {
    match error {
        ReadError::Absent { stream, root } => {
            with_known(Failure::of(Kind::Refused, error), root, &stream.to_string())
        }
        ReadError::Store(error) => store_failure(error),
        ReadError::Io { source, .. } if is_link(source) => {
            Failure::of(Kind::Unreachable, error).hint(LINK_HINT)
        }
        ReadError::Busy { .. } | ReadError::Io { .. } => Failure::of(Kind::Unreachable, error),
    }
}

/// A store that fails: damaged, in use, or away.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    match error {
        StoreError::Damaged(_) => {
            Failure::of(Kind::Journal, error).hint("`artifactctl verify` names the first bad event")
        }
        StoreError::Pruned { stream, .. } => Failure::of(Kind::Refused, error).hint(format!(
            "`artifactctl history {stream} --kind Pruned` says who pruned it, and when"
        )),
        StoreError::Failed { .. } => Failure::of(Kind::Unreachable, error).hint(DISK_HINT),
        StoreError::Newer { .. } => Failure::of(Kind::Journal, error).hint("update artifactctl"),
        StoreError::Silent { holder, .. } => {
            Failure::of(Kind::Unreachable, error).hint(match holder {
                Some(holder) => format!(
                    "if process {pid} was stopped, `kill -CONT {pid}` on `{}` lets it go on; if it hangs, end it, then run `artifactctl resume`",
                    holder.host,
                    pid = holder.pid
                ),
                None => "end the process that has `lock` in that folder open".to_owned(),
            })
        }
        StoreError::Moved { .. } => Failure::of(Kind::Unreachable, error)
            .hint("put the journal back where it was, then run the same command again"),
        StoreError::Busy { .. } => Failure::of(Kind::Refused, error).hint("try again in a moment"),
        StoreError::Io { source, .. } => {
            Failure::of(Kind::Unreachable, error).hint(journal_hint(source))
        }
        StoreError::Backend { .. } => Failure::of(Kind::Unreachable, error)
            .hint("check the journal directory, or name another with `--journal DIR`"),
    }
}

/// What can be done with a deploy that was imported.
const ABANDON_IMPORTED: &str = "give it up with `artifactctl abandon`, then deploy from here: what it names is on the machine that it was asked for on";

/// A journal that fails, by what it failed of.
pub(crate) fn deploy_journal_failure(error: &DeployJournalError) -> Failure {
    match error {
        DeployJournalError::Refused(Refusal::Imported { .. }) => {
            Failure::of(Kind::Refused, error).hint(ABANDON_IMPORTED)
        }
        DeployJournalError::Refused(_) => Failure::of(Kind::Refused, error),
        DeployJournalError::Append(AppendError::Store(error)) | DeployJournalError::Read(error) => {
            store_failure(error)
        }
        DeployJournalError::Append(AppendError::Conflict { .. }) => {
            Failure::of(Kind::Refused, error)
                .hint("another process appended meanwhile; run the command again")
        }
        DeployJournalError::Append(AppendError::Schema { .. }) => {
            Failure::of(Kind::Journal, error).hint("update artifactctl")
        }
        DeployJournalError::Append(
            AppendError::Reopened { .. }
            | AppendError::TooLarge { .. }
            | AppendError::BatchTooLarge { .. }
            | AppendError::Empty
            | AppendError::Field { .. },
        ) => Failure::of(Kind::Internal, error),
        error @ DeployJournalError::Decode { .. } if error.is_newer() => {
            Failure::of(Kind::Journal, error).hint("update artifactctl")
        }
        DeployJournalError::Decode { .. }
        | DeployJournalError::Illegal { .. }
        | DeployJournalError::Predecessor { .. }
        | DeployJournalError::Unsigned { .. }
        | DeployJournalError::Document { .. }
        | DeployJournalError::Named { .. }
        | DeployJournalError::Base { .. } => {
            Failure::of(Kind::Journal, error).hint("`artifactctl verify` names the first bad event")
        }
    }
}

/// A head as people copy it: `SEQUENCE:HASH`.
pub(crate) fn head_text(head: &Head) -> String {
    format!("{}:{}", head.sequence, head.hash)
}

/// Reads `SEQUENCE:HASH`.
pub(crate) fn parse_head(text: &str) -> Result<Head, Failure> {
    let parsed = text.split_once(':').and_then(|(sequence, hash)| {
        Some(Head {
            sequence: sequence.parse().ok()?,
            hash: hash.parse().ok()?,
        })
    });
    parsed.ok_or_else(|| {
        Failure::new(Kind::Usage, format!("`{text}` is no head"))
            .hint("a head is SEQUENCE:HASH, as `artifactctl status -v` prints it")
    })
}
