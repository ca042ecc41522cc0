//! Resources of a template: from their properties to the model.
//!
//! Here: what becomes of each type and each property (the lists that the documentation is made from), `Globals`, names, routes.
//! Not here: what a function like `Fn::Sub` gives (`intrinsics`).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

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
mod property;
mod route;
mod table;
#[cfg(test)]
mod tests;
mod types;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use engine::contract::{Digest, SourceTemplate};
use engine::yaml::{Node, Span, Value};

use super::intrinsics::{Context, Pseudo, has_loops, written_out};
use super::model::{App, EnvValue, Function, Layer, LocalPath, Piece};
use super::parameters::{self, Bound, Given, IMPORT, Question};
use super::report::{Findings, Read, Report, Rule, Subject};
use super::template::{Kind, Resource, Template};

/// What a template is resolved with.
#[derive(Debug, Clone, Default)]
pub struct Input<'i> {
    /// Given values; names that the template does not declare do not count (see [`parameters::unknown`]).
    pub parameters: Given,
    /// Images that were named for functions, by logical id or name.
    pub image_uris: BTreeMap<String, String>,
    /// What stands in place of layers that the template does not have (`--layer NAME=PATH|drop`), by ARN, by ARN without its
    /// version, or by the layer's name in the ARN.
    pub layers: BTreeMap<String, LayerInstead>,
    /// Where the stack pretends to be.
    pub pseudo: Pseudo,
    /// How the manifest names the template; its file when there is none.
    pub source_path: Option<&'i str>,
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
            path => function::local_path(path).map(Self::Path),
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

/// The properties that a resource without any has.
static NO_PROPERTIES: Node = Node {
    span: Span { line: 0, column: 0 },
    value: Value::Map(BTreeMap::new()),
};

/// Resolves a template. The report of a model holds warnings and notes; without a model it holds everything that is wrong.
pub fn resolve(template: &Template<'_>, input: &Input<'_>) -> Result<(App, Report), Report> {
    let findings = &template.findings;
    let bound = parameters::bind(template, &input.parameters);
    let written = repeated(template, &bound, input);
    let Ok(written) = written else {
        return Err(findings.report());
    };
    let template = written.as_ref().unwrap_or(template);
    globals::check(findings, template);
    let context = Context::new(template, &bound, &input.parameters, &input.pseudo);
    let app = assemble(&context, template, input);
    let report = findings.report();
    if report.is_fatal() {
        return Err(report);
    }
    Ok((app, report))
}

/// The template with its loops written out; none when it has none.
fn repeated<'a>(
    template: &Template<'a>,
    bound: &BTreeMap<String, Bound>,
    input: &Input<'_>,
) -> Read<Option<Template<'a>>> {
    if !has_loops(template) {
        return Ok(None);
    }
    let context = Context::new(template, bound, &input.parameters, &input.pseudo);
    written_out(&context).map(|root| Some(template.with_root(root)))
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
            finding.rule == Rule::MissingParameter.name() && finding.subject.id == question.name
        })
    };
    open.into_iter().filter(asked).collect()
}

/// A resource that is there, and of a supported type.
struct Present<'r, 'a> {
    resource: &'r Resource<'a>,
    kind: Kind,
    properties: Node,
}

fn assemble(context: &Context<'_>, template: &Template<'_>, input: &Input<'_>) -> App {
    let findings = &template.findings;
    let present = present(context, template);
    let mut app = App {
        source: source(template, input),
        required_secrets: BTreeSet::new(),
        functions: Vec::new(),
        layers: Vec::new(),
        tables: Vec::new(),
        buckets: Vec::new(),
    };
    let layers = Layers {
        own: layer_arns(context, &present),
        instead: &input.layers,
        used: RefCell::default(),
    };
    let mut functions = Vec::new();
    for Present {
        resource,
        kind,
        properties,
    } in &present
    {
        // What could not be read was reported.
        match kind {
            Kind::ServerlessFunction | Kind::LambdaFunction => {
                let found = function::read(context, resource, *kind, properties, input, &layers);
                functions.extend(found.map(|found| (found.function, found.claims)));
            }
            Kind::ServerlessLayer | Kind::LambdaLayer => {
                let layer = layer::read_layer(context, resource, *kind, properties);
                app.layers.extend(layer);
            }
            Kind::Table => app
                .tables
                .extend(table::read_table(context, resource, properties)),
            Kind::SimpleTable => {
                app.tables
                    .extend(table::read_simple(context, resource, properties));
            }
            Kind::Bucket => app
                .buckets
                .extend(bucket::read_bucket(context, resource, properties)),
        }
    }
    app.layers.extend(layers.used.take().into_values());
    app.layers
        .sort_by(|left, right| left.logical_id.cmp(&right.logical_id));
    route::share_out(findings, &mut functions);
    app.functions
        .extend(functions.into_iter().map(|(function, _)| function));
    app.required_secrets = secrets(&app.functions);
    unique(findings, &present, &app);
    // The fields of properties report what they were not asked for; this is the rest of the template.
    context.note_unused();
    app
}

