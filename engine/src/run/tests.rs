//! The laws of `docs/events.md`, over every crash point of small deploys on the simulated world.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use journal::{
    AppendError, Draft, Fact, Facts, Head, Kept, MemoryStore, Store, StoreError, StreamId,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::ledger::{Author, Ledger, LedgerError, Stamp, deploy_facts, fold, latest_state};
use super::simulated::{Mishap, SimulatedWorld, Truth};
use super::{Adopted, Interrupts, Outcome, Run, adopt, plan, proceed};
use crate::compat::{Container, Engine, Observation, Observed, Policy, VersionSource};
use crate::contract::{Digest, FunctionName};
use crate::image::Registries;
use crate::load::{self, Artifact};
use crate::machine::{FailureKind, ImageSource, Options, Requested, Stage};
use crate::merge::ConfigFile;

/// A clock that advances by a millisecond at each look, and ids that count.
struct FixedStamp(AtomicU64);

impl Stamp for FixedStamp {
    fn now(&self) -> Timestamp {
        let millisecond = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millisecond(1_770_000_000_000 + i64::try_from(millisecond).unwrap())
            .unwrap()
    }

    fn id(&self) -> Uuid {
        // Version 7, variant 1, and a counter.
        let count = u128::from(self.0.fetch_add(1, Ordering::Relaxed));
        Uuid::from_u128(0x019c_0000_0000_7000_8000_0000_0000_0000 | count)
    }
}

/// A store whose process dies at one append, before or after it is durable.
struct MortalStore<'a> {
    store: &'a MemoryStore,
    dies_at: Option<(usize, bool)>,
    appends: AtomicUsize,
    dead: AtomicBool,
    /// The lowest sequence that was read.
    lowest: AtomicU64,
}

impl<'a> MortalStore<'a> {
    fn new(store: &'a MemoryStore, dies_at: Option<(usize, bool)>) -> Self {
        Self {
            store,
            dies_at,
            appends: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            lowest: AtomicU64::new(u64::MAX),
        }
    }
}

impl Facts for MortalStore<'_> {
    fn stream(&self) -> &StreamId {
        self.store.stream()
    }

    fn head(&self) -> Result<Head, StoreError> {
        self.store.head()
    }

    fn kept_head(&self) -> Result<Kept, StoreError> {
        self.store.kept_head()
    }

    fn facts(&self, from: u64, limit: usize) -> Result<Vec<Fact>, StoreError> {
        self.lowest.fetch_min(from, Ordering::Relaxed);
        self.store.facts(from, limit)
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        self.store.deploy_start(deploy)
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        self.store.latest_deploys(before, limit)
    }
}

impl Store for MortalStore<'_> {
    fn append(&self, expected: &Head, drafts: Vec<Draft>) -> Result<Vec<Fact>, AppendError> {
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        match self.dies_at {
            Some((at, after)) if at == number => {
                if after {
                    self.store.append(expected, drafts)?;
                }
                self.dead.store(true, Ordering::Relaxed);
                // What a dead process would have been answered does not matter: nobody reads it.
                Err(AppendError::Empty)
            }
            Some(_) | None => self.store.append(expected, drafts),
        }
    }
}

/// An artifact with these functions, on disk.
struct OnDisk {
    folder: TempDir,
}

impl OnDisk {
    fn new(functions: &[&str]) -> Self {
        let disk = Self {
            folder: TempDir::new().unwrap(),
        };
        disk.write(functions);
        disk
    }

    fn write(&self, functions: &[&str]) {
        let root = self.folder.path();
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "artifact.yml",
            "schema_version: \"1\"\nproject: demo\nenv: dev\nmode: docker\n\
             runtime_stack: {api_version: \"1.0\", mode: docker, requires: {gateway: \"^1.4\"}}\n\
             artifacts:\n  - artifact_root: svc\n    runtime_config_dir: config\n",
        );
        let mut yaml = String::from("functions:\n");
        let mut routes = String::from("routes:\n");
        for name in functions {
            yaml.push_str(&format!(
                "  {name}:\n    image: registry:5000/{name}:latest\n"
            ));
            routes.push_str(&format!(
                "  - {{path: /{name}, method: GET, function: {name}}}\n"
            ));
            put(
                &format!("svc/functions/{name}/Dockerfile"),
                "FROM scratch\n",
            );
        }
        put("svc/config/functions.yml", &yaml);
        put("svc/config/routing.yml", &routes);
    }

    fn load(&self) -> Artifact {
        load::artifact(&self.folder.path().join("artifact.yml")).unwrap()
    }
}

