//! What is wrong, odd or left out in a template: one report, each line with its type, property and place.
//!
//! Here: findings and collecting them. Not here: what deserves one (the other rooms), printing (the commands).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use engine::contract::{Place, Source, Violation, misspelt};
use engine::yaml::{self, Span};
use serde::Serialize;

mod rule;
#[cfg(test)]
mod tests;

pub use engine::contract::{did_you_mean, nearest};
pub use rule::TemplateRule;

/// At most this many errors are kept.
const MAX_ERRORS: usize = 1000;
/// At most this many warnings and notes are kept.
const MAX_OTHERS: usize = 10_000;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// What was asked for would not work: there is no artifact.
    Error,
    /// It is left out, and something may be missing.
    Warning,
    /// It has no meaning on a local stack, and nothing is missing.
    Note,
}

/// What a finding is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subject {
    /// Logical id of the resource, name of the parameter, and so on; empty for the template as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Type of the resource or event; empty when there is none.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Path of the property, `Environment.Variables`; empty when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub property: String,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TemplateFinding {
    /// Where it stands.
    pub place: Place,
    /// How much it matters.
    pub level: Level,
    /// The rule's stable name.
    pub rule: String,
    /// What it is about.
    pub subject: Subject,
    /// A lowercase fragment, no period, values in backticks.
    pub message: String,
    /// What to do about it, when there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl TemplateFinding {
    /// The same as a violation, for the printer of violations. Its message says what it is about.
    pub fn violation(&self) -> Violation {
        let subject = [&self.subject.id, &self.subject.property];
        let about: Vec<&str> = subject
            .iter()
            .map(|part| part.as_str())
            .filter(|part| !part.is_empty())
            .collect();
        let message = match (about.is_empty(), self.subject.kind.is_empty()) {
            (true, _) => self.message.clone(),
            (false, true) => format!("`{}`: {}", about.join("."), self.message),
            (false, false) => format!(
                "`{}` ({}): {}",
                about.join("."),
                self.subject.kind,
                self.message
            ),
        };
        Violation {
            place: self.place.clone(),
            rule: self.rule.clone(),
            message,
            hint: self.hint.clone(),
        }
    }
}

/// What was found in a template, in the order of its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Report {
    /// The findings; no two are the same.
    pub findings: Vec<TemplateFinding>,
}

impl Report {
    /// The findings of one level.
    pub fn of(&self, level: Level) -> impl Iterator<Item = &TemplateFinding> {
        self.findings
            .iter()
            .filter(move |finding| finding.level == level)
    }

    /// Whether something is wrong, so that there is no model.
    pub fn is_fatal(&self) -> bool {
        self.of(Level::Error).next().is_some()
    }

    /// What is wrong, for the printer of violations.
    pub fn violations(&self) -> Vec<Violation> {
        self.of(Level::Error)
            .map(TemplateFinding::violation)
            .collect()
    }
}

/// The proof that a finding was reported: who gets it has nothing to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported(());

/// A value, or the proof that what stood in its place was reported.
pub type Read<T> = Result<T, Reported>;

/// Collects the findings of one text.
pub struct Findings<'a> {
    source: Source<'a>,
    /// Lines whose text is never shown.
    hidden: RefCell<BTreeSet<u32>>,
    kept: RefCell<BTreeSet<TemplateFinding>>,
    /// Kinds of which only the first is a warning.
    kinds: RefCell<BTreeSet<String>>,
    /// Errors that end reading early: those but misspellings.
    errors: Cell<usize>,
    /// Whether what looks like a misspelling is left out, with a warning.
    allows_unknown: Cell<bool>,
}

impl<'a> Findings<'a> {
    /// None yet, of a text and its file's name.
    pub fn of(file: &'a str, text: &'a str) -> Self {
        Self {
            source: Source::new(file, text),
            hidden: RefCell::default(),
            kept: RefCell::default(),
            kinds: RefCell::default(),
            errors: Cell::new(0),
            allows_unknown: Cell::new(false),
        }
    }

    /// The place of a span; its line is shown unless it is hidden.
    pub fn place(&self, span: Span) -> Place {
        if span.line == 0 {
            return Place::file(self.source.file());
        }
        let place = self.source.place(span);
        if self.hidden.borrow().contains(&span.line) {
            return place.without_excerpt();
        }
        place
    }

    /// Hides the lines of a part of the text, which may hold a secret.
    pub fn hide(&self, from: Span, to: Span) {
        self.hidden.borrow_mut().extend(from.line..=to.line);
    }

    /// Keeps a finding. Beyond the bounds only that there are more: with a thousand errors there is no model anyway.
    fn keep(&self, finding: TemplateFinding) {
        let mut kept = self.kept.borrow_mut();
        let errors = self.errors.get();
        let is_error = finding.level == Level::Error && !is_misspelling(&finding);
        let is_full = if is_error {
            errors == MAX_ERRORS
        } else {
            kept.len() - errors >= MAX_OTHERS
        };
        if !is_full {
            if kept.insert(finding) && is_error {
                self.errors.set(errors + 1);
            }
        } else if !is_error {
            kept.insert(TemplateFinding {
                place: Place::file(self.source.file()),
                level: Level::Warning,
                rule: TemplateRule::TooMany.name().to_owned(),
                subject: Subject::default(),
                message: format!("there are more than {MAX_OTHERS} warnings and notes"),
                hint: None,
            });
        }
    }

