//! Events of a function: paths of the gateway, and times.

use engine::contract::{FunctionName, Place, quoted, schedule_expression};
use engine::yaml::{Entry, Span, Value};

use super::fields::Fields;
use super::property::{Properties, left_out, no_effect, read};
use super::trigger;
use crate::intrinsics::{Resolver, references};
use crate::model::{Method, Schedule};
use crate::report::{Level, Read, Subject, TemplateRule};

const AUTH: &str = "the gateway does not ask who calls; see its own configuration";
const FORMAT: &str = "the gateway has one form of events";
const RETRY: &str = "a call that fails is not repeated";

/// An event, whatever its type.
pub(super) const EVENT: Properties = Properties {
    of: "An event",
    open: false,
    list: &[
        read("Properties", "those of its type"),
        read("Type", "see the types of events; required"),
    ],
};

/// `Api`.
pub(super) const API: Properties = Properties {
    of: "Api",
    open: false,
    list: &[
        left_out("Auth", AUTH),
        read(
            "Method",
            "a method of HTTP, or `ANY`, which stands for each that no other function names; required",
        ),
        read(
            "Path",
            "begins with `/`; `{name}` and `{name+}` are kept; required",
        ),
        left_out("RequestModel", "requests are not checked"),
        left_out("RequestParameters", "requests are not checked"),
        left_out("ResponseTransferMode", "answers are not streamed"),
        no_effect("RestApiId", "the gateway has one set of routes"),
        left_out("TimeoutInMillis", "see the function's `Timeout`"),
    ],
};

/// `HttpApi`.
pub(super) const HTTP_API: Properties = Properties {
    of: "HttpApi",
    open: false,
    list: &[
        no_effect("ApiId", "the gateway has one set of routes"),
        left_out("Auth", AUTH),
        read("Method", "as that of `Api`; `ANY` without it"),
        read(
            "Path",
            "as that of `Api`; without it, or with `$default`: `/` and `/{proxy+}`",
        ),
        left_out("PayloadFormatVersion", FORMAT),
        left_out("RouteSettings", "the gateway does not throttle"),
        left_out("TimeoutInMillis", "see the function's `Timeout`"),
    ],
};

/// `Schedule`.
pub(super) const SCHEDULE: Properties = Properties {
    of: "Schedule",
    open: false,
    list: &[
        left_out("DeadLetterConfig", RETRY),
        read("Description", ""),
        read("Enabled", "`true` or `false`"),
        read("Input", "the event that the function gets"),
        read("Name", "the function's name and the event's without it"),
        left_out("RetryPolicy", RETRY),
        no_effect("RoleArn", "the stack asks nobody for permission"),
        read("Schedule", "`rate(…)` or `cron(…)`; required"),
        read("State", "`ENABLED` or `DISABLED`"),
    ],
};

/// `ScheduleV2`.
pub(super) const SCHEDULE_V2: Properties = Properties {
    of: "ScheduleV2",
    open: false,
    list: &[
        left_out("DeadLetterConfig", RETRY),
        read("Description", ""),
        left_out("EndDate", "a schedule runs until it is removed"),
        left_out("FlexibleTimeWindow", "a call is made at its time"),
        no_effect("GroupName", "there are no groups"),
        read("Input", "the event that the function gets"),
        no_effect("KmsKeyArn", "events are not encrypted"),
        read("Name", "the function's name and the event's without it"),
        no_effect("OmitName", "every schedule has a name"),
        no_effect(
            "PermissionsBoundary",
            "the stack asks nobody for permission",
        ),
        left_out("RetryPolicy", RETRY),
        no_effect("RoleArn", "the stack asks nobody for permission"),
        read(
            "ScheduleExpression",
            "`rate(…)`, `cron(…)` or `at(…)`; required",
        ),
        read("ScheduleExpressionTimezone", ""),
        left_out("StartDate", "a schedule runs from its deploy on"),
        read("State", "`ENABLED` or `DISABLED`"),
    ],
};

/// The types of events that are read.
pub(super) const TYPES: [&Properties; 4] = [&API, &HTTP_API, &SCHEDULE, &SCHEDULE_V2];

