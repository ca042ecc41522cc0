//! What came of each entry, and the verdict.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::suite::Suite;

/// What came of a run.
#[derive(Debug)]
pub struct MatrixReport {
    /// In the order of the file.
    pub entries: Vec<MatrixEntry>,
    /// The folder with a log for each environment.
    pub logs: PathBuf,
}

/// One suite on one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixEntry {
    /// The environment's name.
    pub environment: String,
    /// The suite.
    pub suite: Suite,
    /// What came of it.
    pub outcome: EntryOutcome,
    /// How long it took.
    pub took: Duration,
}

/// What came of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryOutcome {
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

impl MatrixReport {
    /// Says whether every entry passed. A run without entries proves nothing.
    pub fn passed(&self) -> bool {
        !self.entries.is_empty() && self.not_passed().next().is_none()
    }

    fn not_passed(&self) -> impl Iterator<Item = &MatrixEntry> {
        let failed = |entry: &&MatrixEntry| !matches!(entry.outcome, EntryOutcome::Passed { .. });
        self.entries.iter().filter(failed)
    }

    /// The last line of a run.
    pub fn verdict(&self) -> String {
        if self.passed() {
            return "ALL MATRIX ENTRIES PASSED".to_owned();
        }
        let names: Vec<_> = self.not_passed().map(MatrixEntry::name).collect();
        format!("MATRIX FAILED: {}", names.join(", "))
    }
}

impl MatrixEntry {
    /// `environment/suite`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.environment, self.suite.name())
    }
}

impl fmt::Display for MatrixEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, seconds) = (self.name(), self.took.as_secs_f64());
        match &self.outcome {
            EntryOutcome::Passed { steps } => {
                write!(f, "{name}: passed, {steps} steps, {seconds:.1} s")
            }
            EntryOutcome::Failed { step, error } => {
                write!(f, "{name}: FAILED at `{step}`: {error}")
            }
            EntryOutcome::NotRun => write!(f, "{name}: not run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn failed() -> EntryOutcome {
        EntryOutcome::Failed {
            step: "it works".to_owned(),
            error: "it does not".to_owned(),
        }
    }

    #[rstest]
    #[case::all_passed(&[EntryOutcome::Passed { steps: 1 }, EntryOutcome::Passed { steps: 2 }], "ALL MATRIX ENTRIES PASSED")]
    #[case::one_failed(&[EntryOutcome::Passed { steps: 1 }, failed()], "MATRIX FAILED: b/smoke")]
    #[case::cut_short(&[failed(), EntryOutcome::NotRun], "MATRIX FAILED: a/smoke, b/smoke")]
    fn the_last_line_names_what_did_not_pass(
        #[case] outcomes: &[EntryOutcome],
        #[case] line: &str,
    ) {
        let entries = ["a", "b"].iter().zip(outcomes);
        let report = MatrixReport {
            entries: entries
                .map(|(name, outcome)| MatrixEntry {
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
        let report = MatrixReport {
            entries: Vec::new(),
            logs: PathBuf::new(),
        };
        assert!(!report.passed());
        assert!(report.verdict().starts_with("MATRIX FAILED"));
    }
}
