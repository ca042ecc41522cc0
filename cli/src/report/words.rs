//! The words of recorded events: said live, and by `show` and `watch`.

use engine::compat::{Container, Grade, Observation, Verdict};
use engine::machine::{
    AbandonReason, Abandoned, Applied, CompatChecked, DriftFound, Event, Failed, ImagesKept,
    Merged, Pruned, Requested,
};

use super::images::image_words;
use super::{Detail, counted, short};
use crate::changes::signed;

/// An event in words, a line each.
pub(crate) fn words(event: &Event, detail: Detail) -> Vec<String> {
    match event {
        Event::Requested(requested) => requested_words(requested),
        Event::Observed(observed) => vec![observed_words(&observed.observation)],
        Event::CompatChecked(checked) => checked_words(checked, detail),
        Event::Merged(merged) => merged_words(merged, detail),
        Event::ImagesKept(kept) => kept_words(kept, detail),
        Event::ImageBuilt(image) => image_words(image, detail),
        Event::Applied(applied) => vec![applied_words(applied)],
        Event::Failed(failed) => failed_words(failed, detail),
        Event::Resumed(resumed) => vec![format!("resumed: attempt {}", resumed.attempt)],
        Event::DriftFound(found) => drift_words(found),
        Event::Pruned(pruned) => pruned_words(pruned),
        Event::Abandoned(abandoned) => vec![abandoned_words(abandoned)],
        Event::TakenOver(taken) => vec![format!(
            "taken over: {} (process {} on {}) held it since {} and ended without letting go",
            taken.holder.actor, taken.holder.pid, taken.holder.host, taken.holder.since
        )],
        Event::Held(held) => vec![format!("held: {}", held.message)],
        Event::Released(released) => {
            let note = released.note.as_ref().map(|note| format!(": {note}"));
            vec![format!("released{}", note.unwrap_or_default())]
        }
    }
}

fn requested_words(requested: &Requested) -> Vec<String> {
    let what = match requested.rollback_to {
        Some(deploy) => format!("rollback to {}", digits(deploy)),
        None => format!(
            "artifact {} from {}",
            short(requested.artifact.hex()),
            requested.manifest_path
        ),
    };
    let asked = format!(
        "requested: {what} onto project {}, into {}",
        requested.project, requested.out
    );
    let why = requested.message.iter();
    std::iter::once(asked)
        .chain(why.map(|why| format!("  why: {why}")))
        .collect()
}

fn observed_words(observation: &Observation) -> String {
    let service = |container: &Container| {
        let version = container
            .version
            .as_ref()
            .map_or("?", |version| version.value.as_str());
        format!("{} {version}", container.service)
    };
    let services: Vec<String> = observation.containers.iter().map(service).collect();
    let services = if services.is_empty() {
        "nothing running".to_owned()
    } else {
        services.join(", ")
    };
    format!(
        "observed: {services} (engine {})",
        observation.engine.version
    )
}

fn checked_words(checked: &CompatChecked, detail: Detail) -> Vec<String> {
    let verdict = match checked.verdict {
        Verdict::Compatible => "compatible",
        Verdict::Incompatible => "incompatible",
    };
    let mut lines = vec![format!(
        "checked: {verdict}, {}",
        counted(checked.findings.len() as u64, "finding")
    )];
    let shown = checked.findings.iter().filter(|finding| match detail {
        // The live run ends with the failure, which names every failed check.
        Detail::Live => finding.grade == Grade::Warn,
        Detail::Shown => matches!(finding.grade, Grade::Warn | Grade::Fail),
        Detail::Full => true,
    });
    lines.extend(shown.map(|finding| format!("  {}", finding.sentence())));
    lines
}

/// Keys that are listed before the rest is counted.
const KEYS_MAX: usize = 20;

fn merged_words(merged: &Merged, detail: Detail) -> Vec<String> {
    let changes = &merged.changes;
    let mut lines = vec![format!(
        "merged: {} added, {} changed, {} removed, {}",
        changes.added.len(),
        changes.changed.len(),
        changes.removed.len(),
        counted(merged.images.count(), "image")
    )];
    let listed = match detail {
        Detail::Live => 0,
        Detail::Shown => KEYS_MAX,
        Detail::Full => usize::MAX,
    };
    let keys = signed(changes).map(|(sign, _, key)| format!("  {sign} {key}"));
    lines.extend(keys.take(listed));
    let more = signed(changes).count().saturating_sub(listed);
    if listed > 0 && more > 0 {
        lines.push(format!("  … {more} more keys: -v lists them"));
    }
    lines.extend(
        merged
            .drift
            .iter()
            .map(|drift| format!("  drift: {}; overwriting", drift.sentence())),
    );
    lines.extend(
        merged
            .warnings
            .iter()
            .map(|warning| format!("  warning: {warning}")),
    );
    lines
}

