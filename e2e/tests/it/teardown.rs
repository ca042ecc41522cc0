//! What is left when a run has ended, however it ended: nothing.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::command;
use e2e::engine::TestEngine;
use rstest::rstest;
use rustix::process::{Pid, Signal};

const CLEAN_UP_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// A process with a stack that is up.
struct Up {
    process: Child,
    /// The folder of its run.
    folder: PathBuf,
}

impl Up {
    fn start(configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_e2e"));
        command.arg("up").stdout(Stdio::piped());
        configure(&mut command);
        let mut process = command.spawn().unwrap();
        // Printed when everything is up: where the stack is, for whoever deploys onto it. All of it is read, or printing would fail.
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut config = None;
        for line in lines.map_while(Result::ok) {
            if let Some(found) = line.strip_prefix("export STACK_CONFIG=") {
                config = Some(PathBuf::from(found));
            }
            if line.starts_with("export STACK_GATEWAY=") {
                break;
            }
        }
        let config = config.expect("the stack came up");
        let folder = config.ancestors().nth(2).unwrap().to_owned();
        assert!(folder.is_dir(), "{}", folder.display());
        Self { process, folder }
    }

    fn end(&mut self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
        self.process.wait().unwrap();
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + CLEAN_UP_LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(PAUSE);
    }
}

/// Processes that name a folder on their command line, the watchdog among them.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let cmdline = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let cmdline = String::from_utf8_lossy(&cmdline).replace('\0', " ");
        cmdline.contains(&*folder).then_some(cmdline)
    });
    processes.collect()
}

fn interfaces() -> Vec<String> {
    let names = std::fs::read_dir("/sys/class/net").unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.collect()
}

fn bridge_of(docker: &mut Command, project: &str) -> String {
    let network = format!("{project}_default");
    let id = command::run(docker.args(["network", "inspect", "-f", "{{.Id}}", &network]));
    format!("br-{}", &id.unwrap()[..12])
}

/// Without root no engine can be started, and the refusal must say so.
#[rstest]
#[case::interrupted("int", Signal::INT)]
#[case::killed("kill", Signal::KILL)]
fn an_engine_of_our_own_goes_with_its_process(#[case] name: &str, #[case] signal: Signal) {
    if !rustix::process::geteuid().is_root() {
        let refusal = TestEngine::start().unwrap_err().to_string();
        assert!(refusal.contains("needs root"), "{refusal}");
        return;
    }
    let project = format!("{}-{name}", TestEngine::shared().run_id());
    let mut up = Up::start(|command| {
        command.args(["--own-engine", "--project", &project]);
    });
    let host = format!("unix://{}/docker.sock", up.folder.display());
    let docker = || {
        let mut docker = Command::new("docker");
        docker.args(["--host", &host]);
        docker
    };
    // It is in the network namespace of that engine.
    let bridge = bridge_of(&mut docker(), &project);
    assert!(!interfaces().contains(&bridge), "{bridge}");
    assert_ne!(processes_of(&up.folder), [""; 0]);

    up.end(signal);
    eventually("a process stays", || processes_of(&up.folder).is_empty());
    assert!(!up.folder.exists(), "{}", up.folder.display());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&*up.folder.to_string_lossy()), "{mounts}");
}

#[rstest]
#[case::interrupted("found-int", Signal::INT)]
#[case::killed("found-kill", Signal::KILL)]
fn an_engine_that_was_found_keeps_all_but_what_the_run_made(
    #[case] name: &str,
    #[case] signal: Signal,
) {
    let engine = TestEngine::shared();
    let project = format!("{}-{name}", engine.run_id());
    let foreign = format!("{project}-foreign");
    let label = format!("{}={}", e2e::engine::LABEL_RUN, engine.run_id());
    let mut create = engine.docker();
    command::run(create.args(["volume", "create", "--label", &label, &foreign])).unwrap();
    let mut up = Up::start(|command| {
        command.args(["--project", &project]);
        command.env("DOCKER_HOST", engine.docker_host());
    });
    let folder = up.folder.clone();
    let left = || {
        let project = format!("label=com.docker.compose.project={project}");
        let run = folder.file_name().unwrap().to_string_lossy();
        let run = format!("label={}={run}", e2e::engine::LABEL_RUN);
        let lists = [
            vec!["ps", "-aq", "--filter", &project],
            vec!["ps", "-aq", "--filter", &run],
            vec!["network", "ls", "-q", "--filter", &project],
            vec!["volume", "ls", "-q", "--filter", &project],
            vec!["image", "ls", "-q", "--filter", &run],
        ];
        lists.map(|list| {
            command::run(engine.docker().args(list))
                .unwrap()
                .lines()
                .count()
        })
    };
    assert!(left()[0] >= 3, "gateway, agent and registry");
    assert!(left()[4] >= 5, "their images and the lambda base");
    up.end(signal);
    eventually("something stays", || left() == [0; 5]);
    eventually("the folder stays", || !folder.exists());
    let mut inspect = engine.docker();
    command::run(inspect.args(["volume", "inspect", &foreign])).unwrap();
}
