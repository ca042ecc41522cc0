//! `diff`: what differs between two deploys, or between a deploy and what stands in the output directory.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use engine::contract::required_secrets;
use engine::image::explain;
use engine::machine::{ImageRecord, Requested};
use engine::merge::{FieldChange, Key, KeyChange, KeyDifference, differences, standing_values};
use engine::run::{DeployRecord, deploy_record};
use engine::views::versions;
use journal::EventLog;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::applier::args::DiffArgs;
use crate::applier::at::At;
use crate::applier::ids::Ids;
use crate::applier::{deploys, drift, target, values};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::{counted, short};

/// What stands in the output directory at present.
const NOW: &str = "now";

/// What differs, as JSON output shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Body {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// The deploy that is compared.
    from: Uuid,
    /// The deploy that it is compared with; none stands for the present.
    to: Option<Uuid>,
    /// Nothing differs.
    is_same: bool,
    /// What was asked for: artifact, manifest, options, paths.
    request: Vec<FieldChange>,
    /// The versions of the services, and of the engine.
    stack: Vec<FieldChange>,
    /// How each key differs that does.
    configuration: BTreeMap<Key, KeyDifference>,
    /// How each image differs that does.
    images: Vec<ImageDifference>,
}

/// A function whose image differs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ImageDifference {
    /// The function.
    function: String,
    /// The digest before; null where there was none.
    before: Option<String>,
    /// The digest afterwards; null where there is none.
    after: Option<String>,
    /// What went into it and differs.
    because: Vec<String>,
}

/// Compares.
pub(crate) fn run(global: &Global, args: &DiffArgs, output: &Output) -> Ended {
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let at = args.past.at.as_deref();
    let events = At::new(&reader, at)?;
    let to = match (args.to.as_deref(), at) {
        (Some(NOW), Some(_)) => {
            return Err(
                Failure::new(Kind::Usage, "`now` is the present, and `--at` is the past")
                    .hint("name two deploys, or leave `--at` out"),
            );
        }
        (Some(to), _) => to,
        (None, Some(_)) => deploys::LATEST,
        (None, None) => NOW,
    };
    let from = record(&events, &args.from)?;
    let body = if to == NOW {
        with_present(&events, from)?
    } else {
        between(&stream.to_string(), &from, &record(&events, to)?)
    };
    let ids = Ids::of(&reader, args.long).map_err(|error| target::store_failure(&error))?;
    output.shown(Type::Diff, &body, || page(&body, &ids, global.verbose > 0))?;
    Ok(if args.exit_code && !body.is_same {
        ExitCode::from(Kind::Drift.code())
    } else {
        ExitCode::SUCCESS
    })
}

/// The deploy that is named, with all that is known of it.
fn record(events: &dyn EventLog, name: &str) -> Result<DeployRecord, Failure> {
    let first = deploys::start(events, name)?;
    deploy_record(events, first)
        .map_err(|error| target::deploy_journal_failure(&error))?
        .ok_or_else(|| {
            let target = events.stream();
            Failure::new(
                Kind::Refused,
                format!("`{name}` of `{target}` is a hold, and no deploy"),
            )
            .hint(format!("`artifactctl history {target}` lists its deploys"))
        })
}

fn between(target: &str, from: &DeployRecord, to: &DeployRecord) -> Body {
    let stack = |record: &DeployRecord| -> BTreeMap<String, String> {
        let Some(observation) = &record.observation else {
            return BTreeMap::new();
        };
        let services = versions(observation).into_iter();
        let services = services.map(|service| {
            let version = service.version.unwrap_or_else(|| "?".to_owned());
            (service.service, version)
        });
        let engine = ("engine".to_owned(), observation.engine.version.clone());
        services.chain([engine]).collect()
    };
    let none = BTreeMap::new();
    let configuration = |record: &'_ DeployRecord| record.configuration.clone().unwrap_or_default();
    let body = Body {
        target: target.to_owned(),
        from: from.deploy,
        to: Some(to.deploy),
        is_same: false,
        request: changed(&asked(&from.request), &asked(&to.request)),
        // Who did not look says nothing of the stack.
        stack: match (&from.observation, &to.observation) {
            (Some(_), Some(_)) => changed(&stack(from), &stack(to)),
            (None, _) | (_, None) => changed(&none, &none),
        },
        configuration: differences(&configuration(from), &configuration(to)),
        images: images(&from.images, &to.images),
    };
    body.settled()
}

/// The deploy, and the values that stand in its output directory.
fn with_present(events: &dyn EventLog, from: DeployRecord) -> Result<Body, Failure> {
    let out = &from.request.out;
    let trees = drift::trees(out, drift::standing(out)?)?;
    let configuration = from.configuration.unwrap_or_default();
    let secrets = required_secrets(&from.request.manifest);
    let standing = standing_values(&trees, &configuration, &secrets);
    let body = Body {
        target: events.stream().to_string(),
        from: from.deploy,
        to: None,
        is_same: false,
        request: Vec::new(),
        stack: Vec::new(),
        configuration: differences(&configuration, &standing),
        images: Vec::new(),
    };
    Ok(body.settled())
}

