//! Functions: `AWS::Serverless::Function` and `AWS::Lambda::Function`.

pub(super) mod build;
mod layers;
pub(super) mod package;
pub(super) mod properties;

use std::collections::BTreeMap;

use engine::contract::{FunctionName, quoted};
use engine::yaml::Node;

use super::event::{self, Claim};
use super::fields::{Fields, choose};
use super::property::Properties;
use super::{Input, Layers};
use crate::intrinsics::{Context, Resolver, SecretSource};
use crate::model::{Architecture, EnvValue, Function, FunctionLines, Scaling};
use crate::report::{Level, Read, TemplateRule};
use crate::template::{Kind, Resource};
use crate::text::{Piece, Taint, is_env_name, push};

/// A function, and the routes it asks for.
pub(super) struct Found {
    pub(super) function: Function,
    pub(super) claims: Vec<Claim>,
}

/// The processors, as templates name them.
pub(super) const ARCHITECTURES: [(&str, Architecture); 2] = [
    ("x86_64", Architecture::X86_64),
    ("arm64", Architecture::Arm64),
];

/// Reads one function. Everything in it is looked at before the first error ends it.
pub(super) fn read(
    context: &Context<'_>,
    resource: &Resource<'_>,
    kind: Kind,
    properties: &Node,
    input: &Input<'_>,
    layers: &Layers<'_>,
) -> Read<Found> {
    let list = if kind == Kind::ServerlessFunction {
        &properties::SERVERLESS
    } else {
        &properties::LAMBDA
    };
    let fields = Fields::open(context.resolver(resource.subject()), list, "", properties)?;
    let name = name(&fields, resource, kind);
    let metadata = metadata(context, resource, &properties::METADATA)?;
    let package = package::read(
        &fields,
        kind,
        metadata.as_ref(),
        &|name| input.image_uri(&context.logical_id(resource.id), name),
        name.as_ref().ok(),
    );
    let layers = layers::used(&fields, layers, package.as_ref().ok());
    let environment = environment(&fields);
    let scaling = scaling(&fields, kind);
    let events = match (&name, kind) {
        (Ok(name), Kind::ServerlessFunction) => event::read_events(&fields, name),
        (Err(reported), _) => Err(*reported),
        (Ok(_), _) => Ok(event::Events::default()),
    };
    let architecture = architecture(&fields);
    let timeout_s = fields.number("Timeout", 1..=900);
    let memory_mb = fields.number("MemorySize", 128..=32768);
    let hooks = match &metadata {
        Some(metadata) => metadata.local_path("EsbHooks"),
        None => Ok(None),
    };
    let lines = lines(&fields, metadata.as_ref(), resource.span.line);
    let mut events = events?;
    if let (Ok(name), Ok(true)) = (&name, url(&fields, kind)) {
        events.claims.extend(event::url(&fields, name));
    }
    Ok(Found {
        function: Function {
            logical_id: context.logical_id(resource.id),
            name: name?,
            line: resource.span.line,
            nested_in: context.nest().file.clone(),
            package: package?,
            architecture: architecture?,
            timeout_s: timeout_s?,
            memory_mb: memory_mb?,
            environment: environment?,
            layers: layers?,
            routes: Vec::new(),
            schedules: events.schedules,
            scaling: scaling?,
            hooks: hooks?,
            lines,
        },
        claims: events.claims,
    })
}

/// Where what names the files of a function stands.
fn lines(
    fields: &Fields<'_, '_>,
    metadata: Option<&Fields<'_, '_>>,
    otherwise: u32,
) -> FunctionLines {
    let first = |fields: Option<&Fields<'_, '_>>, names: &[&str]| {
        names.iter().find_map(|name| fields?.line(name))
    };
    let of_metadata = ["DockerContext", "Dockerfile", "aws:asset:path"];
    let code = first(metadata, &of_metadata)
        .or_else(|| first(Some(fields), &["InlineCode", "CodeUri", "Code", "ImageUri"]));
    FunctionLines {
        code: code.unwrap_or(otherwise),
        handler: fields.line("Handler").unwrap_or(otherwise),
        runtime: fields.line("Runtime").unwrap_or(otherwise),
        hooks: first(metadata, &["EsbHooks"]).unwrap_or(otherwise),
    }
}

/// Whether a function has a URL of its own.
fn url(fields: &Fields<'_, '_>, kind: Kind) -> Read<bool> {
    if kind != Kind::ServerlessFunction {
        return Ok(false);
    }
    let Some(url) = fields.child("FunctionUrlConfig")? else {
        return Ok(false);
    };
    if url.text("AuthType")?.as_deref() == Some("AWS_IAM") {
        let own = url.at("AuthType");
        let message = "it is left out: the gateway does not ask who calls";
        let (level, rule, span) = (
            Level::Warning,
            TemplateRule::PropertyLeftOut,
            url.place("AuthType"),
        );
        own.findings()
            .note(level, rule, &own.subject, span, message, None);
    }
    Ok(true)
}

fn name(fields: &Fields<'_, '_>, resource: &Resource<'_>, kind: Kind) -> Read<FunctionName> {
    let text = fields.resource_name(resource, kind)?;
    FunctionName::parse(&text).ok_or_else(|| fields.bad("FunctionName", not_a_name(&text)))
}

