//! One piece of work the engine does while it talks: a build, a push, a pull.
//!
//! Here: sending it off, listening, limits of time. Not here: which work is needed (`build`, `bases`).

use std::time::Duration;

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::{self, Builder, Engine};
use super::context::{self, Context, ContextError};
use super::fault;
use super::redact::Redactor;
use super::registry::HUB;
use super::session::Session;
use super::transcript::Transcript;
use super::wire::{self, Body, WireError};
use crate::contract::Digest;
use crate::image::Reference;
use crate::machine::FailureKind;
use crate::run::Fault;

/// Who listens to the engine.
#[derive(Clone, Copy)]
pub(super) struct Audience<'a> {
    /// Takes the secrets out.
    pub(super) redactor: &'a Redactor,
    /// Gets each line.
    pub(super) say: &'a (dyn Fn(String) + Sync),
}

/// How long work may take.
#[derive(Clone, Copy)]
struct Patience {
    /// As a whole.
    whole: Duration,
    /// Between two lines.
    silence: Duration,
    /// The name of the limit of the whole, and what its end makes of the deploy.
    limit: (&'static str, FailureKind),
}

impl Patience {
    fn exceeded(self, what: &str, registry: Option<&str>) -> Fault {
        let (name, kind) = self.limit;
        fault::unfinished(what, name, self.whole, kind, registry)
    }
}

/// What the engine is asked to do.
struct Work<'a> {
    what: String,
    /// The registry that is talked to, for hints.
    registry: Option<&'a str>,
    target: String,
    headers: HeaderMap,
    body: Body,
    patience: Patience,
}