/// What was asked for, field by field. Why it was asked for is no difference, nor is what it builds upon.
fn asked(request: &Requested) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut value = serde_json::to_value(request).unwrap_or_default();
    if let Value::Object(all) = &mut value {
        all.remove("base");
        all.remove("message");
    }
    flat("", &value, &mut fields);
    fields
}

fn flat(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flat(&path, value, fields);
            }
        }
        Value::Array(all) => {
            for (at, value) in all.iter().enumerate() {
                flat(&format!("{path}[{at}]"), value, fields);
            }
        }
        Value::Null => {}
        Value::String(text) => drop(fields.insert(path.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => {
            fields.insert(path.to_owned(), value.to_string());
        }
    }
}

/// The entries that differ between two maps.
fn changed(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<FieldChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changes = names.into_iter().map(|name| FieldChange {
        field: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    });
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

fn images<F: Ord + ToString>(
    before: &BTreeMap<F, ImageRecord>,
    after: &BTreeMap<F, ImageRecord>,
) -> Vec<ImageDifference> {
    let functions: BTreeSet<&F> = before.keys().chain(after.keys()).collect();
    let different = functions.into_iter().filter_map(|function| {
        let (old, new) = (before.get(function), after.get(function));
        let digest = |image: Option<&ImageRecord>| image.map(|image| image.digest.to_string());
        let (before, after) = (digest(old), digest(new));
        (before != after).then(|| ImageDifference {
            function: function.to_string(),
            before,
            after,
            because: match (old, new) {
                (Some(old), Some(new)) => explain(&old.inputs, &new.inputs),
                (None, _) | (_, None) => Vec::new(),
            },
        })
    });
    different.collect()
}

impl Body {
    fn settled(mut self) -> Self {
        self.is_same = self.request.is_empty()
            && self.stack.is_empty()
            && self.configuration.is_empty()
            && self.images.is_empty();
        self
    }
}

fn page(body: &Body, ids: &Ids, all: bool) -> Page {
    let mut page = Page::default();
    let to = body.to.map_or_else(|| NOW.to_owned(), |to| ids.shown(to));
    let title = format!("{}: {} -> {to}", body.target, ids.shown(body.from));
    page.line(Line::default().and(Tone::Strong, title));
    let fields = |page: &mut Page, title: &str, changes: &[FieldChange]| {
        if !changes.is_empty() {
            page.text(title);
        }
        for change in changes {
            page.line(field(change));
        }
    };
    fields(&mut page, "request:", &body.request);
    fields(&mut page, "stack:", &body.stack);
    if !body.configuration.is_empty() {
        page.text("configuration:");
    }
    for (key, difference) in &body.configuration {
        for line in values::lines(key, difference, all) {
            page.line(line);
        }
    }
    if !body.images.is_empty() {
        page.text("images:");
    }
    for image in &body.images {
        page.line(image.line());
    }
    page.text(body.sum());
    page
}

/// One field in one line.
fn field(change: &FieldChange) -> Line {
    let (sign, tone) = sign(change.before.is_some(), change.after.is_some());
    let values = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{} -> {}", shown(before), shown(after)),
        (Some(one), None) | (None, Some(one)) => shown(one).to_owned(),
        (None, None) => String::new(),
    };
    let line = Line::new("  ").and(tone, format!("{sign} {}", change.field));
    line.and(Tone::Plain, format!("  {values}"))
}

/// A value; of a digest as much as people compare.
fn shown(value: &str) -> &str {
    value.strip_prefix("sha256:").map_or(value, short)
}

fn sign(before: bool, after: bool) -> (char, Tone) {
    match (before, after) {
        (false, _) => ('+', Tone::Good),
        (true, true) => ('~', Tone::Warn),
        (true, false) => ('-', Tone::Bad),
    }
}

impl ImageDifference {
    fn line(&self) -> Line {
        let change = FieldChange {
            field: self.function.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
        };
        let because = match self.because.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            [one, rest @ ..] => format!(": {one}, +{} more", rest.len()),
        };
        field(&change).and(Tone::Plain, because)
    }
}

impl Body {
    /// `Diff: 1 added, 1 changed, 0 removed; 1 image, 0 versions, 3 of the request`.
    fn sum(&self) -> String {
        if self.is_same {
            return "no difference".to_owned();
        }
        let count = |change: KeyChange| {
            let all = self.configuration.values();
            all.filter(|one| one.change == change).count()
        };
        let keys = format!(
            "Diff: {} added, {} changed, {} removed",
            count(KeyChange::Added),
            count(KeyChange::Changed),
            count(KeyChange::Removed)
        );
        if self.to.is_none() {
            return keys;
        }
        format!(
            "{keys}; {}, {}, {} of the request",
            counted(self.images.len() as u64, "image"),
            counted(self.stack.len() as u64, "version"),
            self.request.len()
        )
    }
}
