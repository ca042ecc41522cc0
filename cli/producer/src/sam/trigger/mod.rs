//! What calls functions besides the events of their own: APIs, function URLs, and times, as resources of the template.
//!
//! Here: which of these types are read, and for which function they speak. Not here: which function answers a path that two ask
//! for (`route`), what the gateway understands (`artifact`).

mod gateway;
mod names;
mod openapi;
mod source;
mod target;
mod times;

use std::collections::BTreeSet;

use engine::contract::{Place, quoted};
use engine::yaml::{Map, Node, Span, Value};

use super::event::{self, Claim};
use super::{Input, Parts, route};
use crate::intrinsics::{Context, Resolver};
use crate::model::Schedule;
use crate::report::{Findings, Level, Subject, TemplateRule};
use crate::template::Resource;

pub(super) use source::leave_out;

/// A path that a resource asks for on behalf of a function, by the function's name.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) function: String,
    pub(super) claim: Claim,
}

/// A time at which a resource calls a function, by the function's name.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) function: String,
    pub(super) schedule: Schedule,
}

/// The types that are read for what they call, and what is read.
pub(super) const TYPES: [(&str, &str); 12] = [
    (
        "AWS::ApiGateway::Method",
        "its function answers its method and the path of its resource",
    ),
    (
        "AWS::ApiGateway::Resource",
        "a part of the paths of methods",
    ),
    (
        "AWS::ApiGateway::RestApi",
        "the routes of its `Body`; stages, models and keys are not read",
    ),
    (
        "AWS::ApiGatewayV2::Api",
        "the routes of its `Body`, and `Target`; stages and domains are not read",
    ),
    (
        "AWS::ApiGatewayV2::Integration",
        "the function behind its routes",
    ),
    (
        "AWS::ApiGatewayV2::Route",
        "its function answers its `RouteKey`",
    ),
    (
        "AWS::Events::Rule",
        "its `ScheduleExpression` calls the functions among its `Targets`",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        "left out: nothing in the stack sends such events",
    ),
    (
        "AWS::Lambda::Url",
        "its function answers `/_url/FUNCTION` and every path below",
    ),
    (
        "AWS::Scheduler::Schedule",
        "its `ScheduleExpression` calls its function",
    ),
    (
        "AWS::Serverless::Api",
        "the routes of its `DefinitionBody` or `DefinitionUri`; stages, models and keys are not read",
    ),
    (
        "AWS::Serverless::HttpApi",
        "the routes of its `DefinitionBody` or `DefinitionUri`; stages and domains are not read",
    ),
];

/// A resource that calls functions.
struct Trigger<'t, 'c> {
    context: &'c Context<'c>,
    resource: &'t Resource<'c>,
    own: Resolver<'c>,
    input: &'t Input<'t>,
}

/// Reads a resource of one of [`TYPES`].
pub(super) fn read(
    context: &Context<'_>,
    resource: &Resource<'_>,
    input: &Input<'_>,
    parts: &mut Parts,
) {
    let trigger = Trigger {
        context,
        resource,
        own: context.resolver(resource.subject()),
        input,
    };
    names::check(&trigger);
    // What could not be read was reported.
    let _reported = match resource.type_name {
        "AWS::ApiGateway::Method" => gateway::method(&trigger, parts),
        "AWS::ApiGatewayV2::Route" => gateway::route(&trigger, parts),
        "AWS::ApiGatewayV2::Api" => gateway::api(&trigger, parts),
        "AWS::ApiGateway::RestApi" => openapi::of_body(&trigger, "Body", parts),
        "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" => openapi::of_sam(&trigger, parts),
        "AWS::Lambda::Url" => gateway::url(&trigger, parts),
        "AWS::Events::Rule" => times::rule(&trigger, parts),
        "AWS::Scheduler::Schedule" => times::schedule(&trigger, parts),
        "AWS::Lambda::EventSourceMapping" => {
            source::mapping(&trigger);
            return;
        }
        // Resources and integrations are read where a method or a route names them.
        _ => Ok(()),
    };
    if let Some((_, says)) = TYPES.iter().find(|(name, _)| *name == resource.type_name) {
        let message = format!("it is read for what calls functions: {says}");
        trigger.note(Level::Note, TemplateRule::NoEffect, resource.span, message);
    }
}

impl<'t, 'c> Trigger<'t, 'c> {
    fn findings(&self) -> &'c Findings<'c> {
        self.own.findings()
    }

    fn note(&self, level: Level, rule: TemplateRule, span: Span, message: String) {
        let subject = &self.own.subject;
        self.findings()
            .note(level, rule, subject, span, message, None);
    }

    /// Warns that something of it is not served.
    fn left_out(&self, span: Span, what: &str, why: &str) {
        let message = format!("{what} is left out: {why}");
        self.note(Level::Warning, TemplateRule::PropertyLeftOut, span, message);
    }

