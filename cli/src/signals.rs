//! Ctrl-C, SIGTERM and a terminal that is gone (SIGHUP): the first asks to stop after the step at hand, the second to stop now.

use engine::run::Interrupts;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::failure::{Failure, Kind};

/// Listens from now on. Must be called within the runtime.
pub(crate) fn listen() -> Result<Interrupts, Failure> {
    let hear = |kind| signal(kind).map_err(|error| Failure::of(Kind::Internal, &error));
    let (mut interrupt, mut terminate) = (
        hear(SignalKind::interrupt())?,
        hear(SignalKind::terminate())?,
    );
    // Whoever started it with `nohup` wants it to go on without its terminal.
    let ignored =
        std::fs::read_to_string("/proc/self/status").is_ok_and(|said| ignores_hangup(&said));
    let mut hangup = (!ignored).then(|| hear(SignalKind::hangup())).transpose()?;
    let (first, heard_first) = oneshot::channel();
    let (second, heard_second) = oneshot::channel();
    tokio::spawn(async move {
        for asked in [first, second] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = heard(hangup.as_mut()) => {}
            }
            // Nobody waits any more when the run has ended.
            let _ = asked.send(());
        }
    });
    Ok(Interrupts::new(
        Box::pin(told(heard_first)),
        Box::pin(told(heard_second)),
    ))
}

/// Ready when the signal came; one that is not listened for never comes.
async fn heard(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether a process whose `/proc/PID/status` this is was started with SIGHUP ignored: the lowest bit of `SigIgn`.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Ready when told; a sender that is gone tells nothing.
async fn told(heard: oneshot::Receiver<()>) {
    if heard.await.is_err() {
        std::future::pending::<()>().await;
    }
}
