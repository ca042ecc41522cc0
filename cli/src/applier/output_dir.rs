//! The output directory of a target: the one that it was last published into, and no other target's, unless that is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use engine::contract::printable;
use engine::load::{Problem, open_anywhere, read_bounded};
use engine::machine::{Requested, State};
use engine::merge::{ConfigFile, ConfigTrees};
use engine::publish;
use engine::run::{latest_state, typed};
use engine::yaml::ParseLimits;
use journal::{EventLog, Journal, StreamId};

use crate::applier::args::OutArgs;
use crate::applier::target;
use crate::failure::{Failure, Kind};
use crate::report;

/// Fails when the request publishes elsewhere than the target's last deploy did, or where another target publishes.
///
/// Other targets are looked at only when the directory is new to this one: once it is agreed to, later deploys need not say it again.
pub(crate) fn must_be_meant(
    root: &Path,
    target: &StreamId,
    request: &Requested,
    events: &dyn EventLog,
    args: OutArgs,
) -> Result<(), Failure> {
    let out = real(Path::new(&request.out));
    if let Some(last) = published_into(events)? {
        if real(Path::new(&last)) == out {
            return Ok(());
        }
        if !args.move_out {
            return Err(moved(target, &last, &request.out));
        }
    }
    if args.share_out {
        return Ok(());
    }
    let targets = Journal::targets(root).map_err(|error| target::read_failure(&error))?;
    for other in targets.iter().filter(|other| *other != target) {
        let published = Journal::read(root, other)
            .map_err(|error| target::read_failure(&error))
            .and_then(|reader| published_into(&reader));
        match published {
            Ok(Some(theirs)) if real(Path::new(&theirs)) == out => {
                return Err(shared(other, &request.out));
            }
            Ok(_) => {}
            Err(failure) => report::talk(&format!(
                "warning: whether `{other}` publishes into the same directory is not known: {}",
                failure.sentence()
            )),
        }
    }
    Ok(())
}

/// Fails when nothing can be published into a directory, before anything else is done. Nothing is written.
pub(crate) fn must_take_files(out: &Path) -> Result<(), Failure> {
    publish::check(out).map_err(|error| Failure::of(Kind::Publish, &error).hint(error.hint()))
}

/// The functions that stand in an output directory; none where that cannot be read.
pub(crate) fn functions(out: &Path) -> Option<BTreeSet<String>> {
    const MAX_BYTES: u64 = 64 << 20;
    let file = out.join("functions.yml");
    let bytes = match open_anywhere(&file).and_then(|mut file| read_bounded(&mut file, MAX_BYTES)) {
        Ok(bytes) => bytes,
        Err(Problem::Missing) => return Some(BTreeSet::new()),
        Err(_) => return None,
    };
    let text = String::from_utf8(bytes).ok()?;
    let texts = BTreeMap::from([(ConfigFile::Functions, text)]);
    let out = out.display().to_string();
    let trees = ConfigTrees::parse(&out, texts, &ParseLimits::default()).ok()?;
    Some(trees.functions().map(str::to_owned).collect())
}

fn moved(target: &StreamId, last: &str, asked: &str) -> Failure {
    Failure::new(
        Kind::Refused,
        format!(
            "`{target}` was last published into `{}`, and not into `{}`",
            printable(last),
            printable(asked)
        ),
    )
    .hint("see whether `--out` and the target are what you mean")
    .hint("`--move-out` publishes into the new directory; the old one stays as it is")
}

fn shared(other: &StreamId, asked: &str) -> Failure {
    Failure::new(
        Kind::Refused,
        format!(
            "`{}` is the output directory of `{other}`",
            printable(asked)
        ),
    )
    .hint("see whether `--out` and the target are what you mean")
    .hint("`--share-out` publishes into it too; of what both targets write, the later deploy wins")
}

/// Where the keys of a target may stand: the output directory of its base deploy, or of the one that is under way.
pub(crate) fn published_into(events: &dyn EventLog) -> Result<Option<String>, Failure> {
    let state = latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
    let request = base_request(events, &state)?;
    Ok(request.map(|request| request.out))
}

/// What was asked of the base deploy: the one whose keys may stand in the output directory.
pub(crate) fn base_request(
    events: &dyn EventLog,
    state: &State,
) -> Result<Option<Requested>, Failure> {
    let Some(base) = state.base() else {
        return Ok(None);
    };
    let latest = state.deploy.as_ref();
    if let Some(deploy) = latest.filter(|deploy| deploy.id == base.deploy) {
        return Ok(Some(deploy.request.clone()));
    }
    let first = events
        .deploy_start(base.deploy)
        .and_then(|first| match first {
            Some(first) => journal::event(events, first),
            None => Ok(None),
        })
        .map_err(|error| target::store_failure(&error))?;
    let Some(first) = first else { return Ok(None) };
    let first = typed(&first).map_err(|error| target::deploy_journal_failure(&error))?;
    Ok(first.event.as_requested().cloned())
}

/// The path without links, as far as it is there.
pub(crate) fn real(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest))
    });
    known.unwrap_or_else(|| path.to_owned())
}