fn observation(version: &str) -> Observation {
    Observation {
        project: "demo".to_owned(),
        engine: Engine {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            platform: "linux/amd64".to_owned(),
        },
        containers: vec![Container {
            name: "demo-gateway-1".to_owned(),
            service: "gateway".to_owned(),
            image: format!("esb-gateway:{version}"),
            image_id: "sha256:0".to_owned(),
            repo_digest: None,
            version: Some(Observed {
                value: version.to_owned(),
                source: VersionSource::EsbLabel,
            }),
            tag: None,
            api_version: Some("1.0".to_owned()),
            mode: Some("docker".to_owned()),
        }],
        api_version: Some(Observed {
            value: "1.0".to_owned(),
            source: "gateway".to_owned(),
        }),
        mode: Some(Observed {
            value: crate::contract::Mode::Docker,
            source: crate::compat::ModeSource::Label("gateway".to_owned()),
        }),
        other_projects: Vec::new(),
    }
}

fn truth(version: &str) -> Truth {
    Truth {
        observation: observation(version),
        config: BTreeMap::from([(
            ConfigFile::Routing,
            "routes:\n  - path: /seed\n    function: seed\n".to_owned(),
        )]),
        registry: BTreeMap::new(),
        sources: BTreeMap::new(),
        builds: Vec::new(),
        mutations: 0,
        provisions: 0,
    }
}

fn request(artifact: &Artifact, truth: &Truth) -> Requested {
    let sources = truth
        .sources
        .iter()
        .map(|(name, text)| (name.to_string(), Digest::of(text)))
        .collect();
    Requested {
        artifact: artifact.digest_with(&sources),
        manifest_path: artifact.manifest_path.display().to_string(),
        manifest: artifact.manifest.clone(),
        project: "demo".to_owned(),
        out: "/out".to_owned(),
        options: Options {
            compat: Policy::Strict,
            strict_warnings: false,
            no_cache: false,
            prune: true,
            platform: None,
            provision: None,
            secret_env: None,
        },
        base: None,
    }
}

/// How a process ended.
#[derive(Debug)]
enum Ended {
    Killed,
    Rested(Adopted, Outcome),
    Broken(#[expect(dead_code, reason = "shown by Debug")] LedgerError),
}

/// One process: it opens the journal, adopts the request, goes on until it rests or dies.
fn process(
    store: &MemoryStore,
    stamp: &FixedStamp,
    world: &SimulatedWorld,
    artifact: &Artifact,
    dies_at: Option<(usize, bool)>,
    interrupts: &Interrupts,
) -> Ended {
    let mortal = MortalStore::new(store, dies_at);
    let registries = Registries::default();
    let run = Run {
        world,
        artifact,
        registries: &registries,
        jobs: NonZeroUsize::new(2).unwrap(),
        interrupts,
        notice: &|_| {},
    };
    let request = request(artifact, &world.truth());
    let mut work = pin!(async {
        let author = Author {
            actor: "tester".to_owned(),
            tool: "test".to_owned(),
        };
        let mut ledger = Ledger::open(&mortal, stamp, author)?;
        let adopted = adopt(&mut ledger, request, run.notice)?;
        let outcome = proceed(&run, &mut ledger).await?;
        assert_eq!(
            ledger.state(),
            &latest_state(&mortal)?,
            "folding the journal gives the live state"
        );
        Ok((adopted, outcome))
    });
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(_) if mortal.dead.load(Ordering::Relaxed) => return Ended::Killed,
            Poll::Ready(Ok((adopted, outcome))) => return Ended::Rested(adopted, outcome),
            Poll::Ready(Err(error)) => return Ended::Broken(error),
            Poll::Pending if world.killed() || mortal.dead.load(Ordering::Relaxed) => {
                return Ended::Killed;
            }
            Poll::Pending => {}
        }
    }
    panic!("the run neither ends nor dies");
}

