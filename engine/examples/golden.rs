//! Writes the golden deploy journals: real runs of the loop on the simulated world, with fixed times and ids.
//!
//! `cargo run -p artifactctl-engine --no-default-features --example golden -- FOLDER`, from the root of the workspace. What is frozen in
//! `fixtures/journals` is never written again: a journal of a later schema gets a folder of its own.

#[path = "../src/machine/sample.rs"]
mod sample;

use std::error::Error;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use engine::contract::Digest;
use engine::image::Registries;
use engine::load::{self, Artifact};
use engine::machine::{Command, LostHolder, Requested};
use engine::run::simulated::{Mishap, SimulatedWorld, Truth};
use engine::run::{
    Author, DeployJournal, DeployJournalError, Interrupts, Run, Stamp, begin_or_resume,
    run_to_completion,
};
use journal::{MemoryStore, StreamId, transfer};
use uuid::Uuid;

/// Milliseconds from one look at the clock to the next.
const TICK: u64 = 250;
/// 2026-02-20T09:00:00Z, in milliseconds.
const BEGIN: u64 = 1_771_578_000_000;

/// A clock that advances at each look, and ids of version 7 made of it.
struct FixedStamp(AtomicU64);

impl FixedStamp {
    fn look(&self) -> u64 {
        BEGIN + self.0.fetch_add(1, Ordering::Relaxed) * TICK
    }
}

impl Stamp for FixedStamp {
    fn now(&self) -> jiff::Timestamp {
        i64::try_from(self.look())
            .ok()
            .and_then(|millisecond| jiff::Timestamp::from_millisecond(millisecond).ok())
            .expect("the clock of a few runs stays within its first day")
    }

    fn id(&self) -> Uuid {
        let millisecond = self.look();
        let mixed = millisecond
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_be_bytes();
        let mut bytes = [mixed[0]; 10];
        bytes[..8].copy_from_slice(&mixed);
        bytes[9] = mixed[2];
        uuid::Builder::from_unix_timestamp_millis(millisecond, &bytes).into_uuid()
    }
}

/// One target with its journal and its world.
struct Rig {
    store: MemoryStore,
    stamp: FixedStamp,
    truth: Truth,
    artifact: Artifact,
}

impl Rig {
    fn new(gateway: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            store: MemoryStore::new(StreamId::new("esb-dev", "dev")?),
            stamp: FixedStamp(AtomicU64::new(0)),
            truth: Truth::new(sample::observation(
                "esb-dev",
                &[("agent", "1.4.0"), ("gateway", gateway)],
            )),
            artifact: load::artifact(Path::new("fixtures/artifact/artifact.yml"))?,
        })
    }

    /// One process: it adopts the request and goes on until it rests, or dies in the call of a number.
    fn run(
        &mut self,
        actor: &str,
        mishap: Option<(usize, Mishap)>,
    ) -> Result<(), DeployJournalError> {
        self.run_after(actor, None, mishap)
    }

    /// The same after an owner that did not let go.
    fn run_after(
        &mut self,
        actor: &str,
        lost: Option<LostHolder>,
        mishap: Option<(usize, Mishap)>,
    ) -> Result<(), DeployJournalError> {
        let world = SimulatedWorld::new(self.truth.clone(), mishap.into_iter().collect());
        let request = self.request();
        let registries = Registries::default();
        let interrupts = Interrupts::never();
        let run = Run {
            world: &world,
            artifact: &self.artifact,
            registries: &registries,
            jobs: NonZeroUsize::MIN,
            interrupts: &interrupts,
            notice: &|_| {},
        };
        let mut work = pin!(async {
            let mut journal =
                DeployJournal::open(&self.store, &self.stamp, author(actor))?.taking_over(lost);
            begin_or_resume(&mut journal, request, run.notice)?;
            run_to_completion(&run, &mut journal).await.map(drop)
        });
        let mut context = Context::from_waker(Waker::noop());
        // A run on the simulated world is ready at once; one that never is has died in a call.
        while !world.killed() {
            if let Poll::Ready(ended) = work.as_mut().poll(&mut context) {
                ended?;
                break;
            }
        }
        self.truth = world.truth();
        Ok(())
    }

    /// One process of a person: it takes or ends a hold.
    fn lock(
        &mut self,
        actor: &str,
        lost: Option<LostHolder>,
        command: Command,
    ) -> Result<(), DeployJournalError> {
        let journal = DeployJournal::open(&self.store, &self.stamp, author(actor))?;
        journal.taking_over(lost).record(vec![command]).map(drop)
    }

    fn request(&self) -> Requested {
        let sources = self
            .truth
            .sources
            .iter()
            .map(|(name, text)| (name.to_string(), Digest::of(text)))
            .collect();
        let artifact = self.artifact.digest_with(&sources);
        sample::requested(artifact, self.artifact.manifest.clone())
    }

    /// Edits the sources of every function: another artifact.
    fn edit(&mut self, text: &str) {
        let functions = self.artifact.entries.iter().flat_map(|entry| &entry.images);
        self.truth.sources = functions
            .map(|image| (image.function.clone(), text.to_owned()))
            .collect();
    }

    fn write(&self, folder: &Path, name: &str) -> Result<(), Box<dyn Error>> {
        let mut file = File::create_new(folder.join(name))?;
        transfer::export(&self.store, &mut file)?;
        Ok(())
    }
}

