//! The resources of one template, read one by one and put together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use engine::contract::Place;
use engine::yaml::{Node, Span, Value};

use super::event::Claim;
use super::nested::Nested;
use super::trigger::{self, Asked, Preflight, Timed};
use super::{Input, Layers, bucket, function, globals, layer, route, table, types};
use crate::intrinsics::{Context, Nest, Outside, SecretSource, has_loops, written_out};
use crate::model::{App, Bucket, EnvValue, Function, Layer, Piece, Table};
use crate::parameters::Bound;
use crate::report::{Findings, Level, Read, Subject, TemplateRule};
use crate::template::{Kind, Resource, Template};

/// What a template and those nested in it ask for, before they are put together.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) functions: Vec<(Function, Vec<Claim>)>,
    pub(super) layers: Vec<Layer>,
    pub(super) tables: Vec<Table>,
    pub(super) buckets: Vec<Bucket>,
    /// Paths that resources ask for on behalf of functions.
    pub(super) asked: Vec<Asked>,
    /// Times at which resources call functions.
    pub(super) timed: Vec<(Subject, Place, Timed)>,
    /// Settings by which an API would answer preflight requests.
    pub(super) preflight: Vec<Preflight>,
    /// Dynamic references that are looked up, without `resolve:`.
    pub(super) dynamic_references: BTreeSet<String>,
    /// Where the secrets come from that the gateway has under a name, and the first place that reads each.
    pub(super) secrets: BTreeMap<String, BTreeMap<SecretSource, (Subject, Place)>>,
    /// Where each resource stands, by its logical id in the artifact.
    places: BTreeMap<String, (Subject, Place)>,
}

impl Parts {
    /// Takes those of a nested template.
    pub(super) fn append(&mut self, mut other: Self) {
        self.functions.append(&mut other.functions);
        self.layers.append(&mut other.layers);
        self.tables.append(&mut other.tables);
        self.buckets.append(&mut other.buckets);
        self.asked.append(&mut other.asked);
        self.timed.append(&mut other.timed);
        self.preflight.append(&mut other.preflight);
        self.places.append(&mut other.places);
        self.dynamic_references
            .append(&mut other.dynamic_references);
        for (name, uses) in other.secrets {
            self.secrets.entry(name).or_default().extend(uses);
        }
    }

    /// Puts everything together: which function answers which path, and that no two have one name.
    pub(super) fn put_together(mut self, findings: &Findings<'_>, app: &mut App) {
        self.functions
            .sort_by(|(left, _), (right, _)| left.logical_id.cmp(&right.logical_id));
        trigger::hand_out(findings, &mut self);
        route::share_out(findings, &mut self.functions);
        trigger::check_preflight(findings, &self);
        let functions = self.functions.into_iter();
        app.functions = functions.map(|(function, _)| function).collect();
        app.layers = self.layers;
        app.layers
            .sort_by(|left, right| left.logical_id.cmp(&right.logical_id));
        // Two nested templates may name one layer of the cloud.
        app.layers
            .dedup_by(|left, right| left.logical_id == right.logical_id);
        app.tables = self.tables;
        app.tables
            .sort_by(|left, right| left.logical_id.cmp(&right.logical_id));
        app.buckets = self.buckets;
        app.buckets
            .sort_by(|left, right| left.logical_id.cmp(&right.logical_id));
        app.required_secrets = secrets(&app.functions);
        app.dynamic_references = self.dynamic_references;
        one_secret_each(findings, &self.secrets);
        unique(findings, &self.places, app);
    }
}

