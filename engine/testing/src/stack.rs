//! The stack that a simulated deploy meets.

use std::collections::BTreeSet;
use std::path::Path;

use engine::compat::facts::STACK_SERVICES;
use engine::compat::{self, Grade, Observation, Observed, Policy};
use engine::contract::{Manifest, required_secrets};
use engine::load;
use engine::machine::sample;
use semver::{Comparator, Version, VersionReq};

use crate::error::SimulationError;

/// The version of a service of which nothing is asked.
const ANY: Version = Version::new(1, 0, 0);

/// A stack that runs, as a deploy observes it: services with their versions, an API version, a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    pub(crate) observation: Observation,
}

impl Stack {
    /// A stack whose services all have this version, with API version 1.0.
    pub fn new(version: &str) -> Self {
        let services = STACK_SERVICES.map(|service| (service, version));
        Self {
            observation: sample::observation("simulated", &services),
        }
    }

    /// A stack that an artifact can be applied to: the oldest one whose versions are all that its manifest asks for.
    pub fn compatible_with(manifest: impl AsRef<Path>) -> Result<Self, SimulationError> {
        let artifact = load::artifact(manifest.as_ref()).map_err(SimulationError::Artifact)?;
        Self::compatible(&artifact.manifest)
    }

    /// The same for a manifest that was read.
    pub fn compatible(manifest: &Manifest) -> Result<Self, SimulationError> {
        let asked = manifest.runtime_stack.as_ref();
        let release = asked.and_then(|asked| asked.esb_version.as_deref());
        let release = release.and_then(range);
        let mut services: BTreeSet<&str> = STACK_SERVICES.into_iter().collect();
        services.extend(
            asked
                .iter()
                .flat_map(|asked| asked.requires.keys().map(String::as_str)),
        );
        let versions: Vec<(&str, String)> = services
            .into_iter()
            .map(|service| {
                let own = asked.and_then(|asked| asked.requires.get(service));
                let ranges: Vec<&VersionReq> = own.into_iter().chain(&release).collect();
                (service, oldest(&ranges).to_string())
            })
            .collect();
        let versions: Vec<(&str, &str)> = versions
            .iter()
            .map(|(service, version)| (*service, version.as_str()))
            .collect();
        let mut observation = sample::observation(&manifest.project, &versions);
        if let Some(asked) = asked {
            let api_version = asked.api_version.to_string();
            let mode = asked.mode;
            for container in &mut observation.containers {
                container.api_version = Some(api_version.clone());
                container.mode = Some(mode.to_string());
            }
            observation.api_version = observation.api_version.map(|observed| Observed {
                value: api_version,
                ..observed
            });
            observation.mode = observation.mode.map(|observed| Observed {
                value: mode,
                ..observed
            });
        }
        let secrets = required_secrets(manifest).into_iter();
        observation.gateway_secrets = Some(secrets.map(str::to_owned).collect());
        let check = compat::check(manifest, &observation, Policy::Strict, false);
        let failed = check.findings.iter().filter(|one| one.grade == Grade::Fail);
        let failed: Vec<String> = failed.map(compat::Finding::sentence).collect();
        if failed.is_empty() {
            Ok(Self { observation })
        } else {
            Err(SimulationError::NoSuchStack(failed))
        }
    }

    /// The same stack with another version of a service, or with a service more.
    #[must_use]
    pub fn with(mut self, service: &str, version: &str) -> Self {
        self.set(service, version);
        self
    }

    /// The same stack without a service.
    #[must_use]
    pub fn without(mut self, service: &str) -> Self {
        let containers = &mut self.observation.containers;
        containers.retain(|container| container.service != service);
        self
    }

    /// Upgrades, downgrades or adds a service.
    pub fn set(&mut self, service: &str, version: &str) {
        let one = sample::observation(&self.observation.project, &[(service, version)]);
        let containers = &mut self.observation.containers;
        let replaced = containers
            .iter()
            .find(|container| container.service == service);
        let replaced = replaced.or(containers.first()).cloned();
        containers.retain(|container| container.service != service);
        containers.extend(one.containers.into_iter().map(|mut container| {
            if let Some(replaced) = &replaced {
                container.api_version.clone_from(&replaced.api_version);
                container.mode.clone_from(&replaced.mode);
            }
            container
        }));
        containers.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
    }
}

/// An exact version, or a range; a moving tag asks for no version.
fn range(text: &str) -> Option<VersionReq> {
    let text = text.trim();
    match Version::parse(text) {
        Ok(version) => VersionReq::parse(&format!("={version}")).ok(),
        Err(_) => VersionReq::parse(text).ok(),
    }
}

/// The oldest version that is in all of these ranges. Every range begins, if it begins at all, at a version of one of its comparators or
/// right behind it, so that others need not be tried.
fn oldest(ranges: &[&VersionReq]) -> Version {
    let begin = |comparator: &Comparator| {
        let of = Version {
            pre: comparator.pre.clone(),
            ..Version::new(
                comparator.major,
                comparator.minor.unwrap_or(0),
                comparator.patch.unwrap_or(0),
            )
        };
        [
            Version::new(of.major, of.minor, of.patch + 1),
            Version::new(of.major, of.minor + 1, 0),
            Version::new(of.major + 1, 0, 0),
            of,
        ]
    };
    let comparators = ranges.iter().flat_map(|range| &range.comparators);
    let mut candidates: Vec<Version> = comparators.flat_map(begin).collect();
    candidates.extend([ANY, Version::new(0, 0, 0)]);
    candidates.sort();
    let fits = |version: &&Version| ranges.iter().all(|range| range.matches(version));
    let wanted = if ranges.is_empty() { Some(&ANY) } else { None };
    let found = wanted.or_else(|| candidates.iter().find(fits));
    // Where there is none, the check says what is asked for.
    found.cloned().unwrap_or(ANY)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[">=1.4, <2"], "1.4.0")]
    #[case(&[">1.4"], "1.5.0")]
    #[case(&[">1.4.2"], "1.4.3")]
    #[case(&["^1.2", "<1.5"], "1.2.0")]
    #[case(&["=1.4.2"], "1.4.2")]
    #[case(&["1.4.2"], "1.4.2")]
    #[case(&["<2"], "0.0.0")]
    #[case(&["*"], "0.0.0")]
    #[case(&[">1"], "2.0.0")]
    #[case(&["2.0.0-rc.1"], "2.0.0-rc.1")]
    #[case(&[], "1.0.0")]
    fn the_oldest_version_of_all_ranges_is_found(#[case] ranges: &[&str], #[case] version: &str) {
        let ranges: Vec<VersionReq> = ranges.iter().map(|text| range(text).unwrap()).collect();
        let ranges: Vec<&VersionReq> = ranges.iter().collect();
        let found = oldest(&ranges);
        assert_eq!(found.to_string(), version);
    }
}