/// An event may say only which images are still to be built.
fn kept_words(kept: &ImagesKept, detail: Detail) -> Vec<String> {
    if kept.count == 0 && detail == Detail::Live {
        return Vec::new();
    }
    let base = match detail {
        Detail::Live | Detail::Shown => digits(kept.base),
        Detail::Full => kept.base.to_string(),
    };
    let images = counted(kept.count, "image");
    vec![format!("kept: {images} as deploy {base} recorded")]
}

/// Last digits of the id of an earlier deploy: more than tell the newest deploys apart, since it may be an old one.
const BASE_DIGITS: usize = 8;

fn digits(deploy: uuid::Uuid) -> String {
    let id = deploy.simple().to_string();
    id[id.len() - BASE_DIGITS..].to_owned()
}

fn applied_words(applied: &Applied) -> String {
    let written = applied.files.values().filter(|file| file.written).count();
    let provision = applied
        .provision
        .as_ref()
        .map(|run| format!("; provisioner exited {}", run.exit_code));
    let tags = match applied.tags.len() as u64 {
        0 => String::new(),
        moved => format!(", {} moved", counted(moved, "tag")),
    };
    format!(
        "applied: {written} of {} files written{tags}{}",
        applied.files.len(),
        provision.unwrap_or_default()
    )
}

/// The live run ends with the whole failure, so that its event needs no words there.
fn failed_words(failed: &Failed, detail: Detail) -> Vec<String> {
    if detail == Detail::Live {
        return Vec::new();
    }
    let about = failed
        .function
        .as_ref()
        .map(|function| format!(" ({function})"));
    let mut lines = vec![format!(
        "failed{}: {}",
        about.unwrap_or_default(),
        failed.message
    )];
    lines.extend(failed.causes.iter().map(|cause| format!("  {cause}")));
    lines.extend(failed.output.iter().map(|line| format!("  | {line}")));
    lines.extend(failed.hints.iter().map(|hint| format!("  hint: {hint}")));
    lines
}

fn abandoned_words(abandoned: &Abandoned) -> String {
    let why = match &abandoned.reason {
        AbandonReason::Superseded { by } => format!("superseded by artifact {}", short(by.hex())),
        AbandonReason::GivenUp => "given up".to_owned(),
    };
    let note = abandoned.note.as_ref().map(|note| format!(": {note}"));
    format!("abandoned: {why}{}", note.unwrap_or_default())
}

fn pruned_words(pruned: &Pruned) -> Vec<String> {
    let mut lines = vec![format!(
        "pruned: {} in {}, {} to {}, up to event {}",
        counted(pruned.events, "event"),
        counted(pruned.deploys, "deploy"),
        pruned.from,
        pruned.to,
        pruned.checkpoint.sequence
    )];
    lines.extend(pruned.message.iter().map(|why| format!("  why: {why}")));
    lines
}

fn drift_words(found: &DriftFound) -> Vec<String> {
    let mut lines = vec![format!(
        "drift found: {}, {}, {}",
        counted(found.keys.len() as u64, "key"),
        counted(found.tags.len() as u64, "tag"),
        counted(found.refused.len() as u64, "failing check")
    )];
    let files = found.files.iter();
    lines.extend(files.map(|file| format!("  {} is not what was applied", file.file_name())));
    lines.extend(found.keys.iter().map(|drift| match &drift.found {
        Some(_) => format!("  {} stands otherwise", drift.key.0),
        None => format!("  {} is gone", drift.key.0),
    }));
    lines.extend(found.tags.iter().map(|tag| match &tag.found {
        Some(_) => format!("  {} names another image", tag.reference),
        None => format!("  {} is not in the registry", tag.reference),
    }));
    let refused = found.refused.iter();
    lines.extend(refused.map(|finding| format!("  refused: {}", finding.comparison())));
    lines
}
