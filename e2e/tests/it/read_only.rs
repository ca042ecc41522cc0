//! The artifact root is only ever read, and `runtime-base` not even that.
//!
//! On a mount where nothing can be written a write would fail; the system calls of a whole deploy, builds included, show
//! what was opened.

use std::fs;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::refusal::{Bench, Mount, contents, program, run, shared_stack};

const ROOTS: [&str; 2] = ["artifact/svc-a", "artifact/svc-b"];

/// Puts a `runtime-base` into each artifact root: with what a build would take, and a FIFO, at which a reader would hang.
fn add_runtime_base(bench: &Bench) {
    for root in ROOTS {
        let folder = format!("{root}/runtime-base/functions/orders-list");
        fs::create_dir_all(bench.path(&folder)).unwrap();
        bench.write(&format!("{folder}/Dockerfile"), "FROM nowhere\n");
        let fifo = bench.path(&format!("{root}/runtime-base/functions.yml"));
        mknodat(CWD, fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }
}

/// What one line of the trace opened: the path, as it was given and below which folder, and the flags.
#[derive(Debug)]
struct Opened {
    path: String,
    flags: String,
}

/// Reads lines such as `12 openat(3</folder>, "name", O_RDONLY|O_CLOEXEC) = 4</folder/name>`.
fn opened(trace: &str) -> Vec<Opened> {
    let call = |line: &str| {
        let (_, call) = line.split_once("open")?;
        let (_, given) = call.split_once('"')?;
        let (given, rest) = given.split_once('"')?;
        let folder = call
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'));
        let path = match folder {
            Some((folder, _)) if !given.starts_with('/') => format!("{folder}/{given}"),
            Some(_) | None => given.to_owned(),
        };
        // Both the path that was asked for and the one that came of it.
        Some(Opened {
            path: format!(
                "{path} {}",
                rest.rsplit_once("= ").map_or("", |(_, got)| got)
            ),
            flags: rest.to_owned(),
        })
    };
    trace.lines().filter_map(call).collect()
}

#[test]
fn an_artifact_that_cannot_be_written_is_deployed() {
    let stack = shared_stack();
    let bench = Bench::with_images_of("read-only");
    add_runtime_base(&bench);
    let before = contents(&bench.path("artifact"));
    let mount = Mount::read_only(&bench.path("artifact"));
    fs::write(bench.path("artifact/probe"), "").expect_err("the mount is read-only");
    let said = run(bench.deploy_onto(stack).arg("--no-cache"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr.matches("built: ").count(), 4, "{}", said.stderr);
    assert!(bench.out().join("routing.yml").is_file());
    drop(mount);
    assert_eq!(contents(&bench.path("artifact")), before);
}

#[test]
fn runtime_base_is_never_opened_and_nothing_below_a_root_is_opened_for_writing() {
    let stack = shared_stack();
    let bench = Bench::with_images_of("traced");
    add_runtime_base(&bench);
    let plain = bench.deploy_onto(stack);
    let strace = e2e::packages::strace().unwrap();
    let trace = bench.path("trace");
    let mut traced = Command::new(strace);
    traced
        .args([
            "-f",
            "-y",
            "-s",
            "4096",
            "-e",
            "trace=open,openat,openat2,creat",
            "-o",
        ])
        .arg(&trace)
        .arg(program());
    bench.prepare(&mut traced);
    traced
        .args(plain.get_args())
        .arg("--no-cache")
        .envs(stack.deploy_env());
    let said = run(&mut traced);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr.matches("built: ").count(), 4, "{}", said.stderr);

    let calls = opened(&fs::read_to_string(&trace).unwrap());
    let artifact = bench.path("artifact").display().to_string();
    let below: Vec<_> = calls
        .iter()
        .filter(|call| call.path.contains(&artifact))
        .collect();
    // The trace sees what it should: the manifest, a configuration file, a Dockerfile and a build input.
    for name in ["artifact.yml", "routing.yml", "Dockerfile", "handler"] {
        let seen = below.iter().any(|call| call.path.contains(name));
        assert!(seen, "`{name}` is not in the trace: {calls:#?}");
    }
    for call in &calls {
        assert!(!call.path.contains("runtime-base"), "{call:?}");
    }
    for call in below {
        for flag in ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"] {
            assert!(!call.flags.contains(flag), "{call:?}");
        }
    }
}
