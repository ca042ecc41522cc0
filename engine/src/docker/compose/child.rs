//! A command with its outputs, in a process group of its own.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::output::Output;
use crate::docker::redact::Line;

/// How often output is looked for.
const OUTPUT_INTERVAL: Duration = Duration::from_millis(50);

/// Runs a command to its end. Each of its outputs is read for itself, so that neither stands in the middle of a line of the other.
///
/// A Ctrl-C on the terminal does not reach the command: whether it goes on is for the deploy to say. When this is dropped before
/// its end, the command and what it has started end too.
pub(super) async fn watch(
    mut command: Command,
    mut line: impl FnMut(Line),
) -> io::Result<ExitStatus> {
    let mut outputs = [Output::new()?, Output::new()?];
    command
        .stdin(Stdio::null())
        .stdout(outputs[0].writer()?)
        .stderr(outputs[1].writer()?);
    let mut group = Group::spawn(&mut command)?;
    loop {
        let ended = timeout(OUTPUT_INTERVAL, group.child.wait()).await;
        for output in &mut outputs {
            output.read(&mut line)?;
        }
        if let Ok(status) = ended {
            group.ended = true;
            for output in &mut outputs {
                output.end(&mut line);
            }
            return status;
        }
    }
}

/// A child and whatever it starts, as far as that stays in its process group.
struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let ended = false;
        Ok(Self { child, ended })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A child that was not waited for keeps its number, so that nobody else can have it.
        let number = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let (false, Some(pid)) = (self.ended, number.and_then(Pid::from_raw)) {
            kill_process_group(pid, Signal::KILL).ok();
        }
    }
}