/// Why a text is no name of a function or a layer.
pub(super) fn not_a_name(text: &str) -> String {
    format!(
        "a name is made of letters, digits, `.`, `_` and `-`, at most 128, which {} is not",
        quoted(text)
    )
}

/// What a resource says for whoever builds it.
pub(super) fn metadata<'c, 'n>(
    context: &'c Context<'_>,
    resource: &Resource<'n>,
    list: &'static Properties,
) -> Read<Option<Fields<'c, 'n>>> {
    let Some(entry) = resource.map.get("Metadata") else {
        return Ok(None);
    };
    let mut subject = resource.subject();
    "Metadata".clone_into(&mut subject.property);
    let resolver = context.resolver(subject);
    Fields::open(resolver, list, "", &entry.node).map(Some)
}

fn architecture(fields: &Fields<'_, '_>) -> Read<Architecture> {
    let mut named = fields.texts("Architectures")?;
    // A list of `Globals` and one of the function are put together, and often say the same.
    if let Some(names) = &mut named {
        names.dedup();
    }
    match named.as_deref() {
        None => Ok(Architecture::X86_64),
        Some([one]) => {
            choose(one, &ARCHITECTURES).map_err(|message| fields.bad("Architectures", message))
        }
        Some(_) => Err(fields.own().findings().error_with_hint(
            TemplateRule::BadValue,
            &fields.at("Architectures").subject,
            fields.place("Architectures"),
            "a function has one architecture",
            "a list of `Globals` and one of the function are put together; name it in one of the two",
        )),
    }
}

fn scaling(fields: &Fields<'_, '_>, kind: Kind) -> Read<Scaling> {
    let reserved = fields.number("ReservedConcurrentExecutions", 0..=1_000_000);
    let provisioned = match kind {
        Kind::ServerlessFunction => match fields.child("ProvisionedConcurrencyConfig")? {
            None => Ok(None),
            Some(config) => config.number("ProvisionedConcurrentExecutions", 1..=1_000_000),
        },
        Kind::LambdaFunction
        | Kind::ServerlessLayer
        | Kind::LambdaLayer
        | Kind::SimpleTable
        | Kind::Table
        | Kind::Bucket => Ok(None),
    };
    Ok(Scaling {
        reserved: reserved?,
        provisioned: provisioned?,
    })
}

fn environment(fields: &Fields<'_, '_>) -> Read<BTreeMap<String, EnvValue>> {
    let Some(environment) = fields.child("Environment")? else {
        return Ok(BTreeMap::new());
    };
    let Some(variables) = environment.free("Variables")? else {
        return Ok(BTreeMap::new());
    };
    let values: Vec<Read<Option<(String, EnvValue)>>> = variables
        .iter()
        .map(|(name, entry)| {
            let own = environment.at(&format!("Variables.{name}"));
            if !is_env_name(name) {
                let message = format!(
                    "a variable's name is made of letters, digits and `_`, which {} is not",
                    quoted(name)
                );
                return Err(own.error(TemplateRule::BadValue, entry.key_span, message));
            }
            let value = variable(&own, &entry.node)?;
            Ok(value.map(|value| (name.clone(), value)))
        })
        .collect();
    values.into_iter().filter_map(Result::transpose).collect()
}

/// The value of a variable: a text, in which the gateway puts the values of secrets by their names. A text that a secret was
/// computed with is refused: it would have to be written down.
fn variable(own: &Resolver<'_>, node: &Node) -> Read<Option<EnvValue>> {
    let Some(text) = own.text(node)? else {
        return Ok(None);
    };
    let mut pieces = Vec::new();
    let all = match (text.taint(), text.shown()) {
        (Taint::Inside(all), _) => all.clone(),
        (Taint::None, Ok(text)) => vec![Piece::Literal(text.to_owned())],
        (Taint::None | Taint::Part(_), _) => {
            let text = own.plain(&text, node.span)?;
            return Ok(Some(EnvValue::Text(text.into_owned())));
        }
    };
    for piece in &all {
        match piece {
            Piece::Literal(literal) => {
                for piece in own.pieces_of(literal, node.span)? {
                    push(&mut pieces, &piece);
                }
            }
            Piece::Secret(parameter) if is_env_name(parameter) => {
                let source = SecretSource::Parameter(parameter.clone());
                let context = own.context();
                context.use_secret(parameter, source, &own.subject, node.span);
                push(&mut pieces, piece);
            }
            Piece::Secret(parameter) => {
                let message = format!("the `NoEcho` parameter `{parameter}` cannot name a secret");
                let hint = "let its name begin with a letter";
                return Err(own.findings().error_with_hint(
                    TemplateRule::SecretInText,
                    &own.subject,
                    node.span,
                    message,
                    hint,
                ));
            }
        }
    }
    Ok(Some(match pieces.as_slice() {
        [] => EnvValue::Text(String::new()),
        [Piece::Literal(text)] => EnvValue::Text(text.clone()),
        [Piece::Secret(name)] => EnvValue::Secret(name.clone()),
        pieces => EnvValue::Joined(pieces.to_vec()),
    }))
}
