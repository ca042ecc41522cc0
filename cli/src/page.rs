//! Text for people: lines of spans, each with a tone. Colour is added where it is wanted, and words never depend on it.
//!
//! What others said stays in its line: a line break in a name or a label is shown as `\n`.

use std::io::{self, IsTerminal};

use engine::contract::printable;

/// How a span is shown. The colours are those of the terminal's own palette, so that they read on dark and on light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// The subject of a page.
    Strong,
    /// What is seldom needed.
    Dim,
    /// Went well, or is added.
    Good,
    /// Deserves a look, or changes.
    Warn,
    /// Went wrong, or is removed.
    Bad,
}

impl Tone {
    /// The sequence that begins it; none for plain text.
    fn sequence(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("\u{1b}[1m"),
            Self::Dim => Some("\u{1b}[2m"),
            Self::Good => Some("\u{1b}[32m"),
            Self::Warn => Some("\u{1b}[33m"),
            Self::Bad => Some("\u{1b}[31m"),
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line that begins with plain text.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self::default().and(Tone::Plain, text)
    }

    /// The same with one more span. Whatever would leave the line is escaped.
    pub(crate) fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.0.push((tone, printable(text.as_ref())));
        self
    }

    /// The same, moved in by so many columns.
    pub(crate) fn indented(self, columns: usize) -> Self {
        let mut spans = vec![(Tone::Plain, " ".repeat(columns))];
        spans.extend(self.0);
        Self(spans)
    }

    /// How many characters it shows.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    fn render(&self, colour: bool, into: &mut String) {
        let end = into.len();
        for (tone, text) in &self.0 {
            match tone.sequence().filter(|_| colour && !text.is_empty()) {
                Some(begin) => into.extend([begin, text, "\u{1b}[0m"]),
                None => into.push_str(text),
            }
        }
        if !colour {
            into.truncate(end + into[end..].trim_end().len());
        }
        into.push('\n');
    }
}

/// Lines, the first on top.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page(Vec<Line>);

impl Page {
    pub(crate) fn line(&mut self, line: Line) {
        self.0.push(line);
    }

    /// Adds the lines of another page.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn text(&mut self, text: impl AsRef<str>) {
        self.line(Line::new(text));
    }

    /// Rows below a head, each column as wide as its widest cell; the last column takes what is left and is never padded.
    pub(crate) fn table(&mut self, head: &[&str], rows: Vec<Vec<(Tone, String)>>) {
        let shown = |text: &str| printable(text).chars().count();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = rows.iter().map(|row| shown(&row[column].1));
                cells.chain([shown(head[column])]).max().unwrap_or(0)
            })
            .collect();
        let last = head.len().saturating_sub(1);
        let mut add = |cells: Vec<(Tone, String)>| {
            let mut line = Line::default();
            for (column, (tone, text)) in cells.into_iter().enumerate() {
                let gap = if column == last {
                    0
                } else {
                    widths[column].saturating_sub(shown(&text)) + 2
                };
                line = line.and(tone, text).and(Tone::Plain, " ".repeat(gap));
            }
            self.0.push(line);
        };
        let head = head.iter().map(|text| (Tone::Dim, (*text).to_owned()));
        add(head.collect());
        rows.into_iter().for_each(add);
    }

    /// Its lines.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.0
    }

    /// The whole, with or without colour.
    pub(crate) fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        for line in &self.0 {
            line.render(colour, &mut text);
        }
        text
    }
}

/// Whether standard output gets colour: `NO_COLOR` forbids it, `CLICOLOR_FORCE` asks for it, else a terminal has it.
pub(crate) fn is_coloured(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty() && value != "0");
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return false;
    }
    set("CLICOLOR_FORCE").is_some()
        || (stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb"))
}

/// Columns that a line may take where it can be kept short: those of the terminal, at least 80, which a pipe gets too.
pub(crate) fn columns() -> usize {
    const FEWEST: usize = 80;
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.map_or(FEWEST, |size| usize::from(size.ws_col).max(FEWEST))
}

/// As many of the texts as fit, one space between two, and how many more there are.
pub(crate) fn fitted(texts: &[String], width: usize) -> String {
    let mut line = String::new();
    for (at, text) in texts.iter().enumerate() {
        let rest = texts.len() - at;
        let more = format!(" +{rest} more");
        let gap = usize::from(!line.is_empty());
        // The last one needs no room for what would follow.
        let tail = if rest == 1 { 0 } else { more.chars().count() };
        if !line.is_empty() && line.chars().count() + gap + text.chars().count() + tail > width {
            return line + &more;
        }
        if gap == 1 {
            line.push(' ');
        }
        line.push_str(text);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: [&str; 2]) -> Vec<(Tone, String)> {
        texts.map(|text| (Tone::Good, text.to_owned())).to_vec()
    }

    #[test]
    fn what_others_said_forges_no_line_and_moves_no_terminal() {
        let mut page = Page::default();
        page.line(Line::new("1.4\nPlan: nothing").and(Tone::Good, "a\u{1b}[2Jb"));
        assert_eq!(page.render(false), "1.4\\nPlan: nothinga\\u{1b}[2Jb\n");
        assert_eq!(
            page.render(true),
            "1.4\\nPlan: nothing\u{1b}[32ma\\u{1b}[2Jb\u{1b}[0m\n"
        );
    }

    #[test]
    fn a_table_is_aligned_and_ends_no_line_with_spaces() {
        let mut page = Page::default();
        page.table(
            &["A", "LAST"],
            vec![cells(["long cell", ""]), cells(["b", "c"])],
        );
        assert_eq!(
            page.render(false),
            "A          LAST\nlong cell\nb          c\n"
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let texts = ["~functions/a", "~functions/b", "+routes/GET /c"].map(str::to_owned);
        assert_eq!(fitted(&texts, 80), texts.join(" "));
        assert_eq!(fitted(&texts, 36), "~functions/a ~functions/b +1 more");
        assert_eq!(fitted(&texts, 5), "~functions/a +2 more");
        assert_eq!(fitted(&[], 5), "");
    }
}