/// A target with its journal and its world, over several processes.
struct Target {
    store: MemoryStore,
    stamp: FixedStamp,
    truth: Truth,
}

impl Target {
    fn new(truth: Truth) -> Self {
        let store = MemoryStore::new(StreamId::new("demo", "dev").unwrap());
        Self {
            store,
            stamp: FixedStamp(AtomicU64::new(1)),
            truth,
        }
    }

    fn run(
        &mut self,
        artifact: &Artifact,
        mishaps: &[(usize, Mishap)],
        dies_at: Option<(usize, bool)>,
    ) -> Ended {
        let world = SimulatedWorld::new(self.truth.clone(), mishaps.iter().copied().collect());
        let ended = process(
            &self.store,
            &self.stamp,
            &world,
            artifact,
            dies_at,
            &Interrupts::never(),
        );
        self.truth = world.truth();
        ended
    }

    /// Runs until it is applied; the first run meets a mishap.
    fn settle(&mut self, artifact: &Artifact) {
        for _ in 0..3 {
            if let Ended::Rested(_, Outcome::Applied(_)) = self.run(artifact, &[], None) {
                return;
            }
        }
        panic!("undisturbed runs do not end");
    }

    fn kinds(&self) -> Vec<String> {
        journal::scan(&self.store, 1)
            .map(|fact| fact.unwrap().header.kind)
            .collect()
    }

    /// Laws that hold of every journal: it verifies, folds, and no image was built twice from one content.
    fn check(&self) {
        let report = journal::chain::verify(&self.store, None).unwrap();
        assert_eq!(report.damage, None);
        let deploys = self.store.latest_deploys(None, 100).unwrap();
        for (first, _) in deploys {
            fold(&deploy_facts(&self.store, first).unwrap()).unwrap();
        }
    }
}

fn name(text: &str) -> FunctionName {
    FunctionName::parse(text).unwrap()
}

fn applied(ended: &Ended) -> bool {
    matches!(ended, Ended::Rested(_, Outcome::Applied(_)))
}

#[test]
fn a_deploy_is_the_documented_sequence() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    assert!(applied(&target.run(&disk.load(), &[], None)));
    let expected = [
        "Requested",
        "Observed",
        "CompatChecked",
        "Merged",
        "ImageBuilt",
        "ImageBuilt",
        "Applied",
    ];
    assert_eq!(target.kinds(), expected);
    assert!(
        target.truth.config[&ConfigFile::Routing].contains("/seed"),
        "seeds of others stay"
    );
    assert!(target.truth.config[&ConfigFile::Routing].contains("/a"));
}

#[test]
fn a_second_deploy_of_the_same_changes_nothing() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.load());
    let before = target.truth.clone();
    assert!(applied(&target.run(&disk.load(), &[], None)));
    assert_eq!(target.truth, before);
    assert_eq!(
        target.kinds()[7..],
        [
            "Requested",
            "Observed",
            "CompatChecked",
            "Merged",
            "ImageBuilt",
            "ImageBuilt",
            "Applied"
        ]
    );
}

#[test]
fn an_incompatible_stack_sees_no_mutating_call() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.3.0"));
    let ended = target.run(&disk.load(), &[], None);
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failed.kind, FailureKind::Incompatible);
    assert!(failed.message.contains("1.3.0"), "{}", failed.message);
    assert_eq!(target.truth.mutations, 0);
    assert_eq!(
        target.kinds(),
        ["Requested", "Observed", "CompatChecked", "Failed"]
    );
}