/// Types of events that are known and left out.
pub(super) const LEFT_OUT: [&str; 17] = [
    "AlexaSkill",
    "CloudWatchEvent",
    "CloudWatchLogs",
    "Cognito",
    "DocumentDB",
    "DynamoDB",
    "EventBridgeRule",
    "IoTRule",
    "Kinesis",
    "MQ",
    "MSK",
    "S3",
    "SNS",
    "SQS",
    "SelfManagedKafka",
    "WebSocket",
    "WebSocketApi",
];

/// The APIs that SAM makes for events that name none.
const API_OF_SAM: &str = "ServerlessRestApi";
const HTTP_API_OF_SAM: &str = "ServerlessHttpApi";

/// A path that a function asks for.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// What findings about it are about.
    pub(super) subject: Subject,
    /// Where the event or resource stands, which may be in a nested template.
    pub(super) place: Place,
    pub(super) path: String,
    /// None for ANY.
    pub(super) method: Option<Method>,
    /// The API that it belongs to; none for a function's URL.
    pub(super) api: Option<String>,
}

/// What the events of one function are.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    pub(super) claims: Vec<Claim>,
    pub(super) schedules: Vec<Schedule>,
}

/// Reads the events of a function.
pub(super) fn read_events(fields: &Fields<'_, '_>, function: &FunctionName) -> Read<Events> {
    let mut events = Events::default();
    let Some(map) = fields.free("Events")? else {
        return Ok(events);
    };
    let mut failed = None;
    for (name, entry) in map {
        if let Err(reported) = event(fields, function, name, entry, &mut events) {
            failed = Some(reported);
        }
    }
    failed.map_or(Ok(events), Err)
}

fn event(
    fields: &Fields<'_, '_>,
    function: &FunctionName,
    name: &str,
    entry: &Entry,
    events: &mut Events,
) -> Read<()> {
    let own = fields.at(&format!("Events.{name}"));
    let Some(node) = own.branch(&entry.node)? else {
        return Ok(());
    };
    let Value::Map(map) = &node.value else {
        let message = format!("an event is a mapping, not {}", node.value.kind());
        return Err(own.error(TemplateRule::WrongKind, node.span, message));
    };
    let Some(type_name) = map.get("Type").and_then(|entry| entry.node.value.text()) else {
        let message = "an event has a `Type`, which is a text";
        return Err(own.error(TemplateRule::MissingProperty, node.span, message));
    };
    let Some(properties) = TYPES.iter().find(|known| known.of == type_name) else {
        trigger::leave_out(&own, type_name, entry.key_span);
        return Ok(());
    };
    let mut subject = own.subject.clone();
    type_name.clone_into(&mut subject.kind);
    let head = Fields::open(own.context().resolver(subject.clone()), &EVENT, "", node)?;
    head.node("Type")?;
    let inside = head.node("Properties")?;
    let own = own.context().resolver(subject);
    let Some(inside) = inside else {
        // Only an HttpApi may be silent: it answers every path that nobody else does.
        if type_name == HTTP_API.of {
            events
                .claims
                .extend(everything(&own, entry.key_span, HTTP_API_OF_SAM));
            return Ok(());
        }
        let message = "an event has `Properties`";
        return Err(own.error(TemplateRule::MissingProperty, node.span, message));
    };
    let inside = Fields::open(own, properties, "", inside)?;
    match type_name {
        "Api" | "HttpApi" => {
            let claims = claims(&inside, entry.key_span, type_name)?;
            events.claims.extend(claims);
        }
        _ => {
            let schedule = schedule(&inside, function, name, type_name)?;
            events.schedules.push(schedule);
        }
    }
    Ok(())
}

/// The claims of an `HttpApi` that names no path.
fn everything(own: &Resolver<'_>, span: Span, api: &str) -> [Claim; 2] {
    ["/", "/{proxy+}"].map(|path| Claim {
        subject: own.subject.clone(),
        place: own.findings().place(span),
        path: path.to_owned(),
        method: None,
        api: Some(api.to_owned()),
    })
}

