//! `plan`: what a deploy would do, touching nothing.

mod markdown;

use std::path::Path;
use std::process::ExitCode;

use engine::compat::{Grade, Verdict};
use engine::contract::{Digest, printable};
use engine::docker::BuilderChoice;
use engine::machine::{ImageSource, Merged};
use engine::merge::{Changes, Key};
use engine::run::{Plan, PlanBasis, PlanError, PlannedImage, latest_state, plan};
use jiff::Timestamp;
use journal::{EventLog, Journal, MemoryStore, StreamId};
use serde::Serialize;

use crate::applier::args::{Builder, OutArgs};
use crate::applier::hold::HoldLine;
use crate::applier::prepare::{Needed, Prepared};
use crate::applier::saved_plan::SavedPlan;
use crate::applier::{args, output_dir, prepare, superseding, target};
use crate::args::Global;
use crate::changes::signed;
use crate::failure::{Failure, Kind};
use crate::identity::{self, SystemStamp};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::process_limits;
use crate::program::Ended;
use crate::report::{counted, image_line, short, talk};
use crate::when;
use markdown::markdown;

/// A plan, and what stands in the way of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Body<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// The hold that a person has on the target: a deploy would be refused.
    hold: Option<HoldLine>,
    /// Of a plan that was saved: by whom and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<Saved<'a>>,
}

/// What is known of a saved plan.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Saved<'a> {
    /// The target, `PROJECT/ENV`.
    target: &'a str,
    /// Who made the plan.
    made_by: &'a str,
    /// When.
    made_at: Timestamp,
    /// The head of the journal that the plan was made upon, `SEQUENCE:HASH`.
    head: &'a str,
    /// The digest of the artifact.
    artifact: &'a Digest,
}

/// How a plan is made and shown.
#[derive(Clone, Copy)]
pub(super) struct Showing<'a> {
    pub(super) out: OutArgs,
    pub(super) builder: Builder,
    /// Every image is said, those that stay as they are too.
    pub(super) explain: bool,
    /// Changes are told by the exit code.
    pub(super) exit_code: bool,
    /// Where the plan is saved.
    pub(super) save: Option<&'a Path>,
}

/// Makes a plan and shows it.
pub(crate) fn run(global: &Global, asked: &args::Plan, output: &Output) -> Ended {
    if let Some(file) = &asked.plan_file {
        return show_saved(global, file, asked.explain, output);
    }
    let prepared = prepare::request(&asked.request, Needed::Plan)?;
    let showing = Showing {
        out: asked.request.applying.out_args,
        builder: asked.building.builder,
        explain: asked.explain,
        exit_code: asked.exit_code,
        save: asked.save.as_deref(),
    };
    show(global, &prepared, showing, output)
}

/// Makes a plan of what is prepared, and shows it.
pub(super) fn show(
    global: &Global,
    prepared: &Prepared,
    showing: Showing<'_>,
    output: &Output,
) -> Ended {
    let root = target::root(global)?;
    let events = events(&root, &prepared.target)?;
    let events = events.as_ref();
    output_dir::must_be_meant(
        &root,
        &prepared.target,
        &prepared.request,
        events,
        showing.out,
    )?;
    // Before the plan is made: what is recorded meanwhile is no part of it.
    let head = events
        .head()
        .map_err(|error| target::store_failure(&error))?;
    let plan = process_limits::runtime()?.block_on(made(
        &root,
        prepared,
        events,
        showing.builder.into(),
    ))?;
    let state = latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
    let hold = HoldLine::of(events, &state)?;
    let body = Body {
        plan: &plan,
        hold,
        saved: None,
    };
    let verbose = global.verbose > 0;
    let target = prepared.target.to_string();
    let out = &prepared.request.out;
    tell(output, &target, &body, || {
        page(&target, out, &plan, verbose, showing.explain)
    })?;
    if let Some(hold) = &body.hold {
        talk(&format!(
            "warning: target `{0}` is {1}; a deploy is refused until `artifactctl lock release {0}`",
            prepared.target,
            hold.words()
        ));
    }
    superseding::warn(&root, &prepared.request, events, &state)?;
    if plan.verdict == Verdict::Incompatible {
        return Err(incompatible(&plan));
    }
    let code = if showing.exit_code && plan.changes_anything() {
        Kind::Drift.code()
    } else {
        0
    };
    if let Some(file) = showing.save {
        let saved = SavedPlan {
            made_at: Timestamp::now(),
            made_by: identity::actor(None),
            tool: identity::TOOL.to_owned(),
            target: prepared.target.to_string(),
            head: target::head_text(&head),
            request: prepared.request.clone(),
            builder: showing.builder,
            out_args: showing.out,
            plan,
        };
        saved.write(file)?;
        let file = printable(&file.display().to_string());
        talk(&format!(
            "saved: `artifactctl deploy --plan {file}` does this, or nothing"
        ));
    }
    Ok(ExitCode::from(code))
}

