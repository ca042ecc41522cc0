//! Faults between the tool and the engine, and between both and the registry, on the real ones.
//!
//! A table: which request is struck, how, and what must become of the deploy. It fails with an event that names cause and next
//! step, or succeeds after a repetition; it never hangs; and the same command without the fault ends as if nothing had been.
//! The images are built by the engine, but for those of `assembled`, which ask the registry alone. Not here: an engine or registry
//! that is not there at all (`world`), an engine that crashes (`engine_crash`), disks (`disk`, `failing_disk`), builds that fail by
//! themselves (`builds`).

mod assembled;

use std::collections::BTreeMap;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use e2e::command;
use e2e::engine::Origin;
use e2e::proxy::{FaultEffect, InjectedFault, Proxy};
use rstest::rstest;

use crate::process::{Ran, hints_of, run, said_of};
use crate::rig::{BY_ENGINE, Rig};

/// The one limit that a fault can run into, short enough to be waited for. The others stay what they are.
fn limit(at: At, effect: &FaultEffect) -> Option<&'static str> {
    let (Engine(endpoint) | Registry(endpoint)) = at;
    let uploads = endpoint.starts_with("PATCH ");
    if *effect != DRIP {
        return uploads.then_some("transfer=12s");
    }
    if endpoint == "POST /build" {
        Some("build=8s")
    } else if uploads
        || endpoint.starts_with("POST /images/")
        || endpoint.starts_with("PUT /*/blobs/")
    {
        Some("silence=6s")
    } else {
        Some("query=1s")
    }
}

/// The longest a deploy may take that meets a fault: limits, repetitions of the engine, and a machine that is busy.
const AT_MOST: Duration = Duration::from_secs(45);

/// A pause that no limit has the patience for.
const DRIP: FaultEffect = FaultEffect::DripAnswer(Duration::from_millis(700));

/// Flags of a deploy whose image is assembled.
const ASSEMBLED: [&str; 2] = ["--builder", "assemble"];

