//! Deploys onto a simulated stack, one after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use engine::contract::{Digest, FunctionName};
use engine::load::{self, Artifact};
use engine::machine::{Requested, Step, sample};
use engine::run::simulated::{self, Call, Mishap, Seen, SimulatedWorld, Truth};
use engine::run::{Author, DeployJournal};
use journal::{MemoryStore, Overlay, Store, StreamId};

use crate::clock::Clock;
use crate::error::SimulationError;
use crate::events::DeployEvents;
use crate::fault::SimulatedFault;
use crate::stack::Stack;

/// Who deploys in a simulation.
const ACTOR: &str = "simulation";

/// A stack with what was deployed onto it, and a journal for each target.
///
/// Images, files and containers are in memory. An image is built when its function's Dockerfile, or a file that it copies, is another one
/// than before, or when the function was [edited](Self::edit).
pub struct Simulation {
    truth: Truth,
    journals: BTreeMap<StreamId, MemoryStore>,
    clock: Clock,
    edits: BTreeMap<String, u32>,
    injected: Option<SimulatedFault>,
}

impl Simulation {
    /// Nothing was deployed yet.
    pub fn new(stack: Stack) -> Self {
        Self {
            truth: Truth::new(stack.observation),
            journals: BTreeMap::new(),
            clock: Clock::default(),
            edits: BTreeMap::new(),
            injected: None,
        }
    }

    /// The next deploy finds other sources of a function, as if a file of it had been edited.
    pub fn edit(&mut self, function: &str) {
        *self.edits.entry(function.to_owned()).or_default() += 1;
    }

    /// From here on another stack runs; what was published and pushed stays.
    pub fn change_stack(&mut self, change: impl FnOnce(&mut Stack)) {
        let observation = self.truth.observation.clone();
        let mut stack = Stack { observation };
        change(&mut stack);
        self.truth.observation = stack.observation;
    }

    /// Something goes wrong in the next deploy.
    pub fn inject(&mut self, fault: SimulatedFault) {
        self.injected = Some(fault);
    }

    /// Deploys an artifact, or goes on with its unfinished deploy, and returns the events of that deploy. A deploy that fails, or is cut
    /// off by an injected fault, has its events, too: only an artifact that cannot be loaded is an error.
    pub fn deploy(&mut self, manifest: impl AsRef<Path>) -> Result<DeployEvents, SimulationError> {
        let manifest = manifest.as_ref();
        let artifact = load::artifact(manifest).map_err(SimulationError::Artifact)?;
        let inputs = load::build_inputs(&artifact).map_err(SimulationError::Artifact)?;
        let digests = self.edited(inputs.digests());
        let sources = digests.iter().filter_map(|(name, digest)| {
            let function = FunctionName::parse(name)?;
            Some((function, digest.to_string()))
        });
        self.truth.sources.extend(sources);
        let request = request(&artifact, manifest, &digests);
        let project = artifact.manifest.project.as_str();
        let target = StreamId::new(project, &artifact.manifest.env)
            .expect("the contract asks more of a project and an environment than a journal does");
        let store = self
            .journals
            .entry(target.clone())
            .or_insert_with(|| MemoryStore::new(target));
        let mishaps = match self.injected.take() {
            Some(fault) => {
                let calls = calls(&self.truth, store, &artifact, request.clone())?;
                BTreeMap::from([(number(&calls, fault)?, fault.mishap())])
            }
            None => BTreeMap::new(),
        };
        let world = SimulatedWorld::new(self.truth.clone(), mishaps);
        run(&world, &*store, &self.clock, &artifact, request)?;
        self.truth = world.truth();
        let first = engine::run::latest_deploy(&*store)?.unwrap_or(1);
        Ok(DeployEvents::read(&*store, first)?)
    }

    /// The files of the output directory as they stand, by name.
    pub fn published(&self) -> BTreeMap<String, String> {
        let files = self.truth.config.iter();
        files
            .map(|(file, text)| (file.file_name().to_owned(), text.clone()))
            .collect()
    }

    /// How often the stack was changed: images pushed, tags moved, files written, provisioners run.
    pub fn mutations(&self) -> usize {
        self.truth.mutations
    }

    /// The digests of inputs, changed for the functions that were edited.
    fn edited(&self, digests: BTreeMap<String, Digest>) -> BTreeMap<String, Digest> {
        let digests = digests.into_iter().map(|(name, digest)| {
            let digest = match self.edits.get(&name) {
                Some(edits) => Digest::of(format!("{digest}, edited {edits} times")),
                None => digest,
            };
            (name, digest)
        });
        digests.collect()
    }
}

fn request(artifact: &Artifact, manifest: &Path, inputs: &BTreeMap<String, Digest>) -> Requested {
    Requested {
        manifest_path: manifest.display().to_string(),
        ..sample::requested(artifact.digest_with(inputs), artifact.manifest.clone())
    }
}

/// Runs a deploy until it rests, or until a mishap kills it.
fn run(
    world: &SimulatedWorld<'_>,
    store: &dyn Store,
    clock: &Clock,
    artifact: &Artifact,
    request: Requested,
) -> Result<(), SimulationError> {
    let author = Author {
        actor: ACTOR.to_owned(),
        tool: format!("artifactctl-testing {}", env!("CARGO_PKG_VERSION")),
    };
    let mut journal = DeployJournal::open(store, clock, author)?;
    simulated::deploy(world, artifact, &mut journal, request)?;
    Ok(())
}

/// The calls that a deploy would make, found out on a journal that forgets.
fn calls(
    truth: &Truth,
    store: &MemoryStore,
    artifact: &Artifact,
    request: Requested,
) -> Result<Vec<Call>, SimulationError> {
    let overlay = Overlay::new(store).map_err(engine::run::DeployJournalError::from)?;
    let made = Mutex::new(Vec::new());
    let witness = |seen: Seen<'_>, _: &Truth| {
        if let Seen::Called(call) = seen
            && let Ok(mut calls) = made.lock()
        {
            calls.push(call);
        }
    };
    let world = SimulatedWorld::new(truth.clone(), BTreeMap::<usize, Mishap>::new());
    run(
        &world.witnessed(&witness),
        &overlay,
        &Clock::default(),
        artifact,
        request,
    )?;
    Ok(made.into_inner().unwrap_or_default())
}

/// The call that a fault hits.
fn number(calls: &[Call], fault: SimulatedFault) -> Result<usize, SimulationError> {
    let of_step = |step: Step| {
        calls
            .iter()
            .enumerate()
            .filter(move |(_, call)| call.step == step)
    };
    let changing = of_step(fault.step).find(|(_, call)| call.changes);
    let hit = changing.or_else(|| of_step(fault.step).next());
    let none = || SimulationError::NoSuchCall(fault.step_name().to_owned());
    hit.map(|(number, _)| number).ok_or_else(none)
}
