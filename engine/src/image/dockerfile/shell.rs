//! Shell words as Dockerfiles have them: quotes, escapes and variables.
//!
//! Follows the lexer of `BuildKit` (`frontend/dockerfile/shell`). Substitution by pattern (`${x/a/b}`) is read, and
//! reported as something that is not known here.

use crate::image::glob::{self, End};

/// How deep `${a:-${b:-…}}` may nest.
const MAX_DEPTH: usize = 16;
/// How long the result of an expansion may become, in bytes.
const MAX_RESULT: usize = 4 * 1024;
/// How long values and patterns of `#` and `%` may be, in bytes.
const MAX_TRIMMED: usize = 64;

/// What is known of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// It has this value.
    Set(String),
    /// It has none.
    Unset,
    /// Only the build knows.
    Unknown,
}

/// Why a word could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unexpanded {
    /// The text is no shell word.
    Syntax(&'static str),
    /// This variable has no value, and the word gives none for that case.
    Unset(String),
    /// The value of this variable is known to the build only.
    Unknown(String),
}

/// Expands the variables of a word and takes its quotes away.
pub(super) fn expand(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Variable,
) -> Result<String, Unexpanded> {
    let mut lexer = Lexer::new(word, escape, Mode::Expand(lookup));
    let words = lexer.words()?;
    match lexer.missing {
        None => Ok(words.whole),
        Some(missing) => Err(missing),
    }
}

/// Expands a word where everything is known: a variable without a value is empty, as a builder has it.
pub(super) fn expand_known(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, &'static str> {
    let lookup = |name: &str| lookup(name).map_or(Variable::Unset, Variable::Set);
    let mut lexer = Lexer::new(word, escape, Mode::Expand(&lookup));
    lexer.unset_is_empty = true;
    match (lexer.words(), lexer.missing) {
        (Ok(words), None) => Ok(words.whole),
        (Err(Unexpanded::Syntax(why)), _) => Err(why),
        (Ok(_) | Err(Unexpanded::Unset(_) | Unexpanded::Unknown(_)), _) => {
            Err("a variable that has to be set is not")
        }
    }
}

/// The words of a line with their quotes and escapes; none when it is no sequence of shell words.
pub(super) fn raw_words(line: &str) -> Option<Vec<String>> {
    let words = Lexer::new(line, '\\', Mode::Raw).words();
    words.ok().map(|words| words.list)
}

/// The words of a text without their quotes and escapes, variables left as they are.
pub(super) fn plain_words(text: &str) -> Option<Vec<String>> {
    let words = Lexer::new(text, '\\', Mode::Plain).words();
    words.ok().map(|words| words.list)
}

#[derive(Clone, Copy)]
enum Mode<'a> {
    /// Quotes, escapes and variables stay in the text.
    Raw,
    /// Quotes and escapes go, variables stay.
    Plain,
    /// Quotes and escapes go, variables are replaced.
    Expand(&'a dyn Fn(&str) -> Variable),
}

/// The text of a whole, and the same split at its unquoted blanks.
#[derive(Default)]
struct Words {
    whole: String,
    list: Vec<String>,
    word: String,
}

impl Words {
    /// Adds text in which blanks separate words.
    fn add(&mut self, text: &str) {
        self.whole.push_str(text);
        for c in text.chars() {
            if !c.is_whitespace() {
                self.word.push(c);
            } else if !self.word.is_empty() {
                self.list.push(std::mem::take(&mut self.word));
            }
        }
    }

    /// Adds text in which blanks are like any other character.
    fn add_quoted(&mut self, text: &str) {
        self.whole.push_str(text);
        self.word.push_str(text);
    }

    fn finish(mut self) -> Self {
        if !self.word.is_empty() {
            self.list.push(std::mem::take(&mut self.word));
        }
        self
    }
}

