//! What is there, compared with what was applied: the values of keys, and the running stack.
//!
//! What tags name is compared in `tags`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use engine::compat::{Finding, Grade, Observation, check};
use engine::contract::{printable, required_secrets};
use engine::docker::Limits;
use engine::machine::{Requested, Stage, State};
use engine::merge::{
    ConfigTrees, Drift, FieldChange, Key, KeyDifference, OwnedConfiguration, differences,
    standing_values,
};
use engine::run::{ConfigTexts, Fault, base_merged, configuration_of};
use engine::views::versions;
use engine::yaml::ParseLimits;
use journal::EventLog;
use serde::Serialize;
use tokio::time::timeout;

use crate::applier::{output_dir, prepare, target};
use crate::failure::Failure;
use crate::process_limits;

/// How long the engine is waited for: what the journal knows is not kept back for longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The keys that are ours and stand otherwise than they were applied, each with how.
#[derive(Debug, Default, Serialize)]
pub(crate) struct DriftedKeys {
    /// By key; without secrets.
    pub(crate) key_drift: BTreeMap<Key, KeyDifference>,
    /// The same by digest.
    #[serde(skip)]
    pub(crate) digests: Vec<Drift>,
}

/// Compares the keys of the deploy in effect with what stands in its output directory. Files that do not read have no keys.
pub(crate) fn keys(
    events: &dyn EventLog,
    state: &State,
    standing: &ConfigTexts,
) -> Result<DriftedKeys, Failure> {
    let failed = |error| target::deploy_journal_failure(&error);
    let Some(deploy) = &state.deploy else {
        return Ok(DriftedKeys::default());
    };
    let merged = state.base().map(|base| base_merged(events, &base));
    let merged = merged.transpose().map_err(failed)?.flatten();
    let Some(merged) = merged else {
        return Ok(DriftedKeys::default());
    };
    let owned = configuration_of(events, &merged).map_err(failed)?;
    let request = &deploy.request;
    let trees = ConfigTrees::parse(&request.out, standing.clone(), &ParseLimits::default());
    let Ok(trees) = trees else {
        return Ok(DriftedKeys::default());
    };
    let secrets = required_secrets(&request.manifest);
    let stands = standing_values(&trees, &owned, &secrets);
    let key_drift = differences(&owned, &stands);
    let digests = key_drift
        .keys()
        .filter_map(|key| drift(key, &owned, &stands));
    Ok(DriftedKeys {
        digests: digests.collect(),
        key_drift,
    })
}

fn drift(key: &Key, owned: &OwnedConfiguration, stands: &OwnedConfiguration) -> Option<Drift> {
    Some(Drift {
        key: key.clone(),
        written: owned.get(key)?.digest.clone(),
        found: stands.get(key).map(|one| one.digest.clone()),
    })
}

/// The running stack, compared with what the deploy in effect met and needs.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ComparedStack {
    /// The versions that are others than those that were checked last.
    pub(crate) changed: Vec<FieldChange>,
    /// The checks that a deploy of the same would fail today.
    pub(crate) refused: Vec<Finding>,
    /// Why the stack could not be compared.
    pub(crate) unknown: Option<String>,
}

/// What is asked of the engine for one target.
pub(crate) struct Asked {
    request: Requested,
    checked: Option<Observation>,
}

impl Asked {
    /// The deploy in effect, with what it met; none where nothing is in effect.
    pub(crate) fn of(events: &dyn EventLog, state: &State) -> Result<Option<Self>, Failure> {
        let Some(request) = output_dir::base_request(events, state)? else {
            return Ok(None);
        };
        let latest = state.deploy.as_ref();
        let applied = latest.filter(|deploy| matches!(deploy.stage, Stage::Applied(_)));
        let observed = applied.and_then(|deploy| deploy.observed.as_ref());
        Ok(Some(Self {
            request,
            checked: observed.map(|observed| observed.observation.clone()),
        }))
    }
}

/// Looks at the stack of each target, and compares. Targets of one project are looked at once each: what their artifacts need differs.
pub(crate) fn stacks(asked: &[Option<Asked>]) -> Result<Vec<Option<ComparedStack>>, Failure> {
    let limits = Limits {
        query: PATIENCE,
        ..prepare::limits()?
    };
    process_limits::runtime()?.block_on(async {
        let mut compared = Vec::new();
        for one in asked {
            compared.push(match one {
                Some(one) => Some(one.compared(limits).await),
                None => None,
            });
        }
        Ok(compared)
    })
}

