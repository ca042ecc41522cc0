//! A request and a stack, as tests have them: those of the machine, of the loop and of the programs, and the golden journals.

use std::collections::BTreeSet;

use crate::compat::{
    Container, ModeSource, Observation, Observed, ObservedEngine, Policy, VersionSource,
};
use crate::contract::{Digest, Manifest, Mode};

use super::{Options, RegistryNames, Requested};

/// The options that nobody gave.
pub fn options() -> Options {
    Options {
        compat: Policy::Strict,
        strict_warnings: false,
        no_cache: false,
        accept_digests: BTreeSet::new(),
        prune: true,
        platform: None,
        provision: None,
        fail_on_drift: false,
        secret_env: None,
    }
}

/// A request for an artifact, with the options that nobody gave.
pub fn requested(artifact: Digest, manifest: Manifest) -> Requested {
    Requested {
        artifact,
        manifest_path: "/srv/shop/artifact.yml".to_owned(),
        project: manifest.project.clone(),
        manifest,
        out: "/srv/stack/config".to_owned(),
        message: None,
        registries: Some(RegistryNames::default()),
        options: options(),
        base: None,
        rollback_to: None,
    }
}

/// An engine of this machine.
pub fn engine() -> ObservedEngine {
    ObservedEngine {
        id: Some("E1".to_owned()),
        name: Some("build-7".to_owned()),
        address: Some("unix:///var/run/docker.sock".to_owned()),
        version: "20.10.24".to_owned(),
        api_version: "1.41".to_owned(),
        platform: "linux/amd64".to_owned(),
    }
}

/// A Docker stack of which one container of each of these services runs, each in a version; the gateway says the API version and the mode.
pub fn observation(project: &str, services: &[(&str, &str)]) -> Observation {
    let containers = services.iter();
    Observation {
        project: project.to_owned(),
        engine: engine(),
        containers: containers
            .map(|(service, version)| container(project, service, version))
            .collect(),
        api_version: Some(Observed {
            value: "1.0".to_owned(),
            source: "gateway".to_owned(),
        }),
        mode: Some(Observed {
            value: Mode::Docker,
            source: ModeSource::Label("gateway".to_owned()),
        }),
        gateway_secrets: Some(Vec::new()),
        other_projects: Vec::new(),
    }
}

fn container(project: &str, service: &str, version: &str) -> Container {
    let image = format!("esb-{service}:{version}");
    Container {
        name: format!("{project}-{service}-1"),
        service: service.to_owned(),
        image_id: Digest::of(&image).to_string(),
        image,
        repo_digest: None,
        version: Some(Observed {
            value: version.to_owned(),
            source: VersionSource::EsbLabel,
        }),
        tag: None,
        api_version: Some("1.0".to_owned()),
        mode: Some("docker".to_owned()),
    }
}
