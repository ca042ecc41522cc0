//! What a name stands for: pseudo parameters, parameters, resources and their attributes.
//!
//! A resource of the template has stable local values, in the form that the cloud would give them: its name, and an ARN of the
//! pretended account and region (docs/guide/producer.md).

use std::borrow::Cow;

use engine::contract::quoted;
use engine::yaml::{Node, Span, Value};

use super::{Once, Resolved, Resolver, attributes};
use crate::parameters::Bound;
use crate::report::{Level, Read, Reported, TemplateRule};
use crate::template::{Kind, Resource, unknown_name};
use crate::text::Text;

/// The pseudo parameters.
#[cfg(test)]
pub const PSEUDO: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// What SAM makes beside a function: a template names it `FUNCTION.Alias`, and so on.
const BESIDE_FUNCTIONS: [&str; 4] = ["Alias", "DestinationQueue", "DestinationTopic", "Version"];

/// A name of tables and buckets has at least so many characters.
const SHORTEST_NAME: usize = 3;

/// Resources that SAM makes on its own.
const GENERATED: [&str; 4] = [
    "ServerlessHttpApi",
    "ServerlessHttpApiApiGatewayDefaultStage",
    "ServerlessRestApi",
    "ServerlessRestApiProdStage",
];

impl Kind {
    /// Its attributes.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::ServerlessFunction | Self::LambdaFunction => &["Arn"],
            Self::ServerlessLayer | Self::LambdaLayer => &["LayerVersionArn"],
            Self::SimpleTable | Self::Table => &["Arn", "StreamArn"],
            Self::Bucket => &[
                "Arn",
                "DomainName",
                "DualStackDomainName",
                "RegionalDomainName",
                "WebsiteURL",
            ],
        }
    }
}

