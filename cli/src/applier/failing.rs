//! Several targets of which some cannot be read: the others are shown, each that cannot is named, and the worst decides the exit code.

use std::process::ExitCode;

use journal::StreamId;

use crate::failure::{Failure, Kind};
use crate::program::Ended;

/// The targets that could not be read.
pub(crate) struct Failing {
    /// Several targets were asked for, so that a failure has to say of which it is.
    several: bool,
    failures: Vec<(StreamId, Failure)>,
}

impl Failing {
    /// For a command about these targets.
    pub(crate) fn among(targets: &[StreamId]) -> Self {
        Self {
            several: targets.len() > 1,
            failures: Vec::new(),
        }
    }

    /// What came of one target; none when it could not be read, which is kept for the end.
    pub(crate) fn of<T>(&mut self, target: &StreamId, read: Result<T, Failure>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(failure) => {
                self.failures.push((target.clone(), failure));
                None
            }
        }
    }

    /// How the command ends: as it would have, or with the worst failure.
    pub(crate) fn ended(self, otherwise: ExitCode) -> Ended {
        let sentences: Vec<String> = self
            .failures
            .iter()
            .map(|(target, failure)| format!("target `{target}`: {}", failure.sentence()))
            .collect();
        let worst = self
            .failures
            .into_iter()
            .max_by_key(|(_, failure)| rank(failure.kind));
        match (worst, sentences.as_slice()) {
            (None, _) => Ok(otherwise),
            (Some((_, failure)), _) if !self.several => Err(failure),
            (Some((target, failure)), [_]) => Err(Failure {
                message: format!("target `{target}`: {}", failure.message),
                ..failure
            }),
            (Some((_, failure)), several) => Err(Failure {
                message: format!("{} targets cannot be read", several.len()),
                causes: sentences,
                ..failure
            }),
        }
    }
}

/// Damage is worse than what is away, and that is worse than what is refused for now.
fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Journal => 3,
        Kind::Internal => 2,
        Kind::Unreachable => 1,
        Kind::Usage
        | Kind::Payload
        | Kind::Incompatible
        | Kind::Refused
        | Kind::Image
        | Kind::Publish
        | Kind::Assertion
        | Kind::Drift
        | Kind::Interrupted => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(env: &str) -> StreamId {
        StreamId::new("shop", env).unwrap()
    }

    #[test]
    fn the_worst_of_several_decides_and_each_is_named() {
        let targets = [target("dev"), target("prod"), target("qa")];
        let mut failing = Failing::among(&targets);
        let away = Failure::new(Kind::Unreachable, "is away");
        let damaged = Failure::new(Kind::Journal, "is damaged");
        assert_eq!(failing.of::<()>(&targets[0], Err(damaged)), None);
        assert_eq!(failing.of(&targets[1], Ok(7)), Some(7));
        assert_eq!(failing.of::<()>(&targets[2], Err(away)), None);
        let failure = failing.ended(ExitCode::SUCCESS).unwrap_err();
        assert_eq!(failure.kind, Kind::Journal);
        assert_eq!(
            failure.causes,
            ["target `shop/dev`: is damaged", "target `shop/qa`: is away"]
        );
    }

    #[test]
    fn the_failure_of_the_only_target_is_what_it_was() {
        let only = [target("dev")];
        let mut failing = Failing::among(&only);
        let failure = Failure::new(Kind::Refused, "there is no such target");
        failing.of::<()>(&only[0], Err(failure.clone()));
        assert_eq!(failing.ended(ExitCode::SUCCESS).unwrap_err(), failure);
    }
}
