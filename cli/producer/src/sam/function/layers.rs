//! The layers that a function names: those of the template, and what stands in place of others.

use std::collections::BTreeSet;

use engine::contract::{FunctionName, quoted};
use engine::yaml::Span;

use super::properties::IN_IMAGE;
use crate::model::{Layer, Package};
use crate::report::{Level, Read, TemplateRule};
use crate::sam::fields::Fields;
use crate::sam::{LayerInstead, Layers};

/// Layers of the cloud that only measure: a function runs as well without them.
const MEASURING: [&str; 2] = ["LambdaInsightsExtension", "LambdaInsightsExtension-Arm64"];

/// Logical ids of the layers of a function, the lowest first.
pub(super) fn used(
    fields: &Fields<'_, '_>,
    layers: &Layers<'_>,
    package: Option<&Package>,
) -> Read<Vec<String>> {
    if let Some(Package::Image { .. }) = package {
        fields.no_effect("Layers", IN_IMAGE);
        return Ok(Vec::new());
    }
    let mut seen = BTreeSet::new();
    let mut ids = Vec::new();
    let mut failed = None;
    for (arn, span) in fields.texts_with_places("Layers")?.unwrap_or_default() {
        match one(fields, layers, &arn, span) {
            Ok(None) => {}
            Ok(Some(id)) if seen.insert(id.clone()) => ids.push(id),
            // A list of `Globals` and one of the function are put together.
            Ok(Some(id)) => {
                let own = fields.at("Layers");
                let message = format!("the layer `{id}` stands there twice, and counts once");
                let (level, rule) = (Level::Warning, TemplateRule::BadValue);
                own.findings()
                    .note(level, rule, &own.subject, span, message, None);
            }
            Err(reported) => failed = Some(reported),
        }
    }
    failed.map_or(Ok(ids), Err)
}

/// The logical id of one layer; none for one that is left out.
fn one(
    fields: &Fields<'_, '_>,
    layers: &Layers<'_>,
    arn: &str,
    span: Span,
) -> Read<Option<String>> {
    let own = fields.at("Layers");
    let without_version = arn.rsplit_once(':').map_or(arn, |(rest, _)| rest);
    let name = arn.split(':').nth(6).unwrap_or(arn);
    let mut keys = [arn, without_version, name].into_iter();
    let left_out = |why: &str| {
        let message = format!("the layer {} is left out: {why}", quoted(arn));
        let (level, rule) = (Level::Note, TemplateRule::NoEffect);
        own.findings()
            .note(level, rule, &own.subject, span, message, None);
    };
    if let Some(id) = layers.own.get(arn) {
        if layers.instead.get(id) == Some(&LayerInstead::Drop) {
            left_out("`--layer` says so");
            return Ok(None);
        }
        return Ok(Some(id.clone()));
    }
    match keys.find_map(|key| layers.instead.get(key)) {
        Some(LayerInstead::Drop) => {
            left_out("`--layer` says so");
            Ok(None)
        }
        Some(LayerInstead::Path(path)) => {
            let version = arn.rsplit(':').next().unwrap_or_default();
            let name = FunctionName::parse(&format!("{name}-{version}"))
                .or_else(|| FunctionName::parse(name));
            let Some(name) = name else {
                let message = format!("{} cannot name a layer", quoted(arn));
                return Err(own.error(TemplateRule::BadValue, span, message));
            };
            let layer = Layer {
                logical_id: arn.to_owned(),
                name,
                line: span.line,
                nested_in: own.context().nest().file.clone(),
                content: path.clone(),
                content_line: span.line,
                build: crate::model::Build::Automatic,
                runtimes: Vec::new(),
                architectures: Vec::new(),
            };
            layers.used.borrow_mut().insert(arn.to_owned(), layer);
            Ok(Some(arn.to_owned()))
        }
        None if MEASURING.contains(&name) => {
            left_out("it only measures");
            Ok(None)
        }
        None => Err(own.findings().error_with_hint(
            TemplateRule::PropertyRefused,
            &own.subject,
            span,
            format!("the layer {} is not in the template", quoted(arn)),
            format!(
                "name what stands in its place with `--layer {name}=PATH`, or run without it with `--layer {name}=drop`"
            ),
        )),
    }
}
