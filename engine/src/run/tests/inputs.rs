//! What the tests deploy, and the world they deploy onto.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::compat::{Container, Engine, Observation, Observed, Policy, VersionSource};
use crate::contract::{Digest, FunctionName};
use crate::load::{self, Artifact};
use crate::machine::{Options, Requested};
use crate::merge::ConfigFile;
use crate::run::simulated::Truth;

/// An artifact with these functions, on disk.
pub(super) struct OnDisk {
    folder: TempDir,
}

impl OnDisk {
    pub(super) fn new(functions: &[&str]) -> Self {
        let disk = Self {
            folder: TempDir::new().unwrap(),
        };
        disk.write(functions);
        disk
    }

    pub(super) fn write(&self, functions: &[&str]) {
        let root = self.folder.path();
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "artifact.yml",
            "schema_version: \"1\"\nproject: demo\nenv: dev\nmode: docker\n\
             runtime_stack: {api_version: \"1.0\", mode: docker, requires: {gateway: \"^1.4\"}}\n\
             artifacts:\n  - artifact_root: svc\n    runtime_config_dir: config\n",
        );
        let mut yaml = String::from("functions:\n");
        let mut routes = String::from("routes:\n");
        for name in functions {
            yaml.push_str(&format!(
                "  {name}:\n    image: registry:5000/{name}:latest\n"
            ));
            routes.push_str(&format!(
                "  - {{path: /{name}, method: GET, function: {name}}}\n"
            ));
            put(
                &format!("svc/functions/{name}/Dockerfile"),
                "FROM scratch\n",
            );
        }
        put("svc/config/functions.yml", &yaml);
        put("svc/config/routing.yml", &routes);
    }

    pub(super) fn load(&self) -> Artifact {
        load::artifact(&self.folder.path().join("artifact.yml")).unwrap()
    }
}

pub(super) fn observation(version: &str) -> Observation {
    Observation {
        project: "demo".to_owned(),
        engine: Engine {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            platform: "linux/amd64".to_owned(),
        },
        containers: vec![Container {
            name: "demo-gateway-1".to_owned(),
            service: "gateway".to_owned(),
            image: format!("esb-gateway:{version}"),
            image_id: "sha256:0".to_owned(),
            repo_digest: None,
            version: Some(Observed {
                value: version.to_owned(),
                source: VersionSource::EsbLabel,
            }),
            tag: None,
            api_version: Some("1.0".to_owned()),
            mode: Some("docker".to_owned()),
        }],
        api_version: Some(Observed {
            value: "1.0".to_owned(),
            source: "gateway".to_owned(),
        }),
        mode: Some(Observed {
            value: crate::contract::Mode::Docker,
            source: crate::compat::ModeSource::Label("gateway".to_owned()),
        }),
        other_projects: Vec::new(),
    }
}

pub(super) fn truth(version: &str) -> Truth {
    Truth {
        observation: observation(version),
        config: BTreeMap::from([(
            ConfigFile::Routing,
            "routes:\n  - path: /seed\n    function: seed\n".to_owned(),
        )]),
        registry: BTreeMap::new(),
        sources: BTreeMap::new(),
        builds: Vec::new(),
        mutations: 0,
        provisions: 0,
    }
}

pub(super) fn request(artifact: &Artifact, truth: &Truth) -> Requested {
    let sources = truth
        .sources
        .iter()
        .map(|(name, text)| (name.to_string(), Digest::of(text)))
        .collect();
    Requested {
        artifact: artifact.digest_with(&sources),
        manifest_path: artifact.manifest_path.display().to_string(),
        manifest: artifact.manifest.clone(),
        project: "demo".to_owned(),
        out: "/out".to_owned(),
        options: Options {
            compat: Policy::Strict,
            strict_warnings: false,
            no_cache: false,
            prune: true,
            platform: None,
            provision: None,
            secret_env: None,
        },
        base: None,
    }
}
pub(super) fn name(text: &str) -> FunctionName {
    FunctionName::parse(text).unwrap()
}
