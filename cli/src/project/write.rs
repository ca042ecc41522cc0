//! The text of a new project file: what was found, then every other setting as a comment that only has to be opened.

use super::settings::{Kind, Setting, settings};

/// A setting with the value that a new file gives it, or suggests.
pub(super) struct Line {
    pub(super) key: &'static str,
    values: Vec<String>,
    /// Why it has this value.
    why: String,
    is_on: bool,
}

impl Line {
    /// A value that holds.
    pub(super) fn on(key: &'static str, values: Vec<String>, why: &str) -> Self {
        Self {
            key,
            values,
            why: why.to_owned(),
            is_on: true,
        }
    }

    /// A value that is a comment.
    pub(super) fn off(key: &'static str, values: Vec<String>, why: &str) -> Self {
        Self {
            is_on: false,
            ..Self::on(key, values, why)
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }
}

const HEAD: &str = "\
# Settings of this folder for `artifactctl` and `esb`.
#
# Each key is a flag without its dashes. A flag is stronger than its environment variable, the
# variable is stronger than this file. Paths are relative to this file. Secrets have no place here.
# `artifactctl config` and `esb config` show every value with its origin.
";

/// The text of a file.
pub(super) fn text(lines: &[Line]) -> String {
    let mut text = HEAD.to_owned();
    let settings = settings();
    for line in lines {
        let help = settings
            .get(line.key)
            .map(|setting| setting.help.as_str())
            .unwrap_or_default();
        text.push_str(&format!("\n# {help} ({})\n", line.why));
        let sign = if line.is_on { "" } else { "# " };
        let value = match line.values.as_slice() {
            [one] => quoted(one),
            many => {
                let items: Vec<String> = many.iter().map(|one| quoted(one)).collect();
                format!("[{}]", items.join(", "))
            }
        };
        text.push_str(&format!("{sign}{} = {value}\n", line.key));
    }
    let rest = settings
        .values()
        .filter(|setting| !lines.iter().any(|line| line.key == setting.key));
    let (tables, plain): (Vec<_>, Vec<_>) = rest.partition(|setting| setting.kind == Kind::Pairs);
    text.push_str("\n# Every other setting. Take `# ` away from the lines that are needed.\n");
    for setting in plain.into_iter().chain(tables) {
        text.push_str(&comment(setting));
    }
    text
}

/// A setting as a comment, with the form of its value.
fn comment(setting: &Setting) -> String {
    let (key, name) = (&setting.key, quoted(&setting.value_name));
    let line = match setting.kind {
        Kind::Switch => format!("# {key} = false\n"),
        Kind::One => format!("# {key} = {name}\n"),
        Kind::Many => format!("# {key} = [{name}]\n"),
        Kind::Pairs => {
            let (name, value) = setting
                .value_name
                .split_once('=')
                .unwrap_or(("NAME", "VALUE"));
            format!("# [{key}]\n# {} = {}\n", quoted(name), quoted(value))
        }
    };
    format!("\n# {}\n{line}", setting.help)
}

/// A text as TOML writes it: as JSON does, and without the one control character that JSON leaves alone.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read;
    use super::*;

    fn parse(text: &str) -> Result<super::super::ProjectFile, Vec<String>> {
        read::parse(Path::new("artifactctl.toml"), text).map_err(|violations| {
            let rules = violations.into_iter();
            rules
                .map(|one| format!("{}: {}", one.rule, one.message))
                .collect()
        })
    }

    #[test]
    fn what_was_found_is_read_back() {
        let odd = "a \"b\" \\ \u{7f}\u{1}é.yaml";
        let lines = [
            Line::on(
                "template",
                vec!["a.yaml".to_owned(), odd.to_owned()],
                "found",
            ),
            Line::off("out", vec!["config".to_owned()], "needed"),
        ];
        let file = parse(&text(&lines)).unwrap();
        assert_eq!(file.texts("template"), ["a.yaml", odd]);
        assert!(file.get("out").is_none());
    }

    /// Every key stands there once, and a comment that is opened is a setting of the right type.
    #[test]
    fn every_setting_is_a_comment_that_only_has_to_be_opened() {
        let made = text(&[]);
        let opened: Vec<&str> = made
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "))
            .collect();
        assert!(opened.len() >= settings().len(), "{opened:?}");
        let wrong = parse(&opened.join("\n")).err().unwrap_or_default();
        let types: Vec<&String> = wrong
            .iter()
            .filter(|one| !one.starts_with("setting-value: invalid value"))
            .collect();
        assert!(types.is_empty(), "{types:?}");
    }
}
