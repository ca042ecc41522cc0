//! Whatever a valid template says, what is made of it is accepted: by the payload contract, and by a deploy to the simulated world.
//!
//! Templates come from seeds (`generator`). One that is not accepted is made smaller for as long as it is not, and printed with
//! its seed. `ARTIFACTCTL_SEED` asks for one of them, `ARTIFACTCTL_TEMPLATES` for another number.

mod generator;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use engine::compat::{ModeSource, Observation, Observed};
use engine::contract::{Manifest, Mode, required_secrets};
use engine::load::{self, Artifact};
use engine::machine::{Options, Requested, sample};
use engine::merge::ConfigFile;
use engine::run::simulated::{self, SimulatedWorld, Truth};
use engine::run::{Author, DeployJournal, Outcome, Stamp};
use engine::yaml::{self, ParseLimits, Value};
use journal::{EventLog, MemoryStore, StreamId};
use uuid::Uuid;

use self::generator::{CANARY, Generated};
use super::args::{Args, Artifact as Words, Command, Making};
use super::make::make;

/// Templates of the normal run.
const TEMPLATES: u64 = 300;

/// Resources of one template.
const SIZES: std::ops::RangeInclusive<usize> = 1..=12;

struct Counted(AtomicU64);

impl Stamp for Counted {
    fn now(&self) -> jiff::Timestamp {
        let millisecond = i64::try_from(self.0.fetch_add(1, Ordering::Relaxed)).unwrap();
        jiff::Timestamp::from_millisecond(1_770_000_000_000 + millisecond).unwrap()
    }

    fn id(&self) -> Uuid {
        let count = u128::from(self.0.fetch_add(1, Ordering::Relaxed));
        Uuid::from_u128(0x019c_0000_0000_7000_8000_0000_0000_0000 | count)
    }
}

/// A stack that runs what `--require` asks for.
fn observation(manifest: &Manifest, project: &str, mode: Mode) -> Observation {
    let mut stack = sample::observation(project, &[("gateway", "1.4.2")]);
    stack.containers[0].mode = Some(mode.to_string());
    stack.mode = Some(Observed {
        value: mode,
        source: ModeSource::Label("gateway".to_owned()),
    });
    let secrets = required_secrets(manifest).into_iter();
    stack.gateway_secrets = Some(secrets.map(str::to_owned).collect());
    stack
}

/// The flags of a run on this folder.
fn making(folder: &Path, generated: &Generated) -> Making {
    let (template, output) = (folder.join(generated.file), folder.join("out/artifact"));
    let fixed = ["esb", "artifact", "generate", "--template"].map(Into::into);
    let paths = [template.into(), "--output".into(), output.into()];
    let flags = generated.flags.iter().map(Into::into);
    let words: Vec<std::ffi::OsString> = fixed.into_iter().chain(paths).chain(flags).collect();
    let args = Args::try_parse_from(words).unwrap();
    let Command::Artifact(Words::Generate(generate)) = args.command else {
        panic!("it is that command");
    };
    generate.making
}

/// Deploys to a world, and gives what was recorded, as text.
fn deploy(artifact: &Arc<Artifact>, world: &SimulatedWorld<'_>, store: &MemoryStore) -> String {
    let inputs = load::build_inputs(artifact).unwrap();
    let digest = artifact.digest_with(&inputs.digests());
    let request = Requested {
        manifest_path: artifact.manifest_path.display().to_string(),
        out: "/out".to_owned(),
        registries: None,
        options: Options {
            strict_warnings: true,
            ..sample::options()
        },
        ..sample::requested(digest, artifact.manifest.clone())
    };
    // A later deploy has later ids.
    let stamp = Counted(AtomicU64::new(1 + 1000 * store.head().unwrap().sequence));
    let author = Author {
        actor: "tester".to_owned(),
        tool: "test".to_owned(),
    };
    let mut journal = DeployJournal::open(store, &stamp, author).unwrap();
    let outcome = simulated::deploy(world, artifact, &mut journal, request).unwrap();
    assert!(matches!(outcome, Some(Outcome::Applied(_))), "{outcome:?}");
    journal::scan(store, 1)
        .map(|event| String::from_utf8(event.unwrap().payload).unwrap())
        .collect()
}

