//! How values of the configuration differ, as people read it: the lines of their YAML that go and that come.

use engine::merge::{Key, KeyChange, KeyDifference};
use engine::redact::REDACTED;
use similar::{ChangeTag, TextDiff};

use crate::page::{Line, Tone};

/// Lines around a change.
const CONTEXT: usize = 2;

/// What became of a key, and how: its sign and name, and below it the lines that differ. Of a key that comes or goes whole the lines
/// are many, and are shown where all is asked for.
pub(crate) fn lines(key: &Key, difference: &KeyDifference, all: bool) -> Vec<Line> {
    let (sign, tone) = match difference.change {
        KeyChange::Added => ('+', Tone::Good),
        KeyChange::Changed => ('~', Tone::Warn),
        KeyChange::Removed => ('-', Tone::Bad),
    };
    let mut lines = vec![Line::new("  ").and(tone, format!("{sign} {}", key.0))];
    lines.extend(below(difference, all));
    lines
}

/// The lines that differ, without the key.
pub(crate) fn below(difference: &KeyDifference, all: bool) -> Vec<Line> {
    let is_whole = difference.change != KeyChange::Changed;
    if is_whole && !all {
        return Vec::new();
    }
    if !difference.is_kept {
        return vec![Line::new("      ").and(Tone::Dim, "its values were not kept")];
    }
    let (before, after) = &difference.texts;
    let text = |side: &Option<String>| side.clone().unwrap_or_default();
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            lines.push(Line::new("      ").and(Tone::Dim, "…"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, tone) = match change.tag() {
                ChangeTag::Equal => (' ', Tone::Dim),
                ChangeTag::Delete => ('-', Tone::Bad),
                ChangeTag::Insert => ('+', Tone::Good),
            };
            let text = change.value().trim_end_matches('\n');
            lines.push(Line::new("      ").and(tone, format!("{sign} {text}")));
        }
    }
    lines.extend(withheld(difference));
    lines
}

/// What is withheld and changed. Of several fields it is known only that one of them did.
fn withheld(difference: &KeyDifference) -> Option<Line> {
    let stars = format!("\"{REDACTED}\"");
    let hidden = |side: &Option<String>| side.as_ref() == Some(&stars);
    let fields = difference.fields.iter();
    let fields = fields.filter(|change| hidden(&change.before) && hidden(&change.after));
    let names: Vec<&str> = fields.map(|change| change.field.as_str()).collect();
    let what = match names[..] {
        [] => return None,
        [name] => format!("{name}: a value that is withheld changed"),
        _ => format!(
            "{}: withheld; at least one of these changed",
            names.join(", ")
        ),
    };
    Some(Line::new("      ").and(Tone::Dim, what))
}

#[cfg(test)]
mod tests {
    use engine::merge::FieldChange;
    use rstest::rstest;

    use super::*;
    use crate::page::Page;

    fn hidden(field: &str) -> FieldChange {
        FieldChange {
            field: field.to_owned(),
            before: Some("\"***\"".to_owned()),
            after: Some("\"***\"".to_owned()),
        }
    }

    /// `fields` are withheld, and one of them changed.
    fn shown(change: KeyChange, before: &str, after: &str, all: bool, fields: &[&str]) -> String {
        let side = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let difference = KeyDifference {
            change,
            is_kept: true,
            fields: fields.iter().map(|field| hidden(field)).collect(),
            texts: (side(before), side(after)),
        };
        let mut page = Page::default();
        for line in lines(&Key("functions/a".to_owned()), &difference, all) {
            page.line(line);
        }
        page.render(false)
    }

    #[test]
    fn lines_that_go_stand_above_those_that_come_with_what_is_around() {
        let before = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n";
        let after = "a: 1\nb: 2\nc: 3\nd: 5\ne: 5\n";
        assert_eq!(
            shown(KeyChange::Changed, before, after, false, &[]),
            "  ~ functions/a\n        b: 2\n        c: 3\n      - d: 4\n      + d: 5\n        e: 5\n"
        );
    }

    #[test]
    fn a_new_key_is_shown_whole_where_all_is_asked_for() {
        assert_eq!(
            shown(KeyChange::Added, "", "a: 1\n", false, &[]),
            "  + functions/a\n"
        );
        assert_eq!(
            shown(KeyChange::Added, "", "a: 1\n", true, &[]),
            "  + functions/a\n      + a: 1\n"
        );
    }

    #[rstest]
    #[case("a: 1\n", &["environment.TOKEN"], "      environment.TOKEN: a value that is withheld changed\n")]
    #[case("a: 2\n", &["environment.TOKEN"], "      - a: 1\n      + a: 2\n      environment.TOKEN: a value that is withheld changed\n")]
    #[case("a: 1\n", &["environment.A", "environment.B"], "      environment.A, environment.B: withheld; at least one of these changed\n")]
    fn what_is_withheld_is_named_below_what_differs(
        #[case] after: &str,
        #[case] fields: &[&str],
        #[case] below: &str,
    ) {
        assert_eq!(
            shown(KeyChange::Changed, "a: 1\n", after, false, fields),
            format!("  ~ functions/a\n{below}")
        );
    }
}