/// The claims of a function's URL: its own path, and everything below.
pub(super) fn url(fields: &Fields<'_, '_>, function: &FunctionName) -> [Claim; 2] {
    let own = fields.at("FunctionUrlConfig");
    let path = trigger::url_path(function.as_str());
    let message = format!("the function answers `{path}` and every path below");
    let (level, rule, span) = (
        Level::Note,
        TemplateRule::NoEffect,
        fields.place("FunctionUrlConfig"),
    );
    own.findings()
        .note(level, rule, &own.subject, span, message, None);
    [path.clone(), format!("{path}/{{proxy+}}")].map(|path| Claim {
        subject: own.subject.clone(),
        place: own.findings().place(fields.place("FunctionUrlConfig")),
        path,
        method: None,
        api: None,
    })
}

fn claims(inside: &Fields<'_, '_>, span: Span, type_name: &str) -> Read<Vec<Claim>> {
    let own = inside.own();
    let (property, implicit) = if type_name == HTTP_API.of {
        ("ApiId", HTTP_API_OF_SAM)
    } else {
        ("RestApiId", API_OF_SAM)
    };
    let named = inside.raw(property).map(references).unwrap_or_default();
    let api = named.first().map_or(implicit, |(id, _)| id.as_str());
    let path = inside.parsed("Path", path);
    let method = inside.parsed("Method", method);
    let (path, method) = (path?, method?);
    let is_http = type_name == HTTP_API.of;
    let whole = is_http && path.as_deref().is_none_or(|path| path == "$default");
    if whole {
        if path.is_none() && method.is_some_and(|method| method.is_some()) {
            return Err(inside.missing("Path"));
        }
        return Ok(everything(own, span, api).to_vec());
    }
    let path = inside.need("Path", path)?;
    if path == "$default" {
        return Err(inside.bad("Path", "only an `HttpApi` has the path `$default`"));
    }
    let method = match method {
        Some(method) => method,
        None if is_http => None,
        None => return Err(inside.missing("Method")),
    };
    Ok(vec![Claim {
        subject: own.subject.clone(),
        place: own.findings().place(span),
        path,
        method,
        api: Some(api.to_owned()),
    }])
}

/// A path, or `$default`.
pub(super) fn path(text: &str) -> Result<String, String> {
    let fits = text.starts_with('/')
        && text.len() <= 2048
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if fits || text == "$default" {
        return Ok(text.to_owned());
    }
    Err(format!(
        "a path begins with `/` and holds no blank, which {} does not",
        quoted(text)
    ))
}

/// A method; none inside for ANY.
pub(super) fn method(text: &str) -> Result<Option<Method>, String> {
    if text.eq_ignore_ascii_case("ANY") || text == "*" || text == "x-amazon-apigateway-any-method" {
        return Ok(None);
    }
    let found = Method::ALL
        .into_iter()
        .find(|method| text.eq_ignore_ascii_case(method.as_str()));
    found.map(Some).ok_or_else(|| {
        let names = Method::ALL.map(Method::as_str).join("`, `");
        format!("a method is `ANY`, `{names}`, not {}", quoted(text))
    })
}

fn schedule(
    inside: &Fields<'_, '_>,
    function: &FunctionName,
    event: &str,
    type_name: &str,
) -> Read<Schedule> {
    let is_second = type_name == "ScheduleV2";
    let property = if is_second {
        "ScheduleExpression"
    } else {
        "Schedule"
    };
    let expression = inside.parsed(property, |text| schedule_expression(text, is_second));
    let input = inside.text("Input");
    let name = inside.text("Name");
    let description = inside.text("Description");
    let state = inside.choice("State", &[("ENABLED", true), ("DISABLED", false)]);
    let (enabled, timezone) = if is_second {
        (Ok(None), inside.text("ScheduleExpressionTimezone"))
    } else {
        (inside.flag("Enabled"), Ok(None))
    };
    let expression = inside.need(property, expression?)?;
    let name = name?.unwrap_or_else(|| format!("{function}-{event}"));
    Ok(Schedule {
        name,
        expression,
        timezone: timezone?,
        input: input?,
        enabled: state?.or(enabled?).unwrap_or(true),
        description: description?,
    })
}
