//! `blame`: which deploy changed each field of a function, route or resource last, and by whom.

use std::collections::BTreeMap;
use std::process::ExitCode;

use engine::contract::did_you_mean;
use engine::machine::ImageRecord;
use engine::merge::{Key, OwnedConfiguration};
use engine::run::deploy_record;
use jiff::Timestamp;
use journal::EventLog;
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::BlameArgs;
use crate::applier::at::At;
use crate::applier::ids::Ids;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone, columns};
use crate::program::Ended;
use crate::report::short;
use crate::when;

/// One field of a key, as JSON output shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FieldLine {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// The key.
    key: String,
    /// Its path below the key; empty where the whole value is meant.
    field: String,
    /// What stands there, in one line as YAML has it.
    value: String,
    /// The deploy that changed it last; none when that was before values were kept.
    deploy: Option<Uuid>,
    /// Who asked for that deploy.
    actor: Option<String>,
    /// When that deploy was asked for.
    requested_at: Option<Timestamp>,
}

/// Answers for one function, route or resource.
pub(crate) fn run(global: &Global, args: &BlameArgs, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let events = At::new(&reader, args.past.at.as_deref())?;
    let first = deploys::start(&events, deploys::LAST_GOOD)?;
    let record =
        deploy_record(&events, first).map_err(|error| target::deploy_journal_failure(&error))?;
    let Some(record) = record else {
        return Ok(ExitCode::SUCCESS);
    };
    let configuration = record.configuration.unwrap_or_default();
    let keys = meant(&configuration, &args.name)
        .ok_or_else(|| nothing_like(&configuration, &args.name, events.stream()))?;
    let mut asked = Askers::of(&events);
    let mut lines = Vec::new();
    for key in keys {
        let Some(value) = &configuration[key].value else {
            lines.push(asked.line(key, WHOLE, "was not kept".to_owned(), None)?);
            continue;
        };
        for (field, text) in value.fields() {
            let by = value.changed_by(&field);
            lines.push(asked.line(key, &field, text, by)?);
        }
        let function = key.0.strip_prefix("functions/");
        let image = record
            .images
            .iter()
            .find(|(name, _)| Some(name.as_str()) == function);
        if let Some((_, ImageRecord { digest, deploy, .. })) = image {
            lines.push(asked.line(key, IMAGE, digest.to_string(), Some(*deploy))?);
        }
    }
    if output.is_json() {
        for line in &lines {
            Output::json(Type::Field, line)?;
        }
    } else {
        let ids = Ids::of(&reader, args.long).map_err(|error| target::store_failure(&error))?;
        Output::page(&page(&lines, &ids, args.long))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The field of a function that stands for its image as the registry has it. No field of the configuration has a bracket.
const IMAGE: &str = "(image digest)";

/// The field that stands for a value of which nothing is known.
const WHOLE: &str = "(value)";

/// Who asked for a deploy. Each deploy is looked up once.
struct Askers<'a> {
    events: &'a dyn EventLog,
    known: BTreeMap<Uuid, Option<(String, Timestamp)>>,
}

impl<'a> Askers<'a> {
    fn of(events: &'a dyn EventLog) -> Self {
        Self {
            events,
            known: BTreeMap::new(),
        }
    }

    fn line(
        &mut self,
        key: &Key,
        field: &str,
        value: String,
        deploy: Option<Uuid>,
    ) -> Result<FieldLine, Failure> {
        let asked = deploy.map(|deploy| self.asked(deploy)).transpose()?;
        let (actor, requested_at) = asked.flatten().unzip();
        Ok(FieldLine {
            target: self.events.stream().to_string(),
            key: key.0.clone(),
            field: field.to_owned(),
            value,
            deploy,
            actor,
            requested_at,
        })
    }

    fn asked(&mut self, deploy: Uuid) -> Result<Option<(String, Timestamp)>, Failure> {
        if let Some(known) = self.known.get(&deploy) {
            return Ok(known.clone());
        }
        let failed = |error| target::store_failure(&error);
        let first = self.events.deploy_start(deploy).map_err(failed)?;
        let event = first.map(|first| journal::event(self.events, first));
        let event = event.transpose().map_err(failed)?.flatten();
        let asked = event.map(|event| (event.header.actor, event.header.recorded_at));
        self.known.insert(deploy, asked.clone());
        Ok(asked)
    }
}

/// The keys that a name means: a whole key, or the function, route or resource of that name. A route may be named by its path alone.
fn meant<'a>(configuration: &'a OwnedConfiguration, name: &str) -> Option<Vec<&'a Key>> {
    if let Some((key, _)) = configuration.get_key_value(&Key(name.to_owned())) {
        return Some(vec![key]);
    }
    let is_meant = |key: &&Key| {
        let Some((section, rest)) = key.0.split_once('/') else {
            return false;
        };
        let path = rest.split_once(' ').map(|(_, path)| path);
        rest == name || (section == "routes" && path == Some(name))
    };
    let keys: Vec<&Key> = configuration.keys().filter(is_meant).collect();
    (!keys.is_empty()).then_some(keys)
}

fn nothing_like(
    configuration: &OwnedConfiguration,
    name: &str,
    target: &journal::StreamId,
) -> Failure {
    let failure = Failure::new(
        Kind::Refused,
        format!("no deploy onto `{target}` owns a function, route or resource `{name}`"),
    );
    let names = configuration.keys().flat_map(|key| {
        let rest = key.0.split_once('/').map_or("", |(_, rest)| rest);
        [key.0.as_str(), rest]
    });
    let nearest = did_you_mean(name, names);
    nearest
        .into_iter()
        .fold(failure, Failure::hint)
        .hint("`artifactctl show -v` lists what was written")
}

/// Fewest columns that are left for a value.
const VALUE_MIN: usize = 12;

/// A table for each key: the field, the deploy, who and when, and the value as far as it fits.
fn page(lines: &[FieldLine], ids: &Ids, whole: bool) -> Page {
    let mut page = Page::default();
    let mut rest = lines;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|line| line.key == first.key).count();
        let (of_key, others) = rest.split_at(length);
        rest = others;
        let title = format!("{}: {}", first.target, first.key);
        page.line(Line::default().and(Tone::Strong, title));
        let cells = of_key.iter().map(|line| {
            let dash = || "-".to_owned();
            [
                line.field.clone(),
                line.deploy.map_or_else(dash, |deploy| ids.shown(deploy)),
                line.actor.clone().unwrap_or_else(dash),
                line.requested_at.map_or_else(dash, when::minute),
                shown(&line.value),
            ]
        });
        let cells: Vec<[String; 5]> = cells.collect();
        let head = ["FIELD", "DEPLOY", "BY", "ASKED FOR (UTC)", "VALUE"];
        let width = |column: usize| {
            let widths = cells.iter().map(|row| row[column].chars().count());
            widths.chain([head[column].len()]).max().unwrap_or(0) + 2
        };
        let taken: usize = (0..head.len() - 1).map(width).sum();
        let left = if whole {
            usize::MAX
        } else {
            columns().saturating_sub(taken).max(VALUE_MIN)
        };
        let rows = cells.iter().map(|row| {
            let cell = |at: usize| (Tone::Plain, row[at].clone());
            vec![
                cell(0),
                cell(1),
                cell(2),
                cell(3),
                (Tone::Dim, cut(&row[4], left)),
            ]
        });
        page.table(&head, rows.collect());
    }
    page
}

/// A digest in short.
fn shown(value: &str) -> String {
    let hex = value.strip_prefix("sha256:");
    hex.map_or_else(|| value.to_owned(), |hex| short(hex).to_owned())
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}
