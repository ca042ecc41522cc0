//! `stacks`: which versions of the stack were seen from when to when, and which deploys met them.

use std::process::ExitCode;

use engine::views::{SeenStack, SeenStacks};
use serde::Serialize;

use crate::applier::args::StacksArgs;
use crate::applier::at::At;
use crate::applier::ids::Ids;
use crate::applier::target;
use crate::args::Global;
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone, columns, fitted};
use crate::program::Ended;
use crate::report::counted;
use crate::when;

/// A stack as JSON output shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StackLine<'a> {
    /// The target, `PROJECT/ENV`.
    target: String,
    #[serde(flatten)]
    seen: &'a SeenStack,
}

/// Lists stacks, the one that was seen last on top.
pub(crate) fn run(global: &Global, args: &StacksArgs, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let events = At::new(&reader, args.past.at.as_deref())?;
    let mut seen = SeenStacks::default();
    for event in journal::scan_all(&events) {
        seen.add(&event.map_err(|error| target::store_failure(&error))?);
    }
    let mut stacks = seen.into_stacks();
    stacks.reverse();
    if output.is_json() {
        for seen in &stacks {
            let target = stream.to_string();
            Output::json(Type::Stack, &StackLine { target, seen })?;
        }
    } else {
        let ids = Ids::of(&reader, args.long).map_err(|error| target::store_failure(&error))?;
        Output::page(&page(&stream.to_string(), &stacks, &ids, args.long))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(target: &str, stacks: &[SeenStack], ids: &Ids, all: bool) -> Page {
    let mut page = Page::default();
    page.line(Line::default().and(Tone::Strong, target));
    let rows = stacks.iter().map(|seen| {
        let services: Vec<String> = seen
            .services
            .iter()
            .map(|one| format!("{} {}", one.service, one.version.as_deref().unwrap_or("?")))
            .collect();
        let stack = if services.is_empty() {
            "nothing".to_owned()
        } else {
            services.join(", ")
        };
        vec![
            (Tone::Plain, when::minute(seen.first_seen)),
            (Tone::Plain, when::minute(seen.last_seen)),
            (Tone::Plain, format!("{stack} (engine {})", seen.engine)),
        ]
    });
    let mut table = Page::default();
    table.table(&["FROM (UTC)", "TO (UTC)", "SEEN"], rows.collect());
    let mut lines = table.into_lines().into_iter();
    lines.by_ref().take(1).for_each(|head| page.line(head));
    for (line, seen) in lines.zip(stacks) {
        page.line(line);
        let deploys: Vec<String> = seen.deploys.iter().rev().map(|id| ids.shown(*id)).collect();
        let count = counted(deploys.len() as u64, "deploy");
        let left = columns().saturating_sub(count.len() + 4);
        let width = if all { usize::MAX } else { left };
        let text = format!("  {count}: {}", fitted(&deploys, width));
        page.line(Line::default().and(Tone::Dim, text));
    }
    page
}
