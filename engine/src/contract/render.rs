//! Violations as a person reads them: message, place, source line, hint. Plain text, no colour.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::source::printable;
use super::violation::Violation;

/// At most this many violations are shown in full.
const MAX_SHOWN: usize = 50;

/// One violation with its source line.
pub fn render(violation: &Violation) -> String {
    let title = Level::ERROR
        .primary_title(&violation.message)
        .id(&violation.rule);
    let place = &violation.place;
    let file = printable(&place.file);
    let line = usize::try_from(place.line).unwrap_or(usize::MAX);
    let column = usize::try_from(place.column).unwrap_or(usize::MAX);
    let mut group = Group::with_title(title);
    // A value behind the end of what is shown of its line is not pointed at, or the wrong column would be named.
    let is_cut = column > place.excerpt.chars().count() + 1;
    if place.excerpt.trim().is_empty() || is_cut {
        if !place.file.is_empty() {
            let mut origin = Origin::path(&file);
            if line > 0 {
                origin = origin.line(line).char_column(column.max(1));
            }
            group = group.element(origin);
        }
    } else {
        group = group.element(
            Snippet::source(&place.excerpt)
                .path(&file)
                .line_start(line)
                .annotation(AnnotationKind::Primary.span(value_at(&place.excerpt, column))),
        );
    }
    if let Some(hint) = &violation.hint {
        group = group.element(Level::HELP.message(hint));
    }
    Renderer::plain().render(&[group])
}

/// All violations, one after the other, the first of them in full, and how many more there are.
pub fn render_violations(violations: &[Violation]) -> String {
    let mut shown: Vec<String> = violations.iter().take(MAX_SHOWN).map(render).collect();
    if violations.len() > MAX_SHOWN {
        shown.push(format!("and {} more", violations.len() - MAX_SHOWN));
    }
    shown.join("\n\n")
}

/// The bytes of the value that begins at a column: up to the next blank or the end of the line.
fn value_at(line: &str, column: usize) -> std::ops::Range<usize> {
    let start = line
        .char_indices()
        .map(|(at, _)| at)
        .nth(column.saturating_sub(1))
        .unwrap_or(line.len());
    let rest = &line[start..];
    let end = rest
        .char_indices()
        .skip(1)
        .find(|(_, c)| c.is_whitespace() || matches!(c, ',' | '}' | ']'))
        .map_or(rest.len(), |(at, _)| at);
    start..start + end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Place, Rule, parse_manifest};

    #[test]
    fn a_violation_shows_its_line_and_what_to_do() {
        let place = Place {
            file: "artifact.yml".to_owned(),
            line: 13,
            column: 9,
            excerpt: "  - id: orders-00000000 # mine".to_owned(),
        };
        let violation =
            Violation::new(Rule::IdMismatch, place, "`id` is wrong").with_hint("fix it");

        assert_eq!(
            render(&violation),
            "error[id-mismatch]: `id` is wrong
  --> artifact.yml:13:9
   |
13 |   - id: orders-00000000 # mine
   |         ^^^^^^^^^^^^^^^
   |
   = help: fix it"
        );
    }

    #[test]
    fn a_violation_without_a_source_line_shows_its_place() {
        let place = Place {
            line: 3,
            ..Place::file("s.env")
        };

        assert_eq!(
            render(&Violation::new(Rule::BadSecretLine, place, "no")),
            "error[bad-secret-line]: no\n--> s.env:3:1"
        );
        assert_eq!(
            render(&Violation::new(
                Rule::MissingSecret,
                Place::file("s.env"),
                "no"
            )),
            "error[missing-secret]: no\n--> s.env"
        );
        assert_eq!(
            render(&Violation::new(Rule::NoSecretFile, Place::file(""), "no")),
            "error[no-secret-file]: no"
        );
    }

    #[test]
    fn a_value_behind_the_shown_part_of_a_line_is_named_by_its_column() {
        let place = Place {
            line: 1,
            column: 999,
            excerpt: "x".repeat(200),
            ..Place::file("template.json")
        };

        assert_eq!(
            render(&Violation::new(Rule::BadPath, place, "no")),
            "error[bad-path]: no\n--> template.json:1:999"
        );
    }

    #[test]
    fn a_place_behind_the_shown_part_of_a_line_does_not_panic() {
        for column in [0, 1, 199, 200, 201, 5000, u32::MAX] {
            let place = Place {
                file: "f".to_owned(),
                line: u32::MAX,
                column,
                excerpt: "é\t".repeat(100),
            };

            assert!(!render(&Violation::new(Rule::BadPath, place, "no")).is_empty());
        }
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let text = format!("artifacts:\n{}", "  - 1\n".repeat(300));
        let violations = parse_manifest("m", &text).unwrap_err();

        let shown = render_violations(&violations);

        assert_eq!(shown.matches("error[").count(), MAX_SHOWN);
        assert!(
            shown.ends_with("and 254 more"),
            "{}",
            &shown[shown.len() - 40..]
        );
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_shown() {
        let text = "schema_version: \"1\"\nmode: \"\\e[31m\\u202e\"\n";
        let violations = parse_manifest("m", text).unwrap_err();

        let shown = render_violations(&violations);

        assert!(!shown.contains(['\u{1b}', '\u{202e}']));
    }
}
