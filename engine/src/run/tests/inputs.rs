//! What the tests deploy, and the world they deploy onto.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journal::{EventLog, MemoryStore};
use tempfile::TempDir;

use crate::contract::{Digest, FunctionName, required_secrets};
use crate::load::{self, Artifact, LoadError};
use crate::machine::{Options, Requested, sample};
use crate::merge::{ConfigFile, Key};
use crate::run::deploy_record;
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
        let images = functions.iter().map(|name| (*name, *name));
        self.write_with_images(&images.collect::<Vec<_>>());
    }

    /// Functions, each with the name of its image.
    pub(super) fn write_with_images(&self, functions: &[(&str, &str)]) {
        self.put(
            "artifact.yml",
            "schema_version: \"1\"\nproject: demo\nenv: dev\nmode: docker\n\
             runtime_stack: {api_version: \"1.0\", mode: docker, requires: {gateway: \"^1.4\"}}\n\
             artifacts:\n  - artifact_root: svc\n    runtime_config_dir: config\n",
        );
        let mut yaml = String::from("functions:\n");
        let mut routes = String::from("routes:\n");
        for (name, image) in functions {
            yaml.push_str(&format!(
                "  {name}:\n    image: registry:5000/{image}:latest\n"
            ));
            routes.push_str(&format!(
                "  - {{path: /{name}, method: GET, function: {name}}}\n"
            ));
            self.put(
                &format!("svc/functions/{name}/Dockerfile"),
                "FROM scratch\n",
            );
        }
        self.put("svc/config/functions.yml", &yaml);
        self.put("svc/config/routing.yml", &routes);
    }

    /// The artifact, asking for a secret that nobody gives.
    pub(super) fn input_without_its_secret(&self) -> DeployInput {
        let path = self.folder.path().join("artifact.yml");
        let whole = std::fs::read_to_string(&path).unwrap();
        self.put(
            "artifact.yml",
            &format!("{whole}    required_secret_env: [TOKEN]\n"),
        );
        let input = self.input();
        self.put("artifact.yml", &whole);
        input
    }

    /// The artifact, with a file that breaks the payload contract.
    pub(super) fn input_of_a_bad_artifact(&self) -> DeployInput {
        let path = self.folder.path().join("svc/config/functions.yml");
        let whole = std::fs::read_to_string(&path).unwrap();
        self.put("svc/config/functions.yml", "functions: {../x: {}}\n");
        let input = self.input();
        self.put("svc/config/functions.yml", &whole);
        input
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Asks for what is on disk now, with the options that nobody gave and the checks that need no journal.
    pub(super) fn input(&self) -> DeployInput {
        let path = self.folder.path().join("artifact.yml");
        let checked = load::artifact(&path).and_then(|artifact| {
            load::secrets(None, &required_secrets(&artifact.manifest), &|_| None).map(|_| artifact)
        });
        DeployInput {
            payload: checked.map(Arc::new).map_err(Arc::new),
            options: sample::options(),
            back_to: None,
        }
    }
}

pub(super) fn truth(version: &str) -> Truth {
    Truth {
        config: BTreeMap::from([(
            ConfigFile::Routing,
            "routes:\n  - path: /seed\n    function: seed\n".to_owned(),
        )]),
        ..Truth::new(sample::observation("demo", &[("gateway", version)]))
    }
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub(super) struct DeployInput {
    /// The artifact, or what keeps it from being deployed before anything is asked.
    pub(super) payload: Result<Arc<Artifact>, Arc<LoadError>>,
    pub(super) options: Options,
    /// The request of a rollback, in place of one for the artifact, which is the one that the earlier deploy had.
    pub(super) back_to: Option<Requested>,
}

impl DeployInput {
    pub(super) fn artifact(&self) -> &Artifact {
        self.payload
            .as_ref()
            .expect("only what is ready is deployed")
    }

    /// The keys that its artifact writes, as the test wrote them.
    pub(super) fn keys(&self) -> BTreeSet<Key> {
        let images = self
            .artifact()
            .entries
            .iter()
            .flat_map(|entry| &entry.images);
        let keys = images.flat_map(|image| {
            let name = &image.function;
            [format!("functions/{name}"), format!("routes/GET /{name}")]
        });
        keys.map(Key).collect()
    }

    pub(super) fn request(&self, truth: &Truth) -> Requested {
        if let Some(back_to) = &self.back_to {
            return back_to.clone();
        }
        let sources = truth.sources.iter();
        let sources = sources.map(|(name, text)| (name.to_string(), Digest::of(text)));
        let artifact = self.artifact().digest_with(&sources.collect());
        Requested {
            options: self.options.clone(),
            ..sample::requested(artifact, self.artifact().manifest.clone())
        }
    }

    /// Goes back to the latest deploy of a journal, which was one of this.
    pub(super) fn back_to(self, store: &MemoryStore) -> Self {
        let (first, deploy) = store.latest_deploys(None, 1).unwrap()[0];
        let record = deploy_record(store, first).unwrap().unwrap();
        let back_to = Requested {
            base: None,
            rollback_to: Some(deploy),
            ..record.request
        };
        Self {
            back_to: Some(back_to),
            ..self
        }
    }

    /// The same, with other options.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }
}

pub(super) fn name(text: &str) -> FunctionName {
    FunctionName::parse(text).unwrap()
}
