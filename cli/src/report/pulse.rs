//! A line now and then while images are made, where nothing is drawn: whoever reads a log sees that the run is alive.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use engine::contract::FunctionName;

use super::talk;
use crate::page::{columns, fitted};

/// What passes between two lines.
const BEAT: Duration = Duration::from_secs(15);

/// The images that are being made, each since when. Lines end when it is dropped.
pub(super) struct Pulse {
    at_work: Arc<Mutex<BTreeMap<FunctionName, Instant>>>,
    _ends_the_thread: mpsc::Sender<()>,
}

impl Pulse {
    /// Begins. None when the system has no thread for it: a run needs no such lines.
    pub(super) fn begin() -> Option<Self> {
        let at_work = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let (sender, ended) = mpsc::channel::<()>();
        let shared = Arc::clone(&at_work);
        let thread = thread::Builder::new().name("pulse".to_owned());
        thread
            .spawn(move || {
                while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                    if let Some(line) = line(&locked(&shared), Instant::now()) {
                        talk(&line);
                    }
                }
            })
            .ok()?;
        Some(Self {
            at_work,
            _ends_the_thread: sender,
        })
    }

    /// An image is being made from now on.
    pub(super) fn started(&self, function: &FunctionName) {
        locked(&self.at_work).insert(function.clone(), Instant::now());
    }

    /// It is made, or failed.
    pub(super) fn ended(&self, function: &FunctionName) {
        locked(&self.at_work).remove(function);
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `still building: hello (30 s) world (45 s)`; none while nothing takes long.
fn line(at_work: &BTreeMap<FunctionName, Instant>, now: Instant) -> Option<String> {
    let long: Vec<String> = at_work
        .iter()
        .map(|(function, since)| (function, now.saturating_duration_since(*since)))
        .filter(|(_, took)| *took >= BEAT)
        .map(|(function, took)| format!("{function} ({} s)", took.as_secs()))
        .collect();
    let begin = "still building: ";
    let width = columns().saturating_sub(begin.len());
    (!long.is_empty()).then(|| format!("{begin}{}", fitted(&long, width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_named_with_its_time() {
        let begun = Instant::now();
        let name = |name: &str| FunctionName::parse(name).unwrap();
        let mut at_work = BTreeMap::from([(name("hello"), begun)]);
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(line(&at_work, after(14)), None);
        at_work.insert(name("world"), after(30));
        assert_eq!(
            line(&at_work, after(40)).as_deref(),
            Some("still building: hello (40 s)")
        );
        assert_eq!(
            line(&at_work, after(45)).as_deref(),
            Some("still building: hello (45 s) world (15 s)")
        );
        assert_eq!(line(&BTreeMap::new(), after(45)), None);
    }
}