fn author(actor: &str) -> Author {
    Author {
        actor: actor.to_owned(),
        tool: "artifactctl 0.1.0".to_owned(),
    }
}

/// An owner that was killed.
fn lost() -> LostHolder {
    LostHolder {
        actor: "mori@build-7".to_owned(),
        pid: 4711,
        host: "build-7".to_owned(),
        boot_id: "1f0c9d1e-6f8f-4b35-9a53-0d3f4a1f7c11".to_owned(),
        since: "2026-02-20T09:00:00Z".to_owned(),
        deploy: None,
    }
}

fn hold(message: &str) -> Command {
    Command::Hold {
        message: message.to_owned(),
    }
}

fn release(note: Option<&str>) -> Command {
    Command::Release {
        note: note.map(str::to_owned),
    }
}

/// Calls of a run that builds all four functions: the stack, the output directory, four look-ups, four builds.
const SECOND_BUILD: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder")?;
    let folder = Path::new(&folder);

    let mut applied = Rig::new("1.4.2")?;
    applied.run("mori@build-7", None)?;
    applied.write(folder, "deploy-applied.jsonl")?;

    let mut resumed = Rig::new("1.4.2")?;
    resumed.run("mori@build-7", Some((SECOND_BUILD, Mishap::Refused)))?;
    resumed.run("sato@laptop", None)?;
    resumed.write(folder, "deploy-failed-resumed.jsonl")?;

    let mut superseded = Rig::new("1.4.2")?;
    superseded.run("mori@build-7", Some((SECOND_BUILD, Mishap::KilledAfter)))?;
    superseded.edit("edited");
    superseded.run("sato@laptop", None)?;
    superseded.write(folder, "deploy-superseded.jsonl")?;

    let mut incompatible = Rig::new("1.3.9")?;
    incompatible.run("mori@build-7", None)?;
    incompatible.write(folder, "deploy-incompatible.jsonl")?;

    let mut killed = Rig::new("1.4.2")?;
    killed.run("mori@build-7", Some((SECOND_BUILD, Mishap::KilledAfter)))?;
    killed.write(folder, "deploy-killed.jsonl")?;

    let mut taken = Rig::new("1.4.2")?;
    taken.run("mori@build-7", Some((SECOND_BUILD, Mishap::KilledAfter)))?;
    taken.lock("sato@laptop", Some(lost()), hold("looking into it"))?;
    taken.lock("sato@laptop", None, release(None))?;
    taken.run_after("sato@laptop", Some(lost()), None)?;
    taken.write(folder, "deploy-taken-over.jsonl")?;

    let mut held = Rig::new("1.4.2")?;
    held.lock("sato@laptop", None, hold("not before Monday"))?;
    held.lock("mori@build-7", Some(lost()), release(Some("it is Monday")))?;
    held.run("mori@build-7", None)?;
    held.lock("sato@laptop", None, hold("the database is being moved"))?;
    held.write(folder, "target-held.jsonl")?;
    Ok(())
}
