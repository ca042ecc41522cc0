//! `journal prune --images`: the images that no deploy of any target names any more, listed or deleted.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::docker::{ImageDeletion, delete_images};
use engine::image::{Reference, Registries};
use engine::machine::PrunedImages;
use engine::run::{latest_state, pruned_images};
use journal::{EventLog, Journal, Owned, StreamId};
use serde::Serialize;

use crate::applier::args::PruneArgs;
use crate::applier::{output_dir, prepare, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::{self, counted};
use crate::{identity, process_limits, terminal};

/// One image.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PrunedImage<'a> {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// As the stack names it, with its digest.
    image: String,
    /// What became of it.
    how: How,
    /// The tag that keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    /// Nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum How {
    /// It is deleted, or would be.
    Deleted,
    /// The registry does not have it.
    Absent,
    /// It stays: a tag names it.
    Tagged,
}

/// Deletes the images that prunes of the target left without a name.
pub(super) fn run(global: &Global, args: &PruneArgs, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    target::must_have_journal(&root, &stream)?;
    // Nobody deploys meanwhile: a deploy could find an image that is about to go.
    let owned = if args.dry_run {
        Vec::new()
    } else {
        own_all(&root, args)?
    };
    let images = unnamed(&root, &stream)?;
    if images.count() == 0 {
        report::talk(&format!("no image of `{stream}` is left without a name"));
        return Ok(ExitCode::SUCCESS);
    }
    if !args.dry_run {
        must_be_agreed(&stream, &images, args.yes)?;
    }
    let registries = registries(&root, &stream)?;
    let runtime = process_limits::runtime()?;
    for (repository, digests) in &images.repositories {
        let here = here(repository, &registries)?;
        let docker_host = prepare::variable("DOCKER_HOST");
        let mut shown = Ok(());
        let each = |digest: &Digest, deletion: ImageDeletion| {
            if shown.is_ok() {
                shown = show(output, &stream, repository, digest, &deletion, args.dry_run);
            }
        };
        let deleted = delete_images(docker_host.as_deref(), &here, digests, args.dry_run, each);
        runtime.block_on(deleted)?;
        shown?;
    }
    drop(owned);
    Ok(ExitCode::SUCCESS)
}

/// Takes every target of the journal.
fn own_all(root: &Path, args: &PruneArgs) -> Result<Vec<Owned>, Failure> {
    let actor = identity::actor(args.who.actor.as_deref());
    let targets = Journal::targets(root).map_err(|error| target::read_failure(&error))?;
    let owned = targets
        .iter()
        .map(|target| target::own(root, target, &actor));
    owned.collect()
}

/// The images of a target that were pruned and that no target of this journal names. A target that cannot be read names nobody knows what.
fn unnamed(root: &Path, stream: &StreamId) -> Result<PrunedImages, Failure> {
    let (mut pruned, mut named) = (PrunedImages::default(), BTreeSet::new());
    for target in Journal::targets(root).map_err(|error| target::read_failure(&error))? {
        let of_target = |failure: Failure| Failure {
            message: format!(
                "nobody knows which images target `{target}` names: {}",
                failure.message
            ),
            ..failure
        };
        let reader = target::reader(root, &target).map_err(of_target)?;
        let (images, names) = pruned_images(&reader)
            .map_err(|error| of_target(target::deploy_journal_failure(&error)))?;
        if target == *stream {
            pruned = images;
        }
        named.extend(names);
    }
    pruned.retain_others(&named);
    Ok(pruned)
}

/// Under which names the registry is reached, as the deploy in effect said.
fn registries(root: &Path, stream: &StreamId) -> Result<Registries, Failure> {
    let reader = target::reader(root, stream)?;
    let events: &dyn EventLog = &reader;
    let state = latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
    let request = output_dir::base_request(events, &state)?;
    let names = request.and_then(|request| request.registries);
    let names = names.unwrap_or_default();
    Ok(Registries {
        container: names.stack,
        host: names.host,
    })
}

/// The repository as this host asks for it.
fn here(repository: &str, registries: &Registries) -> Result<Reference, Failure> {
    let reference = Reference::parse(repository).map_err(|error| {
        Failure::of(Kind::Journal, &error).hint("`artifactctl verify` names the first bad event")
    })?;
    Ok(registries.own_for_host(&reference))
}

fn must_be_agreed(target: &StreamId, images: &PrunedImages, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let what = format!(
        "{} that no deploy in this journal names",
        counted(images.count(), "image")
    );
    if !terminal::somebody_is_there() {
        return Err(Failure::new(
            Kind::Usage,
            format!("{what} would be deleted from the registry, and nobody can be asked"),
        )
        .hint("`--yes` agrees to it; `--dry-run` lists them")
        .hint("another journal may name them: what it deploys cannot be known here"));
    }
    let question = format!(
        "Delete {what} from the registry of `{target}`? Another journal may name them: what it deploys cannot be known here."
    );
    if terminal::is_agreed(&question)? {
        return Ok(());
    }
    Err(Failure::new(Kind::Refused, "the images stay"))
}

fn show(
    output: &Output,
    target: &StreamId,
    repository: &str,
    digest: &Digest,
    deletion: &ImageDeletion,
    dry_run: bool,
) -> Result<(), Failure> {
    let (how, tag) = match deletion {
        ImageDeletion::Deleted => (How::Deleted, None),
        ImageDeletion::Absent => (How::Absent, None),
        ImageDeletion::Tagged(tag) => (How::Tagged, Some(tag.as_str())),
    };
    let image = PrunedImage {
        target: target.to_string(),
        image: format!("{repository}@{digest}"),
        how,
        tag,
        dry_run,
    };
    output.shown(Type::PrunedImage, &image, || {
        let said = match (how, tag) {
            (How::Deleted, _) if dry_run => "would be deleted".to_owned(),
            (How::Deleted, _) => "deleted".to_owned(),
            (How::Absent, _) => "is not in the registry".to_owned(),
            (How::Tagged, tag) => format!("stays: tag `{}` names it", tag.unwrap_or_default()),
        };
        let mut page = Page::default();
        page.line(Line::new(&image.image).and(Tone::Plain, format!(": {said}")));
        page
    })
}