/// Writes a plan as JSON, as Markdown or for eyes.
fn tell(
    output: &Output,
    target: &str,
    body: &Body<'_>,
    page: impl FnOnce() -> Page,
) -> Result<(), Failure> {
    if output.is_markdown() {
        Output::text(&markdown(target, &page().render(false)))
    } else {
        output.shown(Type::Plan, body, page)
    }
}

/// Shows a plan that was saved, as it was shown then.
fn show_saved(global: &Global, file: &Path, explain: bool, output: &Output) -> Ended {
    let saved = SavedPlan::read(file)?;
    let SavedPlan {
        plan,
        target,
        request,
        ..
    } = &saved;
    let body = Body {
        plan,
        hold: None,
        saved: Some(Saved {
            target,
            made_by: &saved.made_by,
            made_at: saved.made_at,
            head: &saved.head,
            artifact: &request.artifact,
        }),
    };
    tell(output, target, &body, || {
        let mut shown = Page::default();
        let (by, at) = (&saved.made_by, when::second(saved.made_at));
        let artifact = short(request.artifact.hex());
        shown.text(format!("saved by {by}, {at}: artifact {artifact}"));
        shown.append(page(
            target,
            &request.out,
            plan,
            global.verbose > 0,
            explain,
        ));
        shown
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The journal of a target, to read; an empty one where nothing was ever deployed.
fn events(root: &Path, target: &StreamId) -> Result<Box<dyn EventLog>, Failure> {
    let known = Journal::targets(root).map_err(|error| target::read_failure(&error))?;
    Ok(if known.contains(target) {
        Box::new(target::reader(root, target)?)
    } else {
        Box::new(MemoryStore::new(target.clone()))
    })
}

/// Finds out what a run of what is prepared would do.
pub(super) async fn made(
    root: &Path,
    prepared: &Prepared,
    events: &dyn EventLog,
    builder: BuilderChoice,
) -> Result<Plan, Failure> {
    let imported = Journal::imported_until(root, &prepared.target);
    let basis = PlanBasis {
        events,
        imported_until: imported.map_err(|error| target::read_failure(&error))?,
        stamp: &SystemStamp,
    };
    let world = prepared.world(builder).await.map_err(Failure::from)?;
    let plan = plan(
        &world,
        prepared.artifact.as_deref(),
        &prepared.registries,
        &prepared.request,
        basis,
    );
    plan.await.map_err(|error| match error {
        PlanError::DeployJournal(error) => target::deploy_journal_failure(&error),
        PlanError::Failed(failed) => Failure::from(failed),
    })
}

fn incompatible(plan: &Plan) -> Failure {
    let failure = Failure::new(
        Kind::Incompatible,
        "the running stack does not fit the artifact",
    );
    plan.findings
        .iter()
        .filter_map(|finding| finding.hint.clone())
        .take(3)
        .fold(failure, Failure::hint)
}

/// The target, the verdict, what changes with its values, the images, and one line that sums it up.
fn page(target: &str, out: &str, plan: &Plan, verbose: bool, explain: bool) -> Page {
    let mut page = Page::default();
    let title = Line::default().and(Tone::Strong, target);
    page.line(title.and(Tone::Plain, format!(" into {out}")));
    checks(&mut page, plan, verbose);
    if let Some(merged) = &plan.configuration {
        configuration(&mut page, plan, merged);
    }
    images(&mut page, plan, verbose || explain);
    page.line(sum(plan));
    page
}

fn checks(page: &mut Page, plan: &Plan, verbose: bool) {
    let (tone, verdict) = match plan.verdict {
        Verdict::Compatible => (Tone::Good, "compatible"),
        Verdict::Incompatible => (Tone::Bad, "incompatible"),
    };
    let checks = counted(plan.findings.len() as u64, "check");
    let more = if verbose { "" } else { "; -v shows all" };
    let line = Line::new("stack: ").and(tone, verdict);
    page.line(line.and(Tone::Plain, format!(" ({checks}{more})")));
    for finding in &plan.findings {
        let tone = match finding.grade {
            Grade::Pass | Grade::Note if !verbose => continue,
            Grade::Pass | Grade::Note => Tone::Plain,
            Grade::Warn => Tone::Warn,
            Grade::Fail => Tone::Bad,
        };
        page.line(Line::new("  ").and(tone, finding.sentence()));
    }
}

fn configuration(page: &mut Page, plan: &Plan, merged: &Merged) {
    if !merged.changes.is_empty() {
        page.text("configuration:");
    }
    for (sign, tone, key) in signed(&merged.changes) {
        page.line(Line::new("  ").and(tone, format!("{sign} {key}")));
        let values = plan.values.get(&Key(key.to_owned()));
        for value in values.into_iter().flatten() {
            let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "(none)".to_owned());
            let (before, after) = (side(&value.before), side(&value.after));
            page.text(format!("      {}  {before} -> {after}", value.field));
        }
    }
    for drift in &merged.drift {
        let text = format!("drift: {} and would be overwritten", drift.sentence());
        page.line(Line::new("  ").and(Tone::Warn, text));
    }
    for warning in &merged.warnings {
        page.line(Line::default().and(Tone::Warn, format!("warning: {warning}")));
    }
    // Where no key changes a file may still have to be written: in another form, or for the first time.
    if merged.changes.is_empty() {
        for file in &plan.written {
            let text = format!("~ {} would be written anew", file.file_name());
            page.line(Line::new("  ").and(Tone::Warn, text));
        }
    }
}

fn images(page: &mut Page, plan: &Plan, all: bool) {
    let is_shown =
        |image: &&PlannedImage| all || image.moves_tag || image.source != ImageSource::Reused;
    let mut shown = plan.images.iter().filter(is_shown).peekable();
    if shown.peek().is_some() {
        page.text("images:");
    }
    for image in shown {
        page.text(image_line(image));
    }
}

/// `Plan: 0 to add, 1 to change, 0 to remove; 1 image to build, 98 kept`.
fn sum(plan: &Plan) -> Line {
    if plan.verdict == Verdict::Incompatible {
        return Line::new("Plan: ").and(Tone::Bad, "a deploy would be refused");
    }
    if !plan.changes_anything() {
        return Line::new("Plan: nothing to change");
    }
    let changes = plan.configuration.as_ref().map(|merged| &merged.changes);
    let count = |keys: fn(&Changes) -> &Vec<Key>| changes.map_or(0, |changes| keys(changes).len());
    let built = plan.images.iter();
    let built = built
        .filter(|image| !image.build_because.is_empty())
        .count();
    let is_moved = |image: &&PlannedImage| image.moves_tag && image.build_because.is_empty();
    let moved = plan.images.iter().filter(is_moved).count();
    let moves = match moved {
        0 => String::new(),
        moved => format!("; {} to move", counted(moved as u64, "tag")),
    };
    Line::new(format!(
        "Plan: {} to add, {} to change, {} to remove; {} to build, {} kept{moves}",
        count(|changes| &changes.added),
        count(|changes| &changes.changed),
        count(|changes| &changes.removed),
        counted(built as u64, "image"),
        plan.images.len() - built
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::compat::Observation;
    use engine::contract::{Digest, FunctionName};
    use engine::machine::{OwedImages, Owners, sample};
    use engine::merge::{ConfigFile, FieldChange, Ownership};
    use engine::run::Cause;

    use super::*;

    fn image(name: &str, build_because: Vec<Cause>) -> PlannedImage {
        PlannedImage {
            function: FunctionName::parse(name).unwrap(),
            reference: format!("registry:5000/shop/{name}:1"),
            key: Digest::of("key"),
            source: if build_because.is_empty() {
                ImageSource::Reused
            } else {
                ImageSource::Built
            },
            build_because,
            moves_tag: false,
            keyed: None,
            named: None,
            needs_builder: None,
            prefix: None,
        }
    }

    fn plan_of(changes: Changes, values: &[FieldChange], images: Vec<PlannedImage>) -> Plan {
        let key = changes.changed.first().cloned();
        let is_new = !changes.is_empty();
        Plan {
            observation: Observation {
                project: "shop".to_owned(),
                engine: sample::engine(),
                containers: Vec::new(),
                api_version: None,
                mode: None,
                gateway_secrets: None,
                other_projects: Vec::new(),
            },
            verdict: Verdict::Compatible,
            findings: Vec::new(),
            configuration: Some(Merged {
                files: BTreeMap::new(),
                ownership: Owners::Stated(Ownership::default()),
                changes,
                drift: Vec::new(),
                images: OwedImages::Stated(Vec::new()),
                warnings: vec!["a\nPlan: forged".to_owned()],
                values: BTreeMap::new(),
            }),
            output: BTreeMap::new(),
            written: if is_new {
                vec![ConfigFile::Functions]
            } else {
                Vec::new()
            },
            texts: BTreeMap::new(),
            values: key.into_iter().map(|key| (key, values.to_vec())).collect(),
            images,
        }
    }

    #[test]
    fn a_plan_names_target_values_and_sum_and_nobody_forges_its_lines() {
        let changes = Changes {
            added: vec![Key("routes/GET /new".to_owned())],
            changed: vec![Key("functions/hello".to_owned())],
            ..Changes::default()
        };
        let greeting = FieldChange {
            field: "environment.GREETING".to_owned(),
            before: Some("\"hi\"".to_owned()),
            after: Some("\"hello there\"".to_owned()),
        };
        let images = vec![
            image("hello", vec![Cause::Input("app.py changed".to_owned())]),
            image("other", Vec::new()),
        ];
        let plan = plan_of(changes, &[greeting], images);
        assert_eq!(
            page("nc-shop/dev", "/srv/out", &plan, false, false).render(false),
            "nc-shop/dev into /srv/out
stack: compatible (0 checks; -v shows all)
configuration:
  + routes/GET /new
  ~ functions/hello
      environment.GREETING  \"hi\" -> \"hello there\"
warning: a\\nPlan: forged
images:
  build hello (registry:5000/shop/hello:1): app.py changed
Plan: 1 to add, 1 to change, 0 to remove; 1 image to build, 1 kept
"
        );
    }

    #[test]
    fn a_plan_of_what_is_there_says_so() {
        let plan = plan_of(Changes::default(), &[], vec![image("other", Vec::new())]);
        let shown = page("nc-shop/dev", "/srv/out", &plan, false, false).render(false);
        assert!(shown.ends_with("Plan: nothing to change\n"), "{shown}");
        let all = page("nc-shop/dev", "/srv/out", &plan, false, true).render(false);
        assert!(all.contains("reuse other"), "{all}");
    }
}
