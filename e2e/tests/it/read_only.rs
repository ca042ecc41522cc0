//! The artifact root is only ever read, and `runtime-base` not even that.
//!
//! On a mount where nothing can be written a write would fail; the system calls of a whole deploy, builds included, show
//! what was opened, and that nothing was changed or locked, not even in vain.

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

/// Takes the id of an entry out of the manifest, which who writes ids would put back; and has a build take the whole root, which
/// `runtime-base` stands in.
fn tempt(bench: &Bench) {
    bench.edit(
        "artifact/artifact.yml",
        "  - id: stock-33745b03\n    artifact_root",
        "  - artifact_root",
    );
    let dockerfile = "artifact/svc-a/functions/orders-place/Dockerfile";
    let copy = "COPY functions/orders-place/src/ /var/task/\n";
    bench.edit(dockerfile, copy, &format!("{copy}COPY . /whole/\n"));
}

/// Calls that open a file.
const OPENS: [&str; 4] = ["open", "openat", "openat2", "creat"];

/// Calls that change or lock a file or a folder without opening it for that.
#[rustfmt::skip] // a list
const CHANGES: [&str; 40] = [
    "mkdir", "mkdirat", "mknod", "mknodat", "rmdir", "unlink", "unlinkat",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
    "utime", "utimes", "utimensat", "futimesat", "truncate", "ftruncate", "fallocate",
    "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    "mount", "umount2", "flock", "fcntl", "fcntl64",
];

/// A system call as the trace has it, such as `12 openat(3</folder>, "name", O_RDONLY|O_CLOEXEC) = 4</folder/name>`.
#[derive(Debug)]
struct Call<'a> {
    name: &'a str,
    text: &'a str,
}

fn calls(trace: &str) -> impl Iterator<Item = Call<'_>> {
    trace.lines().filter_map(|line| {
        let (_, text) = line.split_once(' ')?;
        let (name, _) = text.trim_start().split_once('(')?;
        Some(Call { name, text })
    })
}

impl Call<'_> {
    /// The path that was asked for and the one that came of it; nothing of a call that opens no file.
    fn opened(&self) -> Option<String> {
        let (before, rest) = self.text.split_once('"')?;
        let (given, rest) = rest.split_once('"')?;
        let folder = before
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'));
        let got = rest.rsplit_once("= ").map_or("", |(_, got)| got);
        let path = match folder {
            Some((folder, _)) if !given.starts_with('/') => format!("{folder}/{given} {got}"),
            Some(_) | None => format!("{given} {got}"),
        };
        Some(path).filter(|_| OPENS.contains(&self.name))
    }

    /// It opens something for more than reading, or it changes or locks something.
    fn changes(&self) -> bool {
        let named = |words: &[&str]| words.iter().any(|word| self.text.contains(word));
        match self.name {
            "creat" => true,
            "fcntl" | "fcntl64" => named(&["F_SETLK", "F_OFD_SETLK", "F_SETLEASE"]),
            name if OPENS.contains(&name) => {
                named(&["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"])
            }
            name => CHANGES.contains(&name),
        }
    }
}

/// How many images a deploy says that it made, by a builder or without one.
fn made(said: &str) -> usize {
    let lines = said.lines().map(str::trim_start);
    let made = |line: &&str| line.starts_with("built: ") || line.starts_with("assembled: ");
    lines.filter(made).count()
}

#[test]
fn an_artifact_that_cannot_be_written_is_deployed() {
    let stack = shared_stack();
    let bench = Bench::with_images_of("read-only");
    add_runtime_base(&bench);
    tempt(&bench);
    let before = contents(&bench.path("artifact"));
    let mount = Mount::read_only(&bench.path("artifact"));
    fs::write(bench.path("artifact/probe"), "").expect_err("the mount is read-only");
    let said = run(bench.deploy_onto(stack).arg("--no-cache"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(made(&said.stderr), 4, "{}", said.stderr);
    assert!(bench.out().join("routing.yml").is_file());
    drop(mount);
    assert_eq!(contents(&bench.path("artifact")), before);
}

#[test]
fn runtime_base_is_never_opened_and_nothing_below_a_root_is_changed_or_locked() {
    let stack = shared_stack();
    let bench = Bench::with_images_of("traced");
    add_runtime_base(&bench);
    tempt(&bench);
    let plain = bench.deploy_onto(stack);
    let strace = e2e::packages::strace().unwrap();
    let trace = bench.path("trace");
    // A call that this processor does not have is none to be seen.
    let traced_calls = OPENS.iter().chain(&CHANGES).map(|name| format!("?{name}"));
    let traced_calls = traced_calls.collect::<Vec<_>>().join(",");
    let mut traced = Command::new(strace);
    traced
        .args(["-f", "-y", "-s", "4096", "-e"])
        .arg(format!("trace={traced_calls}"))
        .arg("-o")
        .arg(&trace)
        .arg(program());
    bench.prepare(&mut traced);
    traced
        .args(plain.get_args())
        .arg("--no-cache")
        .envs(stack.deploy_env());
    let said = run(&mut traced);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(made(&said.stderr), 4, "{}", said.stderr);

    let trace = fs::read_to_string(&trace).unwrap();
    let opened: Vec<_> = calls(&trace).filter_map(|call| call.opened()).collect();
    let artifact = bench.path("artifact").display().to_string();
    // The trace sees what it should: the manifest, a configuration file, a Dockerfile and a build input; and, elsewhere, changes.
    for name in ["artifact.yml", "routing.yml", "Dockerfile", "handler"] {
        let seen = |path: &String| path.contains(&artifact) && path.contains(name);
        assert!(opened.iter().any(seen), "`{name}` is not in: {opened:#?}");
    }
    for name in ["flock", "rename", "fchmod"] {
        let seen = calls(&trace).any(|call| call.name == name && call.changes());
        assert!(seen, "`{name}` is not in the trace");
    }
    for path in &opened {
        assert!(!path.contains("runtime-base"), "{path}");
    }
    // A path may be relative to the folder of the bench, too.
    let below = [artifact.as_str(), "\"artifact"];
    for call in calls(&trace).filter(Call::changes) {
        let is_below = below.iter().any(|place| call.text.contains(place));
        assert!(!is_below, "{call:?}");
    }
}
