//! The running stack, compared with what the deploy in effect met and needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::compat::{Finding, Grade, Observation, check};
use engine::contract::{printable, required_secrets};
use engine::docker::{Limits, connect, observe};
use engine::machine::Requested;
use engine::merge::FieldChange;
use engine::run::Fault;
use engine::views::{ServiceVersion, versions};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::applier::prepare;

/// What the deploy in effect needs, and what it met.
pub(crate) struct AppliedStack {
    /// What was asked for.
    pub(crate) request: Requested,
    /// What it saw running last.
    pub(crate) checked: Vec<ServiceVersion>,
}

/// What became of the stack since.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ComparedStack {
    /// The services whose versions are others than those that were checked.
    pub(crate) changed: Vec<FieldChange>,
    /// The checks that a deploy of the same would fail today.
    pub(crate) refused: Vec<Finding>,
    /// Why the stack could not be compared.
    pub(crate) unknown: Option<String>,
}

/// Looks at the stack of each target, and compares. None for a target on which nothing is in effect.
pub(crate) async fn compare(
    targets: &[Option<AppliedStack>],
    patience: Duration,
) -> Vec<Option<ComparedStack>> {
    let end = Instant::now() + patience;
    let limits = Limits {
        query: patience,
        ..Limits::default()
    };
    let mut engine = None;
    let mut compared = Vec::new();
    for target in targets {
        let Some(target) = target else {
            compared.push(None);
            continue;
        };
        let look = async {
            if engine.is_none() {
                let docker_host = prepare::variable("DOCKER_HOST");
                engine = Some(connect(docker_host.as_deref(), limits).await?);
            }
            let engine = engine.as_ref().expect("it was connected to");
            let secrets = required_secrets(&target.request.manifest);
            observe(engine, &target.request.project, &secrets).await
        };
        let seen = timeout_at(end, look).await;
        compared.push(Some(match seen {
            Ok(Ok(seen)) => target.with(&seen),
            Ok(Err(Fault { message, .. })) => ComparedStack::unknown(message),
            Err(_) => ComparedStack::unknown(format!(
                "the engine did not answer within {} s",
                patience.as_secs()
            )),
        }));
    }
    compared
}

impl AppliedStack {
    fn with(&self, seen: &Observation) -> ComparedStack {
        let Requested {
            manifest, options, ..
        } = &self.request;
        let checked = check(manifest, seen, options.compat, options.strict_warnings);
        let refused = checked.findings.into_iter();
        ComparedStack {
            changed: changed(&self.checked, &versions(seen)),
            refused: refused
                .filter(|finding| finding.grade == Grade::Fail)
                .collect(),
            unknown: None,
        }
    }
}

/// The services whose versions differ.
fn changed(before: &[ServiceVersion], after: &[ServiceVersion]) -> Vec<FieldChange> {
    let by_service = |seen: &[ServiceVersion]| -> BTreeMap<String, String> {
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in seen {
            let version = one.version.as_deref().unwrap_or("?");
            all.entry(&one.service).or_default().push(version);
        }
        let joined = all.into_iter();
        joined
            .map(|(service, versions)| (service.to_owned(), versions.join(" and ")))
            .collect()
    };
    let (before, after) = (by_service(before), by_service(after));
    let services: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changes = services.into_iter().map(|service| FieldChange {
        field: service.clone(),
        before: before.get(service).cloned(),
        after: after.get(service).cloned(),
    });
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

impl ComparedStack {
    fn unknown(why: String) -> Self {
        Self {
            unknown: Some(why),
            ..Self::default()
        }
    }

    /// What is otherwise, a line each.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let changed = self.changed.iter().map(|change| {
            let FieldChange {
                field: service,
                before,
                after,
            } = change;
            let words = match (before, after) {
                (Some(before), Some(after)) => format!("{service} {before} -> {after}"),
                (Some(before), None) => format!("{service} {before} is gone"),
                (None, _) => format!("{service} {} came", after.as_deref().unwrap_or_default()),
            };
            printable(&format!("{words} since the check"))
        });
        let refused = self.refused.iter();
        let refused = refused
            .map(|finding| printable(&format!("would be refused today: {}", finding.comparison())));
        changed.chain(refused).collect()
    }
}

#[cfg(test)]
mod tests {
    use engine::contract::Digest;
    use engine::machine::sample;

    use super::*;

    fn applied(version: &str) -> AppliedStack {
        let manifest = serde_json::json!({
            "schema_version": "1", "project": "shop", "env": "dev", "mode": "docker",
            "runtime_stack": {"api_version": "1.0", "mode": "docker", "esb_version": null,
                "requires": {"gateway": "^1.4"}},
            "artifacts": [], "generated_at": null, "generator": null
        });
        let manifest = serde_json::from_value(manifest).unwrap();
        AppliedStack {
            request: sample::requested(Digest::of("artifact"), manifest),
            checked: versions(&sample::observation("shop", &[("gateway", version)])),
        }
    }

    #[test]
    fn a_stack_that_would_be_refused_today_is_named_with_its_version() {
        let seen = |version| sample::observation("shop", &[("gateway", version)]);
        let same = applied("1.4.2").with(&seen("1.4.2"));
        assert_eq!(same.sentences(), Vec::<String>::new());
        let newer = applied("1.4.2").with(&seen("1.5.0")).sentences();
        assert_eq!(newer, ["gateway 1.4.2 -> 1.5.0 since the check"]);
        let refused = applied("1.4.2").with(&seen("2.0.0")).sentences();
        assert_eq!(refused.len(), 2);
        assert!(
            refused[1].starts_with("would be refused today: gateway")
                && refused[1].contains("2.0.0"),
            "{refused:?}"
        );
    }
}
