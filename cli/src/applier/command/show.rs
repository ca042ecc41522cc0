//! `show`: one deploy, event by event.

use std::collections::BTreeSet;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::machine::{self, Images};
use engine::run::{DeployJournalError, document, document_bytes};
use engine::views::{drift, hold, prune, summarise};
use journal::{EventLog, StoredEvent};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::applier::args::Show;
use crate::applier::at::At;
use crate::applier::command::history::{against, held, pruned, tone};
use crate::applier::ids::Ids;
use crate::applier::story::Story;
use crate::applier::{deploys, events, target};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Output, Type, stored};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::short;

/// Shows one deploy.
pub(crate) fn run(global: &Global, args: &Show, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let shown = deploys::named(&At::new(&reader, args.past.at.as_deref())?, &args.deploy)?;
    if output.is_json() {
        for event in &shown {
            events::json(event)?;
        }
        if args.documents {
            documents(&reader, &shown)?;
        }
    } else {
        let ids = Ids::of(&reader, args.long).map_err(|error| target::store_failure(&error))?;
        Output::page(&page(&reader, &shown, &ids, global.verbose > 0)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A document as JSON output shows it: as it is stored.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DocumentLine<'a> {
    /// The digest of the document.
    digest: &'a Digest,
    /// The document, as it is stored.
    content: &'a RawValue,
}

/// Writes each document that the events name, once, as a line of JSON.
fn documents(events: &dyn EventLog, shown: &[StoredEvent]) -> Result<(), Failure> {
    let mut named = BTreeSet::new();
    for event in shown {
        let header = &event.header;
        // What a newer tool says of documents is not known.
        if let Ok(event) = machine::decode(&header.kind, header.schema, &event.payload) {
            named.extend(event.documents().into_iter().cloned());
        }
    }
    for digest in &named {
        let bytes =
            document_bytes(events, digest).map_err(|error| target::store_failure(&error))?;
        let Some(bytes) = bytes else {
            let error = DeployJournalError::Document {
                digest: digest.clone(),
                source: None,
            };
            return Err(target::deploy_journal_failure(&error));
        };
        let content = stored(&bytes);
        Output::json(Type::Document, &DocumentLine { digest, content })?;
    }
    Ok(())
}

/// The images that an event says are kept, a line each.
fn kept(events: &dyn EventLog, event: &StoredEvent) -> Result<Vec<String>, Failure> {
    let header = &event.header;
    let event = machine::decode(&header.kind, header.schema, &event.payload).ok();
    let Some(kept) = event.as_ref().and_then(|event| event.as_images_kept()) else {
        return Ok(Vec::new());
    };
    let images: Images =
        document(events, &kept.images).map_err(|error| target::deploy_journal_failure(&error))?;
    let images = images.images.into_iter();
    let images = images.filter(|(function, _)| !kept.pending.contains(function));
    let lines = images.map(|(function, image)| {
        let digest = short(image.digest.hex());
        format!("{:>24}kept: {function} {} {digest}", "", image.reference)
    });
    Ok(lines.collect())
}

fn page(
    log: &dyn EventLog,
    shown: &[StoredEvent],
    ids: &Ids,
    verbose: bool,
) -> Result<Page, Failure> {
    let mut page = Page::default();
    if let Some(hold) = hold(shown) {
        let title = format!("hold {} of {}", ids.shown(hold.hold), hold.target);
        page.line(Line::default().and(Tone::Strong, title));
        page.text(held(&hold));
    } else if let Some(drift) = drift(shown) {
        let title = format!("drift {} of {}", ids.shown(drift.drift), drift.target);
        page.line(Line::default().and(Tone::Strong, title));
    } else if let Some(prune) = prune(shown) {
        let title = format!("prune {} of {}", ids.shown(prune.prune), prune.target);
        page.line(Line::default().and(Tone::Strong, title));
        page.text(pruned(&prune));
    } else if let Some(summary) = summarise(shown) {
        let title = format!("deploy {} of {}", ids.shown(summary.deploy), summary.target);
        let title = Line::default()
            .and(Tone::Strong, title)
            .and(Tone::Plain, ": ");
        page.line(title.and(tone(summary.status), summary.status.word()));
        if let Some(deploy) = summary.rollback_to {
            page.text(format!("rollback to {}", ids.shown(deploy)));
        }
        if let Some(why) = summary.unrestorable {
            page.text(format!("no rollback to it: {why}"));
        }
        page.text(against(&summary));
    }
    let story = Story::of(log, shown)?;
    let mut attempt = None;
    for event in shown {
        let header = &event.header;
        let by = (header.attempt, &header.actor, &header.tool);
        if attempt.replace(by) != Some(by) {
            let (attempt, actor, tool) = by;
            let day = header.recorded_at.strftime("%Y-%m-%d");
            page.text("");
            let title = format!("attempt {attempt} by {actor}, {day} (UTC), {tool}");
            page.line(Line::default().and(Tone::Strong, title));
        }
        for line in story.lines(event, verbose) {
            page.line(line);
        }
        // Most deploys keep most images: the event says how many.
        if verbose {
            for line in kept(log, event)? {
                page.text(line);
            }
        }
    }
    Ok(page)
}