impl Resolver<'_> {
    /// What `Ref` gives; none for `AWS::NoValue`.
    pub(super) fn reference(&self, name: &str, span: Span) -> Read<Option<Resolved>> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.pseudo(name) {
            return Ok(Some(value));
        }
        if let Some(bound) = self.context.parameters.get(name) {
            self.context.ask("Parameters", name);
            return self.parameter(bound, span).map(Some);
        }
        let (id, part) = match name.split_once('.') {
            Some((id, part)) if self.is_left_out(id, part) => (id, Some(part)),
            Some(_) | None => (name, None),
        };
        let text = self.resource_value(id, part, span)?;
        Ok(Some(Resolved::One(text)))
    }

    fn parameter(&self, bound: &Bound, span: Span) -> Read<Resolved> {
        match bound {
            Bound::One(text) => {
                self.charge(text.reveal().len(), span)?;
                Ok(Resolved::One(text.clone()))
            }
            Bound::Many(texts) => {
                for text in texts {
                    self.charge(text.reveal().len(), span)?;
                }
                Ok(Resolved::Many(
                    texts.iter().cloned().map(Resolved::One).collect(),
                ))
            }
            // A reference to a secret needs no value; what would compute with it asks for one.
            Bound::Missing(missing) if missing.is_secret && !missing.is_list => {
                Ok(Resolved::One(Text::secret_without_value(&missing.name)))
            }
            Bound::Missing(missing) => Err(missing.report(self.findings())),
            Bound::Refused(reported) => Err(*reported),
        }
    }

    /// Evaluates to a text that must be there with every character, since something is computed with it.
    pub(super) fn need_value(&self, what: &str, node: &Node) -> Read<Text> {
        let text = self.need_text(what, node)?;
        if !text.lacks_value() {
            return Ok(text);
        }
        let names = text.taint().parameters();
        let missing = names.iter().find_map(|name| {
            let parameters = &self.context.parameters;
            match parameters.get(*name)? {
                Bound::Missing(missing) => Some(missing.report(self.findings())),
                Bound::One(_) | Bound::Many(_) | Bound::Refused(_) => None,
            }
        });
        Err(missing.unwrap_or_else(|| {
            let message = format!("{what} needs the value of {}", text.taint().names());
            let hint = "give it in a file: `--parameters-file PATH` with the line `NAME=…`";
            let (findings, subject) = (self.findings(), &self.subject);
            findings.error_with_hint(
                TemplateRule::MissingParameter,
                subject,
                node.span,
                message,
                hint,
            )
        }))
    }

    fn pseudo(&self, name: &str) -> Option<Resolved> {
        let pseudo = self.context.outside.pseudo;
        let text = match name {
            "AWS::AccountId" => pseudo.account_id.clone(),
            "AWS::NotificationARNs" => return Some(Resolved::Many(Vec::new())),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::Region" => pseudo.region.clone(),
            "AWS::StackId" => {
                let name = &pseudo.stack_name;
                self.arn("cloudformation", &format!("stack/{name}/local"))
            }
            "AWS::StackName" => pseudo.stack_name.clone(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => return None,
        };
        Some(Resolved::One(Text::clean(text)))
    }

    /// What `Fn::GetAtt` gives.
    pub(super) fn attribute(&self, id: &str, attribute: &str, span: Span) -> Read<Text> {
        self.resource_value(id, Some(attribute), span)
    }

    fn resource_value(&self, id: &str, attribute: Option<&str>, span: Span) -> Read<Text> {
        let Some(resource) = self.context.resources.get(id) else {
            if self.is_generated(id) {
                return Ok(self.left_out(id, attribute, span));
            }
            let message = match attribute {
                None => format!("no parameter or resource {} is in the template", quoted(id)),
                Some(_) => format!("no resource {} is in the template", quoted(id)),
            };
            let parameters = self.context.parameters.keys().map(String::as_str);
            let known = self.context.resources.keys().copied();
            let known = known.chain(parameters.filter(|_| attribute.is_none()));
            let findings = self.findings();
            return Err(unknown_name(
                findings,
                &self.subject,
                span,
                message,
                id,
                known,
            ));
        };
        let own = self.context.resolver(resource.subject());
        if !own.is_present(resource)? {
            let message = format!("the resource `{id}` is absent: its condition does not hold");
            return Err(self.error(TemplateRule::UnknownName, span, message));
        }
        if let (true, Some(output), Some(stacks)) = (
            resource.is_nested(),
            attribute.and_then(|attribute| attribute.strip_prefix("Outputs.")),
            self.context.nest.stacks,
        ) && let Some(text) = stacks.output(self, resource, output, span)?
        {
            self.charge(text.reveal().len(), span)?;
            return Ok(text);
        }
        if let Some(attribute) = attribute
            && let Some(known) = attributes::lacks(resource.type_name, attribute)
        {
            return Err(self.no_attribute(id, attribute, known, span));
        }
        let kind = match (resource.kind, attribute) {
            (Some(kind), None) => kind,
            (Some(kind), Some(attribute)) if !self.is_left_out(id, attribute) => kind,
            (Some(_) | None, _) => return Ok(self.left_out(id, attribute, span)),
        };
        if let Some(attribute) = attribute
            && !kind.attributes().contains(&attribute)
        {
            return Err(self.no_attribute(id, attribute, kind.attributes(), span));
        }
        let name = self.resource_name(resource, kind, span)?;
        let text = self.local_value(kind, &name, attribute);
        self.charge(text.len(), span)?;
        Ok(Text::clean(text))
    }

    fn no_attribute(&self, id: &str, attribute: &str, known: &[&str], span: Span) -> Reported {
        let message = format!("`{id}` has no attribute {}", quoted(attribute));
        let (findings, subject) = (self.findings(), &self.subject);
        let known = known.iter().copied();
        unknown_name(findings, subject, span, message, attribute, known)
    }

    /// The value of a resource, or of one of its attributes.
    fn local_value(&self, kind: Kind, name: &str, attribute: Option<&str>) -> String {
        let region = &self.context.outside.pseudo.region;
        match (kind, attribute) {
            (Kind::ServerlessLayer | Kind::LambdaLayer, _) => {
                self.arn("lambda", &format!("layer:{name}:1"))
            }
            (_, None) => name.to_owned(),
            (Kind::ServerlessFunction | Kind::LambdaFunction, Some(_)) => {
                self.arn("lambda", &format!("function:{name}"))
            }
            (Kind::SimpleTable | Kind::Table, Some("StreamArn")) => {
                self.arn("dynamodb", &format!("table/{name}/stream/local"))
            }
            (Kind::SimpleTable | Kind::Table, Some(_)) => {
                self.arn("dynamodb", &format!("table/{name}"))
            }
            (Kind::Bucket, Some("DomainName")) => format!("{name}.s3.amazonaws.com"),
            (Kind::Bucket, Some("DualStackDomainName")) => {
                format!("{name}.s3.dualstack.{region}.amazonaws.com")
            }
            (Kind::Bucket, Some("RegionalDomainName")) => {
                format!("{name}.s3.{region}.amazonaws.com")
            }
            (Kind::Bucket, Some("WebsiteURL")) => {
                format!("http://{name}.s3-website-{region}.amazonaws.com")
            }
            (Kind::Bucket, Some(_)) => format!("arn:aws:s3:::{name}"),
        }
    }

    fn arn(&self, service: &str, what: &str) -> String {
        let pseudo = self.context.outside.pseudo;
        format!(
            "arn:aws:{service}:{}:{}:{what}",
            pseudo.region, pseudo.account_id
        )
    }

    /// The ARN by which functions name a layer of the template.
    pub fn layer_arn(&self, name: &str) -> String {
        self.local_value(Kind::ServerlessLayer, name, None)
    }

    /// Whether SAM makes a resource of this name.
    fn is_generated(&self, id: &str) -> bool {
        let function = id.strip_suffix("Role").unwrap_or_default();
        let is_function = self.context.resources.get(function);
        GENERATED.contains(&id)
            || is_function.is_some_and(|resource| resource.kind == Some(Kind::ServerlessFunction))
    }

    /// Whether a part of a resource is not in the stack: as the resource itself, or as what SAM would make beside a function.
    fn is_left_out(&self, id: &str, part: &str) -> bool {
        match self.context.resources.get(id).map(|found| found.kind) {
            Some(None) => true,
            Some(Some(Kind::ServerlessFunction)) => BESIDE_FUNCTIONS.contains(&part),
            Some(Some(
                Kind::LambdaFunction
                | Kind::ServerlessLayer
                | Kind::LambdaLayer
                | Kind::SimpleTable
                | Kind::Table
                | Kind::Bucket,
            ))
            | None => false,
        }
    }

    /// A resource that the stack has not: its name stands in its place, and a warning says so.
    fn left_out(&self, id: &str, attribute: Option<&str>, span: Span) -> Text {
        let text = match attribute {
            None => id.to_owned(),
            Some(attribute) => format!("{id}.{attribute}"),
        };
        let message = format!(
            "`{id}` is not in the stack; the text {} stands here",
            quoted(&text)
        );
        let subject = &self.subject;
        self.findings().note(
            Level::Warning,
            TemplateRule::NotInStack,
            subject,
            span,
            message,
            None,
        );
        Text::clean(text)
    }

    /// The name of a resource in the stack: what its name property says, else its logical id.
    pub fn resource_name(&self, resource: &Resource<'_>, kind: Kind, span: Span) -> Read<String> {
        let known = self.context.names.borrow().get(resource.id).cloned();
        match known {
            Some(Once::Done(name)) => name,
            Some(Once::Begun) => {
                let message = format!("the name of `{}` needs itself", resource.id);
                Err(self.error(TemplateRule::Cycle, span, message))
            }
            None => {
                let keep = |state| {
                    let mut names = self.context.names.borrow_mut();
                    names.insert(resource.id.to_owned(), state);
                };
                keep(Once::Begun);
                let name = self.work_name_out(resource, kind);
                keep(Once::Done(name.clone()));
                name
            }
        }
    }

    fn work_name_out(&self, resource: &Resource<'_>, kind: Kind) -> Read<String> {
        let id = &self.context.logical_id(resource.id);
        // The cloud puts the stack's name before every logical id; here it is there when the id alone can be no name.
        let long = if id.len() < SHORTEST_NAME {
            format!("{}-{id}", self.context.outside.pseudo.stack_name)
        } else {
            id.clone()
        };
        let fallback = match kind {
            Kind::Bucket => long.to_ascii_lowercase(),
            Kind::SimpleTable | Kind::Table => long,
            Kind::ServerlessFunction
            | Kind::LambdaFunction
            | Kind::ServerlessLayer
            | Kind::LambdaLayer => id.clone(),
        };
        let property = kind.name_property();
        let properties = resource
            .map
            .get("Properties")
            .map(|entry| &entry.node.value);
        let Some(Value::Map(properties)) = properties else {
            return Ok(fallback);
        };
        let Some(entry) = properties.get(property) else {
            return Ok(fallback);
        };
        if entry.node.value == Value::Null {
            return Ok(fallback);
        }
        let mut subject = resource.subject();
        property.clone_into(&mut subject.property);
        let own = self.context.resolver(subject);
        match own.text(&entry.node)? {
            None => Ok(fallback),
            Some(text) => own.plain(&text, entry.node.span).map(Cow::into_owned),
        }
    }

    /// The characters of a text that is written down, so that no secret may be in it. What the cloud would look up is replaced.
    pub fn plain<'t>(&self, text: &'t Text, span: Span) -> Read<Cow<'t, str>> {
        match text.shown() {
            Ok(text) => self.without_references(text, span),
            Err(taint) => Err(self.findings().error_with_hint(
                TemplateRule::SecretInText,
                &self.subject,
                span,
                format!(
                    "the value of {} would be written down: it is a `NoEcho` parameter",
                    taint.names()
                ),
                "give it to a function in a variable, by `!Ref` or in the text of a `!Sub`",
            )),
        }
    }
}