/// One function, a proxy before the engine and one before the registry.
struct Scene {
    rig: Rig<'static>,
    registry: Proxy,
    /// How its image is made.
    builder: [&'static str; 2],
}

impl Scene {
    fn new(builder: [&'static str; 2]) -> Self {
        let rig = Rig::new(&["alpha"]);
        let registry = Proxy::before_port(rig.stack.engine(), rig.stack.registry_port()).unwrap();
        Self {
            rig,
            registry,
            builder,
        }
    }

    fn deploy(&self, limit: Option<&str>) -> Ran {
        let mut deploy = self.rig.request("deploy", &self.builder);
        deploy.env("HOST_REGISTRY_ADDR", self.registry.docker_host());
        if let Some(limit) = limit {
            deploy.env("ARTIFACTCTL_LIMITS", limit);
        }
        run(&mut deploy)
    }

    fn repository(&self) -> String {
        format!("/{}/alpha/", self.rig.payload.repository())
    }

    /// The published files, with the name of the artifact's repository taken out.
    fn published(&self) -> BTreeMap<String, String> {
        let repository = self.rig.payload.repository();
        let files = self.rig.published().into_iter();
        files
            .map(|(name, text)| (name, text.replace(repository, "REPOSITORY")))
            .collect()
    }

    /// Deploys without a fault: what is there afterwards is what an undisturbed deploy leaves.
    fn succeeds(&self) -> Ran {
        let done = self.deploy(None).ended(0);
        assert_eq!(self.published(), *undisturbed());
        let tags = self.rig.tags("alpha");
        let digests: Vec<_> = tags.values().collect();
        assert_eq!(tags.len(), 2, "its tag and its key's: {tags:?}");
        assert_eq!(digests[0], digests[1]);
        assert_eq!(done.payload("ImageBuilt")["digest"], **digests[0]);
        done
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let engine = self.rig.stack.engine();
        if *engine.origin() == Origin::Found {
            // Images that were named after the port of our proxy.
            let registry = self.registry.docker_host();
            let mut list = engine.docker();
            list.args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
            for depth in ["*", "*/*"] {
                list.args(["--filter", &format!("reference={registry}/{depth}")]);
            }
            for image in command::run(&mut list).unwrap_or_default().lines() {
                command::run(engine.docker().args(["image", "rm", image])).ok();
            }
        }
    }
}

/// What a deploy publishes that nothing disturbs.
fn undisturbed() -> &'static BTreeMap<String, String> {
    static PUBLISHED: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    PUBLISHED.get_or_init(|| {
        let scene = Scene::new(ASSEMBLED);
        scene.deploy(None).ended(0);
        scene.published()
    })
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy)]
enum At {
    /// A request to the engine.
    Engine(&'static str),
    /// A request to the registry; `*` stands for the repository of the function.
    Registry(&'static str),
}

/// How often it strikes.
#[derive(Debug, Clone, Copy)]
enum Often {
    Once,
    Always,
}

/// What becomes of the deploy.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// Exit code and kind of the failure, words of its message, words of its hint.
    Fails(i32, &'static str, &'static str, &'static str),
    Succeeds,
}

use At::{Engine, Registry};
use Often::{Always, Once};
use Outcome::{Fails, Succeeds};

fn answer(status: u16) -> FaultEffect {
    FaultEffect::Answer(status, "out of paper".to_owned())
}

fn strike(scene: &Scene, at: At, effect: FaultEffect, often: Often) {
    let (proxy, endpoint) = match at {
        Engine(endpoint) => (&scene.rig.proxy, endpoint.to_owned()),
        Registry(endpoint) => {
            let endpoint = endpoint.replace("/*/", &scene.repository());
            (&scene.registry, endpoint)
        }
    };
    let fault = InjectedFault {
        endpoint,
        skip: 0,
        effect,
    };
    match often {
        Once => proxy.inject(fault),
        Always => {
            // Where asking for the head alone fails, the whole is asked for.
            if let Some(rest) = fault.endpoint.strip_prefix("HEAD ") {
                proxy.inject_lasting(InjectedFault {
                    endpoint: format!("GET {rest}"),
                    ..fault.clone()
                });
            }
            proxy.inject_lasting(fault);
        }
    }
}

/// An engine has few uploads at a time for all of its clients: where they fail again and again, the others wait.
pub(crate) static UPLOADS: RwLock<()> = RwLock::new(());

const ENGINE_LOG: &str = "look at the log of the Docker engine at `unix://";
const START_ENGINE: &str = "start the Docker engine";
const SEE_REGISTRY: &str = "see that the registry `127.0.0.1:";

#[rstest]
#[case::ping_refused(
    Engine("GET /_ping"),
    answer(500),
    Always,
    Fails(9, "unreachable", "500", ENGINE_LOG)
)]
#[case::ping_cut(
    Engine("GET /_ping"),
    FaultEffect::CutAnswer(20),
    Always,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::ping_drips(
    Engine("GET /_ping"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 1 s", START_ENGINE)
)]
#[case::list_refused(
    Engine("GET /containers/json"),
    answer(500),
    Always,
    Fails(9, "unreachable", "list the running containers", ENGINE_LOG)
)]
#[case::list_lost(
    Engine("GET /containers/json"),
    FaultEffect::DropRequest,
    Always,
    Fails(9, "unreachable", "list the running containers", START_ENGINE)
)]
#[case::list_cut(
    Engine("GET /containers/json"),
    FaultEffect::CutAnswer(400),
    Always,
    Fails(9, "unreachable", "list the running containers", START_ENGINE)
)]
#[case::list_drips(
    Engine("GET /containers/json"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 1 s", START_ENGINE)
)]
#[case::version_refused(
    Engine("GET /version"),
    answer(503),
    Always,
    Fails(9, "unreachable", "the engine's version", ENGINE_LOG)
)]
#[case::version_drips(
    Engine("GET /version"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 1 s", START_ENGINE)
)]
#[case::image_refused(
    Engine("GET /images/"),
    answer(500),
    Always,
    Fails(9, "unreachable", "look at image", ENGINE_LOG)
)]
#[case::image_drips(
    Engine("GET /images/"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 1 s", START_ENGINE)
)]
#[case::pull_refused(
    Engine("POST /images/create"),
    answer(500),
    Once,
    Fails(6, "image", "pull image", ENGINE_LOG)
)]
#[case::pull_cut(
    Engine("POST /images/create"),
    FaultEffect::CutAnswer(150),
    Once,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::build_refused(
    Engine("POST /build"),
    answer(500),
    Once,
    Fails(6, "image", "500", ENGINE_LOG)
)]
#[case::build_cut(
    Engine("POST /build"),
    FaultEffect::CutAnswer(400),
    Once,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::session_refused(Engine("POST /session"), answer(500), Once, Succeeds)]
#[case::session_cut(
    Engine("POST /session"),
    FaultEffect::CutAnswer(10),
    Once,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::session_drips(
    Engine("POST /session"),
    DRIP,
    Once,
    Fails(9, "unreachable", "no answer within 1 s", START_ENGINE)
)]
#[case::context_cut(
    Engine("POST /session"),
    FaultEffect::CutRequest(300),
    Once,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::build_lost(
    Engine("POST /build"),
    FaultEffect::DropAnswer,
    Once,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::build_drips(
    Engine("POST /build"),
    DRIP,
    Once,
    Fails(6, "image", "not finished within 8 s", "ARTIFACTCTL_LIMITS")
)]
#[case::push_refused(
    Engine("POST /images/127"),
    answer(500),
    Once,
    Fails(6, "image", "push image", ENGINE_LOG)
)]
#[case::push_cut(
    Engine("POST /images/127"),
    FaultEffect::CutAnswer(300),
    Once,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::push_lost(
    Engine("POST /images/127"),
    FaultEffect::DropAnswer,
    Once,
    Fails(9, "unreachable", "broke", ENGINE_LOG)
)]
#[case::push_drips(
    Engine("POST /images/127"),
    DRIP,
    Once,
    Fails(9, "unreachable", "no answer within 6 s", SEE_REGISTRY)
)]
fn of_the_engine(
    #[case] at: At,
    #[case] effect: FaultEffect,
    #[case] often: Often,
    #[case] outcome: Outcome,
) {
    check(BY_ENGINE, at, effect, often, outcome);
}

