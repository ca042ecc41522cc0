//! What came of each entry, and the verdict.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::suite::Suite;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// The folder with a log for each environment.
    pub logs: PathBuf,
}

/// One suite on one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The environment's name.
    pub environment: String,
    /// The suite.
    pub suite: Suite,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// What came of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every step held.
    Passed {
        /// How many there were.
        steps: usize,
    },
    /// A step did not hold; those after it were not tried.
    Failed {
        /// Which one.
        step: String,
        /// What was found instead.
        error: String,
    },
    /// The run was ended before it was through.
    NotRun,
}

impl Report {
    /// Says whether every entry passed. A run without entries proves nothing.
    pub fn passed(&self) -> bool {
        !self.entries.is_empty() && self.not_passed().next().is_none()
    }

    fn not_passed(&self) -> impl Iterator<Item = &Entry> {
        let failed = |entry: &&Entry| !matches!(entry.outcome, Outcome::Passed { .. });
        self.entries.iter().filter(failed)
    }

    /// The last line of a run.
    pub fn verdict(&self) -> String {
        if self.passed() {
            return "ALL MATRIX ENTRIES PASSED".to_owned();
        }
        let names: Vec<_> = self.not_passed().map(Entry::name).collect();
        format!("MATRIX FAILED: {}", names.join(", "))
    }
}

impl Entry {
    /// `environment/suite`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.environment, self.suite.name())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, seconds) = (self.name(), self.took.as_secs_f64());
        match &self.outcome {
            Outcome::Passed { steps } => write!(f, "{name}: passed, {steps} steps, {seconds:.1} s"),
            Outcome::Failed { step, error } => write!(f, "{name}: FAILED at `{step}`: {error}"),
            Outcome::NotRun => write!(f, "{name}: not run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn failed() -> Outcome {
        Outcome::Failed {
            step: "it works".to_owned(),
            error: "it does not".to_owned(),
        }
    }

    #[rstest]
    #[case::all_passed(&[Outcome::Passed { steps: 1 }, Outcome::Passed { steps: 2 }], "ALL MATRIX ENTRIES PASSED")]
    #[case::one_failed(&[Outcome::Passed { steps: 1 }, failed()], "MATRIX FAILED: b/smoke")]
    #[case::cut_short(&[failed(), Outcome::NotRun], "MATRIX FAILED: a/smoke, b/smoke")]
    fn the_last_line_names_what_did_not_pass(#[case] outcomes: &[Outcome], #[case] line: &str) {
        let entries = ["a", "b"].iter().zip(outcomes);
        let report = Report {
            entries: entries
                .map(|(name, outcome)| Entry {
                    environment: (*name).to_owned(),
                    suite: Suite::Smoke,
                    outcome: outcome.clone(),
                    took: Duration::ZERO,
                })
                .collect(),
            logs: PathBuf::new(),
        };
        assert_eq!(report.verdict(), line);
        assert_eq!(report.passed(), line.starts_with("ALL"));
    }

    #[test]
    fn nothing_run_is_not_everything_passed() {
        let report = Report {
            entries: Vec::new(),
            logs: PathBuf::new(),
        };
        assert!(!report.passed());
        assert!(report.verdict().starts_with("MATRIX FAILED"));
    }
}
