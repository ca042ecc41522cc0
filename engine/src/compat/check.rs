//! The check: each requirement of the manifest against what was observed.
//!
//! One finding per requirement and per container it speaks of. How findings are worded is in `advice`.

use super::facts::{STACK_SERVICES, mode_label, mode_of_image};
use super::release::{Wanted, parse_version};
use super::{
    Container, Finding, Grade, ModeSource, Observation, Observed, Policy, Verdict, VersionSource,
    advice,
};
use crate::contract::{ApiVersion, Manifest, Mode, required_secrets};

/// What the check says, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// May this artifact meet that stack?
    pub verdict: Verdict,
    /// Every finding, passed ones too: api version, mode, release of the stack, services by name, secrets by name.
    pub findings: Vec<Finding>,
}

/// Checks what a manifest requires against what was observed.
///
/// With `strict_warnings`, what would be a warning is a failure. The observation's project is the one that was looked at;
/// the manifest's is not asked.
pub fn check(
    manifest: &Manifest,
    observation: &Observation,
    policy: Policy,
    strict_warnings: bool,
) -> Check {
    let warn = if strict_warnings {
        Grade::Fail
    } else {
        Grade::Warn
    };
    let checker = Checker {
        observation,
        env: &manifest.env,
        warn,
        unobserved: match policy {
            Policy::Strict => Grade::Fail,
            Policy::Lenient => warn,
        },
    };
    let mut findings = Vec::new();
    if let Some(stack) = &manifest.runtime_stack {
        checker.api_version(stack.api_version, &mut findings);
        checker.mode(stack.mode, &mut findings);
        if let Some(release) = &stack.esb_version {
            checker.release(release, &mut findings);
        }
        for (service, range) in &stack.requires {
            checker.service(service, &Wanted::Range(range.clone()), &mut findings);
        }
    }
    for name in required_secrets(manifest) {
        findings.push(checker.secret(name));
    }
    if findings.is_empty() {
        findings.push(nothing_required());
    }
    let failed = findings.iter().any(|f| f.grade == Grade::Fail);
    Check {
        verdict: if failed {
            Verdict::Incompatible
        } else {
            Verdict::Compatible
        },
        findings,
    }
}

fn nothing_required() -> Finding {
    Finding {
        component: "runtime_stack".to_owned(),
        container: None,
        grade: Grade::Note,
        found: None,
        required: "nothing".to_owned(),
        source: None,
        hint: Some(advice::NOTHING_REQUIRED.to_owned()),
    }
}

struct Checker<'a> {
    observation: &'a Observation,
    env: &'a str,
    /// How a warning counts.
    warn: Grade,
    /// How a requirement that could not be observed counts.
    unobserved: Grade,
}

