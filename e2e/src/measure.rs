//! What a deploy costs, on a real engine, side by side with the plain way in the same run.
//!
//! Here: making an artifact of many functions, timing whole processes, the figures and their limits. Not here: showing them.

mod watched;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use crate::artifactctl;
use crate::command::{self, CommandError};
use crate::engine::TestEngine;
use crate::proxy::Proxy;
use crate::stack::{Stack, StackError, StackOptions};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A program could not be built, or failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The stack did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A file, a socket or a process could not be had.
    #[error("cannot prepare the measurement")]
    Prepare(#[from] std::io::Error),
    /// A deploy did not end as it should.
    #[error("a deploy ended with {status} where {expected} was expected")]
    Deploy {
        /// How it ended.
        status: ExitStatus,
        /// The exit code that was expected.
        expected: i32,
    },
    /// An unchanged deploy changed something.
    #[error("an unchanged deploy asked the engine for {0}")]
    NotIdle(String),
}

/// How many times a short thing is repeated; the median counts.
const REPEATS: usize = 7;

/// How many functions are deployed, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Functions that are built cold.
    pub cold: usize,
    /// Cold deploys, each next to the plain way; the median of their ratios counts.
    pub pairs: usize,
    /// Functions of the unchanged deploy.
    pub unchanged: usize,
}

/// One thing that was measured, and the most it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is, with its unit.
    pub what: String,
    /// The median.
    pub measured: f64,
    /// The most it may be.
    pub limit: f64,
    /// Each measurement, in order.
    pub all: Vec<f64>,
}

impl Figure {
    fn of(what: String, limit: f64, all: Vec<f64>) -> Self {
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        Self {
            what,
            measured: sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN),
            limit,
            all,
        }
    }

    /// Says whether it is within its limit.
    pub fn is_met(&self) -> bool {
        self.measured <= self.limit
    }
}

/// Measures with a release build of `artifactctl`; `say` gets each measurement as a line.
pub fn run(
    engine: &TestEngine,
    sizes: Sizes,
    mut say: impl FnMut(&str),
) -> Result<Vec<Figure>, MeasureError> {
    let program = artifactctl::build_release()?;
    let stack = Stack::up(engine, StackOptions::default())?;
    let folder = tempfile::tempdir_in(engine.folder())?;
    let proxy = Proxy::start(engine.socket(), folder.path())?;
    let bench = Bench {
        program,
        stack: &stack,
        proxy: &proxy,
        folder: folder.path(),
    };
    let figures = vec![
        bench.cold(sizes, &mut say)?,
        bench.unchanged(sizes.unchanged, &mut say)?,
        bench.incompatible()?,
        bench.watched(sizes, &mut say)?,
    ];
    stack.down()?;
    Ok(figures)
}

struct Bench<'a> {
    program: PathBuf,
    stack: &'a Stack<'a>,
    proxy: &'a Proxy,
    folder: &'a Path,
}