    /// Whether a further error would not be kept, so that nothing need be looked up for it.
    pub fn is_full(&self) -> bool {
        self.errors.get() == MAX_ERRORS
    }

    /// Has what looks like a misspelling left out, with a warning.
    pub fn allow_unknown(&self, allowed: bool) {
        self.allows_unknown.set(allowed);
    }

    /// Reports a name that looks like a misspelling of a known one, and tells whether it does.
    pub fn is_misspelling(
        &self,
        subject: &Subject,
        span: Span,
        message: &str,
        name: &str,
        known: &[&str],
    ) -> bool {
        let Some(meant) = misspelt(name, known) else {
            return false;
        };
        let hint = Some(format!("did you mean `{meant}`?"));
        let (level, rule) = (Level::Error, TemplateRule::MisspeltName);
        self.note(level, rule, subject, span, message, hint);
        true
    }

    /// Whether something is wrong that ended reading early.
    pub fn has_errors(&self) -> bool {
        self.errors.get() > 0
    }

    /// Notes something at a level.
    pub fn note(
        &self,
        level: Level,
        rule: TemplateRule,
        subject: &Subject,
        span: Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.keep(TemplateFinding {
            place: self.place(span),
            level,
            rule: rule.name().to_owned(),
            subject: subject.clone(),
            message: message.into(),
            hint,
        });
    }

    /// Notes something at a place that may be in another file.
    pub fn note_at(
        &self,
        level: Level,
        rule: TemplateRule,
        subject: &Subject,
        place: Place,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.keep(TemplateFinding {
            place,
            level,
            rule: rule.name().to_owned(),
            subject: subject.clone(),
            message: message.into(),
            hint,
        });
    }

    /// Notes an error at a place that may be in another file, and gives the proof.
    pub fn error_at(
        &self,
        rule: TemplateRule,
        subject: &Subject,
        place: Place,
        message: impl Into<String>,
    ) -> Reported {
        self.note_at(Level::Error, rule, subject, place, message, None);
        Reported(())
    }

    /// Whether nothing of a kind was reported before.
    pub fn is_first_of_kind(&self, kind: &str) -> bool {
        self.kinds.borrow_mut().insert(kind.to_owned())
    }

    /// Notes an error, and gives the proof.
    pub fn error(
        &self,
        rule: TemplateRule,
        subject: &Subject,
        span: Span,
        message: impl Into<String>,
    ) -> Reported {
        self.note(Level::Error, rule, subject, span, message, None);
        Reported(())
    }

    /// Notes an error with a next step, and gives the proof.
    pub fn error_with_hint(
        &self,
        rule: TemplateRule,
        subject: &Subject,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Reported {
        let hint = Some(hint.into());
        self.note(Level::Error, rule, subject, span, message, hint);
        Reported(())
    }

    /// Notes what makes a text no YAML. No line is shown when the text may hold secrets.
    pub fn refused(&self, errors: &[yaml::ParseError], may_hold_secrets: bool) {
        for error in errors {
            let place = self.place(error.span);
            self.keep(TemplateFinding {
                place: if may_hold_secrets {
                    place.without_excerpt()
                } else {
                    place
                },
                level: Level::Error,
                rule: error.rule.name().to_owned(),
                subject: Subject::default(),
                message: error.message.clone(),
                hint: None,
            });
        }
    }

    /// Warns of keys that stand twice, of which the last one counts. No line is shown when the text may hold secrets.
    pub fn twice(&self, keys: &[yaml::ParseError], may_hold_secrets: bool) {
        for key in keys {
            let place = self.place(key.span);
            self.keep(TemplateFinding {
                place: if may_hold_secrets {
                    place.without_excerpt()
                } else {
                    place
                },
                level: Level::Warning,
                rule: key.rule.name().to_owned(),
                subject: Subject::default(),
                message: format!("{}; the last one counts", key.message),
                hint: None,
            });
        }
    }

    fn grade_misspelling(&self, finding: &mut TemplateFinding) {
        if self.allows_unknown.get() {
            finding.level = Level::Warning;
            finding.message += "; it is left out";
        } else if let Some(question) = finding.hint.take() {
            finding.message += &format!("; {question}");
            let hint = "a name that is meant so is left out with `--allow-unknown`";
            finding.hint = Some(hint.to_owned());
        }
    }

    /// What was found, in the order of the text. What several resources have from one place (`Globals`, an anchor) is said once.
    pub fn report(&self) -> Report {
        let kept = self.kept.borrow();
        let mut found: Vec<(&TemplateFinding, usize)> = Vec::with_capacity(kept.len());
        let mut first = BTreeMap::new();
        for finding in &*kept {
            let anybody = (&finding.place, &finding.rule, &finding.subject.property);
            let index = *first
                .entry((anybody, &finding.message, &finding.subject.kind))
                .or_insert(found.len());
            match found.get_mut(index) {
                Some((_, others)) => *others += 1,
                None => found.push((finding, 0)),
            }
        }
        let said = |(finding, others): (&TemplateFinding, usize)| {
            let mut finding = finding.clone();
            if is_misspelling(&finding) {
                self.grade_misspelling(&mut finding);
            }
            if others > 0 {
                finding.message += &format!(" (the same of {others} more)");
            }
            finding
        };
        Report {
            findings: found.into_iter().map(said).collect(),
        }
    }
}

fn is_misspelling(finding: &TemplateFinding) -> bool {
    finding.rule == TemplateRule::MisspeltName.name()
}