fn tree(text: &str) -> Value {
    yaml::parse(text, &ParseLimits::default()).unwrap().value
}

fn child<'v>(value: &'v Value, name: &str) -> &'v Value {
    let Value::Map(map) = value else {
        panic!("a mapping with `{name}`, not {value:?}");
    };
    &map[name].node.value
}

/// The functions that are published are those of the template, and every route leads to one of them.
fn is_whole(truth: &Truth, functions: &[String]) {
    let published = tree(&truth.config[&ConfigFile::Functions]);
    let Value::Map(published) = child(&published, "functions") else {
        panic!("functions are a mapping: {published:?}");
    };
    assert!(published.keys().eq(functions), "{published:?}");
    let routing = tree(&truth.config[&ConfigFile::Routing]);
    let Value::List(routes) = child(&routing, "routes") else {
        panic!("routes are a list: {routing:?}");
    };
    for route in routes {
        let name = child(&route.value, "function").text().unwrap();
        assert!(functions.iter().any(|known| known == name), "{route:?}");
    }
}

fn no_canary(what: &str, text: &str) {
    assert!(!text.contains(CANARY), "{what} holds a secret: {text}");
}

fn look_through(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_through(&path);
        } else {
            let text = fs::read(&path).unwrap();
            no_canary(&path.display().to_string(), &String::from_utf8_lossy(&text));
        }
    }
}

/// Generates, validates, deploys, and deploys again.
fn is_accepted(generated: &Generated) {
    let folder = tempfile::tempdir().unwrap();
    generated.write(folder.path());
    let making = making(folder.path(), generated);
    let mode = making.mode.map_or(Mode::Docker, Into::into);
    let made = make(&making, mode).unwrap_or_else(|not| panic!("{}", not.failure.message));
    made.publish()
        .unwrap_or_else(|failure| panic!("{}", failure.message));
    assert_eq!(made.differences().unwrap(), []);
    look_through(&folder.path().join("out"));
    for finding in &made.warnings {
        no_canary("the report", &serde_json::to_string(finding).unwrap());
    }

    let artifact = Arc::new(load::artifact(&made.manifest_path).unwrap());
    assert!(artifact.warnings.is_empty(), "{:?}", artifact.warnings);
    let project = artifact.manifest.project.clone();
    let store = MemoryStore::new(StreamId::new(&project, &artifact.manifest.env).unwrap());
    let truth = Truth::new(observation(&artifact.manifest, &project, mode));
    let world = SimulatedWorld::new(truth, BTreeMap::new());
    no_canary("the journal", &deploy(&artifact, &world, &store));
    let truth = world.truth();
    is_whole(&truth, &generated.functions);
    deploy(&artifact, &world, &store);
    assert_eq!(world.truth().config, truth.config);
    assert_eq!(
        world.truth().mutations,
        truth.mutations,
        "nothing is to be done"
    );
}

/// Why a seed is not accepted with so many resources.
fn refused(seed: u64, size: usize) -> Option<String> {
    let generated = Generated::of(seed, size);
    let outcome = catch_unwind(AssertUnwindSafe(|| is_accepted(&generated)));
    let panic = outcome.err()?;
    let reason = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(format!(
        "{}\nflags: {:?}\n{}",
        reason.unwrap_or_default(),
        generated.flags,
        generated.text
    ))
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn every_valid_template_gives_an_artifact_that_is_accepted() {
    let seeds = match number("ARTIFACTCTL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ARTIFACTCTL_TEMPLATES").unwrap_or(TEMPLATES),
    };
    for seed in seeds {
        let size = SIZES.end() - usize::try_from(seed % 12).unwrap();
        if refused(seed, size).is_none() {
            continue;
        }
        let smallest = SIZES
            .filter(|smaller| *smaller <= size)
            .find_map(|smaller| refused(seed, smaller));
        panic!(
            "{}\nreplay: ARTIFACTCTL_SEED={seed} cargo test -p artifactctl --lib accepted",
            smallest.unwrap()
        );
    }
}

#[test]
fn a_seed_gives_one_template() {
    for seed in 0..50 {
        let (first, again) = (Generated::of(seed, 8), Generated::of(seed, 8));
        assert_eq!((first.text, first.flags), (again.text, again.flags));
    }
}
