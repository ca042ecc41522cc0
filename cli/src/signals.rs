//! Ctrl-C, SIGTERM and a terminal that is gone (SIGHUP): the first asks to stop after the step at hand, the second to stop now.

use engine::run::Interrupts;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::failure::{Failure, Kind};

/// Listens from now on. Must be called within the runtime.
pub(crate) fn listen() -> Result<Interrupts, Failure> {
    let hear = |kind| signal(kind).map_err(|error| Failure::of(Kind::Internal, &error));
    let (mut interrupt, mut terminate, mut hangup) = (
        hear(SignalKind::interrupt())?,
        hear(SignalKind::terminate())?,
        hear(SignalKind::hangup())?,
    );
    let (first, heard_first) = oneshot::channel();
    let (second, heard_second) = oneshot::channel();
    tokio::spawn(async move {
        for asked in [first, second] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
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

/// Ready when told; a sender that is gone tells nothing.
async fn told(heard: oneshot::Receiver<()>) {
    if heard.await.is_err() {
        std::future::pending::<()>().await;
    }
}
