//! `rollback`: a deploy of what the journal recorded of an earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::compat::Policy;
use engine::contract::{Digest, FunctionName};
use engine::machine::{Options, Requested, Stage};
use engine::merge::Key;
use engine::run::{DeployRecord, deploy_record, latest_state};
use journal::{EventLog, Journal};

use crate::applier::args::{Builder, OutArgs, RollbackArgs};
use crate::applier::command::deploy::{self, Begin, OnFailure};
use crate::applier::command::plan::{self, Showing};
use crate::applier::deploys::{self, LAST_GOOD};
use crate::applier::ids::Ids;
use crate::applier::prepare::{self, Prepared};
use crate::applier::{output_dir, target};
use crate::args::{Global, RegistryArgs};
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::process_limits;
use crate::program::Ended;

/// Goes back.
pub(crate) fn run(global: &Global, args: &RollbackArgs, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let record = meant(&reader, args.deploy.as_deref())?;
    let wish = Wish {
        message: args.message.clone(),
        compat: args.compat.map(Into::into),
        fail_on_drift: args.fail_on_drift,
        registries: &args.registries,
    };
    let prepared = prepared(&root, &reader, &record, wish)?;
    let out = OutArgs::default();
    if args.plan {
        let showing = Showing {
            out,
            builder: BUILDER,
            explain: args.explain,
            exit_code: false,
            save: None,
        };
        return plan::show(global, &prepared, showing, output);
    }
    process_limits::runtime()?.block_on(must_be_restorable(&root, &prepared, &reader))?;
    drop(reader);
    let begin = Begin::Requested {
        out,
        supersede: args.supersede,
    };
    let acting = args.acting();
    deploy::drive(global, &prepared, begin, OnFailure::Stay, &acting, output)
}

/// Nothing is built.
const BUILDER: Builder = Builder::Engine;

/// What cannot be restored is refused before anything is recorded. Whatever else goes wrong is met again, and recorded, as of any deploy.
pub(super) async fn must_be_restorable(
    root: &Path,
    prepared: &Prepared,
    events: &dyn EventLog,
) -> Result<(), Failure> {
    match plan::made(root, prepared, events, BUILDER.into()).await {
        Err(failure) if failure.kind == Kind::Refused => Err(failure),
        Err(_) | Ok(_) => Ok(()),
    }
}

/// The deploy whose state was in effect before one that failed.
pub(super) fn last_good(events: &dyn EventLog) -> Result<DeployRecord, Failure> {
    meant(events, Some(LAST_GOOD))
}

/// The deploy to go back to.
fn meant(events: &dyn EventLog, named: Option<&str>) -> Result<DeployRecord, Failure> {
    let failed = |error| target::deploy_journal_failure(&error);
    let target = events.stream();
    let first = match named {
        Some(name) => deploys::start(events, name)?,
        None => usual(events)?,
    };
    let refused = |why: String| {
        Failure::new(Kind::Refused, why)
            .hint(format!("`artifactctl history {target}` lists its deploys"))
    };
    let record = deploy_record(events, first)
        .map_err(failed)?
        .ok_or_else(|| {
            let name = named.unwrap_or(LAST_GOOD);
            refused(format!("`{name}` of `{target}` is a hold, and no deploy"))
        })?;
    if record.is_applied {
        return Ok(record);
    }
    let ids = Ids::of(events, false).map_err(|error| target::store_failure(&error))?;
    Err(refused(format!(
        "deploy {} of `{target}` was never applied, so that there is nothing to go back to",
        ids.shown(record.deploy)
    )))
}

/// The first event of what is gone back to when nobody says it: where an unfinished rollback goes to; what is in effect, when a deploy
/// behind it did not end well; else the deploy before that left something else.
fn usual(events: &dyn EventLog) -> Result<u64, Failure> {
    let state = latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
    let unfinished = state.unfinished();
    if let Some(deploy) = unfinished.and_then(|deploy| deploy.request.rollback_to) {
        return deploys::start(events, &deploy.to_string());
    }
    let latest = state.deploy.as_ref();
    let is_applied = latest.is_some_and(|deploy| matches!(deploy.stage, Stage::Applied(_)));
    if !is_applied {
        return deploys::start(events, LAST_GOOD);
    }
    let now = deploys::start(events, LAST_GOOD)?;
    let left = left_by(events, now)?;
    // Where there is none at all, this says so.
    let mut before = deploys::start(events, "last-good~1")?;
    for _ in 0..deploys::SEARCHED {
        if left_by(events, before)? != left {
            return Ok(before);
        }
        match deploys::applied_before(events, before)? {
            Some(earlier) => before = earlier,
            None => break,
        }
    }
    let target = events.stream();
    let why = format!("every deploy of `{target}` before the one in effect left the same");
    Err(Failure::new(Kind::Refused, why).hint(format!(
        "`artifactctl history {target}` lists its deploys; name one of them to deploy it again"
    )))
}

/// What a deploy left in effect: the values of its keys, and which image each function has.
type Left = (
    BTreeMap<Key, Digest>,
    BTreeMap<FunctionName, (String, Digest)>,
);

fn left_by(events: &dyn EventLog, first: u64) -> Result<Left, Failure> {
    let record = deploy_record(events, first);
    let record = record.map_err(|error| target::deploy_journal_failure(&error))?;
    let Some(record) = record else {
        return Ok(Left::default());
    };
    let keys = record.configuration.into_iter().flatten();
    let keys = keys.map(|(key, value)| (key, value.digest));
    let images = record.images.into_iter();
    let images = images.map(|(function, image)| (function, (image.reference, image.digest)));
    Ok((keys.collect(), images.collect()))
}

/// What is asked of a rollback, besides where it goes.
pub(super) struct Wish<'a> {
    /// Why.
    pub(super) message: Option<String>,
    /// As that deploy, when none is named.
    pub(super) compat: Option<Policy>,
    /// It ends before it overwrites what was changed by hand.
    pub(super) fail_on_drift: bool,
    /// The names of the registry where that deploy recorded none.
    pub(super) registries: &'a RegistryArgs,
}

/// The request: what was recorded, into the directory in which the target stands.
pub(super) fn prepared(
    root: &Path,
    events: &dyn EventLog,
    record: &DeployRecord,
    wish: Wish<'_>,
) -> Result<Prepared, Failure> {
    let target = events.stream();
    let state = latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
    let out = output_dir::base_request(events, &state)?.map(|request| request.out);
    let imported =
        Journal::imported_until(root, target).map_err(|error| target::read_failure(&error))?;
    if state.base().is_some_and(|base| base.merged <= imported) {
        let message = format!("what `{target}` has in effect was deployed from another machine");
        return Err(Failure::new(Kind::Refused, message)
            .hint("deploy an artifact from here first: the paths of imported deploys are not those of this machine"));
    }
    let recorded = &record.request;
    let options = &recorded.options;
    let request = Requested {
        out: out.unwrap_or_else(|| recorded.out.clone()),
        message: wish.message,
        options: Options {
            compat: wish.compat.unwrap_or(options.compat),
            no_cache: false,
            accept_digests: BTreeSet::new(),
            prune: true,
            fail_on_drift: wish.fail_on_drift,
            ..options.clone()
        },
        base: None,
        rollback_to: Some(record.deploy),
        ..recorded.clone()
    };
    prepare::back_to(request, wish.registries)
}
