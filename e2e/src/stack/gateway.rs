//! The gateway: public HTTP in, function calls out.
//!
//! Here: routing by the published `routing.yml`, read anew for each request so that a deploy counts at once.
//! Not here: running functions, which is the agent's work.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::config::{Functions, Route, Routing};
use crate::http::{Call, HEALTH_PATH, Reply};
use crate::{ServiceError, chain, config, http};

const PORT: u16 = 8080;
const AGENT: &str = "agent:7070";
/// Longer than the agent's own limit for a cold start, so that the agent's answer is what a caller sees.
const INVOKE_LIMIT: Duration = Duration::from_secs(90);
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

/// Serves until the process ends.
pub(crate) async fn serve() -> Result<(), ServiceError> {
    http::serve(PORT, answer).await
}

async fn answer(call: Call) -> Reply {
    if call.path == HEALTH_PATH && call.method == Method::GET {
        return health().await;
    }
    let configuration = config::read::<Routing>("routing.yml")
        .and_then(|routing| Ok((routing, config::read::<Functions>("functions.yml")?)));
    let (routing, functions) = match configuration {
        Ok(configuration) => configuration,
        Err(error) => return Reply::message(StatusCode::INTERNAL_SERVER_ERROR, &chain(&error)),
    };
    let Some(route) = find(&routing.routes, call.method.as_str(), &call.path) else {
        let message = format!("no route for {} {}", call.method, call.path);
        return Reply::message(StatusCode::NOT_FOUND, &message);
    };
    if !functions.functions.contains_key(&route.function) {
        let message = format!(
            "the route leads to the unknown function `{}`",
            route.function
        );
        return Reply::message(StatusCode::NOT_FOUND, &message);
    }
    invoke(&route.function, &call).await
}

/// The gateway is up when whoever runs functions is.
async fn health() -> Reply {
    let request = http::bare(Method::GET, AGENT, HEALTH_PATH, Bytes::new());
    match http::send(AGENT, request, HEALTH_LIMIT).await {
        Ok(response) if response.status() == StatusCode::OK => {
            Reply::message(StatusCode::OK, "the gateway is up")
        }
        Ok(response) => {
            let message = format!("`{AGENT}` answered {}", response.status());
            Reply::message(StatusCode::SERVICE_UNAVAILABLE, &message)
        }
        Err(error) => Reply::message(StatusCode::SERVICE_UNAVAILABLE, &chain(&error)),
    }
}

async fn invoke(function: &str, call: &Call) -> Reply {
    let event = serde_json::json!({
        "method": call.method.as_str(),
        "path": call.path,
        "body": String::from_utf8_lossy(&call.body),
    });
    let request = http::post(
        AGENT,
        &format!("/invoke/{function}"),
        Bytes::from(event.to_string()),
    );
    match http::send(AGENT, request, INVOKE_LIMIT).await {
        Ok(response) => Reply {
            status: response.status(),
            body: response.into_body(),
        },
        Err(error) => Reply::message(StatusCode::BAD_GATEWAY, &chain(&error)),
    }
}

/// How one segment of a route matched; the smaller the closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Literal,
    Parameter,
    Rest,
}

/// Finds the route that fits most closely: literal before `{name}` before `{name+}`, the method itself before `ANY`,
/// the earlier before the later.
fn find<'a>(routes: &'a [Route], method: &str, path: &str) -> Option<&'a Route> {
    routes
        .iter()
        .filter_map(|route| {
            let own = route.method.as_deref().filter(|own| !own.is_empty());
            let own = own.unwrap_or("GET");
            let any = own.eq_ignore_ascii_case("ANY");
            if !any && !own.eq_ignore_ascii_case(method) {
                return None;
            }
            Some(((closeness(&route.path, path)?, any), route))
        })
        .min_by(|(left, _), (right, _)| left.cmp(right))
        .map(|(_, route)| route)
}

fn closeness(pattern: &str, path: &str) -> Option<Vec<Closeness>> {
    let mut segments = path.split('/');
    let mut matched = Vec::new();
    for part in pattern.split('/') {
        let segment = segments.next()?;
        match part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        {
            Some(name) if name.ends_with('+') => {
                matched.push(Closeness::Rest);
                return Some(matched);
            }
            Some(_) if !segment.is_empty() => matched.push(Closeness::Parameter),
            None if part == segment => matched.push(Closeness::Literal),
            Some(_) | None => return None,
        }
    }
    segments.next().is_none().then_some(matched)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn route(method: Option<&str>, path: &str, function: &str) -> Route {
        Route {
            path: path.to_owned(),
            method: method.map(str::to_owned),
            function: function.to_owned(),
        }
    }

    #[rstest]
    #[case("GET", "/orders", Some("list"))]
    #[case("POST", "/orders", Some("place"))]
    #[case("DELETE", "/orders", Some("rest"))]
    #[case("GET", "/orders/7", Some("one"))]
    #[case("GET", "/orders/last", Some("last"))]
    #[case("GET", "/orders/7/lines", Some("rest"))]
    #[case("GET", "/orders/", Some("rest"))]
    #[case("GET", "/elsewhere", None)]
    #[case("PUT", "/elsewhere", Some("put"))]
    fn the_closest_route_answers(
        #[case] method: &str,
        #[case] path: &str,
        #[case] expected: Option<&str>,
    ) {
        let routes = [
            route(Some("ANY"), "/orders/{proxy+}", "rest"),
            route(Some("ANY"), "/orders", "rest"),
            route(None, "/orders/{id}", "one"),
            route(Some(""), "/orders/last", "last"),
            route(Some("get"), "/orders", "list"),
            route(Some("POST"), "/orders", "place"),
            route(Some("PUT"), "/{proxy+}", "put"),
        ];
        let found = find(&routes, method, path).map(|route| route.function.as_str());
        assert_eq!(found, expected);
    }
}