#[rstest]
#[case::look_up_refused_once(Registry("HEAD /*/manifests/"), answer(500), Once, Succeeds)]
#[case::look_up_refused(
    Registry("HEAD /*/manifests/"),
    answer(500),
    Always,
    Fails(9, "unreachable", "ask the registry", SEE_REGISTRY)
)]
#[case::look_up_cut(
    Registry("HEAD /*/manifests/"),
    FaultEffect::CutAnswer(30),
    Always,
    Fails(9, "unreachable", "ask the registry", SEE_REGISTRY)
)]
#[case::look_up_lost(
    Registry("HEAD /*/manifests/"),
    FaultEffect::DropRequest,
    Always,
    Fails(9, "unreachable", "ask the registry", SEE_REGISTRY)
)]
#[case::look_up_drips(
    Registry("HEAD /*/manifests/"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 1 s", SEE_REGISTRY)
)]
#[case::upload_cut_once(
    Registry("PATCH /*/blobs/uploads/"),
    FaultEffect::CutRequest(10),
    Once,
    Succeeds
)]
#[case::upload_refused(
    Registry("PATCH /*/blobs/uploads/"),
    answer(500),
    Always,
    Fails(9, "unreachable", "not finished within 12 s", SEE_REGISTRY)
)]
#[case::full(
    Registry("PUT /*/manifests/key1-"),
    answer(507),
    Always,
    Fails(6, "image", "507", "free space where the registry")
)]
#[case::upload_drips(
    Registry("PATCH /*/blobs/uploads/"),
    DRIP,
    Always,
    Fails(9, "unreachable", "push image", SEE_REGISTRY)
)]
#[case::manifest_of_the_engine_refused(
    Registry("PUT /*/manifests/key1-"),
    answer(500),
    Always,
    Fails(9, "unreachable", "500", SEE_REGISTRY)
)]
#[case::tag_read_refused_once(Registry("GET /*/manifests/"), answer(503), Once, Succeeds)]
#[case::tag_written_refused_once(Registry("PUT /*/manifests/1"), answer(503), Once, Succeeds)]
#[case::tag_written_refused(
    Registry("PUT /*/manifests/1"),
    answer(503),
    Always,
    Fails(9, "unreachable", "503", SEE_REGISTRY)
)]
#[case::tag_written_lost(
    Registry("PUT /*/manifests/1"),
    FaultEffect::DropAnswer,
    Once,
    Succeeds
)]
#[case::tag_written_drips(
    Registry("PUT /*/manifests/1"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 1 s", SEE_REGISTRY)
)]
fn of_the_registry(
    #[case] at: At,
    #[case] effect: FaultEffect,
    #[case] often: Often,
    #[case] outcome: Outcome,
) {
    check(BY_ENGINE, at, effect, often, outcome);
}

fn check(builder: [&'static str; 2], at: At, effect: FaultEffect, often: Often, outcome: Outcome) {
    let (mut _alone, mut _beside) = (None, None);
    if let (Registry("PATCH /*/blobs/uploads/"), Always) = (at, often) {
        _alone = Some(UPLOADS.write().unwrap_or_else(PoisonError::into_inner));
    } else {
        _beside = Some(UPLOADS.read().unwrap_or_else(PoisonError::into_inner));
    }
    let scene = Scene::new(builder);
    let limit = limit(at, &effect);
    strike(&scene, at, effect, often);
    let Fails(code, kind, words, hint) = outcome else {
        scene.succeeds();
        return;
    };
    let ran = scene.deploy(limit).ended(code);
    assert!(ran.took < AT_MOST, "{:?}", ran.took);
    assert_eq!(scene.rig.published(), BTreeMap::new());
    let failed = scene.rig.latest().payload("Failed");
    assert_eq!(failed["kind"], kind, "{failed}");
    assert!(said_of(&failed).contains(words), "{failed}");
    assert!(hints_of(&failed).contains(hint), "{failed}");
    assert_eq!(failed["retryable"], true, "{failed}");
    let shown = scene.rig.run(&["show", "latest"]).ended(0).stdout;
    for part in said_of(&failed).lines() {
        assert!(shown.contains(part), "`{part}` in {shown}");
    }

    scene.rig.proxy.mend();
    scene.registry.mend();
    let done = scene.succeeds();
    assert_eq!(done.payload("Resumed")["last_failure"], kind);
}
