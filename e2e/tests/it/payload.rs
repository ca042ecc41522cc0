//! Small artifacts, written by the test that deploys them.
//!
//! Here: one entry with as many functions as the test names, each with a route and, if wanted, a Dockerfile. Every artifact
//! has a repository of its own, so that tests share a registry and never an image. Not here: deploying it (`rig`).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use e2e::stack::CONTAINER_REGISTRY;

use crate::support::handler;

/// An artifact below a folder of the test.
pub(crate) struct Payload {
    root: PathBuf,
    repository: String,
}

impl Payload {
    /// An artifact for a compose project; each function answers with its name, at `POST /<name>`.
    pub(crate) fn write(root: &Path, project: &str, functions: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let payload = Self {
            root: root.to_owned(),
            repository: format!("test-{count}"),
        };
        payload.put(
            "artifact.yml",
            &format!(
                "schema_version: \"1\"\nproject: {project}\nenv: dev\nmode: docker\nruntime_stack:\n  \
                 api_version: \"1.0\"\n  mode: docker\n  esb_version: \">=1.4, <2\"\n  requires:\n    \
                 gateway: \">=1.4, <2\"\n    agent: \"^1.2\"\nartifacts:\n  - artifact_root: svc\n    \
                 runtime_config_dir: config\n"
            ),
        );
        payload.configure(functions);
        for function in functions {
            payload.dockerfile(
                function,
                &format!(
                    "FROM esb-lambda-base:latest\nCOPY functions/{function}/handler /var/task/handler\n"
                ),
            );
            payload.answer(function, function);
        }
        payload
    }

    /// Writes the configuration for these functions and no others.
    pub(crate) fn configure(&self, functions: &[&str]) {
        let (mut config, mut routing) = (String::from("functions:\n"), String::from("routes:\n"));
        for function in functions {
            config.push_str(&format!(
                "  {function}:\n    image: {}\n    environment: {{ WHO: {function} }}\n",
                self.reference(function)
            ));
            routing.push_str(&format!(
                "  - {{ path: /{function}, method: POST, function: {function} }}\n"
            ));
        }
        self.put("svc/config/functions.yml", &config);
        self.put("svc/config/routing.yml", &routing);
    }

    /// Writes the handler of a function; it answers with this word.
    pub(crate) fn answer(&self, function: &str, word: &str) {
        let path = self.put(&format!("svc/functions/{function}/handler"), &handler(word));
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Writes the Dockerfile of a function.
    pub(crate) fn dockerfile(&self, function: &str, text: &str) {
        self.put(&format!("svc/functions/{function}/Dockerfile"), text);
    }

    /// Takes the Dockerfiles away: what is left is configuration, deployed in no time.
    pub(crate) fn remove_builds(&self) {
        std::fs::remove_dir_all(self.root.join("svc/functions")).unwrap();
    }

    /// Replaces a text that must be there, in one file.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.root.join(file)).unwrap();
        assert!(text.contains(from), "`{file}` has no `{from}`:\n{text}");
        self.put(file, &text.replace(from, to));
    }

    /// Writes one file.
    pub(crate) fn put(&self, file: &str, text: &str) -> PathBuf {
        let path = self.root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.root.join("artifact.yml")
    }

    /// The part of every image's name that no other artifact has.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    /// The image of a function, as the stack names it.
    pub(crate) fn reference(&self, function: &str) -> String {
        format!("{CONTAINER_REGISTRY}/{}/{function}:1", self.repository)
    }
}
