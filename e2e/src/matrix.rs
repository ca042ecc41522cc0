//! Suites against stacks of every kind, described by a file.
//!
//! Here: from a file to a verdict: checking everything first, environments side by side, suites one after the other, a log
//! for each environment. Not here: the file's rules (`file`), the steps (`smoke`, `standard`, `runtime`, `restart`) and what
//! they work with (`site`), the stack.

mod file;
mod log;
mod process;
mod report;
mod restart;
mod runtime;
mod site;
mod smoke;
mod standard;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::artifactctl;
use crate::command::{self, CommandError};
use crate::engine::{LABEL_RUN, TestEngine, describe};
use crate::stack::{Stack, StackOptions};
use crate::workspace;

pub use file::{Environment, FileError, Matrix};
pub use report::{EntryOutcome, MatrixEntry, MatrixReport};
pub use suite::Suite;

use log::Log;
use site::{Site, StepError};

/// What to run, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct MatrixOptions {
    /// The description of environments, artifacts and suites [default: fixtures/matrix.yml].
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Run only this environment; repeatable.
    #[arg(long = "env", value_name = "NAME")]
    pub environments: Vec<String>,
    /// Run only this suite; repeatable.
    #[arg(long = "suite", value_name = "NAME")]
    pub suites: Vec<String>,
    /// Environments at a time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
    /// Leave the stacks up, and say how to look at them and how to take them down.
    #[arg(long)]
    pub keep: bool,
    /// Folder of the logs [default: below the target folder, named like the run].
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// The file is no matrix, or has nothing of what was asked for.
    #[error(transparent)]
    File(#[from] FileError),
    /// `artifactctl` could not be built or run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Artifacts do not satisfy the payload contract.
    #[error("{} of the matrix cannot be applied:\n{}", if .0.len() == 1 { "an artifact" } else { "artifacts" }, .0.join("\n"))]
    Artifacts(Vec<String>),
    /// There is no place for the logs.
    #[error("cannot write logs to `{path}`")]
    Logs {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Whether somebody wants the run to end early. Steps in flight are cut short, stacks are taken down.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks for the end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Says whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A matrix of which every part is known to be sound.
#[derive(Debug)]
pub struct Prepared {
    matrix: Matrix,
    program: PathBuf,
}

/// Reads and checks the file, chooses from it, and has `artifactctl` check every artifact. No engine is asked.
pub fn prepare(options: &MatrixOptions) -> Result<Prepared, MatrixError> {
    let default = || workspace::fixture("matrix.yml");
    let file = options.file.clone().unwrap_or_else(default);
    let matrix = Matrix::read(&file)?.choose(&options.environments, &options.suites)?;
    let program = artifactctl::build()?;
    let refused: Vec<String> = matrix
        .manifests()
        .into_iter()
        .filter_map(|manifest| validate(&program, manifest).transpose())
        .collect::<Result<_, _>>()?;
    if refused.is_empty() {
        Ok(Prepared { matrix, program })
    } else {
        Err(MatrixError::Artifacts(refused))
    }
}

/// What `artifactctl` has to say against an artifact.
fn validate(program: &Path, manifest: &Path) -> Result<Option<String>, CommandError> {
    let mut validate = std::process::Command::new(program);
    validate.args(["manifest", "validate", "--artifact"]);
    let output = command::output(validate.arg(manifest))?;
    let said = || {
        String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned()
    };
    Ok((!output.status.success()).then(said))
}

/// Runs everything on an engine; `say` gets one line for each thing that happens.
pub fn run(
    prepared: &Prepared,
    engine: &TestEngine,
    options: &MatrixOptions,
    stop: &Stop,
    say: &(dyn Fn(&str) + Sync),
) -> Result<MatrixReport, MatrixError> {
    let default = || workspace::target_dir().join("matrix").join(engine.run_id());
    let logs = options.logs.clone().unwrap_or_else(default);
    std::fs::create_dir_all(&logs).map_err(no_logs(&logs))?;
    let environments = &prepared.matrix.environments;
    let opened = environments.iter().map(|environment| {
        let path = logs.join(format!("{}.log", environment.name));
        let log = Log::create(&path).map_err(no_logs(&path))?;
        Ok((environment, log))
    });
    let opened = opened.collect::<Result<Vec<_>, MatrixError>>()?;

    let run = Run {
        program: &prepared.program,
        engine,
        keep: options.keep,
        stop,
        say,
    };
    let waiting = Mutex::new(opened.iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..usize::from(options.parallel).min(opened.len()) {
            scope.spawn(|| {
                // One statement takes the next one, so that the lock is free while it runs.
                loop {
                    let Some((index, (environment, log))) = lock(&waiting).next() else {
                        break;
                    };
                    let entries = run.environment(environment, log);
                    lock(&done).push((index, entries));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(MatrixReport {
        entries: done.into_iter().flat_map(|(_, entries)| entries).collect(),
        logs,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_logs(path: &Path) -> impl FnOnce(std::io::Error) -> MatrixError {
    move |source| MatrixError::Logs {
        path: path.to_owned(),
        source,
    }
}

/// What all environments of a run share.
struct Run<'a> {
    program: &'a Path,
    engine: &'a TestEngine,
    keep: bool,
    stop: &'a Stop,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Run<'_> {
    /// Brings a stack up, runs the suites on it, and takes it down.
    fn environment(&self, environment: &Environment, log: &Log) -> Vec<MatrixEntry> {
        let name = &environment.name;
        let tell = |text: &str| {
            log.line(text);
            (self.say)(&format!("{name}: {text}"));
        };
        if self.stop.requested() {
            return environment.entries(&EntryOutcome::NotRun);
        }
        let project = format!("{}-{name}-{}", environment.project, self.engine.run_id());
        tell(&format!(
            "starting the stack `{project}`, version {}, mode {}",
            environment.stack_version,
            environment.mode.name()
        ));
        let began = Instant::now();
        let stack = match Stack::up(self.engine, options(environment, project)) {
            Ok(stack) => stack,
            Err(error) => {
                let error = describe(&error);
                tell(&format!("the stack is not up: {error}"));
                let step = "the stack comes up".to_owned();
                return environment.entries(&EntryOutcome::Failed { step, error });
            }
        };
        let took = began.elapsed().as_secs_f64();
        tell(&format!("the stack is up after {took:.1} s"));
        let suites = environment.suites.iter().map(|suite| {
            let began = Instant::now();
            let outcome = self.suite(*suite, environment, &stack, log);
            let entry = environment.entry(*suite, outcome, began.elapsed());
            tell(&entry.to_string());
            entry
        });
        let entries = suites.collect();
        self.close(stack, &tell);
        entries
    }

    /// Runs the steps of a suite, up to the first that fails.
    fn suite(
        &self,
        suite: Suite,
        environment: &Environment,
        stack: &Stack<'_>,
        log: &Log,
    ) -> EntryOutcome {
        let mut step = "the suite begins with nothing published";
        let mut steps = || -> Result<(), StepError> {
            if self.stop.requested() {
                return Err(StepError::Stopped);
            }
            let site = Site::open(stack, self.program, &environment.artifacts, log, self.stop)?;
            for next in suite.steps() {
                step = next.name;
                log.line(&format!("== {}: {step}", suite.name()));
                (next.run)(&site)?;
            }
            Ok(())
        };
        match steps() {
            Ok(()) => EntryOutcome::Passed {
                steps: suite.steps().len(),
            },
            // What was interrupted with us may have failed in its own words.
            Err(_) if self.stop.requested() => EntryOutcome::NotRun,
            Err(error) => {
                let error = describe(&error);
                log.line(&format!(
                    "FAILED: {error}\nthe services say:\n{}",
                    stack.logs()
                ));
                EntryOutcome::Failed {
                    step: step.to_owned(),
                    error,
                }
            }
        }
    }

    fn close(&self, stack: Stack<'_>, tell: &dyn Fn(&str)) {
        if self.keep {
            let (label, run) = (LABEL_RUN, self.engine.run_id());
            tell(&format!(
                "the stack `{project}` stays, gateway at http://127.0.0.1:{port}; to look at it:\n  \
                 docker --host {host} ps --filter label=com.docker.compose.project={project}\n  \
                 (everything of this run has the label {label}={run})",
                project = stack.project(),
                port = stack.gateway_port(),
                host = self.engine.docker_host(),
            ));
            stack.leave();
        } else if let Err(error) = stack.down() {
            // The watchdog of the engine removes what is left.
            tell(&format!("cannot take the stack down: {}", describe(&error)));
        }
    }
}

impl Environment {
    fn entry(&self, suite: Suite, outcome: EntryOutcome, took: Duration) -> MatrixEntry {
        MatrixEntry {
            environment: self.name.clone(),
            suite,
            outcome,
            took,
        }
    }

    /// The same outcome for every suite, none of which was begun.
    fn entries(&self, outcome: &EntryOutcome) -> Vec<MatrixEntry> {
        let suites = self.suites.iter();
        suites
            .map(|suite| self.entry(*suite, outcome.clone(), Duration::ZERO))
            .collect()
    }
}

fn options(environment: &Environment, project: String) -> StackOptions {
    StackOptions {
        version: environment.stack_version.clone(),
        api_version: Some(environment.api_version.clone()),
        mode: environment.mode,
        project: Some(project),
        ..StackOptions::default()
    }
}
