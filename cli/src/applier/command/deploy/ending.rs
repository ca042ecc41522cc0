//! How a run ends, for people and for programs.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::contract::FunctionName;
use engine::machine::{Applied, Failed};
use engine::merge::{Changes, Key};
use engine::run::{BeginOutcome, DeployJournal, Outcome, healed_tags};
use journal::StreamId;
use serde::Serialize;
use uuid::Uuid;

use crate::applier::ids::Ids;
use crate::applier::target;
use crate::changes;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone, columns, fitted};
use crate::report::{Done, talk};

/// What a run ended with.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Ending<'a> {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// The deploy.
    deploy: Uuid,
    /// The number of the attempt, from 1.
    attempt: u32,
    /// The head of the journal, `SEQUENCE:HASH`.
    head: String,
    /// The unfinished deploy that this one superseded.
    superseded: Option<Uuid>,
    /// What was published and provisioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<&'a Applied>,
    /// The keys that the configuration changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a Changes>,
    /// Functions whose image is another one since.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<&'a BTreeSet<FunctionName>>,
    /// How many images were built.
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<usize>,
    /// What was not as it was applied, and is again.
    #[serde(skip_serializing_if = "Option::is_none")]
    healed: Option<&'a Healed>,
}

/// Drift that a deploy put right.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Healed {
    /// The keys of ours that somebody had changed by hand.
    keys: Vec<Key>,
    /// The tags that somebody had moved or deleted.
    tags: Vec<String>,
}

impl Healed {
    /// `drift healed: functions/hello registry:5000/shop/hello:1`; none when there was none.
    fn line(&self) -> Option<Line> {
        let keys = self.keys.iter().map(|key| key.0.clone());
        let all: Vec<String> = keys.chain(self.tags.iter().cloned()).collect();
        let begin = Line::new("drift healed: ");
        let width = columns().saturating_sub(begin.width());
        (!all.is_empty()).then(|| begin.and(Tone::Warn, fitted(&all, width)))
    }
}

/// How a run ended.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) done: Done,
    pub(super) took: Duration,
    /// With the head, which a later `verify --head` compares with.
    pub(super) is_verbose: bool,
}

impl End {
    /// `nc-shop/dev applied in 1.6 s (f51e): ~functions/hello`, or `nc-shop/dev is already up to date (f51e)`.
    fn page(&self, body: &Ending<'_>, id: &str, applied: &Applied) -> Page {
        let is_written = applied.files.values().any(|file| file.written);
        let words = changes::words(&self.done.changes, &self.done.images);
        let target = Line::default().and(Tone::Strong, &body.target);
        let is_same = !is_written && applied.tags.is_empty() && applied.provision.is_none();
        let line = if words.is_empty() && is_same {
            target.and(Tone::Plain, format!(" is already up to date ({id})"))
        } else {
            let seconds = self.took.as_secs_f64();
            let line = target
                .and(Tone::Good, " applied")
                .and(Tone::Plain, format!(" in {seconds:.1} s ({id})"));
            let width = columns().saturating_sub(line.width() + 2);
            match fitted(&words, width) {
                words if words.is_empty() => line,
                words => line.and(Tone::Plain, format!(": {words}")),
            }
        };
        let mut page = Page::default();
        page.line(line);
        if let Some(healed) = body.healed.and_then(Healed::line) {
            page.line(healed);
        }
        if self.is_verbose {
            page.line(Line::default().and(Tone::Dim, format!("journal head {}", body.head)));
        }
        page
    }