impl Bench<'_> {
    /// Cold deploys, each right after the plain way, for a machine is not equally fast all the time.
    fn cold(&self, sizes: Sizes, say: &mut impl FnMut(&str)) -> Result<Figure, MeasureError> {
        let functions = sizes.cold;
        let mut ratios = Vec::new();
        for pair in 0..sizes.pairs {
            let plain = self.plain(&self.artifact(&format!("plain{pair}"), functions)?)?;
            // Against the engine itself, as the plain way: the proxy that counts calls costs time of its own.
            let deploy =
                self.deploy_directly(&self.artifact(&format!("cold{pair}"), functions)?)?;
            let ratio = deploy.as_secs_f64() / plain.as_secs_f64();
            say(&format!(
                "{functions} functions, cold: {:.2} s; built and pushed one after the other: {:.2} s; ratio {ratio:.2}",
                deploy.as_secs_f64(),
                plain.as_secs_f64(),
            ));
            ratios.push(ratio);
        }
        let what = format!("{functions} functions cold, share of one after the other");
        Ok(Figure::of(what, 0.5, ratios))
    }

    /// Deploys that find nothing to do, and may change nothing.
    fn unchanged(
        &self,
        functions: usize,
        say: &mut impl FnMut(&str),
    ) -> Result<Figure, MeasureError> {
        let artifact = self.artifact("many", functions)?;
        let first = self.deploy(&artifact, 0)?.as_secs_f64();
        say(&format!(
            "{functions} functions, the first deploy: {first:.1} s"
        ));
        self.proxy.clear();
        let times = (0..REPEATS)
            .map(|_| Ok(self.deploy(&artifact, 0)?.as_secs_f64()))
            .collect::<Result<_, MeasureError>>()?;
        let changing = self.proxy.mutating();
        let changing: Vec<_> = changing
            .iter()
            .map(super::proxy::Request::endpoint)
            .collect();
        if !changing.is_empty() {
            return Err(MeasureError::NotIdle(changing.join(", ")));
        }
        let what = format!("{functions} functions unchanged, seconds");
        Ok(Figure::of(what, 1.0, times))
    }

    /// From the last request to the engine to the end of a deploy that is refused.
    fn incompatible(&self) -> Result<Figure, MeasureError> {
        let refused = self.requiring("refused", 1, "^9")?;
        let mut after = Vec::new();
        for _ in 0..REPEATS {
            self.proxy.clear();
            self.deploy(&refused, 4)?;
            let ended = SystemTime::now();
            let requests = self.proxy.requests();
            let asked = requests.iter().map(|request| request.at).max();
            let took = ended.duration_since(asked.unwrap_or(ended));
            after.push(took.unwrap_or_default().as_secs_f64() * 1000.0);
        }
        let what = "incompatible, milliseconds after the last request to the engine".to_owned();
        Ok(Figure::of(what, 200.0, after))
    }

    fn artifact(&self, name: &str, functions: usize) -> Result<PathBuf, MeasureError> {
        self.requiring(name, functions, "^1")
    }

    /// An artifact of functions of its own, each with content that no layer cache knows.
    fn requiring(
        &self,
        name: &str,
        functions: usize,
        gateway: &str,
    ) -> Result<PathBuf, MeasureError> {
        let folder = self.folder.join(name);
        let salt = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        let (mut yaml, mut routes) = (String::from("functions:\n"), String::from("routes:\n"));
        for number in 0..functions {
            let function = format!("{name}-{number:03}");
            let of_function = folder.join("functions").join(&function);
            std::fs::create_dir_all(of_function.join("src"))?;
            std::fs::write(
                of_function.join("Dockerfile"),
                format!("FROM esb-lambda-base:latest\nCOPY functions/{function}/src/ /var/task/\n"),
            )?;
            std::fs::write(
                of_function.join("src/handler"),
                format!("#!/bin/sh\necho {function} {salt}\n"),
            )?;
            yaml.push_str(&format!(
                "  {function}:\n    image: registry:5000/measure/{function}:1.0\n"
            ));
            routes.push_str(&format!(
                "  - path: /{function}\n    function: {function}\n"
            ));
        }
        std::fs::create_dir_all(folder.join("config"))?;
        std::fs::write(folder.join("config/functions.yml"), yaml)?;
        std::fs::write(folder.join("config/routing.yml"), routes)?;
        let manifest = folder.join("artifact.yml");
        std::fs::write(
            &manifest,
            format!(
                "schema_version: \"1\"\nproject: measure\nenv: {name}\nmode: docker\n\
                 runtime_stack: {{api_version: \"1.0\", mode: docker, requires: {{gateway: \"{gateway}\"}}}}\n\
                 artifacts:\n  - artifact_root: .\n    runtime_config_dir: config\n"
            ),
        )?;
        Ok(manifest)
    }

    /// One deploy through the proxy, as a whole process.
    fn deploy(&self, manifest: &Path, expected: i32) -> Result<Duration, MeasureError> {
        self.timed(manifest, &self.proxy.docker_host(), expected)
    }

    /// One deploy without the proxy.
    fn deploy_directly(&self, manifest: &Path) -> Result<Duration, MeasureError> {
        self.timed(manifest, &self.stack.engine().docker_host(), 0)
    }

    fn timed(
        &self,
        manifest: &Path,
        docker_host: &str,
        expected: i32,
    ) -> Result<Duration, MeasureError> {
        let mut deploy = artifactctl::command(&self.program, self.stack);
        deploy
            .env("DOCKER_HOST", docker_host)
            .args(["deploy", "--compose-project", self.stack.project()])
            .arg("--share-out")
            .arg("--artifact")
            .arg(manifest)
            .arg("--out")
            .arg(self.folder.join("out"))
            .arg("--journal")
            .arg(self.folder.join("journal"));
        let began = Instant::now();
        let output = command::output(&mut deploy)?;
        let took = began.elapsed();
        if output.status.code() == Some(expected) {
            Ok(took)
        } else {
            Err(MeasureError::Deploy {
                status: output.status,
                expected,
            })
        }
    }

    /// The plain way: `docker build` and `docker push` of each function, one after the other.
    fn plain(&self, manifest: &Path) -> Result<Duration, MeasureError> {
        let root = manifest.parent().unwrap_or(manifest);
        let mut functions: Vec<_> =
            std::fs::read_dir(root.join("functions"))?.collect::<Result<Vec<_>, _>>()?;
        functions.sort_by_key(std::fs::DirEntry::file_name);
        let base = self.stack.host_image("esb-lambda-base", "1.4.2");
        for function in &functions {
            let dockerfile = function.path().join("Dockerfile");
            let text = std::fs::read_to_string(&dockerfile)?;
            std::fs::write(&dockerfile, text.replace("esb-lambda-base:latest", &base))?;
        }
        let began = Instant::now();
        for function in &functions {
            let name = function.file_name().to_string_lossy().into_owned();
            let image = self.stack.host_image(&format!("measure/{name}"), "1.0");
            let docker = || -> Command {
                let mut docker = self.stack.engine().docker();
                docker.env("DOCKER_BUILDKIT", "0");
                docker
            };
            let dockerfile = function.path().join("Dockerfile");
            command::run(
                docker()
                    .args(["build", "--quiet", "--tag", &image, "--file"])
                    .arg(dockerfile)
                    .arg(root),
            )?;
            command::run(docker().args(["push", "--quiet", &image]))?;
        }
        Ok(began.elapsed())
    }
}
