//! Writes the golden deploy journals: real runs of the loop on the simulated world, with fixed times and ids.
//!
//! `cargo run -p artifactctl-engine --no-default-features --features testing --example golden -- FOLDER`, from the root of the workspace. What is frozen in
//! `fixtures/journals` is never written again: a journal of a later schema gets a folder of its own.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::contract::Digest;
use engine::load::{self, Artifact};
use engine::machine::{AbandonReason, Command, LostHolder, Requested, sample};
use engine::run::simulated::{self, Change, Mishap, SimulatedWorld, Truth};
use engine::run::{Author, DeployJournal, DeployJournalError, Stamp};
use journal::{EventLog, MemoryStore, StreamId, transfer};
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
    /// Events up to this one came with an import.
    imported: u64,
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
            imported: 0,
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
        let journal = DeployJournal::open(&self.store, &self.stamp, author(actor))?;
        let mut journal = journal.taking_over(lost).imported_until(self.imported);
        simulated::deploy(&world, &self.artifact, &mut journal, self.request())?;
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

    /// Edits the sources of the first function.
    fn edit_one(&mut self, text: &str) {
        let mut functions = self.artifact.entries.iter().flat_map(|entry| &entry.images);
        let first = functions.next().map(|image| image.function.clone());
        self.truth
            .sources
            .extend(first.map(|function| (function, text.to_owned())));
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

fn give_up(note: &str) -> Command {
    Command::Abandon {
        reason: AbandonReason::GivenUp,
        note: Some(note.to_owned()),
    }
}

/// The image of one function.
const ONE_IMAGE: &str = "registry:5000/shop/orders-list:1.0";

/// Calls of a run that builds one of four functions: the stack, the output directory, four look-ups, a build.
const CHANGED_BUILD: usize = 6;

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

    let mut changed = Rig::new("1.4.2")?;
    changed.run("mori@build-7", None)?;
    changed.run("mori@build-7", None)?;
    changed.write(folder, "deploy-unchanged.jsonl")?;
    changed.edit_one("edited");
    changed.run("sato@laptop", None)?;
    changed.run("sato@laptop", None)?;
    changed.write(folder, "deploy-changed.jsonl")?;

    let mut abandoned = Rig::new("1.4.2")?;
    abandoned.run("mori@build-7", None)?;
    abandoned.edit_one("edited");
    abandoned.run("mori@build-7", Some((CHANGED_BUILD, Mishap::Refused)))?;
    abandoned.lock("sato@laptop", None, give_up("the edit was wrong"))?;
    abandoned.write(folder, "deploy-abandoned.jsonl")?;

    // Another machine pushed the images of the first deploy; those of the second are replaced by somebody.
    let mut promoted = Rig::new("1.4.2")?;
    promoted.run("mori@build-7", None)?;
    promoted.store = MemoryStore::new(StreamId::new("esb-dev", "dev")?);
    promoted.run("sato@laptop", None)?;
    promoted.truth.change(Change::ImageReplaced(ONE_IMAGE));
    promoted.run("sato@laptop", None)?;
    promoted.write(folder, "deploy-promoted.jsonl")?;

    // An unfinished deploy that came with an import is not resumed.
    let mut imported = Rig::new("1.4.2")?;
    imported.run("mori@build-7", Some((SECOND_BUILD, Mishap::KilledAfter)))?;
    imported.imported = imported.store.head()?.sequence;
    imported.run("sato@laptop", None)?;
    imported.write(folder, "deploy-imported.jsonl")?;

    let mut held = Rig::new("1.4.2")?;
    held.lock("sato@laptop", None, hold("not before Monday"))?;
    held.lock("mori@build-7", Some(lost()), release(Some("it is Monday")))?;
    held.run("mori@build-7", None)?;
    held.lock("sato@laptop", None, hold("the database is being moved"))?;
    held.write(folder, "target-held.jsonl")?;
    Ok(())
}