#[test]
fn another_artifact_supersedes_the_unfinished_deploy() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    assert!(matches!(
        target.run(&disk.load(), &[(3, Mishap::Refused)], None),
        Ended::Rested(_, Outcome::Failed(_))
    ));
    disk.write(&["a", "b"]);
    let ended = target.run(&disk.load(), &[], None);
    assert!(
        matches!(
            ended,
            Ended::Rested(Adopted::Superseded(_), Outcome::Applied(_))
        ),
        "{ended:?}"
    );
    let kinds = target.kinds();
    let abandoned = kinds.iter().position(|kind| kind == "Abandoned").unwrap();
    assert_eq!(kinds[abandoned + 1], "Requested");
}

#[test]
fn what_an_artifact_no_longer_has_goes_away_and_the_rest_stays() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.load());
    disk.write(&["a"]);
    target.settle(&disk.load());
    let routing = &target.truth.config[&ConfigFile::Routing];
    assert!(!routing.contains("/b"), "{routing}");
    assert!(
        routing.contains("/a") && routing.contains("/seed"),
        "{routing}"
    );
}

/// What must be the same however often a deploy was interrupted.
fn essence(
    truth: &Truth,
) -> (
    &super::ConfigTexts,
    &BTreeMap<String, (Digest, Digest)>,
    Vec<&FunctionName>,
) {
    let mut builds: Vec<_> = truth.builds.iter().collect();
    builds.sort();
    (&truth.config, &truth.registry, builds)
}

/// Calls that go wrong, and the append at which the process dies, before or after it is durable.
type Disturbance = (Vec<(usize, Mishap)>, Option<(usize, bool)>);

/// Every way in which one run can be disturbed once.
fn disturbances(calls: usize, appends: usize) -> Vec<Disturbance> {
    let mishaps = [
        Mishap::Refused,
        Mishap::ReplyLost,
        Mishap::KilledBefore,
        Mishap::KilledAfter,
    ];
    let of_calls = (0..calls).flat_map(|call| mishaps.map(|mishap| (vec![(call, mishap)], None)));
    let of_appends = (0..appends)
        .flat_map(|append| [false, true].map(|after| (Vec::new(), Some((append, after)))));
    of_calls.chain(of_appends).collect()
}

#[test]
fn however_often_a_deploy_is_disturbed_it_ends_as_the_undisturbed_one() {
    // One folder for both artifacts, since the source of an entry is its root.
    let disk = OnDisk::new(&["a", "b", "c"]);
    let first = disk.load();
    disk.write(&["a", "b", "d"]);
    let second = disk.load();
    let begin = || {
        let mut target = Target::new(truth("1.4.2"));
        target.settle(&first);
        target.truth.sources.insert(name("b"), "edited".to_owned());
        target
    };
    let mut undisturbed = begin();
    undisturbed.settle(&second);
    assert_eq!(
        undisturbed.truth.builds.len(),
        3 + 2,
        "only what changed is built"
    );
    // A run makes 8 calls (observe, config, 3 looks, 2 builds, publish) and at most 8 appends.
    let all = disturbances(8, 8);
    let deaths_after = all.iter().filter(|(mishaps, dies_at)| {
        matches!(mishaps[..], [(_, Mishap::KilledAfter)]) || matches!(dies_at, Some((_, true)))
    });
    let deaths_after: Vec<_> = deaths_after.cloned().collect();
    let once = all.iter().map(|one| vec![one]);
    let twice = deaths_after
        .iter()
        .flat_map(|one| deaths_after.iter().map(move |other| vec![one, other]));
    let mut schedules = 0;
    for schedule in once.chain(twice) {
        let mut target = begin();
        for (mishaps, dies_at) in &schedule {
            let ended = target.run(&second, mishaps, *dies_at);
            assert!(
                !matches!(ended, Ended::Broken(_)),
                "{schedule:?}: {ended:?}"
            );
        }
        target.settle(&second);
        target.check();
        assert_eq!(
            essence(&target.truth),
            essence(&undisturbed.truth),
            "{schedule:?}"
        );
        schedules += 1;
    }
    assert_eq!(schedules, 48 + 16 * 16);
}

