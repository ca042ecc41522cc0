//! Boundaries at which a test kills the process, to see that it goes on from there.
//!
//! A boundary lies before and after each append to the journal, and before and after each effect on the world with its
//! parts. In a build without the feature `failpoints` reaching one does nothing, and nothing of this is in the program.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!(
    "`failpoints` is for tests: a program that can be told to kill itself is not released"
);

/// Lies around an effect: one boundary, `before …`, when it is made, and another, `after …`, when it is dropped.
#[cfg(feature = "docker")]
#[must_use]
pub(crate) struct Around<'a> {
    effect: &'a str,
    /// Of what, where there are several.
    of: &'a str,
}

#[cfg(feature = "docker")]
impl<'a> Around<'a> {
    pub(crate) fn new(effect: &'a str, of: &'a str) -> Self {
        reached(|| format!("before {effect} {of}"));
        Self { effect, of }
    }
}

#[cfg(feature = "docker")]
impl Drop for Around<'_> {
    fn drop(&mut self) {
        reached(|| format!("after {} {}", self.effect, self.of));
    }
}

/// Is reached: the process lists it, and ends here when it was told to.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn reached(_boundary: impl FnOnce() -> String) {}

#[cfg(feature = "failpoints")]
pub(crate) fn reached(boundary: impl FnOnce() -> String) {
    armed::reached(boundary().trim_end());
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    /// Names the file to which each boundary adds its line.
    const LIST: &str = "ARTIFACTCTL_FAILPOINTS";
    /// The boundary at which the process kills itself, when it is reached first, or behind it ` #2` for the second time.
    const KILL_AT: &str = "ARTIFACTCTL_KILL_AT";

    /// How often that boundary was reached.
    static REACHED: AtomicUsize = AtomicUsize::new(0);

    fn is_told_to_die_at(boundary: &str) -> bool {
        let Ok(told) = std::env::var(KILL_AT) else {
            return false;
        };
        let (at, time) = match told.rsplit_once(" #") {
            Some((at, time)) => (at, time.parse().expect("a number follows `#`")),
            None => (told.as_str(), 1),
        };
        at == boundary && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == time
    }

    pub(super) fn reached(boundary: &str) {
        if let Some(list) = std::env::var_os(LIST) {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(list)
                .and_then(|mut list| list.write_all(format!("{boundary}\n").as_bytes()))
                .expect("the list of boundaries can be written");
        }
        if is_told_to_die_at(boundary) {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
            loop {
                std::thread::park();
            }
        }
    }
}
