//! Reading a project file: every key is known, every value has its type, and whatever is wrong is named with its place.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use engine::contract::{Place, Source, Violation, quoted};
use engine::yaml::Span;
use producer::report::did_you_mean;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::{Entry, Kind, Pair, ProjectFile, Setting, Value, settings};
use crate::failure::{Failure, Kind as FailureKind};

/// The largest project file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file.
pub(super) fn file(path: &Path) -> Result<ProjectFile, Failure> {
    let shown = path.display().to_string();
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new(
            FailureKind::Usage,
            format!("cannot read the project file `{shown}`: {why}"),
        )
        .hint("`artifactctl init` writes a project file; `--project-file PATH` names another")
    };
    let meta = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !meta.is_file() {
        return Err(unreadable(&"it is not a file"));
    }
    if meta.len() > MAX_BYTES {
        return Err(unreadable(&"it is larger than 1 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    parse(path, &text).map_err(|violations| {
        Failure::violated(
            FailureKind::Usage,
            &format!("the project file `{shown}` cannot be used"),
            violations,
        )
    })
}

/// Reads the text of a file.
pub(super) fn parse(path: &Path, text: &str) -> Result<ProjectFile, Vec<Violation>> {
    let shown = path.display().to_string();
    let mut reader = Reader {
        path,
        source: Source::new(&shown, text),
        settings: settings(),
        violations: Vec::new(),
    };
    let table = DeTable::parse(text).map_err(|error| {
        // The line is not shown: it may be the one with a secret that belongs elsewhere.
        let place = reader.place(&error.span().unwrap_or_default());
        vec![violation(
            place.without_excerpt(),
            "toml",
            error.message().to_owned(),
        )]
    })?;
    let mut values = BTreeMap::new();
    for (key, value) in table.get_ref() {
        if let Some(entry) = reader.entry(key, value) {
            values.insert(key.get_ref().to_string(), entry);
        }
    }
    if !reader.violations.is_empty() {
        return Err(reader.violations);
    }
    Ok(ProjectFile {
        path: path.to_owned(),
        values,
    })
}

fn violation(place: Place, rule: &str, message: String) -> Violation {
    Violation {
        place,
        rule: rule.to_owned(),
        message,
        hint: None,
    }
}

struct Reader<'r> {
    path: &'r Path,
    source: Source<'r>,
    settings: BTreeMap<String, Setting>,
    violations: Vec<Violation>,
}

impl Reader<'_> {
    /// Where a range of bytes begins.
    fn place(&self, range: &Range<usize>) -> Place {
        let before = self.source.text().get(..range.start).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let line = before.rsplit('\n').next().unwrap_or_default();
        self.source.place(Span {
            line: number(before.matches('\n').count() + 1),
            column: number(line.chars().count() + 1),
        })
    }

    fn entry(
        &mut self,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Entry> {
        let name = key.get_ref().as_ref();
        let place = self.place(&key.span());
        let Some(setting) = self.settings.get(name).cloned() else {
            let known = self.settings.keys().map(String::as_str);
            let mut unknown = violation(
                place,
                "unknown-setting",
                format!("{} is no setting", quoted(name)),
            );
            unknown.hint = did_you_mean(name, known).or_else(|| {
                Some("`artifactctl config` and `esb config` list every setting".to_owned())
            });
            self.violations.push(unknown);
            return None;
        };
        let value = match (setting.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(on)) => Some(Value::Switch(*on)),
            (Kind::Pairs, DeValue::Table(table)) => self.pairs(&setting, table).map(Value::Pairs),
            (Kind::Many, DeValue::Array(items)) => {
                let texts = items.iter().map(|item| self.text(&setting, item));
                texts.collect::<Option<_>>().map(Value::Texts)
            }
            (Kind::One | Kind::Many, _) => self
                .text(&setting, value)
                .map(|text| Value::Texts(vec![text])),
            (Kind::Switch | Kind::Pairs, _) => {
                self.wrong_type(&setting, value);
                None
            }
        };
        Some(Entry {
            value: value?,
            line: place.line,
        })
    }

    fn pairs(&mut self, setting: &Setting, table: &DeTable<'_>) -> Option<Vec<Pair>> {
        let mut pairs = Vec::new();
        let before = self.violations.len();
        for (name, value) in table {
            if let Some(text) = self.text(setting, value) {
                pairs.push(Pair {
                    name: name.get_ref().to_string(),
                    value: text,
                    place: self.place(&name.span()).without_excerpt(),
                });
            }
        }
        pairs.sort_by_key(|pair| pair.place.line);
        (self.violations.len() == before).then_some(pairs)
    }

    /// One text, a path as seen from the current folder. A whole number is a text too.
    fn text(&mut self, setting: &Setting, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                self.wrong_type(setting, value);
                return None;
            }
        };
        // Names and values of pairs are checked together, by those who read the flag.
        let refused = match setting.kind {
            Kind::Pairs => None,
            Kind::Switch | Kind::One | Kind::Many => setting.refuses(&text),
        };
        if let Some(message) = refused {
            let place = self.place(&value.span());
            self.violations
                .push(violation(place, "setting-value", message));
            return None;
        }
        // `drop` in a layer's place is a word, and not a file of that name.
        let is_word = setting.kind == Kind::Pairs && text == "drop";
        Some(if setting.is_path && !is_word {
            ProjectFile::relative(self.path, &text)
        } else {
            text
        })
    }

    fn wrong_type(&mut self, setting: &Setting, value: &Spanned<DeValue<'_>>) {
        let wanted = match setting.kind {
            Kind::Switch => "`true` or `false`",
            Kind::One => "a text in quotes or a whole number",
            Kind::Many => "a text in quotes, or a list of such texts",
            Kind::Pairs => "a table: a line `NAME = \"value\"` for each",
        };
        let found = value.get_ref().type_str();
        let place = self.place(&value.span());
        self.violations.push(violation(
            // What is wrong with a table of parameters may be next to a secret.
            if setting.kind == Kind::Pairs {
                place.without_excerpt()
            } else {
                place
            },
            "setting-type",
            format!("`{}` takes {wanted}, not a TOML {found}", setting.key),
        ));
    }
}