#[test]
fn an_image_that_an_earlier_attempt_finished_is_reused() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    // Calls: observe, config, two looks, two builds. The second build kills the process.
    assert!(matches!(
        target.run(&disk.load(), &[(5, Mishap::KilledBefore)], None),
        Ended::Killed
    ));
    let built = target.truth.builds.clone();
    assert_eq!(built.len(), 1);
    assert!(applied(&target.run(&disk.load(), &[], None)));
    assert_eq!(
        target.truth.builds.len(),
        2,
        "the finished image is not built again"
    );
    let state = latest_state(&target.store).unwrap();
    let deploy = state.deploy.unwrap();
    assert!(matches!(deploy.stage, Stage::Applied(_)));
    assert_eq!(deploy.attempt, 2);
    assert_eq!(deploy.images[&built[0]].source, ImageSource::Reused);
}

#[test]
fn a_first_request_to_stop_ends_at_the_next_step_and_is_resumable() {
    use futures_util::FutureExt;
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let world = SimulatedWorld::new(target.truth.clone(), BTreeMap::new());
    let asked = Interrupts::new(
        std::future::ready(()).boxed(),
        std::future::pending().boxed(),
    );
    let ended = process(
        &target.store,
        &target.stamp,
        &world,
        &disk.load(),
        None,
        &asked,
    );
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failed.kind, FailureKind::Interrupted);
    target.settle(&disk.load());
    assert_eq!(target.kinds()[..3], ["Requested", "Failed", "Resumed"]);
}

#[test]
fn a_plan_says_what_a_deploy_does_and_changes_nothing() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    let planned = |target: &Target| {
        let world = SimulatedWorld::new(target.truth.clone(), BTreeMap::new());
        let (artifact, registries) = (disk.load(), Registries::default());
        let asked = request(&artifact, &target.truth);
        let made = plan(&world, &artifact, &registries, &asked, Some(&target.store));
        let made = pollster(made).map_err(|_| "a plan is made").unwrap();
        assert_eq!(world.truth(), target.truth);
        made
    };
    let first = planned(&target);
    assert!(first.changes_anything());
    assert_eq!(
        first
            .images
            .iter()
            .filter(|image| !image.build_because.is_empty())
            .count(),
        2
    );
    target.settle(&disk.load());
    assert!(!planned(&target).changes_anything());
    target.truth.sources.insert(name("a"), "edited".to_owned());
    let third = planned(&target);
    let builds: Vec<_> = third
        .images
        .iter()
        .filter(|image| !image.build_because.is_empty())
        .collect();
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0].function, name("a"));
    assert!(
        builds[0].build_because[0].to_string().contains("sources"),
        "{:?}",
        builds[0].build_because
    );
}

fn pollster<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

#[test]
fn opening_a_journal_reads_its_latest_deploy_only() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    for _ in 0..5 {
        target.settle(&disk.load());
    }
    let first_of_latest = target.store.latest_deploys(None, 1).unwrap()[0].0;
    assert!(first_of_latest > 1, "there is a history before it");
    let counting = MortalStore::new(&target.store, None);
    let author = Author {
        actor: "tester".to_owned(),
        tool: "test".to_owned(),
    };
    let ledger = Ledger::open(&counting, &target.stamp, author).unwrap();
    assert!(ledger.state().deploy.is_some());
    assert_eq!(counting.lowest.load(Ordering::Relaxed), first_of_latest);
}

#[test]
fn an_output_directory_that_does_not_read_is_named_without_its_lines() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let broken = "functions:\n  x: {environment: {KEY: canary-7}\n";
    target
        .truth
        .config
        .insert(ConfigFile::Functions, broken.to_owned());
    let ended = target.run(&disk.load(), &[], None);
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failed.kind, FailureKind::Payload);
    assert!(
        failed.message.contains("/out/functions.yml:"),
        "{}",
        failed.message
    );
    let facts = journal::scan(&target.store, 1)
        .map(|fact| String::from_utf8(fact.unwrap().payload).unwrap());
    assert!(!facts.collect::<String>().contains("canary-7"));
    assert_eq!(target.truth.mutations, 0);
}
