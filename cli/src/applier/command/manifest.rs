//! `manifest validate` and `manifest sync-ids`.

use std::path::Path;
use std::process::ExitCode;

use engine::load::{self, SyncOutcome};
use serde::Serialize;

use crate::applier::args::Manifest;
use crate::applier::prepare::load_failure;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;

/// Runs the subcommand.
pub(crate) fn run(manifest: &Manifest, output: &Output) -> Ended {
    match manifest {
        Manifest::Validate { artifact } => validate(artifact, output),
        Manifest::SyncIds { artifact, check } => sync_ids(artifact, *check, output),
    }
}

#[derive(Serialize)]
struct Valid {
    manifest: String,
    entries: usize,
    functions: usize,
    warnings: Vec<String>,
}

fn validate(path: &Path, output: &Output) -> Ended {
    let artifact = load::artifact(path).map_err(|error| load_failure(&error))?;
    load::build_inputs(&artifact).map_err(|error| load_failure(&error))?;
    let body = Valid {
        manifest: artifact.manifest_path.display().to_string(),
        entries: artifact.entries.len(),
        functions: artifact
            .entries
            .iter()
            .map(|entry| entry.images.len())
            .sum(),
        warnings: artifact.warnings.iter().map(ToString::to_string).collect(),
    };
    output.result(Type::Valid, &body, || {
        let warnings = body.warnings.iter().fold(String::new(), |text, warning| {
            text + "\nwarning: " + warning
        });
        format!(
            "{} satisfies the payload contract ({} entries){warnings}",
            body.manifest, body.entries
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn sync_ids(path: &Path, check: bool, output: &Output) -> Ended {
    let outcome: SyncOutcome = load::sync_ids(path, check).map_err(|error| load_failure(&error))?;
    output.result(Type::Synced, &outcome, || text(&outcome))?;
    if check && !outcome.changes.is_empty() {
        return Err(Failure::new(
            Kind::Assertion,
            format!("ids of `{}` are not in sync", path.display()),
        )
        .hint(format!(
            "`artifactctl manifest sync-ids --artifact {}`",
            path.display()
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(outcome: &SyncOutcome) -> String {
    let mut lines: Vec<String> = outcome
        .changes
        .iter()
        .map(|change| {
            let or_none = |id: &Option<String>| id.clone().unwrap_or_else(|| "(none)".to_owned());
            format!(
                "artifacts[{}]: {} -> {}",
                change.entry,
                or_none(&change.from),
                or_none(&change.to)
            )
        })
        .collect();
    lines.push(match (outcome.changes.len(), outcome.written) {
        (0, _) => "every id is the computed one".to_owned(),
        (_, true) => "ids written".to_owned(),
        (_, false) => "ids differ".to_owned(),
    });
    lines.join("\n")
}
