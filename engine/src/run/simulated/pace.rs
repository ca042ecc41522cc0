//! When a call that takes its time is done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Counts what a slow call waits for: later calls, and time.
#[derive(Default)]
pub(super) struct Pace {
    passed: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Pace {
    /// Something happened: whoever waits looks again.
    pub(super) fn pass(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.lock());
        for waker in waiting {
            waker.wake();
        }
    }

    /// Somebody waits.
    pub(super) fn is_awaited(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Ready once something has happened from here on.
    pub(super) async fn next(&self) {
        let seen = self.passed.load(Ordering::Relaxed);
        std::future::poll_fn(|context| {
            if self.passed.load(Ordering::Relaxed) > seen {
                return Poll::Ready(());
            }
            self.lock().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
