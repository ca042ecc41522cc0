//! Pattern and events side by side, where they differ.

use super::ast::EventTest;
use super::{Mismatch, TimedEvent};

/// A part of a pattern is shown up to so many characters.
const PART_CHARS: usize = 44;
/// Equal lines that follow each other are shown as one from so many on.
const FOLDED_FROM: usize = 4;

/// One line: an event, and the part of the pattern that it is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// From which event to which, from 1.
    from: usize,
    to: usize,
    part: String,
    event: String,
    is_first_wrong: bool,
}

/// The lines of a difference. `passed` says which event passed which test.
pub(super) fn side_by_side(
    tests: &[EventTest],
    events: &[TimedEvent],
    mismatch: &Mismatch,
    passed: &[(usize, usize)],
) -> Vec<String> {
    let expected = match mismatch.expected.as_slice() {
        [] => "(end)".to_owned(),
        several => several.join(" | "),
    };
    let part = |index: usize| {
        if index == mismatch.index {
            return expected.clone();
        }
        let found = passed.iter().find(|(event, _)| *event == index);
        found.map_or_else(String::new, |(_, test)| tests[*test].label.clone())
    };
    let mut rows: Vec<Row> = events
        .iter()
        .enumerate()
        .map(|(index, event)| Row {
            from: index + 1,
            to: index + 1,
            part: part(index),
            event: event.kind.clone(),
            is_first_wrong: index == mismatch.index,
        })
        .collect();
    if mismatch.index == events.len() {
        rows.push(Row {
            from: events.len() + 1,
            to: events.len() + 1,
            part: expected,
            event: "(end)".to_owned(),
            is_first_wrong: true,
        });
    }
    lines(&folded(&rows))
}

/// The same with runs of equal rows as one.
fn folded(rows: &[Row]) -> Vec<Row> {
    let is_equal = |left: &Row, right: &Row| {
        left.part == right.part
            && left.event == right.event
            && !left.is_first_wrong
            && !right.is_first_wrong
    };
    let runs = rows.chunk_by(is_equal);
    runs.flat_map(|run| match run {
        [first, .., last] if run.len() >= FOLDED_FROM => vec![Row {
            to: last.to,
            event: format!("{} × {}", first.event, run.len()),
            ..first.clone()
        }],
        few => few.to_vec(),
    })
    .collect()
}

fn lines(rows: &[Row]) -> Vec<String> {
    let cut = |part: &str| {
        if part.chars().count() <= PART_CHARS {
            return part.to_owned();
        }
        let start: String = part.chars().take(PART_CHARS - 1).collect();
        format!("{start}…")
    };
    let numbers: Vec<String> = rows.iter().map(number).collect();
    let parts: Vec<String> = rows.iter().map(|row| cut(&row.part)).collect();
    let widest = |texts: &[String], least: usize| {
        let widths = texts.iter().map(|text| text.chars().count());
        widths.max().unwrap_or_default().max(least)
    };
    let (number_width, part_width) = (widest(&numbers, 3), widest(&parts, "expected".len()));
    let head = format!(
        "  {:>number_width$}  {:<part_width$}  found",
        "", "expected"
    );
    let rows = rows.iter().zip(numbers.iter().zip(&parts));
    let rows = rows.map(|(row, (number, part))| {
        let mark = if row.is_first_wrong { ">" } else { " " };
        format!(
            "{mark} {number:>number_width$}  {part:<part_width$}  {}",
            row.event
        )
    });
    std::iter::once(head).chain(rows).collect()
}

fn number(row: &Row) -> String {
    if row.from == row.to {
        row.from.to_string()
    } else {
        format!("{}-{}", row.from, row.to)
    }
}
