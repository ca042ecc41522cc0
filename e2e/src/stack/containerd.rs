//! Functions as containers of a containerd of the stack's own.
//!
//! Here: a containerd with root, state and socket inside of this container, and `ctr` as its client: pulling, running,
//! removing. Not here: when (`agent`), which programs the image holds (`e2e::images`).
//!
//! Functions share the network of this container, so that they reach the services of the stack by name as they do on the
//! Docker engine; each gets a port of its own. Everything lives in this container's process and mount namespaces, and its
//! control groups lie below its own: it cannot be survived by anything.

use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount_remount};
use tokio::process::{Child, Command};

use crate::ServiceError;
use crate::agent::{Containers, LABEL_FUNCTION, Plan, StartError};
use crate::runtime::PORT_VARIABLE;

const CONTAINERD: &str = "/bin/containerd";
const CTR: &str = "/bin/ctr";
const NAMESPACE: &str = "functions";
const MOUNTS: &str = "/proc/self/mountinfo";
/// The log of this container: what functions write comes to stand beside what the services write.
const LOG: &str = "file:///proc/1/fd/1";

const UP_LIMIT: Duration = Duration::from_secs(20);
const UP_PAUSE: Duration = Duration::from_millis(20);
const CTR_LIMIT: Duration = Duration::from_secs(60);

/// Ports of functions: below those that Linux gives to outgoing connections.
const FIRST_PORT: u16 = 9000;
const LAST_PORT: u16 = 29_999;

/// Why containerd did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CtrError {
    #[error("cannot {what}")]
    System {
        what: &'static str,
        source: std::io::Error,
    },
    #[error("`ctr {command}` ended with {status}: {output}")]
    Failed {
        command: String,
        status: ExitStatus,
        output: String,
    },
    #[error("`ctr {command}` has not ended within {} s", CTR_LIMIT.as_secs())]
    Hangs { command: String },
    #[error("containerd did not come up within {} s", UP_LIMIT.as_secs())]
    NotUp {
        #[source]
        last: Box<CtrError>,
    },
}

/// A running containerd. It ends with this value, and with this container at the latest.
pub(crate) struct Node {
    _containerd: Child,
    next_port: AtomicU16,
}

impl Node {
    /// Starts containerd and waits until it answers.
    pub(crate) async fn start() -> Result<Self, ServiceError> {
        open_control_groups().map_err(system("make the control groups writable"))?;
        let containerd = Command::new(CONTAINERD)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(system("start containerd"))?;
        let node = Self {
            _containerd: containerd,
            next_port: AtomicU16::new(FIRST_PORT),
        };
        let deadline = Instant::now() + UP_LIMIT;
        while let Err(last) = ctr(&["version"]).await {
            if Instant::now() >= deadline {
                let last = Box::new(last);
                return Err(CtrError::NotUp { last }.into());
            }
            tokio::time::sleep(UP_PAUSE).await;
        }
        Ok(node)
    }

    /// A port that no running function has, for as long as fewer run than there are ports.
    fn port(&self) -> u16 {
        let next = |port| {
            Some(if port == LAST_PORT {
                FIRST_PORT
            } else {
                port + 1
            })
        };
        self.next_port
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .unwrap_or(FIRST_PORT)
    }
}

impl Containers for Node {
    async fn start(&self, function: &str, plan: &Plan) -> Result<String, StartError> {
        ctr(&["images", "pull", "--plain-http", &plan.image]).await?;
        remove(&of_function(function)).await?;
        let port = self.port();
        let label = format!("{LABEL_FUNCTION}={function}");
        let mut run = vec!["run", "--detach", "--net-host", "--log-uri", LOG];
        run.extend(["--label", &label]);
        let mut environment: Vec<_> = plan
            .environment
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        environment.push(format!("{PORT_VARIABLE}={port}"));
        run.extend(environment.iter().flat_map(|pair| ["--env", pair]));
        // Names of functions may be longer than those of containers.
        let id = format!("fn-{port}");
        run.extend([plan.image.as_str(), &id]);
        ctr(&run).await?;
        Ok(format!("127.0.0.1:{port}"))
    }

    async fn remove_all(&self) -> Result<(), StartError> {
        Ok(remove(&format!("labels.\"{LABEL_FUNCTION}\"")).await?)
    }
}

fn of_function(function: &str) -> String {
    format!("labels.\"{LABEL_FUNCTION}\"=={function:?}")
}

/// Removes the containers that a filter of containerd names, with their tasks and snapshots.
async fn remove(filter: &str) -> Result<(), CtrError> {
    for id in ctr(&["containers", "ls", "--quiet", filter]).await?.lines() {
        // A container whose process has ended before a restart of containerd has no task.
        if ctr(&["tasks", "ls"])
            .await?
            .lines()
            .any(|line| line.split_whitespace().next() == Some(id))
        {
            ctr(&["tasks", "rm", "--force", id]).await?;
        }
        ctr(&["containers", "rm", id]).await?;
    }
    Ok(())
}

/// Runs `ctr` to its end and gives what it wrote. An error never holds values of the environment.
async fn ctr(arguments: &[&str]) -> Result<String, CtrError> {
    let words = arguments.iter().take_while(|word| !word.starts_with('-'));
    let command = words.copied().collect::<Vec<_>>().join(" ");
    let running = Command::new(CTR)
        .args(["--namespace", NAMESPACE])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(CTR_LIMIT, running).await {
        Ok(output) => output.map_err(system("run `ctr`"))?,
        Err(_) => return Err(CtrError::Hangs { command }),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(CtrError::Failed {
        command,
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> CtrError {
    move |source| CtrError::System { what, source }
}

/// Makes the control groups of this container writable: a container without all privileges sees its own read-only, and
/// runc makes those of functions below them.
fn open_control_groups() -> std::io::Result<()> {
    let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    for place in control_groups(&std::fs::read_to_string(MOUNTS)?) {
        mount_remount(place, flags, "")?;
    }
    Ok(())
}

/// Where control groups are mounted: one place for each controller in version 1, a single one in version 2.
fn control_groups(mounts: &str) -> impl Iterator<Item = &str> {
    mounts.lines().filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let kind = file_system.split(' ').next()?;
        matches!(kind, "cgroup" | "cgroup2").then(|| mount.split(' ').nth(4))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_of_both_versions_are_found_and_nothing_else_is() {
        let mounts = "167 166 0:79 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755\n\
            168 167 0:29 /docker/1 /sys/fs/cgroup/cpu ro,nosuid master:9 - cgroup cgroup rw,cpu\n\
            176 167 0:38 / /sys/fs/cgroup/unified ro,nosuid - cgroup2 cgroup rw\n\
            177 166 0:39 / /dev/mqueue rw - mqueue mqueue rw\n";
        let found: Vec<_> = control_groups(mounts).collect();
        assert_eq!(found, ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"]);
    }

    #[test]
    fn a_function_is_found_by_its_name_as_a_quoted_word() {
        assert_eq!(of_function("a.b"), r#"labels."com.esb.function"=="a.b""#);
    }
}
