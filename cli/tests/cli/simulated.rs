//! Journals of deploys that ran on a simulated stack, and the files that they published.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use engine::compat::Policy;
use engine::load::{self, Artifact};
use engine::machine::{Options, Requested, sample};
use engine::run::simulated::{self, SimulatedWorld, Truth};
use engine::run::{Author, DeployJournal, Outcome, Stamp};
use jiff::Timestamp;
use journal::{Holder, Journal, OwnError, Owned, StreamId};
use uuid::Uuid;

use crate::support::Machine;

/// The first moment of every history: 2026-02-20 09:00 UTC.
const BEGIN: i64 = 1_771_578_000_000;

/// A clock that goes on by a minute with each look, and ids whose last digits count.
struct Clock(AtomicI64);

impl Stamp for Clock {
    fn now(&self) -> Timestamp {
        let looks = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millisecond(BEGIN + 60_000 * looks).unwrap()
    }

    fn id(&self) -> Uuid {
        let looks = u128::from(self.0.load(Ordering::Relaxed).unsigned_abs());
        Uuid::from_u128(0x019c_7a47_0280_7fab_8e54_a609_0000_0000 + 0x1111 * (looks + 1))
    }
}

/// A stack on which deploys of one machine run, one after the other.
pub(crate) struct Stack<'m> {
    machine: &'m Machine,
    truth: Truth,
    clock: Clock,
    out: String,
}

impl<'m> Stack<'m> {
    /// A stack that publishes into a folder of the machine.
    pub(crate) fn of(machine: &'m Machine) -> Self {
        let out = machine.work().join("out");
        std::fs::create_dir_all(&out).unwrap();
        let services = [("agent", "1.4.2"), ("gateway", "1.4.2")];
        let observation = sample::observation("esb-dev", &services);
        Self {
            machine,
            truth: Truth::new(observation),
            clock: Clock(AtomicI64::new(0)),
            out: out.to_str().unwrap().to_owned(),
        }
    }

    /// Deploys an artifact of the machine to the end, and puts on disk what it published.
    pub(crate) fn deploy(&mut self, manifest: &str, actor: &str, message: Option<&str>) {
        let path = self.machine.work().join(manifest);
        let artifact = Arc::new(load::artifact(&path).unwrap());
        let target = StreamId::new(&*artifact.manifest.project, &*artifact.manifest.env).unwrap();
        let holder = Holder {
            actor: actor.to_owned(),
            pid: 1,
            host: "ci".to_owned(),
            boot_id: String::new(),
            since: Timestamp::UNIX_EPOCH,
            deploy: None,
        };
        let owned = own(&self.machine.root(), &target, &holder);
        let author = Author {
            actor: actor.to_owned(),
            tool: "artifactctl 0.1.0".to_owned(),
        };
        let mut journal = DeployJournal::open(owned.store(), &self.clock, author).unwrap();
        let request = request(&artifact, &path, &self.out, message);
        let world = SimulatedWorld::new(self.truth.clone(), BTreeMap::new());
        let outcome = simulated::deploy(&world, &artifact, &mut journal, request).unwrap();
        assert!(matches!(outcome, Some(Outcome::Applied(_))), "{outcome:?}");
        self.truth = world.truth();
        for (file, text) in &self.truth.config {
            std::fs::write(Path::new(&self.out).join(file.file_name()), text).unwrap();
        }
    }
}

/// Owns a target. Another test of this process that starts a program holds every lock of it for as long as that takes.
fn own(root: &Path, target: &StreamId, holder: &Holder) -> Owned {
    let asked = Instant::now();
    loop {
        match Journal::own(root, target, holder.clone()) {
            Err(OwnError::Unnamed { .. }) if asked.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            owned => return owned.unwrap(),
        }
    }
}

fn request(artifact: &Artifact, path: &Path, out: &str, message: Option<&str>) -> Requested {
    let inputs = load::build_inputs(artifact).unwrap();
    let digest = artifact.digest_with(&inputs.digests());
    Requested {
        manifest_path: path.display().to_string(),
        out: out.to_owned(),
        message: message.map(str::to_owned),
        registries: None,
        options: Options {
            compat: Policy::Lenient,
            ..sample::options()
        },
        ..sample::requested(digest, artifact.manifest.clone())
    }
}
