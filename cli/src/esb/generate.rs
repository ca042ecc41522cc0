//! `esb artifact generate`: makes an artifact. Nothing is applied.

use std::io::IsTerminal;
use std::process::ExitCode;

use engine::contract::{Mode, with_ids};
use serde::Serialize;

use crate::args::Global;
use crate::esb::args::Generate;
use crate::esb::findings::say;
use crate::esb::images;
use crate::esb::make::make;
use crate::esb::new_artifact::{NewArtifact, Published};
use crate::esb::sam_build::with_built_templates;
use crate::failure::Kind;
use crate::output::{Output, Type};
use crate::program::{Call, Ended};
use crate::project::ProjectFile;
use crate::report::{counted, talk};
use producer::report::TemplateFinding;

/// What was made, or would be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Generated<'a> {
    /// The manifest of the artifact.
    manifest: String,
    /// The folder of the artifact.
    output: String,
    /// The ids of the entries.
    entries: Vec<String>,
    /// How many functions the artifact has.
    functions: usize,
    /// The artifact on disk is the one that the templates give.
    current: bool,
    /// It was written; else it was there already, or was to be compared.
    written: bool,
    /// With `--check`: how it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<&'a [String]>,
    /// What was left out or is odd.
    report: &'a [TemplateFinding],
}

/// Makes the artifact, or compares it with what is on disk.
pub(super) fn run(global: &Global, args: &Generate, call: &Call, output: &Output) -> Ended {
    let mode = args.making.mode.map_or(Mode::Docker, Into::into);
    let making = with_built_templates(&args.making, args.building)?;
    let made = make(&making, mode).map_err(|not_made| not_made.said(global.verbose))?;
    say(&made.warnings, global.verbose);
    made.check_warnings(args.strictness.strict_warnings)?;
    if args.check {
        return check(&made, output);
    }
    let published = made.publish()?;
    let body = Generated {
        written: published == Published::Written,
        ..body(&made, true, None)
    };
    output.result(Type::Generated, &body, || words(&made, published))?;
    if args.build_images {
        images::build(
            &made.manifest_path,
            args.no_cache,
            args.platform.clone(),
            &args.registries,
            output,
        )?;
    }
    suggest_deploy(&made, call.file.as_ref(), output);
    Ok(ExitCode::SUCCESS)
}

/// Names the next command, to a person only.
fn suggest_deploy(made: &NewArtifact, file: Option<&ProjectFile>, output: &Output) {
    if output.is_json() || output.is_quiet() || !std::io::stderr().is_terminal() {
        return;
    }
    let manifest = made.manifest_path.display();
    let next = match file {
        Some(file) if file.get("out").is_some() => "`artifactctl deploy`".to_owned(),
        Some(_) | None => format!("`artifactctl deploy --artifact {manifest} --out DIR`"),
    };
    talk(&format!("next: {next} deploys it"));
}

fn check(made: &NewArtifact, output: &Output) -> Ended {
    let differences: Vec<String> = made
        .differences()?
        .iter()
        .map(ToString::to_string)
        .collect();
    let current = differences.is_empty();
    output.result(
        Type::Generated,
        &body(made, current, Some(&differences)),
        || {
            if current {
                return format!("{} is current", made.output.display());
            }
            let mut text = differences.join("\n");
            text.push_str(&format!(
                "\n{} is not what the templates give: {}",
                made.output.display(),
                counted(differences.len() as u64, "difference")
            ));
            text
        },
    )?;
    Ok(if current {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Kind::Drift.code())
    })
}

fn body<'a>(
    made: &'a NewArtifact,
    current: bool,
    differences: Option<&'a [String]>,
) -> Generated<'a> {
    Generated {
        manifest: made.manifest_path.display().to_string(),
        output: made.output.display().to_string(),
        entries: with_ids(made.manifest.clone())
            .artifacts
            .into_iter()
            .filter_map(|entry| entry.id)
            .collect(),
        functions: made.functions,
        current,
        written: false,
        differences,
        report: &made.warnings,
    }
}

fn words(made: &NewArtifact, published: Published) -> String {
    let path = made.manifest_path.display();
    let done = match published {
        Published::Written => format!("generated {path}"),
        Published::Unchanged => format!("unchanged {path}"),
    };
    format!(
        "{done}: {}, {}",
        counted(made.manifest.artifacts.len() as u64, "template"),
        counted(made.functions as u64, "function")
    )
}
