//! A process that may have little: open files, threads, memory.
//!
//! It says which limit is too low and how low it is, before it touches anything. It never panics, hangs, is killed by an allocation,
//! or calls a journal damaged. With as much as is asked for, every command works.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rstest::rstest;

use crate::refusal::{Bench, Said, contents, program, run};

/// A user who is nobody else here, and the first of some: the limit of threads does not bind root, and counts all of a user.
const USER: u32 = 61_234;

/// Runs `prlimit` with a flag before each of a deploy, a status and a history, as root or as another user.
fn commands(bench: &Bench, flag: &str, user: Option<u32>) -> [Said; 3] {
    let words: [&[&str]; 3] = [
        &[
            "deploy",
            "--artifact",
            "artifact/artifact.yml",
            "--out",
            "out",
        ],
        &["status"],
        &["history"],
    ];
    words.map(|words| {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "60"]);
        if let Some(user) = user {
            let user = user.to_string();
            command.args([
                "setpriv",
                "--reuid",
                &user,
                "--regid",
                &user,
                "--clear-groups",
            ]);
        }
        command.args(["prlimit", flag, "--"]);
        match user {
            Some(_) => command.arg(bench.path("artifactctl")),
            None => command.arg(program()),
        };
        bench.prepare(command.args(words));
        run(&mut command)
    })
}

/// A bench whose journal has a deploy, for a user.
fn bench(user: Option<u32>) -> Bench {
    let bench = Bench::new();
    if let Some(user) = user {
        fs::set_permissions(bench.path(""), PermissionsExt::from_mode(0o755)).unwrap();
        fs::copy(program(), bench.path("artifactctl")).unwrap();
        fs::create_dir(bench.journal()).unwrap();
        for path in [bench.journal(), bench.out()] {
            chown(path, Some(user), Some(user)).unwrap();
        }
    }
    let [deploy, ..] = commands(&bench, "--nofile=1024", user);
    assert_eq!(deploy.code, Some(9), "{deploy:?}");
    bench
}

#[rstest]
#[case::files("--nofile=4", None, "may have 4 files open", "`ulimit -n`")]
#[case::more_files("--nofile=18", None, "may have 18 files open", "`ulimit -n`")]
#[case::nearly_enough_files("--nofile=63", None, "may have 63 files open", "`ulimit -n`")]
#[case::one_thread(
    "--nproc=1",
    Some(USER),
    "could start 0 threads",
    "1 processes and threads of this user (`ulimit -u`)"
)]
#[case::some_threads("--nproc=9", Some(USER + 1), "could start 8 threads", "`ulimit -u`")]
#[case::memory("--as=209715200", None, "limited to 204800 KiB", "`ulimit -v`")]
#[case::nearly_enough_memory("--as=4294967295", None, "limited to 4194303 KiB", "`ulimit -v`")]
fn a_process_that_may_have_too_little_says_which_limit_and_touches_nothing(
    #[case] flag: &str,
    #[case] user: Option<u32>,
    #[case] words: &str,
    #[case] limit: &str,
) {
    let bench = bench(user);
    let before = contents(&bench.journal());
    for said in commands(&bench, flag, user) {
        assert_eq!(said.code, Some(9), "{said:?}");
        assert_eq!(said.stdout, "");
        for words in [words, limit, "hint: raise the limit"] {
            assert!(said.stderr.contains(words), "`{words}`: {said:?}");
        }
    }
    assert!(contents(&bench.journal()) == before);
}

#[rstest]
#[case::files("--nofile=64", None)]
#[case::threads("--nproc=17", Some(USER + 2))]
#[case::memory("--as=4294967296", None)]
fn as_much_as_is_asked_for_is_enough(#[case] flag: &str, #[case] user: Option<u32>) {
    let bench = bench(user);
    let [deploy, status, history] = commands(&bench, flag, user);
    assert_eq!(deploy.code, Some(9), "{deploy:?}");
    assert!(
        deploy.stderr.contains("cannot reach the Docker engine"),
        "{deploy:?}"
    );
    for said in [status, history] {
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains("esb-dev"), "{said:?}");
    }
}

/// The engine takes the question and does not answer, while the deploy has read its secrets.
#[test]
fn a_process_that_may_hold_secrets_leaves_no_core() {
    let bench = Bench::new();
    let socket = bench.path("silent.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    let mut command = Command::new("prlimit");
    command.args(["--core=unlimited", "--"]).arg(program());
    command.args([
        "deploy",
        "--artifact",
        "artifact/artifact.yml",
        "--out",
        "out",
    ]);
    bench.prepare(&mut command);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let mut deploy = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _asked = engine.accept().unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", deploy.id()));
    let pid = rustix::process::Pid::from_child(&deploy);
    rustix::process::kill_process(pid, rustix::process::Signal::ABORT).unwrap();
    let status = deploy.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status:?}");
    assert!(!status.core_dumped());
    let limits = limits.unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
}
