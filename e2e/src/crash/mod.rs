//! Deploys that are killed, and what goes on from there.
//!
//! Here: which kills a deploy has to survive, at boundaries that the program names and at random moments. Not here: one
//! deploy with its kills (`trial`), what it leaves (`evidence`), what is deployed (`artifact`).

mod artifact;
mod evidence;
mod trial;

use std::path::PathBuf;
use std::time::Duration;

use crate::artifactctl;
use crate::command::{self, CommandError};
use crate::engine::TestEngine;
use crate::proxy::Proxy;
use crate::stack::{Stack, StackError, StackOptions};

use evidence::Evidence;
use trial::{Kill, Trial};

/// Every so many random trials the provisioner is part of the deploy; Compose makes that slow.
const PROVISION_EVERY: usize = 8;
/// One killed run in so many is killed again while it goes on.
const AGAIN_EVERY: u32 = 2;

/// Why a crash was not survived, or not tried.
#[derive(Debug, thiserror::Error)]
pub enum CrashError {
    /// A program could not be built or started, or failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The stack did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A file, a socket or a process could not be had.
    #[error("cannot prepare or look at a deploy")]
    Prepare(#[from] std::io::Error),
    /// A deploy did not come through.
    #[error("{when}: {what}")]
    Broken {
        /// The kills.
        when: String,
        /// What is not as it should be.
        what: String,
    },
}

/// A stack of its own, and what a deploy onto it leaves when nothing disturbs it.
pub struct Bench<'engine> {
    stack: Stack<'engine>,
    /// How images are made, as `--builder` says.
    builder: String,
    proxy: Proxy,
    folder: tempfile::TempDir,
    program: PathBuf,
    with_failpoints: PathBuf,
    undisturbed: Evidence,
    /// How long a deploy takes that is not killed, and one that provisions.
    spans: [Duration; 2],
}

impl<'engine> Bench<'engine> {
    /// Brings the stack up, and deploys once without and once with the provisioner. Images are made as `--builder` says.
    pub fn up(engine: &'engine TestEngine, builder: &str) -> Result<Self, CrashError> {
        let program = artifactctl::build()?;
        let with_failpoints = artifactctl::build_with_failpoints()?;
        let stack = Stack::up(engine, StackOptions::default())?;
        let folder = tempfile::tempdir_in(engine.folder())?;
        let mut bench = Self {
            proxy: Proxy::start(engine.socket(), folder.path())?,
            stack,
            builder: builder.to_owned(),
            folder,
            program,
            with_failpoints,
            undisturbed: Evidence::default(),
            spans: [Duration::ZERO; 2],
        };
        // The first builds fill the engine's cache: nothing after them builds an image of another digest.
        Trial::new(&bench, false)?.run(Kill::Never)?;
        let (undisturbed, span) = bench.undisturbed(false)?;
        bench.undisturbed = undisturbed;
        bench.spans[0] = span;
        let (provisioned, span) = bench.undisturbed(true)?;
        bench.spans[1] = span;
        provisioned
            .expect(&bench.undisturbed)
            .map_err(|what| broken("a deploy that provisions".to_owned(), what))?;
        Ok(bench)
    }

    fn undisturbed(&self, provision: bool) -> Result<(Evidence, Duration), CrashError> {
        let mut trial = Trial::new(self, provision)?;
        let ran = trial.run(Kill::Never)?;
        Ok((trial.evidence()?, ran.took))
    }

    /// The boundaries of a deploy, in the order in which it reaches them.
    pub fn boundaries(&self, provision: bool) -> Result<Vec<String>, CrashError> {
        let mut trial = Trial::new(self, provision)?;
        trial.run(Kill::At(""))?;
        Ok(trial.boundaries()?)
    }

    /// Kills the runs of a fresh deploy at these boundaries, one after the other, and then lets it end.
    pub fn kill_at(&self, boundaries: &[&str], provision: bool) -> Result<(), CrashError> {
        let mut trial = Trial::new(self, provision)?;
        for boundary in boundaries {
            let ran = trial.run(Kill::At(boundary))?;
            if !ran.killed {
                return Err(trial.broken(format!("`{boundary}` was not reached")));
            }
            trial.look_at_the_wreck()?;
        }
        trial.end_well().map(|_| ())
    }

    /// Kills deploys at random moments, so many times in all, and lets each end; `say` gets a line for each kill.
    pub fn kill_at_random(
        &self,
        kills: usize,
        seed: u64,
        mut say: impl FnMut(&str),
    ) -> Result<(), CrashError> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut spans = self.spans;
        let mut done = 0;
        for number in 0.. {
            if done >= kills {
                break;
            }
            let provision = number % PROVISION_EVERY == PROVISION_EVERY - 1;
            let span = &mut spans[usize::from(provision)];
            let mut trial = Trial::new(self, provision)?;
            loop {
                let moment = span.mul_f64(random.f64());
                let ran = trial.run(Kill::After(moment))?;
                trial.look_at_the_wreck()?;
                // Too late: it had ended, and the next run has nothing to do.
                if !ran.killed {
                    break;
                }
                done += 1;
                say(&format!("{done} of {kills}: {}", trial.story()));
                if done >= kills || random.u32(..AGAIN_EVERY) > 0 {
                    break;
                }
            }
            // Machines become slower and faster: kills fall into the time of the last deploy.
            *span = trial.end_well()?;
        }
        Ok(())
    }
}

impl Drop for Bench<'_> {
    /// The tags of every trial go at once; the stack would take them one by one.
    fn drop(&mut self) {
        let docker = || self.stack.engine().docker();
        let ours = format!("reference={}/crash-*/*", self.stack.host_registry());
        let mut list = docker();
        list.args(["image", "ls", "--filter", &ours]);
        list.args(["--format", "{{.Repository}}:{{.Tag}}"]);
        // What is left is removed with the stack.
        if let Ok(tags) = command::run(&mut list)
            && !tags.is_empty()
        {
            let tags = tags.lines().filter(|tag| !tag.ends_with(":<none>"));
            command::output(docker().args(["image", "rm"]).args(tags)).ok();
        }
    }
}

/// A seed that nobody has used.
pub fn seed() -> u64 {
    fastrand::u64(..)
}

fn broken(when: String, what: String) -> CrashError {
    CrashError::Broken { when, what }
}
