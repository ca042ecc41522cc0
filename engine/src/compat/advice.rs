//! What a finding tells a person to do next, and how sources are named in words.

use semver::Version;

use super::release::Wanted;
use super::{Container, Grade, ModeSource, Observation, VersionSource};
use crate::contract::{ApiVersion, Mode, did_you_mean};

/// At most this many other projects or services are named in one hint.
const NAMED: usize = 5;

pub(super) const NOTHING_REQUIRED: &str =
    "the artifact requires nothing of the running stack, so nothing was compared";
pub(super) const MOVING_TAG: &str =
    "a moving tag is recorded, not compared; name a version or a range to have it checked";

impl VersionSource {
    /// Where a version was read from, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::EsbLabel => "label com.esb.version",
            Self::OciLabel => "label org.opencontainers.image.version",
            Self::ImageTag => "image tag",
        }
    }
}

impl ModeSource {
    /// Where a mode was read from, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Label(service) => format!("label com.esb.mode of {service}"),
            Self::RuntimeNode => "running service runtime-node".to_owned(),
            Self::ImageName(image) => format!("image name {image}"),
            Self::Agent => "running service agent".to_owned(),
        }
    }
}

/// Where an unobserved requirement fails, there is the other way to take it.
pub(super) fn or_lenient(hint: String, grade: Grade) -> String {
    match grade {
        Grade::Fail => {
            format!("{hint}; `--compat lenient` takes what cannot be observed as a warning")
        }
        Grade::Pass | Grade::Note | Grade::Warn => hint,
    }
}

pub(super) fn no_api_version(observation: &Observation, env: &str) -> String {
    nothing_runs(observation, env).unwrap_or_else(|| {
        "no running gateway, agent, provisioner or runtime-node carries the label `com.esb.api_version`; \
         run stack images that do"
            .to_owned()
    })
}

pub(super) fn no_api_label(container: &Container) -> String {
    format!(
        "`{}` lacks the label `com.esb.api_version` that other replicas carry; recreate it from their image",
        container.name
    )
}

pub(super) fn unreadable_api(text: &str) -> String {
    format!(
        "`{text}` is not MAJOR or MAJOR.MINOR; run stack images with a correct `com.esb.api_version`"
    )
}

pub(super) fn other_api_major(found: ApiVersion, required: ApiVersion) -> String {
    if found.major < required.major {
        return format!(
            "upgrade the stack to api version {}.x, or generate the artifact for api version {found}",
            required.major
        );
    }
    format!("the stack is newer: generate the artifact again for api version {found}")
}

pub(super) fn older_api_minor(required: ApiVersion) -> String {
    format!(
        "the stack may lack what the artifact was made for; upgrade it to api version {required} or a later minor"
    )
}

pub(super) fn no_mode(observation: &Observation, env: &str) -> String {
    nothing_runs(observation, env).unwrap_or_else(|| {
        "neither a label `com.esb.mode`, nor a running runtime-node or agent, nor an image name gives the mode away; \
         start the agent or the runtime-node"
            .to_owned()
    })
}

pub(super) fn unreadable_mode(text: &str) -> String {
    format!("`{text}` is neither `docker` nor `containerd`; correct the label `com.esb.mode`")
}

pub(super) fn other_mode(found: Mode, required: Mode) -> String {
    format!(
        "deploy onto a stack that runs in mode `{required}`, or generate the artifact with mode `{found}`"
    )
}

pub(super) fn no_stack_service(observation: &Observation, env: &str) -> String {
    nothing_runs(observation, env).unwrap_or_else(|| {
        format!(
            "neither gateway, agent, provisioner nor runtime-node runs under the compose project `{}`; start the stack",
            observation.project
        )
    })
}

pub(super) fn no_gateway(observation: &Observation, env: &str) -> String {
    nothing_runs(observation, env).unwrap_or_else(|| {
        format!(
            "the service `gateway` does not run under the compose project `{}`, so its environment is unknown; start it",
            observation.project
        )
    })
}

pub(super) fn no_secret(name: &str) -> String {
    format!(
        "functions that refer to `${{{name}}}` start without its value: set `{name}` in the environment of the service \
         `gateway` and recreate it with `docker compose up -d gateway`; a secret of builds or the provisioner alone needs \
         nothing there"
    )
}

pub(super) fn no_service(observation: &Observation, env: &str, service: &str) -> String {
    nothing_runs(observation, env).unwrap_or_else(|| {
        let mut running: Vec<_> = observation
            .containers
            .iter()
            .map(|c| c.service.as_str())
            .collect();
        running.dedup();
        format!(
            "`{service}` does not run under the compose project `{}` (running: {}); start it, \
             or drop `requires.{service}` when it is a one-shot service",
            observation.project,
            list(&running)
        )
    })
}

pub(super) fn no_version(container: &Container) -> String {
    let tag = match &container.tag {
        Some(tag) => format!("the tag `{tag}` is no version"),
        None => "it has no tag".to_owned(),
    };
    format!(
        "the image `{}` says no version: {tag}, and no label does; run an image with the label `com.esb.version` or a version as its tag",
        container.image
    )
}

pub(super) fn unreadable_version(container: &Container) -> String {
    format!(
        "what the image `{}` says is not a semantic version; run an image that is labelled with one",
        container.image
    )
}

pub(super) fn unreadable_release(text: &str) -> String {
    format!(
        "`{text}` is neither a version, nor a semver range, nor a tag; correct `runtime_stack.esb_version` in artifact.yml"
    )
}

pub(super) fn other_release(container: &Container, found: &Version, wanted: &Wanted) -> String {
    if wanted.only_lacks_release(found) {
        return format!(
            "`{found}` is a pre-release, which semver takes only where a pre-release of the same version is asked for, \
             as `>={found}` does; run a release of `{}`, or ask for the pre-release",
            container.service
        );
    }
    format!(
        "run `{}` at a release that satisfies `{wanted}`, or generate the artifact for release {found}",
        container.service
    )
}

/// What to do when nothing at all runs under the project; none when something does.
pub(crate) fn nothing_runs(observation: &Observation, env: &str) -> Option<String> {
    if !observation.containers.is_empty() {
        return None;
    }
    let project = &observation.project;
    if observation.engine.version.is_empty() {
        return Some(
            "the Docker engine could not be asked; start it, then repeat the command".to_owned(),
        );
    }
    let with_env = format!("{project}-{env}");
    if observation.other_projects.contains(&with_env) {
        return Some(format!(
            "nothing runs under the compose project `{project}`, but something does under `{with_env}`: \
             repeat with `--compose-project {with_env}`"
        ));
    }
    let others: Vec<_> = observation
        .other_projects
        .iter()
        .map(String::as_str)
        .collect();
    if others.is_empty() {
        return Some(format!(
            "nothing runs under the compose project `{project}`; start the stack, then repeat the command"
        ));
    }
    let question = did_you_mean(project, others.iter().copied());
    let question = question.map_or_else(String::new, |question| format!(" {question}"));
    Some(format!(
        "nothing runs under the compose project `{project}` (running: {});{question} start the stack, \
         or name its project with `--compose-project`",
        list(&others)
    ))
}

fn list(names: &[&str]) -> String {
    let mut words: Vec<_> = names
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.len() > NAMED {
        words.push(format!("and {} more", names.len() - NAMED));
    }
    words.join(", ")
}
