//! `manifest validate` and `manifest sync-ids`.

use std::path::Path;
use std::process::ExitCode;

use engine::contract::{Warning, required_secrets};
use engine::load::{self, Artifact, SyncOutcome};
use engine::merge::{BaseOwnership, ConfigTrees, MergeOptions, merge};
use engine::run::configuration;
use serde::Serialize;

use crate::applier::args::Manifest;
use crate::applier::prepare::{load_failure, unknown};
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;

/// Runs the subcommand.
pub(crate) fn run(manifest: &Manifest, output: &Output) -> Ended {
    match manifest {
        Manifest::Validate {
            artifact,
            allow_unknown,
        } => validate(artifact, *allow_unknown, output),
        Manifest::SyncIds { artifact, check } => sync_ids(artifact, *check, output),
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Valid {
    /// The manifest.
    manifest: String,
    /// How many entries it has.
    entries: usize,
    /// How many functions they have.
    functions: usize,
    /// How many of the functions have an image that is built.
    built: usize,
    /// How many routes.
    routes: usize,
    /// How many tables.
    tables: usize,
    /// How many buckets.
    buckets: usize,
    /// How many layers.
    layers: usize,
    /// The names of the secrets that a deploy needs.
    secrets: Vec<String>,
    /// What is odd and is accepted.
    warnings: Vec<String>,
}

/// Checks an artifact against the payload contract.
pub(crate) fn validate(path: &Path, allow_unknown: bool, output: &Output) -> Ended {
    let complete =
        load::complete(path, unknown(allow_unknown), None).map_err(|error| load_failure(&error))?;
    let artifact = complete.artifact;
    let mut warnings = artifact.warnings.clone();
    warnings.extend(complete.inputs.warnings);
    warnings.extend(complete.warnings);
    let body = valid(&artifact, &warnings);
    output.result(Type::Valid, &body, || body.text())?;
    Ok(ExitCode::SUCCESS)
}

fn valid(artifact: &Artifact, warnings: &[Warning]) -> Valid {
    // A merge into nothing counts what several entries have in common once.
    let merged = merge(
        &ConfigTrees::default(),
        &configuration(artifact),
        &BaseOwnership::default(),
        &MergeOptions::default(),
    );
    let keys = merged
        .map(|outcome| outcome.changes.added)
        .unwrap_or_default();
    let count = |kind: &str| keys.iter().filter(|key| key.0.starts_with(kind)).count();
    let secrets = required_secrets(&artifact.manifest);
    Valid {
        manifest: artifact.manifest_path.display().to_string(),
        entries: artifact.entries.len(),
        functions: count("functions/"),
        built: artifact.builds().len(),
        routes: count("routes/"),
        tables: count("dynamodb/"),
        buckets: count("s3/"),
        layers: count("layers/"),
        secrets: secrets.into_iter().map(str::to_owned).collect(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
    }
}

impl Valid {
    /// `valid: 2 functions (1 built), 2 routes, 1 table; needs secret DB_PASSWORD`.
    fn text(&self) -> String {
        let mut text = format!(
            "valid: {} ({} built), {}",
            counted(self.functions, "function"),
            self.built,
            counted(self.routes, "route")
        );
        for (count, name) in [
            (self.tables, "table"),
            (self.buckets, "bucket"),
            (self.layers, "layer"),
        ] {
            if count > 0 {
                text = text + ", " + &counted(count, name);
            }
        }
        if !self.secrets.is_empty() {
            let plural = if self.secrets.len() == 1 { "" } else { "s" };
            text += &format!("; needs secret{plural} {}", self.secrets.join(", "));
        }
        let warnings = self.warnings.iter();
        warnings.fold(text, |text, warning| text + "\nwarning: " + warning)
    }
}

fn counted(count: usize, name: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
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
