//! Lines of an output that comes in pieces.

/// The longest line that is kept whole, in bytes.
const LINE_LIMIT: usize = 64 << 10;

/// A line of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::docker) struct Line {
    /// What it says; what is not UTF-8 is replaced.
    pub(in crate::docker) text: String,
    /// Its end is missing: it is too long, or the output broke off.
    pub(in crate::docker) cut: bool,
}

impl Line {
    /// A line that came as a whole.
    pub(in crate::docker) fn whole(text: impl Into<String>) -> Self {
        let (text, cut) = (text.into(), false);
        Self { text, cut }
    }
}

/// The line of one output whose end has not come yet.
///
/// Of a line that is overwritten (`\r`) the last state stays. Of a line that is too long the beginning is handed over, and the
/// rest is left out up to its end, so that no piece of a secret stands at the beginning of a line.
#[derive(Debug, Default)]
pub(in crate::docker) struct Lines {
    begun: Vec<u8>,
    /// A `\r` came last.
    returned: bool,
    /// What comes belongs to a line that was handed over.
    skipping: bool,
}

impl Lines {
    /// Takes what comes next, and hands over the lines that it ends.
    pub(in crate::docker) fn read(&mut self, piece: &[u8], mut line: impl FnMut(Line)) {
        for byte in piece {
            if *byte == b'\n' {
                self.hand_over(false, &mut line);
                self.skipping = false;
                continue;
            }
            if std::mem::take(&mut self.returned) {
                self.begun.clear();
                self.skipping = false;
            }
            if *byte == b'\r' {
                self.returned = true;
            } else if !self.skipping {
                self.begun.push(*byte);
                if self.begun.len() == LINE_LIMIT {
                    self.hand_over(true, &mut line);
                    self.skipping = true;
                }
            }
        }
    }

    /// Hands over the last line, which may have no end. `cut` says that more of it may have been meant to come.
    pub(in crate::docker) fn end(&mut self, cut: bool, mut line: impl FnMut(Line)) {
        self.hand_over(cut, &mut line);
        self.skipping = false;
    }

    fn hand_over(&mut self, cut: bool, line: &mut impl FnMut(Line)) {
        self.returned = false;
        let text = String::from_utf8_lossy(&self.begun).into_owned();
        self.begun.clear();
        if !text.trim().is_empty() {
            line(Line { text, cut });
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{LINE_LIMIT, Line, Lines};

    fn read(pieces: &[&[u8]]) -> Vec<Line> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.read(piece, |line| found.push(line));
        }
        lines.end(false, |line| found.push(line));
        found
    }

    #[rstest]
    #[case::two_lines(&["a\nb\n"], &["a", "b"])]
    #[case::in_pieces(&["a", "b\nc", "d"], &["ab", "cd"])]
    #[case::overwritten(&["1%\r50", "%\r100%\r\n"], &["100%"])]
    #[case::overwritten_without_an_end(&["1%\r", "2%\r"], &["2%"])]
    #[case::blank(&["\n \n\r\n"], &[])]
    fn lines_are_put_together(#[case] pieces: &[&str], #[case] expected: &[&str]) {
        let expected: Vec<Line> = expected.iter().map(|text| Line::whole(*text)).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        assert_eq!(read(&pieces), expected);
    }

    #[test]
    fn a_character_may_come_in_pieces_and_bytes_may_be_none() {
        let lines = read(&[b"\xc3", b"\xa9\n\xff\n"]);
        assert_eq!(lines, [Line::whole("\u{e9}"), Line::whole("\u{fffd}")]);
    }

    #[test]
    fn of_a_line_that_is_too_long_only_the_beginning_is_handed_over() {
        let long = vec![b'x'; LINE_LIMIT * 3];
        let lines = read(&[b"before\n", &long, b"tail\nafter\n"]);
        let shown: Vec<_> = lines
            .iter()
            .map(|line| (line.text.len(), line.cut))
            .collect();
        assert_eq!(shown, [(6, false), (LINE_LIMIT, true), (5, false)]);
        assert_eq!(lines[2].text, "after");
    }
}
