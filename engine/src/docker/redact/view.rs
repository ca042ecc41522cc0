//! What a text says once its escapes are read, and where in the text each byte of that stands.

use std::borrow::Cow;
use std::ops::Range;

/// The most bytes of a text that stand for one byte of a secret: an escape of JSON within JSON, of which a URL escapes the
/// backslashes, `%5C%5Cu0026`.
pub(super) const LONGEST_ESCAPE: usize = 12;

/// A text as it is read one way.
#[derive(Clone)]
pub(super) struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where in the text each byte begins, and where the last one ends. None: where it is.
    starts: Option<Vec<usize>>,
    /// Where in the text each byte ends.
    ends: Vec<usize>,
}

impl<'a> View<'a> {
    fn whole(text: &'a str) -> Self {
        Self {
            bytes: Cow::Borrowed(text.as_bytes()),
            starts: None,
            ends: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The part of the text that a part of the view comes from.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        self.start(range.start)..self.end(range.end - 1)
    }

    /// Whether something stands in the text between this byte and the next one.
    pub(super) fn has_gap(&self, at: usize) -> bool {
        at + 1 < self.bytes.len() && self.end(at) < self.start(at + 1)
    }

    fn start(&self, at: usize) -> usize {
        self.starts.as_ref().map_or(at, |starts| starts[at])
    }

    fn end(&self, at: usize) -> usize {
        match &self.starts {
            Some(_) => self.ends[at],
            None => at + 1,
        }
    }

    /// The view without quotes and backslashes.
    pub(super) fn bare(&self) -> View<'static> {
        self.decoded(|bytes| match bytes {
            [quote, ..] if is_quote(*quote) => Some((Unit::NOTHING, 1)),
            _ => None,
        })
    }

    /// The view with its escapes read; the bytes that `escape` does not read stay.
    fn decoded(&self, escape: impl Fn(&[u8]) -> Option<(Unit, usize)>) -> View<'static> {
        let mut view = View {
            bytes: Cow::Owned(Vec::with_capacity(self.bytes.len())),
            starts: Some(Vec::with_capacity(self.bytes.len())),
            ends: Vec::with_capacity(self.bytes.len()),
        };
        let mut at = 0;
        while at < self.bytes.len() {
            let rest = &self.bytes[at..];
            let (unit, length) = escape(rest).unwrap_or((Unit::byte(rest[0]), 1));
            let source = self.start(at)..self.end(at + length - 1);
            view.push(unit.as_bytes(), &source);
            at += length;
        }
        view
    }

    fn push(&mut self, bytes: &[u8], source: &Range<usize>) {
        let all = self.bytes.to_mut();
        all.extend_from_slice(bytes);
        let starts = self.starts.get_or_insert_default();
        starts.resize(all.len(), source.start);
        self.ends.resize(all.len(), source.end);
    }
}

/// The ways in which a text is read.
pub(super) fn of(text: &str) -> Vec<View<'_>> {
    let plain = View::whole(text);
    let slashed = text.contains('\\');
    let percent = text.contains('%');
    let plus = text.contains('+');
    let mut views = Vec::new();
    if slashed {
        let once = plain.decoded(backslash);
        if percent {
            views.push(once.decoded(percent_escape));
        }
        let twice = once.decoded(backslash);
        views.push(twice.decoded(backslash));
        views.extend([once, twice]);
    }
    if percent {
        let url = plain.decoded(percent_escape);
        let inner = url.decoded(backslash);
        views.extend([inner.decoded(backslash), inner]);
        // A URL within a URL.
        views.push(url.decoded(percent_escape));
        views.push(url);
    }
    if plus {
        views.push(plain.decoded(form_escape));
        if slashed {
            views.push(plain.decoded(backslash).decoded(form_escape));
        }
    }
    views.push(plain);
    views
}

pub(super) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'\'' | b'"' | b'\\')
}

/// What one escape stands for: at most four bytes.
struct Unit {
    bytes: [u8; 4],
    length: usize,
}

impl Unit {
    const NOTHING: Self = Self {
        bytes: [0; 4],
        length: 0,
    };

    fn byte(byte: u8) -> Self {
        Self {
            bytes: [byte, 0, 0, 0],
            length: 1,
        }
    }

    fn char(c: char) -> Self {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// An escape of JSON, of a shell, of Rust's `Debug`: what stands behind a backslash.
fn backslash(text: &[u8]) -> Option<(Unit, usize)> {
    let [b'\\', second, ..] = text else {
        return None;
    };
    let rest = &text[2..];
    let found = match second {
        b'n' => (Unit::byte(b'\n'), 2),
        b'r' => (Unit::byte(b'\r'), 2),
        b't' => (Unit::byte(b'\t'), 2),
        b'b' => (Unit::byte(8), 2),
        b'f' => (Unit::byte(12), 2),
        b'a' => (Unit::byte(7), 2),
        b'v' => (Unit::byte(11), 2),
        b'e' | b'E' => (Unit::byte(27), 2),
        b'u' | b'U' => unicode(rest).map_or((Unit::byte(*second), 2), |(c, used)| {
            (Unit::char(c), 2 + used)
        }),
        b'x' => match hex(rest, 2) {
            Some(byte) => (Unit::byte(u8::try_from(byte).unwrap_or_default()), 4),
            None => (Unit::byte(b'x'), 2),
        },
        b'0'..=b'7' => octal(&text[1..]),
        other => (Unit::byte(*other), 2),
    };
    Some(found)
}

/// `0026`, a pair of surrogates, or `{26}`: the character, and how many bytes say it.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    if let Some(rest) = text.strip_prefix(b"{") {
        let length = rest.iter().take(7).position(|byte| *byte == b'}')?;
        let c = char::from_u32(hex(rest, length)?)?;
        return Some((c, length + 2));
    }
    let first = hex(text, 4)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 4));
    }
    let rest = text[4..].strip_prefix(b"\\u")?;
    let second = u16::try_from(hex(rest, 4)?).ok()?;
    let pair = [u16::try_from(first).ok()?, second];
    let c = char::decode_utf16(pair).next()?.ok()?;
    Some((c, 10))
}

/// Up to three digits, of which the first is there.
fn octal(text: &[u8]) -> (Unit, usize) {
    let digits = text
        .iter()
        .take(3)
        .take_while(|b| (b'0'..=b'7').contains(*b));
    let (mut value, mut length) = (0u32, 0);
    for digit in digits {
        value = value * 8 + u32::from(digit - b'0');
        length += 1;
    }
    let byte = u8::try_from(value & 0xff).unwrap_or_default();
    (Unit::byte(byte), 1 + length)
}

fn hex(text: &[u8], digits: usize) -> Option<u32> {
    let text = std::str::from_utf8(text.get(..digits)?).ok()?;
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

/// `%41`.
fn percent_escape(text: &[u8]) -> Option<(Unit, usize)> {
    let rest = text.strip_prefix(b"%")?;
    let byte = u8::try_from(hex(rest, 2)?).ok()?;
    Some((Unit::byte(byte), 3))
}

/// `%41`, and `+` for a blank, as forms have it.
fn form_escape(text: &[u8]) -> Option<(Unit, usize)> {
    if text[0] == b'+' {
        return Some((Unit::byte(b' '), 1));
    }
    percent_escape(text)
}
