//! Findings of templates, in words.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{counted, talk};
use producer::report::{Level, TemplateFinding};

/// Says what is odd in the templates.
pub(super) fn say(findings: &[TemplateFinding], verbose: u8) {
    for line in finding_lines(findings, verbose) {
        talk(&line);
    }
}

/// So many findings that differ by their resource alone are shown one by one.
const SHOWN: usize = 3;

/// Findings in words, each with its place and what to do: warnings, and with `-v` notes, which need no action. Of many that differ by
/// their resource alone the first is shown, and with `-v` every one.
pub(super) fn finding_lines(findings: &[TemplateFinding], verbose: u8) -> Vec<String> {
    let (mut lines, mut notes) = (Vec::new(), 0);
    let mut alike: BTreeMap<Alike<'_>, usize> = BTreeMap::new();
    for finding in findings {
        *alike.entry(Alike::of(finding)).or_default() += 1;
    }
    let mut hints = BTreeSet::new();
    let mut shown = BTreeSet::new();
    for finding in findings {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note if verbose == 0 => {
                notes += 1;
                continue;
            }
            Level::Note => "note",
        };
        let kind = Alike::of(finding);
        let count = alike[&kind];
        let is_group = verbose == 0 && count > SHOWN;
        if is_group && !shown.insert(kind) {
            continue;
        }
        let place = &finding.place;
        let line = match place.line {
            0 => String::new(),
            line => format!(":{line}"),
        };
        let message = finding.violation().message;
        lines.push(format!("{level}: {}{line}: {message}", place.file));
        if is_group {
            lines.push(format!("  … and {} more like it: -v shows them", count - 1));
        }
        // What several have in common is said at the first.
        if let Some(hint) = finding.hint.as_deref().filter(|hint| hints.insert(*hint)) {
            lines.push(format!("  hint: {hint}"));
        }
    }
    if notes > 0 {
        let them = if notes == 1 { "it" } else { "them" };
        lines.push(format!("{}: -v shows {them}", counted(notes, "note")));
    }
    lines
}

/// What findings have in common that differ by their resource alone.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Alike<'f> {
    level: Level,
    rule: &'f str,
    kind: &'f str,
    /// The property's own name: on the way to it stand names of events.
    property: &'f str,
    message: &'f str,
}

impl<'f> Alike<'f> {
    fn of(finding: &'f TemplateFinding) -> Self {
        let TemplateFinding {
            level,
            rule,
            subject,
            message,
            ..
        } = finding;
        let has_subject = !subject.id.is_empty();
        let path = subject.property.as_str();
        Self {
            level: *level,
            rule,
            kind: &subject.kind,
            property: path.rsplit('.').next().unwrap_or(path),
            // Without a subject the message begins with what it is about.
            message: match message.split_once("`: ") {
                Some((_, rest)) if !has_subject => rest,
                Some(_) | None => message,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::contract::Place;
    use producer::report::Subject;

    use super::*;

    fn warnings(count: usize) -> Vec<TemplateFinding> {
        let warning = |number: usize| TemplateFinding {
            place: Place::file("template.yaml"),
            level: Level::Warning,
            rule: "files".to_owned(),
            subject: Subject::default(),
            message: format!("function `f{number}`: it runs elsewhere"),
            hint: None,
        };
        (0..count).map(warning).collect()
    }

    #[test]
    fn many_findings_that_differ_by_their_resource_are_one() {
        let mut many = warnings(300);
        many[7].message = "function `f7`: its hooks are not loaded".to_owned();
        assert_eq!(
            finding_lines(&many, 0),
            [
                "warning: template.yaml: function `f0`: it runs elsewhere",
                "  … and 298 more like it: -v shows them",
                "warning: template.yaml: function `f7`: its hooks are not loaded",
            ]
        );
        assert_eq!(finding_lines(&many, 1).len(), 300);
        assert_eq!(finding_lines(&warnings(3), 0).len(), 3);
    }
}
