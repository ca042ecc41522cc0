//! Functions in real languages, from a SAM template as `sam init` lays it out to an answer through the gateway.
//!
//! Their code is built, and their dependencies are installed, by the real tools while the images are built, without a network: what
//! a registry would give lies in the code (a folder of wheels, vendored modules and gems) or in the build image (npm's
//! cache, Debian's packages of Java). Not here: functions of scripts (`esb`).

mod languages;
mod layers;
mod sam_build;

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::bases::{Builder, Language};
use e2e::{command, python, workspace};
use serde_json::Value;

use crate::process::{Ran, run_compiler};
use crate::rig::Rig;

/// A template with its code, on disk.
struct Project {
    rig: Rig<'static>,
    folder: PathBuf,
}

impl Project {
    /// A copy of a folder of `fixtures/runtimes`.
    fn copy(name: &str) -> Self {
        let rig = Rig::with_gateway(&[]);
        let folder = rig.folder().join("project");
        let from = workspace::fixture("runtimes").join(name);
        command::run(Command::new("cp").arg("-r").args([&from, &folder])).unwrap();
        Self { rig, folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Deploys the template, on bases and with builders of these languages.
    fn deploy(&self, languages: &[Language], builders: &[Builder<'_>]) -> Ran {
        run_compiler(&mut self.deployment(languages, builders)).ended(0)
    }

    fn deployment(&self, languages: &[Language], builders: &[Builder<'_>]) -> Command {
        let stack = self.rig.stack;
        let mut deploy = self.rig.esb(&["deploy", "--format", "json", "--template"]);
        deploy.arg(self.path("template.yaml"));
        deploy.arg("--output").arg(self.rig.folder().join("made"));
        deploy.arg("--out").arg(&self.rig.out);
        deploy.args(["--project", stack.project()]);
        for language in languages {
            let base = stack.push_base(*language).unwrap();
            deploy.arg(format!("--base={}={base}", language.family()));
        }
        for builder in builders {
            let image = stack.build_image(*builder).unwrap();
            deploy.arg(format!("--build-image={}={image}", builder.key()));
        }
        deploy
    }

    /// What a function of this runtime answers.
    fn answer(&self, method: &str, path: &str, body: &str, runtime: &str) -> Value {
        let reply = self.rig.stack.call(method, path, body).unwrap();
        assert_eq!(reply.status, 201, "{reply:?}\n{}", self.rig.stack.logs());
        assert_eq!(reply.header("x-runtime"), Some(runtime));
        reply.json()
    }

    /// What a function raises shows in the answer.
    fn fails_with(&self, method: &str, path: &str, error: &str) {
        let reply = self.rig.stack.call(method, path, "").unwrap();
        assert_eq!(reply.status, 502, "{reply:?}");
        assert!(reply.body.contains(error), "{reply:?}");
    }
}

/// Fills the folder `wheelhouse` beside a list of requirements, as pip downloads them.
fn fill_wheelhouse(folder: &Path) {
    let mut wheels = python::command().unwrap();
    wheels.args(["-m", "pip", "download", "--quiet", "--no-deps"]);
    wheels.args(["--only-binary", ":all:", "--requirement"]);
    wheels.arg(folder.join("requirements.txt"));
    command::run(wheels.arg("--dest").arg(folder.join("wheelhouse"))).unwrap();
}
