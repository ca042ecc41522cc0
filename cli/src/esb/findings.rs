//! Findings of templates, in words.

use std::collections::BTreeSet;

use crate::report::{counted, talk};
use producer::report::{Level, TemplateFinding};

/// Says what is odd in the templates.
pub(super) fn say(findings: &[TemplateFinding], verbose: u8) {
    for line in finding_lines(findings, verbose) {
        talk(&line);
    }
}

/// Findings in words, each with its place and what to do: warnings, and with `-v` notes, which need no action.
pub(super) fn finding_lines(findings: &[TemplateFinding], verbose: u8) -> Vec<String> {
    let (mut lines, mut notes) = (Vec::new(), 0);
    let mut hints = BTreeSet::new();
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
        let place = &finding.place;
        let line = match place.line {
            0 => String::new(),
            line => format!(":{line}"),
        };
        let message = finding.violation().message;
        lines.push(format!("{level}: {}{line}: {message}", place.file));
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