    /// Tells the end: to people in a line, to programs as an object.
    pub(super) fn tell(
        &self,
        output: &Output,
        journal: &DeployJournal<'_>,
        begun: &BeginOutcome,
    ) -> Result<(), Failure> {
        let deploy = journal.state().deploy.as_ref();
        let deploy = deploy.expect("a run has a deploy");
        let body = Ending {
            target: journal.events().stream().to_string(),
            deploy: deploy.id,
            attempt: deploy.attempt,
            head: target::head_text(journal.head()),
            superseded: match begun {
                BeginOutcome::Begun | BeginOutcome::Resumed => None,
                BeginOutcome::Superseded(old) => Some(*old),
            },
            applied: None,
            changes: None,
            images: None,
            built: None,
            healed: None,
        };
        let ids = Ids::of(journal.events(), self.is_verbose);
        let ids = ids.map_err(|error| target::store_failure(&error))?;
        let id = ids.shown(deploy.id);
        match &self.outcome {
            Outcome::Applied(applied) => {
                let healed = Healed {
                    keys: self.done.drift.clone(),
                    tags: healed_tags(journal.events(), deploy)
                        .map_err(|error| target::deploy_journal_failure(&error))?,
                };
                let body = Ending {
                    applied: Some(applied),
                    changes: Some(&self.done.changes),
                    images: Some(&self.done.images),
                    built: Some(self.done.built),
                    healed: Some(&healed),
                    ..body
                };
                output.shown(Type::Applied, &body, || self.page(&body, &id, applied))
            }
            Outcome::Failed(_) if output.is_json() => Output::json(Type::Failed, &body),
            Outcome::Failed(_) => {
                let Ending {
                    target,
                    attempt,
                    head,
                    ..
                } = body;
                // The head is what a later `verify --head` compares with.
                let head = if self.is_verbose {
                    format!("; journal head {head}")
                } else {
                    String::new()
                };
                talk(&format!(
                    "stopped {id} of {target} (attempt {attempt}){head}"
                ));
                Ok(())
            }
        }
    }
}

/// Why an attempt failed, with what to do when it stays as it is.
pub(super) fn failure(failed: &Failed, target: &StreamId) -> Failure {
    let failure = Failure::from(failed.clone());
    if failed.retryable || failure.hints.is_empty() {
        let next = next_step(failure.kind, target);
        failure.hint(next)
    } else {
        failure
    }
}

/// What to do after an attempt that failed. An artifact that is mended is another one, which no `resume` takes.
fn next_step(kind: Kind, target: &StreamId) -> String {
    match kind {
        Kind::Payload => "mend the artifact, then deploy again".to_owned(),
        Kind::Image => format!(
            "go on with `artifactctl resume {target}`, or mend the artifact and deploy again"
        ),
        Kind::Internal
        | Kind::Usage
        | Kind::Incompatible
        | Kind::Refused
        | Kind::Publish
        | Kind::Journal
        | Kind::Unreachable
        | Kind::Assertion
        | Kind::Drift
        | Kind::Interrupted => {
            format!("go on with `artifactctl resume {target}`, or run the same deploy again")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::contract::Digest;
    use engine::machine::PublishedFile;
    use engine::merge::ConfigFile;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::changed(&["functions/hello"], &["hello"], true, "nc-shop/dev applied in 1.6 s (f51e): ~functions/hello\n")]
    #[case::images(&[], &["hello", "world"], false, "nc-shop/dev applied in 1.6 s (f51e): ~images/hello ~images/world\n")]
    #[case::written(&[], &[], true, "nc-shop/dev applied in 1.6 s (f51e)\n")]
    #[case::nothing(&[], &[], false, "nc-shop/dev is already up to date (f51e)\n")]
    fn the_last_line_says_what_a_deploy_did(
        #[case] changed: &[&str],
        #[case] images: &[&str],
        #[case] written: bool,
        #[case] expected: &str,
    ) {
        let changed = changed.iter().map(|key| Key((*key).to_owned()));
        let changes = Changes {
            changed: changed.collect(),
            ..Changes::default()
        };
        let digest = Digest::of("text");
        let applied = Applied {
            files: BTreeMap::from([(ConfigFile::Functions, PublishedFile { digest, written })]),
            images: None,
            tags: BTreeMap::new(),
            rechecked_at: None,
            provision: None,
        };
        let mut end = End {
            outcome: Outcome::Applied(applied.clone()),
            done: Done {
                changes,
                drift: Vec::new(),
                images: images
                    .iter()
                    .map(|name| FunctionName::parse(name).unwrap())
                    .collect(),
                built: 0,
            },
            took: Duration::from_millis(1_620),
            is_verbose: false,
        };
        let body = Ending {
            target: "nc-shop/dev".to_owned(),
            deploy: Uuid::nil(),
            attempt: 1,
            head: "9:a1c8".to_owned(),
            superseded: None,
            applied: Some(&applied),
            changes: None,
            images: None,
            built: None,
            healed: None,
        };
        assert_eq!(end.page(&body, "f51e", &applied).render(false), expected);
        end.is_verbose = true;
        let verbose = end.page(&body, "f51e", &applied).render(false);
        assert_eq!(verbose, format!("{expected}journal head 9:a1c8\n"));
    }
}