impl Asked {
    async fn compared(&self, limits: Limits) -> ComparedStack {
        let secrets = required_secrets(&self.request.manifest);
        let look = prepare::look_for(&self.request.project, &secrets, limits);
        let seen: Result<Observation, Fault> = match timeout(PATIENCE, look).await {
            Ok(seen) => seen,
            Err(_) => {
                let unknown = format!("the engine did not answer within {} s", PATIENCE.as_secs());
                return ComparedStack {
                    unknown: Some(unknown),
                    ..ComparedStack::default()
                };
            }
        };
        match seen {
            Ok(seen) => self.with(&seen),
            Err(fault) => ComparedStack {
                unknown: Some(fault.message),
                ..ComparedStack::default()
            },
        }
    }

    fn with(&self, seen: &Observation) -> ComparedStack {
        let Requested {
            manifest, options, ..
        } = &self.request;
        let checked = check(manifest, seen, options.compat, options.strict_warnings);
        let refused = checked.findings.into_iter();
        ComparedStack {
            changed: self
                .checked
                .as_ref()
                .map_or_else(Vec::new, |checked| changed(checked, seen)),
            refused: refused
                .filter(|finding| finding.grade == Grade::Fail)
                .collect(),
            unknown: None,
        }
    }
}

/// The versions that differ between two looks at a stack.
fn changed(before: &Observation, after: &Observation) -> Vec<FieldChange> {
    let by_service = |observation: &Observation| -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for seen in versions(observation) {
            let version = seen.version.unwrap_or_else(|| "?".to_owned());
            all.entry(seen.service).or_default().push(version);
        }
        let joined = all.into_iter();
        joined
            .map(|(service, versions)| (service, versions.join(" and ")))
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
    /// What is otherwise, a line each.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let changed = self.changed.iter().map(|change| {
            let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "gone".to_owned());
            let before = change.before.clone().unwrap_or_else(|| "absent".to_owned());
            printable(&format!(
                "{} {before} -> {}, since it was checked",
                change.field,
                side(&change.after)
            ))
        });
        let refused = self.refused.iter();
        let refused = refused
            .map(|finding| printable(&format!("would be refused today: {}", finding.comparison())));
        changed.chain(refused).collect()
    }
}

/// The directory into which the deploy in effect was published, as it is.
pub(crate) fn standing(out: &str) -> Result<ConfigTexts, Failure> {
    engine::publish::current(Path::new(out))
        .map_err(|error| Failure::of(crate::failure::Kind::Publish, &error))
}

#[cfg(test)]
mod tests {
    use engine::contract::Digest;
    use engine::machine::sample;

    use super::*;

    fn asked(version: &str) -> Asked {
        let manifest = serde_json::json!({
            "schema_version": "1", "project": "shop", "env": "dev", "mode": "docker",
            "runtime_stack": {"api_version": "1.0", "mode": "docker", "esb_version": null,
                "requires": {"gateway": "^1.4"}},
            "artifacts": [], "generated_at": null, "generator": null
        });
        let manifest = serde_json::from_value(manifest).unwrap();
        Asked {
            request: sample::requested(Digest::of("artifact"), manifest),
            checked: Some(sample::observation("shop", &[("gateway", version)])),
        }
    }

    #[test]
    fn a_stack_that_would_be_refused_today_is_named_with_its_version() {
        let seen = |version| sample::observation("shop", &[("gateway", version)]);
        let same = asked("1.4.2").with(&seen("1.4.2"));
        assert_eq!(same.sentences(), Vec::<String>::new());
        let newer = asked("1.4.2").with(&seen("1.5.0")).sentences();
        assert_eq!(newer, ["gateway 1.4.2 -> 1.5.0, since it was checked"]);
        let refused = asked("1.4.2").with(&seen("2.0.0")).sentences();
        assert_eq!(refused.len(), 2);
        assert!(
            refused[1].starts_with("would be refused today: ") && refused[1].contains("2.0.0"),
            "{refused:?}"
        );
    }
}
