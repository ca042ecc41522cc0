//! Taking a target that somebody else has: refused at once, or waited for when that is asked.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::run::{Interrupts, latest_state};
use journal::{Journal, OwnError, Owned, StreamId};

use crate::applier::hold::HoldLine;
use crate::applier::target;
use crate::failure::{Failure, Kind};

/// How often it is looked whether the target is free: a lock, or the journal of a target on hold.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A target, who wants it, and how long that may wait for it.
pub(crate) struct Wanted<'a> {
    pub(crate) root: &'a Path,
    pub(crate) target: &'a StreamId,
    pub(crate) actor: &'a str,
    /// None is refused at once.
    pub(crate) wait: Option<Duration>,
}

impl Wanted<'_> {
    /// Owns the target once no process and no person holds it.
    pub(crate) async fn own(
        &self,
        interrupts: &Interrupts,
        say: &dyn Fn(&str),
    ) -> Result<Owned, Failure> {
        let began = Instant::now();
        let mut said = String::new();
        loop {
            let taken = match self.try_own()? {
                Tried::Owned(owned) => return Ok(*owned),
                Tried::Taken(taken) => taken,
            };
            let Some(wait) = self.wait else {
                return Err(taken.hint("`--wait=10m` waits for it"));
            };
            if began.elapsed() >= wait {
                let waited = words(wait);
                return Err(Failure {
                    message: format!("{}; waited {waited} for it", taken.message),
                    ..taken
                });
            }
            if said != taken.message {
                let (target, limit) = (self.target, words(wait));
                say(&format!(
                    "waiting for `{target}`, at most {limit}; Ctrl-C ends the wait: {}",
                    taken.message
                ));
                said = taken.message;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = interrupts.first() => return Err(self.interrupted()),
            }
        }
    }

    /// Tries once. Who waits looks for a hold before it takes the target, so that a long wait writes nothing.
    fn try_own(&self) -> Result<Tried, Failure> {
        if self.wait.is_some()
            && let Ok(reader) = Journal::read(self.root, self.target)
            && let Ok(state) = latest_state(&reader)
            && let Some(hold) = HoldLine::of(&reader, &state)?
        {
            return Ok(Tried::Taken(hold.failure(self.target)));
        }
        match target::try_own(self.root, self.target, self.actor) {
            Ok(owned) => Ok(Tried::Owned(Box::new(owned))),
            Err(error @ (OwnError::Held(_) | OwnError::Unnamed { .. })) => {
                Ok(Tried::Taken(target::own_failure(self.target, &error)))
            }
            Err(error) => Err(target::own_failure(self.target, &error)),
        }
    }

    fn interrupted(&self) -> Failure {
        Failure::new(
            Kind::Interrupted,
            format!(
                "interrupted while waiting for `{}`; nothing was changed",
                self.target
            ),
        )
    }
}

enum Tried {
    Owned(Box<Owned>),
    /// Who has it.
    Taken(Failure),
}

/// A time as a person writes it: `10m`, `1h 30m`.
fn words(time: Duration) -> String {
    jiff::SignedDuration::try_from(time).map_or_else(
        |_| format!("{} s", time.as_secs()),
        |time| format!("{time:#}"),
    )
}

/// Reads how long to wait: `30s`, `10m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let time = text.parse::<jiff::SignedDuration>().ok();
    time.and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "a time such as `30s`, `10m` or `1h30m` is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("30s", Some(30), "30s")]
    #[case("10m", Some(600), "10m")]
    #[case("1h30m", Some(5400), "1h 30m")]
    #[case("10", None, "")]
    #[case("-3s", None, "")]
    #[case("soon", None, "")]
    fn a_time_is_read_and_said(
        #[case] text: &str,
        #[case] seconds: Option<u64>,
        #[case] said: &str,
    ) {
        let read = duration(text).ok();
        assert_eq!(read, seconds.map(Duration::from_secs));
        assert_eq!(read.map(words).unwrap_or_default(), said);
    }
}
