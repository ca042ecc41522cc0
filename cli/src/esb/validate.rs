//! `esb validate`: what is wrong or odd in templates and in the files that they name. Nothing is written.

use std::process::ExitCode;

use engine::contract::Mode;
use serde::Serialize;

use crate::args::Global;
use crate::esb::args::Validate;
use crate::esb::findings::{finding_lines, say};
use crate::esb::make::try_to_make;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::counted;
use producer::model::App;
use producer::report::{Level, TemplateFinding};

/// What the templates say.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Body {
    /// How many templates were read.
    templates: usize,
    /// How many functions they have.
    functions: usize,
    /// How many routes.
    routes: usize,
    /// How many tables.
    tables: usize,
    /// How many buckets.
    buckets: usize,
    /// How many findings are warnings.
    warnings: usize,
    /// What is left out or odd.
    report: Vec<TemplateFinding>,
}

/// Checks them. Errors are a failure, as they are when an artifact is made.
pub(super) fn run(global: &Global, args: &Validate, output: &Output) -> Ended {
    let mode = args.making.mode.map_or(Mode::Docker, Into::into);
    let (made, apps) =
        try_to_make(&args.making, mode).map_err(|not_made| not_made.said(global.verbose))?;
    if let Err(failure) = made.check_warnings(args.strictness.strict_warnings) {
        say(&made.warnings, global.verbose);
        return Err(failure);
    }
    let sum = |count: fn(&App) -> usize| apps.iter().map(count).sum();
    let report = made.warnings;
    let warnings = report
        .iter()
        .filter(|finding| finding.level == Level::Warning);
    let body = Body {
        templates: apps.len(),
        functions: sum(|app| app.functions.len()),
        routes: sum(|app| app.functions.iter().map(|one| one.routes.len()).sum()),
        tables: sum(|app| app.tables.len()),
        buckets: sum(|app| app.buckets.len()),
        warnings: warnings.count(),
        report,
    };
    output.result(Type::Validated, &body, || text(&body, global.verbose))?;
    Ok(ExitCode::SUCCESS)
}

fn text(body: &Body, verbose: u8) -> String {
    let mut lines = finding_lines(&body.report, verbose);
    let counts = [
        (body.functions, "function"),
        (body.routes, "route"),
        (body.tables, "table"),
        (body.buckets, "bucket"),
        (body.warnings, "warning"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, thing)| *count > 0 || *thing == "function")
        .map(|(count, thing)| counted(*count as u64, thing))
        .collect();
    let templates = counted(body.templates as u64, "template");
    lines.push(format!("valid: {templates}, {}", counts.join(", ")));
    lines.join("\n")
}
