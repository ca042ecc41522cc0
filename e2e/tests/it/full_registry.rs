//! A registry whose disk is full, for real: one of the test's own, on a file system in memory.
//!
//! Not here: what becomes of other answers of a registry (`faults`), other disks (`disk`, `failing_disk`).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::PoisonError;

use e2e::command;
use e2e::engine::LABEL_RUN;
use rstest::rstest;

use crate::disk::fill;
use crate::faults::UPLOADS;
use crate::process::{Ran, eventually, hints_of, images, run, said_of};
use crate::refusal::Mount;
use crate::rig::Rig;

/// KiB of the registry's disk: the lambda base and some functions.
const DISK: u32 = 96 * 1024;
/// Bytes of a function that cannot be compressed.
const PAYLOAD: usize = 2 << 20;

/// A registry with the lambda base in it, and a function to push there. The engine's watchdog removes the container when this
/// process ends before it.
struct Small {
    rig: Rig<'static>,
    container: String,
    port: u16,
    _disk: Mount,
    data: PathBuf,
}

impl Small {
    fn start() -> Self {
        let rig = Rig::new(&["alpha"]);
        rig.payload.dockerfile(
            "alpha",
            "FROM esb-lambda-base:latest\nCOPY functions/alpha/ /var/task/\n",
        );
        let noise: String = (0..PAYLOAD).map(|_| fastrand::alphanumeric()).collect();
        rig.payload.put("svc/functions/alpha/noise", &noise);
        let data = rig.folder().join("registry");
        std::fs::create_dir(&data).unwrap();
        let disk = Mount::memory(&data, DISK);
        let (stack, engine) = (rig.stack, rig.stack.engine());
        let docker = |words: &[&str]| command::run(engine.docker().args(words)).unwrap();
        let label = format!("{LABEL_RUN}={}", engine.run_id());
        let volume = format!("{}:/data", data.display());
        let image = format!("{}/esb-registry:local", stack.project());
        let mut start = vec!["run", "--detach", "--label", &label, "--volume", &volume];
        start.extend(["--publish", "127.0.0.1::5000", &image]);
        let container = docker(&start).trim().to_owned();
        let published = docker(&["port", &container, "5000/tcp"]);
        let (_, port) = published.trim().rsplit_once(':').unwrap();
        let port = port.parse().unwrap();
        let answers = || e2e::http::call(port, "GET", "/v2/", "").is_ok_and(|it| it.status == 200);
        eventually("the registry answers", answers);
        let base = stack.host_image("esb-lambda-base", "1.4.2");
        let here = format!("127.0.0.1:{port}/esb-lambda-base:1.4.2");
        docker(&["tag", &base, &here]);
        docker(&["push", "--quiet", &here]);
        Self {
            rig,
            container,
            port,
            _disk: disk,
            data,
        }
    }

    fn deploy(&self, builder: &str) -> Ran {
        let mut deploy = self.rig.request("deploy", &["--builder", builder]);
        let registry = format!("127.0.0.1:{}", self.port);
        deploy.env("HOST_REGISTRY_ADDR", registry);
        // The engine tries an upload for most of a minute before it gives it up.
        run(deploy.env("ARTIFACTCTL_LIMITS", "transfer=20s"))
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let name = format!("{}/alpha", self.rig.payload.repository());
        e2e::registry::tags(self.port, &name).unwrap()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let mut remove = self.rig.stack.engine().docker();
        let removed = command::run(remove.args(["rm", "--force", "--volumes", &self.container]));
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

#[rstest]
#[case::from_the_start(0)]
#[case::in_the_middle_of_a_layer(PAYLOAD / 4)]
fn a_registry_whose_disk_is_full_fails_the_deploy_which_goes_on_when_there_is_room(
    #[case] room: usize,
    #[values(("auto", "`127.0.0.1:"), ("engine", "push image `127.0.0.1:"))] made: (&str, &str),
) {
    let (builder, work) = made;
    let _alone = UPLOADS.write().unwrap_or_else(PoisonError::into_inner);
    let small = Small::start();
    let filler = small.data.join("filler");
    let filled = fill(&filler) - room;
    let shorten = |length: usize| {
        let file = File::options().write(true).open(&filler).unwrap();
        file.set_len(length as u64).unwrap();
    };
    shorten(filled);

    let failed = small.deploy(builder).ended(6).payload("Failed");
    assert_eq!(failed["kind"], "image", "{failed}");
    assert_eq!(failed["retryable"], true, "{failed}");
    for words in [work, "no space left on device"] {
        assert!(said_of(&failed).contains(words), "{failed}");
    }
    let hint = format!("free space where the registry `127.0.0.1:{}`", small.port);
    assert!(hints_of(&failed).starts_with(&hint), "{failed}");
    assert_eq!(small.tags(), BTreeMap::new());
    assert_eq!(small.rig.published(), BTreeMap::new());

    shorten(0);
    let done = small.deploy(builder).ended(0);
    assert_eq!(done.payload("Resumed")["last_failure"], "image");
    assert_eq!(done.images(), images(&[("alpha", "built")]));
    let digest = &done.payload("ImageBuilt")["digest"];
    let tags = small.tags();
    assert_eq!(tags.len(), 2, "its tag and its key's: {tags:?}");
    assert!(tags.values().all(|tag| tag == digest), "{tags:?}");
}
