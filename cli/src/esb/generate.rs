//! `esb artifact generate`: makes an artifact. Nothing is applied.

use std::process::ExitCode;

use engine::contract::Mode;
use serde::Serialize;

use crate::esb::args::Generate;
use crate::esb::images;
use crate::esb::made::{Made, Published};
use crate::esb::make::make;
use crate::failure::Kind;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::{counted, talk};
use producer::report::{Finding, Level};

/// What was made, or would be.
#[derive(Serialize)]
struct Generated<'a> {
    manifest: String,
    output: String,
    entries: Vec<Option<&'a str>>,
    functions: usize,
    /// The artifact on disk is the one that the templates give.
    current: bool,
    /// It was written; else it was there already, or was to be compared.
    written: bool,
    /// With `--check`: how it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<&'a [String]>,
    report: &'a [Finding],
}

/// Makes the artifact, or compares it with what is on disk.
pub(super) fn run(args: &Generate, output: &Output) -> Ended {
    let mode = args.making.mode.map_or(Mode::Docker, Into::into);
    let made = make(&args.making, mode)?;
    say(&made);
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
    Ok(ExitCode::SUCCESS)
}

fn check(made: &Made, output: &Output) -> Ended {
    let differences = made.differences()?;
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

fn body<'a>(made: &'a Made, current: bool, differences: Option<&'a [String]>) -> Generated<'a> {
    Generated {
        manifest: made.manifest_path.display().to_string(),
        output: made.output.display().to_string(),
        entries: made
            .manifest
            .artifacts
            .iter()
            .map(|entry| entry.id.as_deref())
            .collect(),
        functions: made.functions,
        current,
        written: false,
        differences,
        report: &made.warnings,
    }
}

fn words(made: &Made, published: Published) -> String {
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

/// Says what is odd in the templates: warnings and notes, each with its place.
pub(super) fn say(made: &Made) {
    for finding in &made.warnings {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        let place = &finding.place;
        let line = match place.line {
            0 => String::new(),
            line => format!(":{line}"),
        };
        let message = finding.violation().message;
        talk(&format!("{level}: {}{line}: {message}", place.file));
    }
}
