//! The owner's side of the socket: a thread that accepts, and one for each question. Every connection is bounded in time and size.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net;

use crate::access::protocol::{self, Timed};
use crate::store::EventLog;

/// How long one connection may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How many connections are answered at a time; a further one is closed, and its reader asks again.
const CONNECTIONS_MAX: usize = 16;

/// Answers readers until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    open: Mutex<BTreeMap<u64, UnixStream>>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, UnixStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Begins to answer from a store.
    pub(crate) fn start<F: EventLog + 'static>(
        listener: UnixListener,
        store: Arc<F>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (accepted, state) = (listener.try_clone()?, Arc::clone(&shared));
        let accepting = thread::Builder::new()
            .name("journal-readers".to_owned())
            .spawn(move || accept(&accepted, &*store, &state))?;
        Ok(Self {
            listener,
            shared,
            accepting: Some(accepting),
        })
    }
}

impl Drop for Server {
    /// Stops answering. On return no thread uses the store.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Shutting the listening socket down wakes the thread that waits in `accept`; std has no name for it. It takes no descriptor:
        // when there is none to be had, that thread must end all the same.
        net::shutdown(&self.listener, net::Shutdown::Both).ok();
        if let Some(accepting) = self.accepting.take() {
            // It cannot have panicked in a way that matters here: it is gone either way.
            drop(accepting.join());
        }
    }
}

fn accept<F: EventLog>(listener: &UnixListener, store: &F, shared: &Shared) {
    thread::scope(|scope| {
        for number in 0_u64.. {
            let accepted = listener.accept();
            if shared.stopping.load(Ordering::SeqCst) {
                break;
            }
            match accepted.and_then(|(stream, _)| Ok((stream.try_clone()?, stream))) {
                Ok((stream, other)) => {
                    let mut open = shared.open();
                    if open.len() >= CONNECTIONS_MAX {
                        continue;
                    }
                    open.insert(number, other);
                    drop(open);
                    let answering = thread::Builder::new().spawn_scoped(scope, move || {
                        // A reader that went away, or asked nonsense, is its own affair.
                        drop(converse(&stream, store));
                        shared.open().remove(&number);
                    });
                    if answering.is_err() {
                        shared.open().remove(&number);
                    }
                }
                // Out of descriptors, perhaps: the next try may do.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        for stream in shared.open().values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    });
}

fn converse<F: EventLog>(stream: &UnixStream, store: &F) -> io::Result<()> {
    let mut timed = Timed::new(stream, ANSWER_TIMEOUT, ANSWER_TIMEOUT);
    let question = protocol::read_question(&mut timed)?;
    let mut to = BufWriter::with_capacity(64 * 1024, timed);
    protocol::answer(&mut to, store, &question)?;
    to.flush()
}
