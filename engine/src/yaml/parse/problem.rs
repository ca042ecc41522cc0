//! What can be wrong with a text that should be YAML.

use crate::yaml::Span;

/// A document that was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Where; line 0 when the whole text is meant.
    pub span: Span,
    /// The rule it breaks.
    pub rule: YamlRule,
    /// A lowercase fragment, no period.
    pub message: String,
    /// Where the first of two clashing keys stands.
    pub first: Option<Span>,
}

impl ParseError {
    pub(super) fn new(rule: YamlRule, span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            rule,
            message: message.into(),
            first: None,
        }
    }
}

/// The rules that every YAML text must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum YamlRule {
    /// The text is no YAML 1.2.
    Syntax,
    /// A tab where only spaces are allowed.
    Tab,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// A control character other than tab and line breaks.
    ControlCharacter,
    /// The text is over the size limit.
    TooLarge,
    /// Collections are nested over the limit.
    TooDeep,
    /// The document has more values than the limit.
    TooManyNodes,
    /// Aliases expand over the limit.
    AliasBomb,
    /// An alias stands inside the value it names.
    RecursiveAlias,
    /// An alias names no anchor above it.
    UnknownAlias,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// The text holds a second document.
    SecondDocument,
    /// A key is a list or a mapping, or is missing.
    ComplexKey,
    /// A tag outside of the core schema, or one that its value does not fit.
    UnsupportedTag,
    /// A merge key over something that is no mapping.
    BadMergeKey,
}

impl YamlRule {
    /// Every rule.
    pub const ALL: [Self; 15] = [
        Self::Syntax,
        Self::Tab,
        Self::NotUtf8,
        Self::ControlCharacter,
        Self::TooLarge,
        Self::TooDeep,
        Self::TooManyNodes,
        Self::AliasBomb,
        Self::RecursiveAlias,
        Self::UnknownAlias,
        Self::DuplicateKey,
        Self::SecondDocument,
        Self::ComplexKey,
        Self::UnsupportedTag,
        Self::BadMergeKey,
    ];

    /// The stable name, kebab case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Tab => "tab",
            Self::NotUtf8 => "not-utf8",
            Self::ControlCharacter => "control-character",
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::TooManyNodes => "too-many-nodes",
            Self::AliasBomb => "alias-bomb",
            Self::RecursiveAlias => "recursive-alias",
            Self::UnknownAlias => "unknown-alias",
            Self::DuplicateKey => "duplicate-key",
            Self::SecondDocument => "second-document",
            Self::ComplexKey => "complex-key",
            Self::UnsupportedTag => "unsupported-tag",
            Self::BadMergeKey => "bad-merge-key",
        }
    }
}

pub(super) fn too_large(limit: usize) -> ParseError {
    ParseError::new(
        YamlRule::TooLarge,
        Span::default(),
        format!("the file is larger than {limit} bytes"),
    )
}

pub(super) fn duplicate_key(key: &str, span: Span, first: Span) -> ParseError {
    let shown: String = key.chars().take(80).collect();
    ParseError {
        first: Some(first),
        ..ParseError::new(
            YamlRule::DuplicateKey,
            span,
            format!(
                "the key `{}` stands twice; the first is at line {}, column {}",
                shown.escape_debug(),
                first.line,
                first.column
            ),
        )
    }
}

/// The first bytes that are not UTF-8, `valid` bytes into the text.
pub(super) fn not_utf8(bytes: &[u8], valid: usize) -> ParseError {
    let before = std::str::from_utf8(&bytes[..valid]).unwrap_or_default();
    let hint = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        "the file is UTF-16; save it as UTF-8"
    } else {
        "this byte is not UTF-8"
    };
    ParseError::new(YamlRule::NotUtf8, end_of(before), hint)
}

/// The first control character that YAML does not allow in a text.
pub(super) fn control_character(text: &str) -> Option<ParseError> {
    let (at, found) = text.char_indices().find(|&(_, c)| {
        (c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r'))
            || (('\u{80}'..='\u{9f}').contains(&c) && c != '\u{85}')
    })?;
    let name = if found == '\0' {
        "a NUL byte".to_owned()
    } else {
        format!("the control character U+{:04X}", u32::from(found))
    };
    Some(ParseError::new(
        YamlRule::ControlCharacter,
        end_of(&text[..at]),
        format!("{name} stands in the text"),
    ))
}

/// The place right behind a text. Line breaks are LF, CR and CR LF, as YAML has them.
fn end_of(text: &str) -> Span {
    let mut span = Span { line: 1, column: 1 };
    let mut previous = '\0';
    for c in text.trim_start_matches('\u{feff}').chars() {
        match c {
            '\n' if previous == '\r' => {}
            '\n' | '\r' => {
                span.line = span.line.saturating_add(1);
                span.column = 1;
            }
            _ => span.column = span.column.saturating_add(1),
        }
        previous = c;
    }
    span
}