/// Reads a template under the values of its parameters; `also` reads more of it before its context ends.
pub(super) fn read_template<T>(
    template: &Template<'_>,
    bound: &BTreeMap<String, Bound>,
    outside: Outside<'_>,
    nest: &Nest<'_>,
    nested: &Nested<'_>,
    input: &Input<'_>,
    also: impl FnOnce(&Context<'_>) -> T,
) -> Read<(Parts, T)> {
    let written = if has_loops(template) {
        let context = Context::new(template, bound, outside, nest);
        Some(template.with_root(written_out(&context)?))
    } else {
        None
    };
    let template = written.as_ref().unwrap_or(template);
    globals::check(&template.findings, template);
    let context = Context::new(template, bound, outside, nest);
    let mut parts = assemble(&context, template, input, nested);
    let more = also(&context);
    parts
        .dynamic_references
        .extend(context.dynamic_references());
    for (name, uses) in context.secrets() {
        parts.secrets.entry(name).or_default().extend(uses);
    }
    // The fields of properties report what they were not asked for; this is the rest of the template.
    context.note_unused();
    Ok((parts, more))
}

/// A resource that is there, and of a supported type.
struct Present<'r, 'a> {
    resource: &'r Resource<'a>,
    kind: Kind,
    properties: Node,
}

fn assemble(
    context: &Context<'_>,
    template: &Template<'_>,
    input: &Input<'_>,
    nested: &Nested<'_>,
) -> Parts {
    let mut parts = Parts {
        preflight: globals::preflight(template),
        ..Parts::default()
    };
    let present = present(context, template, input, nested, &mut parts);
    let layers = Layers {
        own: layer_arns(context, &present),
        instead: &input.layers,
        used: RefCell::default(),
    };
    for Present {
        resource,
        kind,
        properties,
    } in &present
    {
        let place = template.findings.place(resource.span);
        parts
            .places
            .insert(context.logical_id(resource.id), (resource.subject(), place));
        // What could not be read was reported.
        match kind {
            Kind::ServerlessFunction | Kind::LambdaFunction => {
                let found = function::read(context, resource, *kind, properties, input, &layers);
                let found = found.map(|found| (found.function, found.claims));
                parts.functions.extend(found);
            }
            Kind::ServerlessLayer | Kind::LambdaLayer => {
                let layer = layer::read_layer(context, resource, *kind, properties, input);
                parts.layers.extend(layer.ok().flatten());
            }
            Kind::Table => {
                let table = table::read_table(context, resource, properties);
                parts.tables.extend(table);
            }
            Kind::SimpleTable => {
                let table = table::read_simple(context, resource, properties);
                parts.tables.extend(table);
            }
            Kind::Bucket => {
                let bucket = bucket::read_bucket(context, resource, properties);
                parts.buckets.extend(bucket);
            }
        }
    }
    parts.layers.extend(layers.used.take().into_values());
    parts
}

/// The ARNs by which functions name the layers of the template.
fn layer_arns(context: &Context<'_>, present: &[Present<'_, '_>]) -> BTreeMap<String, String> {
    present
        .iter()
        .filter(|present| matches!(present.kind, Kind::ServerlessLayer | Kind::LambdaLayer))
        .filter_map(|present| {
            let own = context.resolver(present.resource.subject());
            let name = own.resource_name(present.resource, present.kind, present.resource.span);
            let id = context.logical_id(present.resource.id);
            Some((own.layer_arn(&name.ok()?), id))
        })
        .collect()
}

/// The resources that are there and supported. Nested templates and what calls functions are read here; what becomes of the others
/// is reported.
fn present<'r, 'a>(
    context: &'r Context<'a>,
    template: &Template<'_>,
    input: &Input<'_>,
    nested: &Nested<'_>,
    parts: &mut Parts,
) -> Vec<Present<'r, 'a>> {
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
            if resource.is_nested() {
                nested.read(context, resource, parts);
            } else if trigger::TYPES
                .iter()
                .any(|(name, _)| *name == resource.type_name)
            {
                trigger::read(context, resource, input, parts);
            } else {
                types::leave_out(&template.findings, resource);
            }
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

/// The properties that a resource without any has.
static NO_PROPERTIES: Node = Node {
    span: Span { line: 0, column: 0 },
    value: Value::Map(BTreeMap::new()),
};

/// Reports resources of one kind with one name.
fn unique(findings: &Findings<'_>, places: &BTreeMap<String, (Subject, Place)>, app: &App) {
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
        let (subject, place) = places.get(id).cloned().unwrap_or_else(|| {
            let subject = Subject {
                id: id.clone(),
                ..Subject::default()
            };
            (subject, findings.place(Span::default()))
        });
        findings.error_at(TemplateRule::DuplicateName, &subject, place, message);
    }
}

/// Reports names under which the gateway would have to have two secrets.
fn one_secret_each(
    findings: &Findings<'_>,
    secrets: &BTreeMap<String, BTreeMap<SecretSource, (Subject, Place)>>,
) {
    for (name, uses) in secrets {
        let Some(first) = uses.keys().next() else {
            continue;
        };
        for (source, (subject, place)) in uses.iter().skip(1) {
            let message = format!(
                "the gateway has one variable `{name}`, which is {first} already, not {source}"
            );
            let reference = [source, first]
                .into_iter()
                .find_map(SecretSource::reference);
            let reference = reference.unwrap_or_default();
            let hint = format!("`--secret-name '{reference}=NAME'` gives it another name");
            let (level, rule) = (Level::Error, TemplateRule::DuplicateName);
            findings.note_at(level, rule, subject, place.clone(), message, Some(hint));
        }
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
