//! How many requests a registry has at a time: more while it answers, half as many when it is too busy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many requests there are at first, and at most.
const FIRST: usize = 16;
const MOST: usize = 64;

/// The requests that one registry has.
pub(super) struct Pace {
    state: Mutex<State>,
    /// A request has ended, or one more may begin.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    limit: usize,
    running: usize,
    /// Requests that went well since the limit was changed.
    answered: usize,
    /// Counts how often the limit was lowered.
    lowered: usize,
}

/// A request that is under way.
pub(super) struct Turn<'a> {
    pace: &'a Pace,
    /// As it was when the request began.
    lowered: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                limit: FIRST,
                running: 0,
                answered: 0,
                lowered: 0,
            }),
            changed: Notify::new(),
        }
    }
}

impl Pace {
    /// Waits until one more request may begin.
    pub(super) async fn turn(&self) -> Turn<'_> {
        loop {
            if let Some(turn) = self.begin() {
                return turn;
            }
            self.changed.notified().await;
        }
    }

    fn begin(&self) -> Option<Turn<'_>> {
        let mut state = self.state();
        if state.running >= state.limit {
            return None;
        }
        state.running += 1;
        Some(Turn {
            pace: self,
            lowered: state.lowered,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The registry has answered. As many answers as there may be requests at a time allow one more.
    pub(super) fn answered(self) {
        let mut state = self.pace.state();
        state.answered += 1;
        if state.answered >= state.limit && state.limit < MOST {
            state.limit += 1;
            state.answered = 0;
            self.pace.changed.notify_one();
        }
    }

    /// The registry is too busy, or says nothing. Of the requests that were under way together only the first one counts.
    pub(super) fn too_busy(self) {
        let mut state = self.pace.state();
        if state.lowered == self.lowered {
            state.limit = (state.limit / 2).max(1);
            state.answered = 0;
            state.lowered += 1;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pace.state().running -= 1;
        self.pace.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// As many turns as there may be at once.
    fn all(pace: &Pace) -> Vec<Turn<'_>> {
        std::iter::from_fn(|| pace.begin()).collect()
    }

    #[test]
    fn a_registry_that_answers_gets_one_more_at_a_time() {
        let pace = Pace::default();
        all(&pace).into_iter().for_each(Turn::answered);
        assert_eq!(all(&pace).len(), FIRST + 1);
    }

    #[test]
    fn there_is_a_most() {
        let pace = Pace::default();
        for _ in 0..MOST * MOST {
            pace.begin().unwrap().answered();
        }
        assert_eq!(all(&pace).len(), MOST);
    }

    /// Sixteen refusals of one moment are one refusal.
    #[test]
    fn a_busy_registry_gets_half_as_many_and_never_none() {
        let pace = Pace::default();
        all(&pace).into_iter().for_each(Turn::too_busy);
        assert_eq!(all(&pace).len(), FIRST / 2);
        for _ in 0..FIRST {
            pace.begin().unwrap().too_busy();
        }
        assert_eq!(all(&pace).len(), 1);
    }

    #[test]
    fn whoever_waits_goes_on_when_a_request_ends() {
        let pace = Pace::default();
        let mut turns = all(&pace);
        let mut waiting = Box::pin(pace.turn());
        assert!((&mut waiting).now_or_never().is_none());
        drop(turns.pop());
        assert!(waiting.now_or_never().is_some());
    }
}