    fn properties(&self) -> &'t Map {
        static NONE: Map = Map::new();
        match self
            .resource
            .map
            .get("Properties")
            .map(|entry| &entry.node.value)
        {
            Some(Value::Map(map)) => map,
            Some(
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_),
            )
            | None => &NONE,
        }
    }

    fn property(&self, name: &str) -> Option<&'t Node> {
        let entry = self.properties().get(name)?;
        (entry.node.value != Value::Null).then_some(&entry.node)
    }

    /// The function that answers, and the paths that it answers.
    fn ask(&self, parts: &mut Parts, function: &str, span: Span, route: Wanted) {
        let claims = match route {
            Wanted::One { path, method } => vec![(path, method)],
            Wanted::Everything => ["/", "/{proxy+}"]
                .map(|path| (path.to_owned(), None))
                .into(),
            Wanted::Below(path) => vec![(format!("{path}/{{proxy+}}"), None), (path, None)],
        };
        let place = self.findings().place(span);
        parts
            .asked
            .extend(claims.into_iter().map(|(path, method)| Asked {
                function: function.to_owned(),
                claim: Claim {
                    subject: self.own.subject.clone(),
                    place: place.clone(),
                    path,
                    method,
                    api: Some(self.api_name()),
                },
            }));
    }

    /// The API that its routes belong to: itself, or the one that it names.
    fn api_name(&self) -> String {
        let named = ["RestApiId", "ApiId"]
            .iter()
            .find_map(|name| self.property(name));
        let first = named.and_then(|node| {
            let references = crate::intrinsics::references(node);
            references.into_iter().next().map(|(id, _)| id)
        });
        first.unwrap_or_else(|| self.resource.id.to_owned())
    }

    /// Notes that an API has settings by which it would answer preflight requests.
    fn answers_preflight(&self, parts: &mut Parts, span: Span) {
        parts.preflight.push(Preflight {
            subject: self.own.subject.clone(),
            place: self.findings().place(span),
            api: Some(self.api_name()),
        });
    }
}

/// The paths that a resource asks for.
enum Wanted {
    /// One; ANY without a method.
    One {
        path: String,
        method: Option<crate::model::Method>,
    },
    /// Every path that no other route names.
    Everything,
    /// One and everything below, with every method.
    Below(String),
}

/// The path of a function's URL.
pub(super) fn url_path(function: &str) -> String {
    format!("/_url/{function}")
}

/// A method and a path as route keys say it: `GET /orders`, `ANY /orders`, `$default`. None for any other.
fn route_key(text: &str) -> Option<Wanted> {
    if text == "$default" {
        return Some(Wanted::Everything);
    }
    let (method, path) = text.split_once(' ')?;
    let method = event::method(method).ok()?;
    let path = event::path(path)
        .ok()
        .filter(|path| path.starts_with('/'))?;
    Some(Wanted::One { path, method })
}

/// A setting by which an API would answer preflight requests.
pub(super) struct Preflight {
    /// What findings about it are about.
    pub(super) subject: Subject,
    /// Where it stands.
    pub(super) place: Place,
    /// The API; none for every API of the template.
    pub(super) api: Option<String>,
}

/// Warns once that nothing answers the preflight requests that APIs of the template would answer.
pub(super) fn check_preflight(findings: &Findings<'_>, parts: &Parts) {
    let mut unanswered = BTreeSet::new();
    let mut first = None;
    for preflight in &parts.preflight {
        let is_its_own = |claim: &Claim| match &preflight.api {
            Some(_) => claim.api == preflight.api,
            None => claim.api.is_some(),
        };
        let paths = route::without_options(&parts.functions, is_its_own);
        if !paths.is_empty() && first.is_none() {
            first = Some(preflight);
        } else if preflight.api.is_none() {
            let (subject, place) = (&preflight.subject, preflight.place.clone());
            let message = "it has no effect: the gateway answers no preflight requests";
            let (level, rule) = (Level::Note, TemplateRule::NoEffect);
            findings.note_at(level, rule, subject, place, message, None);
        }
        unanswered.extend(paths);
    }
    let (Some(preflight), Some(path)) = (first, unanswered.first()) else {
        return;
    };
    let others = match unanswered.len() - 1 {
        0 => String::new(),
        1 => " and one more path".to_owned(),
        more => format!(" and {more} more paths"),
    };
    let message = format!(
        "nothing answers the preflight requests (`OPTIONS`) of browsers for `{path}`{others}, which the API would answer"
    );
    let hint = "let a function answer them by an event with `Method: options` or `any`, and let it send the headers of CORS";
    findings.note_at(
        Level::Warning,
        TemplateRule::PropertyLeftOut,
        &preflight.subject,
        preflight.place.clone(),
        message,
        Some(hint.to_owned()),
    );
}

/// Gives functions what resources ask for on their behalf. A function that is not there is warned about.
pub(super) fn hand_out(findings: &Findings<'_>, parts: &mut Parts) {
    for Asked { function, claim } in std::mem::take(&mut parts.asked) {
        let found = parts
            .functions
            .iter_mut()
            .find(|(one, _)| one.name.as_str() == function);
        match found {
            Some((_, claims)) => claims.push(claim),
            None => missing(findings, &claim.subject, claim.place, &function),
        }
    }
    for (subject, place, Timed { function, schedule }) in std::mem::take(&mut parts.timed) {
        let found = parts
            .functions
            .iter_mut()
            .find(|(one, _)| one.name.as_str() == function);
        match found {
            Some((one, _)) => one.schedules.push(schedule),
            None => missing(findings, &subject, place, &function),
        }
    }
}

fn missing(findings: &Findings<'_>, subject: &Subject, place: Place, function: &str) {
    let message = format!(
        "it is left out: no function of the template is called {}",
        quoted(function)
    );
    let (level, rule) = (Level::Warning, TemplateRule::PropertyLeftOut);
    findings.note_at(level, rule, subject, place, message, None);
}
