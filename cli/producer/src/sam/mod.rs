//! Resources of a template: from their properties to the model.
//!
//! Here: what becomes of each type and each property (the lists that the documentation is made from), `Globals`, names, routes.
//! Not here: what a function like `Fn::Sub` gives (`intrinsics`).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod assemble;
mod bucket;
#[cfg(test)]
mod covered;
#[cfg(test)]
mod documented;
mod event;
mod fields;
mod function;
mod globals;
mod layer;
mod nested;
mod path;
mod property;
mod route;
mod table;
#[cfg(test)]
mod tests;
mod trigger;
mod types;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use engine::contract::{Digest, SourceTemplate};

use super::intrinsics::{Nest, Outside, Pseudo};
use super::model::{App, Layer, LocalPath};
use super::parameters::{self, Given, Question, is_of_the_cloud};
use super::report::{Level, Report, Subject, TemplateRule};
use super::template::Template;
use assemble::{Parts, read_template};
use nested::Nested;

/// What a template is resolved with.
#[derive(Debug, Clone, Default)]
pub struct Input<'i> {
    /// Given values; names that the template does not declare do not count (see [`parameters::unknown`]).
    pub parameters: Given,
    /// Images that were named for functions, by logical id or name.
    pub image_uris: BTreeMap<String, String>,
    /// What stands in place of layers that the template does not have (`--layer NAME=PATH|drop`), by ARN, by ARN without its
    /// version, or by the layer's name in the ARN; and in place of layers of the template, by logical id.
    pub layers: BTreeMap<String, LayerInstead>,
    /// Names under which the gateway has the secrets of dynamic references, by what stands behind `resolve:`.
    pub secret_names: BTreeMap<String, String>,
    /// Where the stack pretends to be.
    pub pseudo: Pseudo,
    /// The files beside the template: nested templates and definitions of APIs.
    pub files: Option<&'i dyn Files>,
    /// How the manifest names the template; its file when there is none.
    pub source_path: Option<&'i str>,
    /// Whether what looks like a misspelling is left out, with a warning.
    pub allow_unknown: bool,
}

/// The files beside a template. The rooms that read templates see no file; whoever calls them hands the texts in.
pub trait Files: std::fmt::Debug {
    /// The text of a file by its path, which is relative to the template's folder. The error says why there is none.
    fn read(&self, path: &str) -> Result<String, String>;
}

/// What stands in place of a layer of the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerInstead {
    /// A folder or archive: absolute, or relative to the template's folder.
    Path(LocalPath),
    /// Nothing: the function runs without the layer.
    Drop,
}

impl LayerInstead {
    /// Reads `PATH` or `drop`; the error says what a path should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "drop" => Ok(Self::Drop),
            path => path::local_path(path).map(Self::Path),
        }
    }
}

impl Input<'_> {
    fn image_uri(&self, logical_id: &str, name: &str) -> Option<String> {
        let uri = self.image_uris.get(logical_id);
        uri.or_else(|| self.image_uris.get(name)).cloned()
    }
}

/// The layers that functions may name.
struct Layers<'i> {
    /// Those of the template: ARN to logical id.
    own: BTreeMap<String, String>,
    /// What stands in place of others.
    instead: &'i BTreeMap<String, LayerInstead>,
    /// What was taken from there, by ARN.
    used: RefCell<BTreeMap<String, Layer>>,
}

/// Resolves a template and those nested in it. The report of a model holds warnings and notes; without a model it holds everything
/// that was found.
pub fn resolve(template: &Template<'_>, input: &Input<'_>) -> Result<(App, Report), Report> {
    let (app, report) = resolve_in_part(template, input);
    if report.is_fatal() {
        return Err(report);
    }
    Ok((app, report))
}

/// Resolves a template and those nested in it as far as that goes. The report says whether there is a model; without one, the part of
/// it that could be read serves to look for what else is wrong.
pub fn resolve_in_part(template: &Template<'_>, input: &Input<'_>) -> (App, Report) {
    let findings = &template.findings;
    findings.allow_unknown(input.allow_unknown);
    let bound = parameters::bind(template, &input.parameters);
    let nested = Nested::of(input, template);
    let nest = Nest {
        stacks: Some(&nested),
        ..Nest::default()
    };
    let outside = outside(input, &input.pseudo);
    let read = read_template(template, &bound, outside, &nest, &nested, input, |_| ());
    let mut app = App {
        source: source(template, input),
        required_secrets: BTreeSet::new(),
        dynamic_references: BTreeSet::new(),
        functions: Vec::new(),
        layers: Vec::new(),
        tables: Vec::new(),
        buckets: Vec::new(),
    };
    if let Ok((parts, ())) = read {
        parts.put_together(findings, &mut app);
    }
    let of_nested = nested.findings();
    let whole = || {
        let mut report = findings.report();
        report.findings.extend(of_nested.iter().cloned());
        report
    };
    let report = whole();
    if !report.is_fatal() && warn_of_nothing(template, &app) {
        return (app, whole());
    }
    (app, report)
}

/// Warns of a template whose artifact would change nothing, and tells whether it does.
fn warn_of_nothing(template: &Template<'_>, app: &App) -> bool {
    let is_empty = app.functions.is_empty() && app.tables.is_empty() && app.buckets.is_empty();
    if is_empty {
        let message = "the template gives no function, table or bucket: nothing would be deployed";
        let span = template.place_of("Resources");
        let (level, rule, subject) = (
            Level::Warning,
            TemplateRule::NothingMade,
            Subject::default(),
        );
        let findings = &template.findings;
        findings.note(level, rule, &subject, span, message, None);
    }
    is_empty
}

/// What a template gets from elsewhere.
fn outside<'i>(input: &'i Input<'_>, pseudo: &'i Pseudo) -> Outside<'i> {
    Outside {
        given: &input.parameters,
        secret_names: &input.secret_names,
        pseudo,
    }
}

/// The parameters that the template reads and that have no value, in the order of the text. Whether a parameter is read may depend
/// on the values of others: who gives some of them asks again.
pub fn questions(template: &Template<'_>, input: &Input<'_>) -> Vec<Question> {
    let open = parameters::questions(template, &input.parameters);
    if open.is_empty() {
        return open;
    }
    let Ok(trial) = Template::read(template.file(), template.text()) else {
        return open;
    };
    let (Ok((_, report)) | Err(report)) = resolve(&trial, input);
    let asked = |question: &Question| {
        report.findings.iter().any(|finding| {
            finding.rule == TemplateRule::MissingParameter.name()
                && finding.subject.id == question.name
        })
    };
    open.into_iter().filter(asked).collect()
}

/// Where the model came from. Parameters are those that were given, so that a new parameter with a default makes no new source of
/// what was deployed before; values of `NoEcho` parameters are nowhere.
fn source(template: &Template<'_>, input: &Input<'_>) -> SourceTemplate {
    let declared = |name: &str| {
        let mut all = template.declarations().iter();
        all.any(|declaration| declaration.name == name && !declaration.no_echo)
    };
    SourceTemplate {
        path: input.source_path.unwrap_or(template.file()).to_owned(),
        sha256: Some(Digest::of(template.text()).hex().to_owned()),
        parameters: input
            .parameters
            .iter()
            .filter(|(name, _)| is_of_the_cloud(name) || declared(name))
            .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
            .collect(),
    }
}
