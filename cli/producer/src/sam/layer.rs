//! Layers: `AWS::Serverless::LayerVersion` and `AWS::Lambda::LayerVersion`.

use engine::contract::FunctionName;
use engine::yaml::Node;

use super::fields::{Fields, choose};
use super::function::properties::LAYER_METADATA;
use super::function::{ARCHITECTURES, build, metadata, not_a_name, package};
use super::property::{Properties, no_effect, read};
use super::{Input, LayerInstead};
use crate::intrinsics::Context;
use crate::model::{Build, Layer};
use crate::report::Read;
use crate::template::{Kind, Resource};

/// `AWS::Serverless::LayerVersion`.
pub(super) const SERVERLESS: Properties = Properties {
    of: "AWS::Serverless::LayerVersion",
    open: false,
    list: &[
        read("CompatibleArchitectures", "`x86_64`, `arm64`"),
        read("CompatibleRuntimes", "as written"),
        read(
            "ContentUri",
            "a local folder or zip file; required; S3 is refused",
        ),
        no_effect("Description", "it is for people"),
        read(
            "LayerName",
            "its name in the stack; the logical id without it",
        ),
        no_effect("LicenseInfo", "it is for people"),
        no_effect("PublishLambdaVersion", "there is one version of a layer"),
        no_effect("RetentionPolicy", "there is one version of a layer"),
    ],
};

/// `AWS::Lambda::LayerVersion`.
pub(super) const LAMBDA: Properties = Properties {
    of: "AWS::Lambda::LayerVersion",
    open: false,
    list: &[
        read("CompatibleArchitectures", "`x86_64`, `arm64`"),
        read("CompatibleRuntimes", "as written"),
        read(
            "Content",
            "a local folder or zip file; required; S3 is refused",
        ),
        no_effect("Description", "it is for people"),
        read(
            "LayerName",
            "its name in the stack; the logical id without it",
        ),
        no_effect("LicenseInfo", "it is for people"),
    ],
};

/// Reads one layer.
pub(super) fn read_layer(
    context: &Context<'_>,
    resource: &Resource<'_>,
    kind: Kind,
    properties: &Node,
    input: &Input<'_>,
) -> Read<Option<Layer>> {
    let (list, content) = if kind == Kind::ServerlessLayer {
        (&SERVERLESS, "ContentUri")
    } else {
        (&LAMBDA, "Content")
    };
    let fields = Fields::open(context.resolver(resource.subject()), list, "", properties)?;
    let name = fields.resource_name(resource, kind);
    let metadata = metadata(context, resource, &LAYER_METADATA)?;
    let id = context.logical_id(resource.id);
    let path = match (input.layers.get(&id), package::asset(metadata.as_ref())?) {
        (Some(LayerInstead::Drop), _) => {
            fields.no_effect(content, "`--layer` leaves the layer out");
            return Ok(None);
        }
        (Some(LayerInstead::Path(path)), _) => {
            fields.no_effect(content, "`--layer` names another path");
            Ok(Some(path.clone()))
        }
        (None, Some(path)) => {
            fields.no_effect(content, "the asset is taken from where it lies here");
            Ok(Some(path))
        }
        (None, None) => package::path(&fields, content),
    };
    let runtimes = fields.texts("CompatibleRuntimes");
    let architectures = fields.texts("CompatibleArchitectures");
    let build = match &metadata {
        Some(metadata) => build::read_layer(metadata),
        None => Ok(Build::Automatic),
    };
    let name = name?;
    let name = FunctionName::parse(&name).ok_or_else(|| fields.bad("LayerName", not_a_name(&name)));
    let architectures = architectures?
        .unwrap_or_default()
        .iter()
        .map(|text| {
            choose(text, &ARCHITECTURES)
                .map_err(|message| fields.bad("CompatibleArchitectures", message))
        })
        .collect::<Read<Vec<_>>>();
    Ok(Some(Layer {
        logical_id: id,
        name: name?,
        line: resource.span.line,
        nested_in: context.nest().file.clone(),
        content_line: fields.line(content).unwrap_or(resource.span.line),
        content: fields.need(content, path?)?,
        build: build?,
        runtimes: runtimes?.unwrap_or_default(),
        architectures: architectures?,
    }))
}
