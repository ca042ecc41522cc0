//! `esb diff`: how the artifact on disk differs from what the templates give, with the lines of its configuration.

use std::process::ExitCode;

use engine::contract::Mode;
use serde::Serialize;
use similar::TextDiff;

use crate::args::Global;
use crate::esb::args::Diff;
use crate::esb::findings::say;
use crate::esb::make::make;
use crate::esb::new_artifact::NewArtifact;
use crate::esb::sam_build::with_built_templates;
use crate::failure::Kind;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::counted;
use producer::artifact::store::Difference;

/// Lines around a change.
const CONTEXT: usize = 3;

/// How the artifact differs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Body {
    /// The folder of the artifact.
    output: String,
    /// The artifact is what the templates give.
    current: bool,
    /// The files that differ.
    differences: Vec<Shown>,
}

/// A file that differs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Shown {
    /// The path of the file, below the folder.
    path: String,
    /// `is missing`, `differs`, `does not belong there`.
    how: &'static str,
    /// The lines of a file of configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

/// Compares.
pub(super) fn run(global: &Global, args: &Diff, output: &Output) -> Ended {
    let making = &with_built_templates(&args.making, args.building)?;
    let mode = making.mode.map_or(Mode::Docker, Into::into);
    let made = make(making, mode).map_err(|not_made| not_made.said(global.verbose))?;
    say(&made.warnings, global.verbose);
    let differences: Vec<Shown> = made
        .differences()?
        .into_iter()
        .map(|difference| shown(&made, difference))
        .collect();
    let body = Body {
        output: made.output.display().to_string(),
        current: differences.is_empty(),
        differences,
    };
    output.result(Type::Difference, &body, || text(&body))?;
    Ok(if body.current {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Kind::Drift.code())
    })
}

fn shown(made: &NewArtifact, difference: Difference) -> Shown {
    let diff = made.texts(&difference).map(|(before, after)| {
        TextDiff::from_lines(&before, &after)
            .unified_diff()
            .context_radius(CONTEXT)
            .header("on disk", "from the templates")
            .to_string()
    });
    Shown {
        path: difference.path,
        how: difference.how,
        diff,
    }
}

fn text(body: &Body) -> String {
    if body.current {
        return format!("{} is current", body.output);
    }
    let mut text = String::new();
    for Shown { path, how, diff } in &body.differences {
        text.push_str(&format!("{path} {how}\n"));
        text.push_str(diff.as_deref().unwrap_or_default());
    }
    let count = counted(body.differences.len() as u64, "difference");
    text + &format!("{} is not what the templates give: {count}", body.output)
}