struct Lexer<'a> {
    rest: &'a str,
    escape: char,
    mode: Mode<'a>,
    depth: usize,
    /// The first variable without a known value; the text goes on, since a default may not need it.
    missing: Option<Unexpanded>,
    /// A variable that is not set is nothing that is missing, but for `${name?}`.
    unset_is_empty: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, escape: char, mode: Mode<'a>) -> Self {
        Self {
            rest: text,
            escape,
            mode,
            depth: 0,
            missing: None,
            unset_is_empty: false,
        }
    }

    fn words(&mut self) -> Result<Words, Unexpanded> {
        let raw = matches!(self.mode, Mode::Raw);
        self.until(None, raw)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Reads to the end, or behind `stop`.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<Words, Unexpanded> {
        let mut words = Words::default();
        let mut buffer = [0; 4];
        while let Some(c) = self.peek() {
            if words.whole.len() > MAX_RESULT {
                return Err(Unexpanded::Syntax("the expanded text is too long"));
            }
            if Some(c) == stop {
                self.next();
                return Ok(words.finish());
            }
            match c {
                '\'' => words.add_quoted(&self.single_quoted()?),
                '"' => words.add_quoted(&self.double_quoted()?),
                '$' => words.add(&self.dollar()?),
                _ => {
                    self.next();
                    if c != self.escape {
                        words.add(c.encode_utf8(&mut buffer));
                        continue;
                    }
                    if raw_escapes {
                        words.add_quoted(c.encode_utf8(&mut buffer));
                    }
                    if let Some(escaped) = self.next() {
                        words.add_quoted(escaped.encode_utf8(&mut buffer));
                    }
                }
            }
        }
        match stop {
            None => Ok(words.finish()),
            Some(_) => Err(Unexpanded::Syntax("a `${` has no `}`")),
        }
    }

    fn single_quoted(&mut self) -> Result<String, Unexpanded> {
        let Some(end) = self.rest[1..].find('\'') else {
            return Err(Unexpanded::Syntax("a single quote is not closed"));
        };
        let (quoted, rest) = self.rest.split_at(end + 2);
        self.rest = rest;
        Ok(match self.mode {
            Mode::Raw => quoted.to_owned(),
            Mode::Plain | Mode::Expand(_) => quoted[1..=end].to_owned(),
        })
    }

    fn double_quoted(&mut self) -> Result<String, Unexpanded> {
        let raw = matches!(self.mode, Mode::Raw);
        let mut result = String::new();
        self.next();
        if raw {
            result.push('"');
        }
        loop {
            match self.peek() {
                None => return Err(Unexpanded::Syntax("a double quote is not closed")),
                Some('"') => {
                    self.next();
                    if raw {
                        result.push('"');
                    }
                    return Ok(result);
                }
                Some('$') => result.push_str(&self.dollar()?),
                Some(c) => {
                    self.next();
                    if c != self.escape {
                        result.push(c);
                        continue;
                    }
                    if raw {
                        result.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(escaped)
                            if escaped == '"' || escaped == '$' || escaped == self.escape =>
                        {
                            self.next();
                            result.push(escaped);
                        }
                        Some(_) if raw => {}
                        Some(_) => result.push(c),
                    }
                }
            }
        }
    }

    /// Reads `$name` or `${…}`.
    fn dollar(&mut self) -> Result<String, Unexpanded> {
        self.next();
        if self.peek() == Some('{') {
            return self.braced();
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        match self.mode {
            Mode::Raw | Mode::Plain => Ok(format!("${name}")),
            Mode::Expand(lookup) => Ok(self.value(name, lookup(name))),
        }
    }

    /// Reads `{name}` or `{name` with a modifier.
    fn braced(&mut self) -> Result<String, Unexpanded> {
        if self.depth >= MAX_DEPTH {
            return Err(Unexpanded::Syntax("variables nest too deep"));
        }
        let begin = self.rest;
        self.next();
        let name = self.name();
        if name.is_empty() {
            return Err(Unexpanded::Syntax("a `${` has no variable name"));
        }
        let mut modifier = self.next();
        let null_is_unset = modifier == Some(':');
        if null_is_unset {
            modifier = self.next();
        }
        let before = self.missing.take();
        self.depth += 1;
        let word = match modifier {
            None => return Err(Unexpanded::Syntax("a `${` has no `}`")),
            Some('}') if !null_is_unset => None,
            Some('/') if !null_is_unset => {
                self.until(Some('/'), true)?;
                self.until(Some('}'), true)?;
                Some(('/', String::new()))
            }
            Some(sign @ ('+' | '-' | '?')) => Some((sign, self.until(Some('}'), false)?.whole)),
            Some(sign @ ('#' | '%')) => Some((sign, self.until(Some('}'), true)?.whole)),
            Some(_) => return Err(Unexpanded::Syntax("a `${…}` has an unknown modifier")),
        };
        self.depth -= 1;
        // What the word lacks counts only where the word is used.
        let lacks = std::mem::replace(&mut self.missing, before);
        match (self.mode, word) {
            (Mode::Raw | Mode::Plain, _) => {
                let read = begin.len() - self.rest.len();
                Ok(format!("${}", &begin[..read]))
            }
            (Mode::Expand(lookup), None) => Ok(self.value(name, lookup(name))),
            (Mode::Expand(lookup), Some((sign, word))) => {
                let variable = match lookup(name) {
                    Variable::Set(value) if null_is_unset && value.is_empty() => Variable::Unset,
                    variable @ (Variable::Set(_) | Variable::Unset | Variable::Unknown) => variable,
                };
                self.modified(name, variable, sign, word, lacks)
            }
        }
    }

    /// `${name-word}` and its relatives.
    fn modified(
        &mut self,
        name: &str,
        variable: Variable,
        sign: char,
        word: String,
        lacks: Option<Unexpanded>,
    ) -> Result<String, Unexpanded> {
        match (sign, variable) {
            ('-', Variable::Unset) | ('+', Variable::Set(_)) => {
                self.missing = self.missing.take().or(lacks);
                Ok(word)
            }
            ('-' | '?', Variable::Set(value)) => Ok(value),
            ('+', Variable::Unset) => Ok(String::new()),
            ('#' | '%', Variable::Set(value)) => {
                self.missing = self.missing.take().or(lacks);
                if value.len() > MAX_TRIMMED || word.len() > MAX_TRIMMED {
                    return Err(Unexpanded::Syntax("a value to be trimmed is too long"));
                }
                Ok(trimmed(&value, sign, &word))
            }
            (_, Variable::Set(_)) => {
                Err(Unexpanded::Syntax("`${…/…/…}` is not known to this tool"))
            }
            ('?', Variable::Unset) => {
                let missing = Unexpanded::Unset(name.to_owned());
                self.missing.get_or_insert(missing);
                Ok(String::new())
            }
            (_, variable @ (Variable::Unset | Variable::Unknown)) => Ok(self.value(name, variable)),
        }
    }

    /// A variable's value; empty, and noted, when there is none.
    fn value(&mut self, name: &str, variable: Variable) -> String {
        let missing = match variable {
            Variable::Set(value) => return value,
            Variable::Unset if self.unset_is_empty => return String::new(),
            Variable::Unset => Unexpanded::Unset(name.to_owned()),
            Variable::Unknown => Unexpanded::Unknown(name.to_owned()),
        };
        self.missing.get_or_insert(missing);
        String::new()
    }

    /// A name: letters, digits and `_`; or digits; or one special character.
    fn name(&mut self) -> &'a str {
        let text = self.rest;
        let end = match text.chars().next() {
            Some(first) if first.is_numeric() => text.find(|c: char| !c.is_numeric()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => Some(1),
            Some(_) | None => text.find(|c: char| !c.is_alphanumeric() && c != '_'),
        };
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        self.rest = rest;
        name
    }
}

/// `${name#pattern}` takes the shortest match from the front, `##` the longest, `%` and `%%` from the back.
fn trimmed(value: &str, sign: char, pattern: &str) -> String {
    let (longest, pattern) = match pattern.strip_prefix(sign) {
        Some(pattern) => (true, pattern),
        None => (false, pattern),
    };
    let from = if sign == '#' { End::Front } else { End::Back };
    let lengths = glob::lengths(pattern, value, from);
    let taken = if longest {
        lengths.last()
    } else {
        lengths.first()
    };
    let taken = taken.copied().unwrap_or(0);
    match from {
        End::Front => value.chars().skip(taken).collect(),
        End::Back => value.chars().take(value.chars().count() - taken).collect(),
    }
}
