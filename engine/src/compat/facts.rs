//! How the facts of an observation are read from labels, image references and service names.
//!
//! The only owner of these rules: the Docker adapter hands over what the engine said and keeps what comes back.

use std::collections::BTreeMap;

use super::release::parse_version;
use super::{Container, ModeSource, Observed, VersionSource};
use crate::contract::Mode;

/// The label by which a stack image says its release.
pub const VERSION_LABEL: &str = "com.esb.version";
/// The label by which any image may say its release.
pub const OCI_VERSION_LABEL: &str = "org.opencontainers.image.version";
/// The label by which a stack service says the api version it speaks.
pub const API_VERSION_LABEL: &str = "com.esb.api_version";
/// The label by which a stack service says how functions are run.
pub const MODE_LABEL: &str = "com.esb.mode";

/// The services that make up a stack, in the order in which they are asked.
pub const STACK_SERVICES: [&str; 4] = ["gateway", "agent", "provisioner", "runtime-node"];

/// The release of a service and where it was read from; beside it the tag of the image, kept when it is no version.
///
/// The stack's own label answers with whatever it holds. The OCI label answers only when it holds a version, since images
/// inherit it from their base (`ubuntu` sets `24.04`).
pub fn version_of(
    labels: &BTreeMap<String, String>,
    image_reference: &str,
) -> (Option<Observed<String, VersionSource>>, Option<String>) {
    let tag = ImageName::parse(image_reference).tag;
    let tag_version = tag.filter(|tag| parse_version(tag).is_some());
    let version = label(labels, VERSION_LABEL)
        .map(|text| observed(text, VersionSource::EsbLabel))
        .or_else(|| {
            label(labels, OCI_VERSION_LABEL)
                .filter(|text| parse_version(text).is_some())
                .map(|text| observed(text, VersionSource::OciLabel))
        })
        .or_else(|| tag_version.map(|text| observed(text, VersionSource::ImageTag)));
    let other_tag = match tag_version {
        Some(_) => None,
        None => tag.map(str::to_owned),
    };
    (version, other_tag)
}

/// The api version of the stack: the first label among gateway, agent, provisioner, runtime-node; the source is the service.
pub fn api_version_of(containers: &[Container]) -> Option<Observed<String, String>> {
    STACK_SERVICES.iter().find_map(|service| {
        let mut replicas = containers.iter().filter(|c| c.service == *service);
        let text = replicas.find_map(|c| non_blank(c.api_version.as_deref()))?;
        Some(observed(text, (*service).to_owned()))
    })
}

/// The mode of the stack: a label, a running `runtime-node`, the ending of a stack image's name, a running `agent`.
///
/// A label that names no mode does not answer. Labels of stack services are asked before those of other containers.
pub fn mode_of(containers: &[Container]) -> Option<Observed<Mode, ModeSource>> {
    let in_order = || {
        let of = |service: &'static str| containers.iter().filter(move |c| c.service == service);
        STACK_SERVICES.into_iter().flat_map(of)
    };
    let by_label = in_order().chain(containers).find_map(|c| {
        let mode = mode_label(c)?;
        Some(observed(mode, ModeSource::Label(c.service.clone())))
    });
    let runs = |service: &str| containers.iter().any(|c| c.service == service);
    by_label
        .or_else(|| {
            runs("runtime-node").then(|| observed(Mode::Containerd, ModeSource::RuntimeNode))
        })
        .or_else(|| {
            in_order().find_map(|c| {
                let mode = mode_of_image(&c.image)?;
                Some(observed(mode, ModeSource::ImageName(c.image.clone())))
            })
        })
        .or_else(|| runs("agent").then(|| observed(Mode::Docker, ModeSource::Agent)))
}

/// The mode a container's label names.
pub(super) fn mode_label(container: &Container) -> Option<Mode> {
    Mode::parse(container.mode.as_deref()?.trim())
}

/// The mode that the ending of an image's name gives away: `-containerd` or `-docker`.
pub(super) fn mode_of_image(image_reference: &str) -> Option<Mode> {
    let name = ImageName::parse(image_reference).name;
    if name.ends_with("-containerd") {
        return Some(Mode::Containerd);
    }
    name.ends_with("-docker").then_some(Mode::Docker)
}

/// The parts of an image reference that facts are read from.
struct ImageName<'a> {
    /// Registry and repository, without tag and digest.
    name: &'a str,
    /// The tag.
    tag: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    /// A colon starts a tag only after the last slash; before it, it starts a registry's port.
    fn parse(reference: &'a str) -> Self {
        let reference = reference.trim();
        // A container may be started from a bare image id, which has a colon and no tag.
        if reference.starts_with("sha256:") {
            return Self {
                name: reference,
                tag: None,
            };
        }
        let tagged = reference
            .split_once('@')
            .map_or(reference, |(tagged, _)| tagged);
        let path = tagged.rfind('/').map_or(0, |slash| slash + 1);
        match tagged[path..].split_once(':') {
            Some((last, tag)) => Self {
                name: &tagged[..path + last.len()],
                tag: non_blank(Some(tag)),
            },
            None => Self {
                name: tagged,
                tag: None,
            },
        }
    }
}

fn label<'a>(labels: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    non_blank(labels.get(name).map(String::as_str))
}

fn non_blank(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn observed<T, S>(value: impl Into<T>, source: S) -> Observed<T, S> {
    Observed {
        value: value.into(),
        source,
    }
}
