//! A child process that outlives us by as long as cleaning up takes.
//!
//! Here: starting it, ending it, waiting for it. What it does is `watchdog.sh`. Not here: what needs to be cleaned up.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::engine::Origin;

const SCRIPT: &str = include_str!("watchdog.sh");
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// The child and the pipe whose end is its signal. Dropping it ends it and waits.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts it for an engine and the folder of our run; it starts the engine too, unless that was found.
    pub(crate) fn start(
        socket: &Path,
        run: &str,
        folder: &Path,
        origin: &Origin,
    ) -> std::io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "e2e-watchdog"])
            .arg(socket)
            .arg(run)
            .arg(folder)
            .arg(match origin {
                Origin::Found => "found",
                Origin::Started => "start",
            })
            .env("PATH", path_with_administration())
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C in a terminal must reach us, not the engine below us.
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// Lets it go on after us, until somebody ends it with a signal, and gives its process.
    pub(crate) fn keep(mut self) -> std::io::Result<u32> {
        if let Some(pipe) = &mut self.pipe {
            pipe.write_all(b"keep\n")?;
        }
        let process = self.child.id();
        // Its drop would end it and wait.
        std::mem::forget(self);
        Ok(process)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let deadline = Instant::now() + CLEAN_UP_LIMIT;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(PAUSE),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

/// The path with the folders of `dockerd` and `ip`, which a plain user's path leaves out.
pub(crate) fn path_with_administration() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}