impl Checker<'_> {
    fn api_version(&self, required: ApiVersion, findings: &mut Vec<Finding>) {
        let blank = Finding::about("api_version", &required);
        let Some(Observed { value, source }) = &self.observation.api_version else {
            findings
                .push(self.unobserved(blank, advice::no_api_version(self.observation, self.env)));
            return;
        };
        let said = format!("label com.esb.api_version of {source}");
        let replicas = self.running(source);
        if replicas.is_empty() {
            findings.push(self.compare_api(blank.clone().found(value, &said), required));
        }
        for container in replicas {
            let finding = blank.clone().of(container);
            findings.push(match container.api_version.as_deref() {
                Some(text) => self.compare_api(finding.found(text, &said), required),
                None => self.unobserved(finding, advice::no_api_label(container)),
            });
        }
    }

    fn compare_api(&self, finding: Finding, required: ApiVersion) -> Finding {
        let text = finding.found.as_deref().unwrap_or_default().trim();
        let Some(found) = ApiVersion::parse(text) else {
            let hint = advice::unreadable_api(text);
            return self.unobserved(finding, hint);
        };
        if found.major != required.major {
            return finding.graded(Grade::Fail, advice::other_api_major(found, required));
        }
        if found.minor < required.minor {
            return finding.graded(self.warn, advice::older_api_minor(required));
        }
        finding
    }

    fn mode(&self, required: Mode, findings: &mut Vec<Finding>) {
        let blank = Finding::about("mode", &required);
        let Some(Observed { value, source }) = &self.observation.mode else {
            findings.push(self.unobserved(blank, advice::no_mode(self.observation, self.env)));
            return;
        };
        let before = findings.len();
        match source {
            ModeSource::Label(_) => self.mode_by_label(&blank, required, findings),
            ModeSource::ImageName(_) => self.mode_by_image(&blank, required, findings),
            ModeSource::RuntimeNode | ModeSource::Agent => {}
        }
        // No container carries the evidence itself: the fact about the stack stands alone.
        if findings.len() == before {
            let finding = blank.found(&value.to_string(), &source.words());
            findings.push(compare_mode(finding, *value, required));
        }
    }

    fn mode_by_label(&self, blank: &Finding, required: Mode, findings: &mut Vec<Finding>) {
        for container in &self.observation.containers {
            let Some(text) = container.mode.as_deref().filter(|t| !t.trim().is_empty()) else {
                continue;
            };
            let source = ModeSource::Label(container.service.clone());
            let finding = blank.clone().of(container);
            let finding = finding.found(text, &source.words());
            findings.push(match mode_label(container) {
                Some(found) => compare_mode(finding, found, required),
                None => self.unobserved(finding, advice::unreadable_mode(text)),
            });
        }
    }

    fn mode_by_image(&self, blank: &Finding, required: Mode, findings: &mut Vec<Finding>) {
        for container in self.stack() {
            let Some(found) = mode_of_image(&container.image) else {
                continue;
            };
            let source = ModeSource::ImageName(container.image.clone()).words();
            let finding = blank.clone().of(container);
            findings.push(compare_mode(
                finding.found(&found.to_string(), &source),
                found,
                required,
            ));
        }
    }

    /// `esb_version`: every running container of the services that make up a stack.
    fn release(&self, text: &str, findings: &mut Vec<Finding>) {
        let wanted = Wanted::parse(text);
        let blank = Finding::about("esb_version", &text.trim());
        match wanted {
            Wanted::Exact(_) | Wanted::Range(_) => {
                if self.stack().next().is_none() {
                    let hint = advice::no_stack_service(self.observation, self.env);
                    findings.push(self.unobserved(blank, hint));
                    return;
                }
                for container in self.stack() {
                    findings.push(self.compare_release(blank.clone(), container, &wanted));
                }
            }
            Wanted::MovingTag => self.record_tags(&blank, findings),
            Wanted::Unreadable => {
                findings.push(blank.graded(Grade::Fail, advice::unreadable_release(text)));
            }
        }
    }

    fn record_tags(&self, blank: &Finding, findings: &mut Vec<Finding>) {
        let note = |finding: Finding| finding.graded(Grade::Note, advice::MOVING_TAG.to_owned());
        if self.stack().next().is_none() {
            findings.push(note(blank.clone()));
        }
        for container in self.stack() {
            let finding = blank.clone().of(container);
            findings.push(note(match (&container.version, &container.tag) {
                (Some(version), _) => finding.found(&version.value, version.source.words()),
                (None, Some(tag)) => finding.found(tag, VersionSource::ImageTag.words()),
                (None, None) => finding,
            }));
        }
    }

    fn service(&self, service: &str, wanted: &Wanted, findings: &mut Vec<Finding>) {
        let blank = Finding::about(service, wanted);
        let replicas = self.running(service);
        if replicas.is_empty() {
            let hint = advice::no_service(self.observation, self.env, service);
            findings.push(self.unobserved(blank.clone(), hint));
        }
        for container in replicas {
            findings.push(self.compare_release(blank.clone(), container, wanted));
        }
    }

    fn compare_release(&self, blank: Finding, container: &Container, wanted: &Wanted) -> Finding {
        let finding = blank.of(container);
        let Some(version) = &container.version else {
            return self.unobserved(finding, advice::no_version(container));
        };
        let finding = finding.found(&version.value, version.source.words());
        let Some(found) = parse_version(version.value.trim()) else {
            return self.unobserved(finding, advice::unreadable_version(container));
        };
        if wanted.matches(&found) {
            return finding;
        }
        finding.graded(
            Grade::Fail,
            advice::other_release(container, &found, wanted),
        )
    }

    /// A required secret: the gateway replaces references to it in `functions.yml` from its own environment.
    ///
    /// A secret may be there for builds or the provisioner alone, and the manifest does not say so: what the gateway lacks
    /// is a warning under either policy.
    fn secret(&self, name: &str) -> Finding {
        let finding = Finding::about(&format!("secret {name}"), &"set");
        let Some(held) = &self.observation.gateway_secrets else {
            return finding.graded(self.warn, advice::no_gateway(self.observation, self.env));
        };
        let source = "the environment of gateway";
        if held.iter().any(|one| one == name) {
            return finding.found("set", source);
        }
        let finding = finding.found("unset", source);
        finding.graded(self.warn, advice::no_secret(name))
    }

    fn unobserved(&self, finding: Finding, hint: String) -> Finding {
        finding.graded(self.unobserved, advice::or_lenient(hint, self.unobserved))
    }

    fn running(&self, service: &str) -> Vec<&Container> {
        let containers = self.observation.containers.iter();
        containers.filter(|c| c.service == service).collect()
    }

    /// The running containers of the services that make up a stack, service by service.
    fn stack(&self) -> impl Iterator<Item = &Container> {
        STACK_SERVICES.into_iter().flat_map(|s| self.running(s))
    }
}

fn compare_mode(finding: Finding, found: Mode, required: Mode) -> Finding {
    if found == required {
        return finding;
    }
    finding.graded(Grade::Fail, advice::other_mode(found, required))
}

impl Finding {
    /// A passed finding about a component, of which nothing was found yet.
    fn about(component: &str, required: &impl ToString) -> Self {
        Self {
            component: component.to_owned(),
            container: None,
            grade: Grade::Pass,
            found: None,
            required: required.to_string(),
            source: None,
            hint: None,
        }
    }

    fn of(mut self, container: &Container) -> Self {
        self.container = Some(container.name.clone());
        self
    }

    fn found(mut self, value: &str, source: &str) -> Self {
        self.found = Some(value.to_owned());
        self.source = Some(source.to_owned());
        self
    }

    fn graded(mut self, grade: Grade, hint: String) -> Self {
        self.grade = grade;
        self.hint = Some(hint);
        self
    }
}