/// The ARNs by which functions name the layers of the template.
fn layer_arns(context: &Context<'_>, present: &[Present<'_, '_>]) -> BTreeMap<String, String> {
    present
        .iter()
        .filter(|present| matches!(present.kind, Kind::ServerlessLayer | Kind::LambdaLayer))
        .filter_map(|present| {
            let own = context.resolver(present.resource.subject());
            let name = own.resource_name(present.resource, present.kind, present.resource.span);
            Some((own.layer_arn(&name.ok()?), present.resource.id.to_owned()))
        })
        .collect()
}

/// The resources that are there and supported; what becomes of the others is reported.
fn present<'r, 'a>(context: &'r Context<'a>, template: &Template<'_>) -> Vec<Present<'r, 'a>> {
    let mut found = Vec::new();
    let kinds = context.resources().filter_map(|resource| resource.kind);
    if !globals::fit(template, kinds) {
        return found;
    }
    for resource in context.resources() {
        let own = context.resolver(resource.subject());
        match own.is_present(resource) {
            Ok(true) => {}
            Ok(false) => {
                types::note_absent(&template.findings, resource);
                continue;
            }
            Err(_) => continue,
        }
        types::check_attributes(&template.findings, resource);
        let Some(kind) = resource.kind else {
            types::leave_out(&template.findings, resource);
            continue;
        };
        let properties = match resource.map.get("Properties") {
            Some(entry) if entry.node.value != Value::Null => entry.node.clone(),
            Some(_) | None => Node {
                span: resource.span,
                ..NO_PROPERTIES.clone()
            },
        };
        let properties = globals::merged(template, kind, &properties).unwrap_or(properties);
        found.push(Present {
            resource,
            kind,
            properties,
        });
    }
    found
}

/// Reports resources of one kind with one name.
fn unique(findings: &Findings<'_>, present: &[Present<'_, '_>], app: &App) {
    let functions = app.functions.iter();
    let functions = functions.map(|one| ("function", one.name.as_str(), &one.logical_id));
    let layers = app.layers.iter();
    let layers = layers.map(|one| ("layer", one.name.as_str(), &one.logical_id));
    let tables = app.tables.iter();
    let tables = tables.map(|one| ("table", one.name.as_str(), &one.logical_id));
    let buckets = app.buckets.iter();
    let buckets = buckets.map(|one| ("bucket", one.name.as_str(), &one.logical_id));
    let mut first = BTreeMap::new();
    for (kind, name, id) in functions.chain(layers).chain(tables).chain(buckets) {
        let other = *first.entry((kind, name)).or_insert(id);
        if other == id {
            continue;
        }
        let message = format!("the {kind} `{other}` is called `{name}` too");
        let resource = present.iter().find(|present| present.resource.id == id);
        let span = resource.map_or(Span::default(), |present| present.resource.span);
        let subject = resource.map_or_else(Subject::default, |present| present.resource.subject());
        findings.error(Rule::DuplicateName, &subject, span, message);
    }
}

fn secrets(functions: &[Function]) -> BTreeSet<String> {
    functions
        .iter()
        .flat_map(|function| function.environment.values())
        .flat_map(EnvValue::pieces)
        .filter_map(|piece| match piece {
            Piece::Secret(name) => Some(name),
            Piece::Literal(_) => None,
        })
        .collect()
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
            .filter(|(name, _)| name.starts_with(IMPORT) || declared(name))
            .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
            .collect(),
    }
}