impl Engine {
    /// Builds an image from a context. `query` says how.
    pub(super) async fn build(
        &self,
        what: &str,
        builder: Builder,
        query: &[(&str, &str)],
        context: Context,
        audience: Audience<'_>,
    ) -> Result<(), Fault> {
        let mut query = query.to_vec();
        query.push(("version", builder.version()));
        if builder == Builder::BuildKit
            && let Some(mut session) = self.session(what, context.clone()).await?
        {
            query.extend([("remote", "client-session"), ("session", session.id())]);
            let build = self.building(what, &query, HeaderMap::new(), wire::empty());
            let mut built = self.work(build, audience).await;
            // An engine without a session says that a build failed; of an engine that is away more is known already.
            if let Err(fault) = &mut built
                && fault.kind == FailureKind::Image
                && session.is_broken().await
            {
                let why = &WireError::SessionBroken;
                let output = std::mem::take(&mut fault.output);
                *fault = fault::wire(&self.host, what, FailureKind::Image, why);
                fault.output = output;
            }
            // The engine only sees that the context broke off; why is known on this side.
            return match session.end() {
                Some(ContextError::Unheard(_)) | None => built.map(|_| ()),
                Some(error) => Err(fault::context(what, &error)),
            };
        }
        let (body, sent) = context::send(context);
        let tar = HeaderValue::from_static("application/x-tar");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, tar)]);
        let build = self.building(what, &query, headers, body);
        let built = self.work(build, audience).await;
        match sent.await {
            Err(error) => Err(fault::task("send the build context", &error)),
            Ok(Err(error @ (ContextError::Changed { .. } | ContextError::Unreadable { .. }))) => {
                Err(fault::context(what, &error))
            }
            Ok(Ok(()) | Err(ContextError::Unheard(_))) => built.map(|_| ()),
        }
    }

    /// Opens a session for a build; none where there are no sessions.
    async fn session(&self, what: &str, context: Context) -> Result<Option<Session>, Fault> {
        let limit = self.limits.query;
        match timeout(limit, Session::open(self, context)).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(fault::wire(&self.host, what, FailureKind::Image, &error)),
            Err(_) => Err(connect::late(&self.host, what, limit)),
        }
    }

    fn building<'a>(
        &self,
        what: &str,
        query: &[(&str, &str)],
        headers: HeaderMap,
        body: Body,
    ) -> Work<'a> {
        Work {
            what: what.to_owned(),
            registry: None,
            target: target("/build", query),
            headers,
            body,
            patience: Patience {
                whole: self.limits.build,
                silence: self.limits.build,
                limit: ("build", FailureKind::Image),
            },
        }
    }

    /// Pushes a tag of a local image; what was pushed has this digest, as far as the engine says.
    pub(super) async fn push(
        &self,
        reference: &Reference,
        auth: &str,
        audience: Audience<'_>,
    ) -> Result<Option<Digest>, Fault> {
        let tag = reference.tag.as_deref().unwrap_or("latest");
        let path = format!("/images/{}/push", reference.name());
        let work = Work {
            what: format!("push image `{reference}`"),
            registry: Some(reference.registry.as_deref().unwrap_or(HUB)),
            target: target(&path, &[("tag", tag)]),
            headers: registry_auth(auth),
            body: wire::empty(),
            patience: self.transfer(),
        };
        self.work(work, audience).await
    }

    /// Pulls an image.
    pub(super) async fn pull(
        &self,
        reference: &Reference,
        platform: Option<&str>,
        auth: &str,
        audience: Audience<'_>,
    ) -> Result<(), Fault> {
        let digest = reference.digest.as_ref().map(Digest::as_str);
        let tag = digest.or(reference.tag.as_deref()).unwrap_or("latest");
        let name = reference.name();
        let mut query = vec![("fromImage", name.as_str()), ("tag", tag)];
        query.extend(platform.map(|platform| ("platform", platform)));
        let work = Work {
            what: format!("pull image `{reference}`"),
            registry: Some(reference.registry.as_deref().unwrap_or(HUB)),
            target: target("/images/create", &query),
            headers: registry_auth(auth),
            body: wire::empty(),
            patience: self.transfer(),
        };
        self.work(work, audience).await.map(|_| ())
    }

    fn transfer(&self) -> Patience {
        Patience {
            whole: self.limits.transfer,
            silence: self.limits.silence,
            limit: ("transfer", FailureKind::Unreachable),
        }
    }

    async fn work(&self, work: Work<'_>, audience: Audience<'_>) -> Result<Option<Digest>, Fault> {
        let Work {
            what,
            registry,
            target,
            headers,
            body,
            patience,
        } = work;
        let mut transcript = Transcript::new(audience.redactor, audience.say);
        let target = format!("/v{}{target}", self.api);
        let begun = Instant::now();
        let end = begun + patience.whole;
        let until = || end.min(Instant::now() + patience.silence);
        let listened = async {
            let answer = wire::exchange(&self.host, Method::POST, &target, headers, body);
            let answer = timeout_at(until(), answer).await??;
            let mut lines = timeout_at(until(), answer.lines()).await??;
            while let Some(line) = timeout_at(until(), lines.next()).await?? {
                transcript.read(&line);
                // A line that is there already is read however late it is.
                if Instant::now() >= end {
                    return Err(Interruption::Late);
                }
            }
            Ok(())
        };
        let fault = match listened.await {
            Ok(()) => {
                let spoken = |spoken| fault::spoken(&what, registry, spoken);
                return transcript.end().map_err(spoken);
            }
            Err(Interruption::Wire(error)) => {
                fault::wire(&self.host, &what, FailureKind::Image, &error)
            }
            Err(Interruption::Late) if Instant::now() >= end => patience.exceeded(&what, registry),
            Err(Interruption::Late) => {
                let hint = registry.map(fault::registry_hint);
                fault::late(&what, patience.silence, FailureKind::Unreachable, hint)
            }
        };
        Err(Fault {
            output: transcript.last_lines(),
            ..fault
        })
    }
}

/// Why listening ended early.
enum Interruption {
    Late,
    Wire(WireError),
}

impl From<tokio::time::error::Elapsed> for Interruption {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Late
    }
}

impl From<WireError> for Interruption {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

fn target(path: &str, query: &[(&str, &str)]) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(query);
    format!("{path}?{}", pairs.finish())
}

fn registry_auth(auth: &str) -> HeaderMap {
    let mut value = HeaderValue::from_str(auth).expect("base64 holds only what a header may hold");
    value.set_sensitive(true);
    HeaderMap::from_iter([(HeaderName::from_static("x-registry-auth"), value)])
}

#[cfg(test)]
mod tests;
