//! Secret files: which names they give, and the values of those that are required, to be taken out of what others print.
//!
//! No message, place or excerpt here ever carries a piece of a line, since every piece may be a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::env_file::{self, EnvValue, Lookup};
use super::manifest::Manifest;
use super::rule::Rule;
use super::text::is_secret_name;
use super::violation::{Place, Violation};

/// Whether a name has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It has one.
    Given,
    /// It stands there with nothing behind it.
    Blank,
}

/// The names of a secret file.
pub type SecretNames = BTreeMap<String, Presence>;

/// Values that nobody may see: builds and provisioners that print them are not quoted. Never shown, not even by `Debug`.
#[derive(Clone, Default)]
pub struct SecretValues(Vec<String>);

impl fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretValues({})", self.0.len())
    }
}

impl SecretValues {
    /// Each value in every form that a program may print, the lines of a value among them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

/// A secret file that was read. Its values show nowhere, not even by `Debug`.
pub struct SecretFile(Vec<(String, EnvValue)>);

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretFile").field(&self.names()).finish()
    }
}

impl SecretFile {
    /// Reads a file as Compose does; `lookup` is the process environment. The error is every line that it cannot
    /// understand.
    pub fn parse(file: &str, text: &str, lookup: Lookup<'_>) -> Result<Self, Vec<Violation>> {
        env_file::parse(file, text, lookup).map(Self)
    }

    /// Its names; the last of two equal ones counts.
    pub fn names(&self) -> SecretNames {
        let presence = |value: &EnvValue| match value.resolved.trim() {
            "" => Presence::Blank,
            _ => Presence::Given,
        };
        let names = self
            .0
            .iter()
            .map(|(name, value)| (name.clone(), presence(value)));
        names.collect()
    }

    /// The names by which people call secrets, whoever requires them: `DB_PASSWORD`, `apiToken`.
    pub fn telling_names(&self) -> BTreeSet<&str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.filter(|name| tells_a_secret(name)).collect()
    }

    /// The values of these names in every form that a program may print: resolved, as written, and each line of both.
    pub fn values(&self, names: &BTreeSet<&str>) -> SecretValues {
        let mut values = Vec::new();
        let known = self
            .0
            .iter()
            .filter(|(name, _)| names.contains(name.as_str()));
        for (_, EnvValue { resolved, written }) in known {
            for text in [resolved, written] {
                let lines = text.lines().map(|line| line.trim_end_matches('\r'));
                for form in std::iter::once(text.as_str()).chain(lines) {
                    if !form.trim().is_empty() && !values.iter().any(|known| known == form) {
                        values.push(form.to_owned());
                    }
                }
            }
        }
        SecretValues(values)
    }
}

/// Parts of names, in upper case, that say that a value is a secret.
const TELLING: [&str; 8] = [
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "PRIVATE",
    "APIKEY",
    "_KEY",
];

/// Whether people call a secret so: `DB_PASSWORD`, `apiToken`.
fn tells_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    TELLING.iter().any(|part| name.contains(part))
}

/// Whether the value of this name is neither shown nor kept: any name that tells a secret, and any key. To hide too much costs a
/// look into a file, to hide too little a secret; what is *searched* for in the output of others has to be the narrower list, since
/// ordinary words would be taken out with it.
pub fn may_name_a_secret(name: &str) -> bool {
    tells_a_secret(name) || name.to_ascii_uppercase().contains("KEY")
}

/// The values that a secret file gives these names, without a process environment. A file that cannot be read gives none.
pub fn secret_values(text: &str, names: &BTreeSet<&str>) -> SecretValues {
    SecretFile::parse("", text, &|_| None)
        .map(|file| file.values(names))
        .unwrap_or_default()
}

/// The names that a manifest's entries require: the union, sorted.
pub fn required_secrets(manifest: &Manifest) -> BTreeSet<&str> {
    manifest
        .artifacts
        .iter()
        .flat_map(|entry| &entry.required_secret_env)
        .map(String::as_str)
        .collect()
}

/// The names of a secret file, without a process environment.
pub fn parse_secret_env(file: &str, text: &str) -> Result<SecretNames, Vec<Violation>> {
    SecretFile::parse(file, text, &|_| None).map(|file| file.names())
}

/// Compares what is required with what a file gives; `given` is none when no file was named.
pub fn check_secrets(
    required: &BTreeSet<&str>,
    file: &str,
    given: Option<&SecretNames>,
) -> Vec<Violation> {
    let Some(given) = given else {
        return no_secret_file(required);
    };
    required
        .iter()
        .filter_map(|name| {
            let (rule, what, hint) = match given.get(*name) {
                Some(Presence::Given) => return None,
                Some(Presence::Blank) => {
                    let hint = format!("give `{name}` a value in that file");
                    (Rule::EmptySecret, "is empty", hint)
                }
                None => {
                    let hint = format!("add a line `{name}=value` to that file");
                    (Rule::MissingSecret, "is missing", hint)
                }
            };
            let message = format!("the required secret `{name}` {what}");
            Some(Violation::new(rule, Place::file(file), message).with_hint(hint))
        })
        .collect()
}

fn no_secret_file(required: &BTreeSet<&str>) -> Vec<Violation> {
    if required.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = required.iter().map(|name| format!("`{name}`")).collect();
    let message = format!(
        "no secret file is given, but secrets are required: {}",
        names.join(", ")
    );
    vec![
        Violation::new(Rule::NoSecretFile, Place::file(""), message)
            .with_hint("name a file of `KEY=value` lines with `--secret-env PATH`"),
    ]
}

/// The text of a value as it stands in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EnvText<'t> {
    /// Without quotes.
    Plain(&'t str),
    /// What stands between single quotes.
    Single(&'t str),
    /// What stands between double quotes, escapes included.
    Double(&'t str),
}

/// Reads one `KEY=value` line: nothing, or a name and the text of its value. The message never repeats a piece of the line.
pub fn env_line(line: &str) -> Result<Option<(&str, EnvText<'_>)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        Some(_) | None => line,
    };
    let Some((name, value)) = line.split_once('=') else {
        return Err("this line is no `KEY=value`");
    };
    let name = name.trim_end();
    if !is_secret_name(name) {
        return Err("the name before `=` can be no environment variable");
    }
    Ok(Some((name, env_text(value)?)))
}

fn env_text(value: &str) -> Result<EnvText<'_>, &'static str> {
    let trimmed = value.trim_start();
    for quote in ['"', '\''] {
        let Some(rest) = trimmed.strip_prefix(quote) else {
            continue;
        };
        let Some(end) = closing(rest, quote) else {
            return Err("a quote is opened and not closed on this line");
        };
        let after = rest[end + 1..].trim_start();
        if !after.is_empty() && !after.starts_with('#') {
            return Err("something follows the closing quote");
        }
        let inside = &rest[..end];
        return Ok(if quote == '"' {
            EnvText::Double(inside)
        } else {
            EnvText::Single(inside)
        });
    }
    // A comment needs a blank before its `#`; `KEY=#x` is a value.
    let end = value.find(" #").or_else(|| value.find("\t#"));
    Ok(EnvText::Plain(value[..end.unwrap_or(value.len())].trim()))
}

/// Where a quoted value ends. A backslash escapes within double quotes only.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        if escaped {
            escaped = false;
            return None;
        }
        escaped = c == '\\' && quote == '"';
        (c == quote).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("A=x", Presence::Given)]
    #[case("  A=x\r", Presence::Given)]
    #[case("export A=x", Presence::Given)]
    #[case("export\tA = x", Presence::Given)]
    #[case("A='#x'", Presence::Given)]
    #[case("A=#x", Presence::Given)]
    #[case("A==", Presence::Given)]
    #[case(r#"A="\"" # note"#, Presence::Given)]
    #[case("\u{feff}A=x", Presence::Given)]
    #[case("A=\nA=x", Presence::Given)]
    #[case("A=x\nA=", Presence::Blank)]
    #[case("A=", Presence::Blank)]
    #[case("A=   ", Presence::Blank)]
    #[case("A= # note", Presence::Blank)]
    #[case("A=\"\"", Presence::Blank)]
    #[case("A=' '# note", Presence::Blank)]
    fn a_line_gives_a_name(#[case] text: &str, #[case] presence: Presence) {
        let names = parse_secret_env("s.env", text).unwrap();

        assert_eq!(names, SecretNames::from([("A".to_owned(), presence)]));
    }

    #[rstest]
    #[case("A= x y ", EnvText::Plain("x y"))]
    #[case("A=x # note", EnvText::Plain("x"))]
    #[case("A=x\t# note", EnvText::Plain("x"))]
    #[case("A=x#y", EnvText::Plain("x#y"))]
    #[case("A= # note", EnvText::Plain(""))]
    #[case("A='x # y' # note", EnvText::Single("x # y"))]
    #[case(r#"A="x\"y""#, EnvText::Double(r#"x\"y"#))]
    fn a_line_gives_the_text_of_its_value(#[case] line: &str, #[case] text: EnvText<'_>) {
        assert!(env_line(line) == Ok(Some(("A", text))));
    }

    #[rstest]
    #[case("A=x y", &["x y"])]
    #[case("export A = 'x # y' # z", &["x # y"])]
    #[case(r#"A="a\"b\\c""#, &[r#"a"b\c"#, r#"a\"b\\c"#])]
    #[case("A=1\nB=2\nA=3", &["1", "3"])]
    #[case("A=\"one\ntwo\r\n\n\"", &["one\ntwo\r\n\n", "one", "two"])]
    #[case(r#"A="one\ntwo""#, &["one\ntwo", "one", "two", r"one\ntwo"])]
    #[case("B=x\nA=$B-y", &["x-y", "$B-y"])]
    #[case("A=\nB=x", &[])]
    fn the_values_of_required_names_are_known_as_they_may_be_printed(
        #[case] text: &str,
        #[case] expected: &[&str],
    ) {
        let values = secret_values(text, &BTreeSet::from(["A"]));

        assert_eq!(values.iter().collect::<Vec<_>>(), expected);
        let shown = format!("SecretValues({})", expected.len());
        assert_eq!(format!("{values:?}"), shown);
    }

    #[test]
    fn comments_and_blank_lines_give_nothing() {
        assert_eq!(
            parse_secret_env("s", "# a\n\n  #b=c\n").unwrap(),
            SecretNames::new()
        );
    }

    #[rstest]
    #[case("OK=1\nhunter2\n", 2)]
    #[case("hunter2=\u{e9}\n9hunter2=x\n", 2)]
    #[case("export hunter2", 1)]
    #[case("=hunter2", 1)]
    #[case("A=\"hunter2", 1)]
    #[case("A='hunter2' hunter2", 1)]
    #[case("hun-ter2=hunter2", 1)]
    fn a_line_that_cannot_be_read_is_named_and_not_shown(#[case] text: &str, #[case] line: u32) {
        let violations = parse_secret_env("s.env", text).unwrap_err();

        let shown = format!("{violations:?}");
        assert_eq!((violations.len(), violations[0].place.line), (1, line));
        assert_eq!(violations[0].rule, "bad-secret-line");
        assert!(
            !shown.contains("hunter2") && !shown.contains("hun-ter2"),
            "{shown}"
        );
    }

    #[test]
    fn missing_and_empty_secrets_are_named() {
        let given = parse_secret_env("s.env", "A=1\nB=\nX=hunter2\n").unwrap();

        let violations = check_secrets(&BTreeSet::from(["A", "B", "C"]), "s.env", Some(&given));

        let found: Vec<_> = violations
            .iter()
            .map(|v| (v.rule.as_str(), v.message.as_str(), v.place.file.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("empty-secret", "the required secret `B` is empty", "s.env"),
                (
                    "missing-secret",
                    "the required secret `C` is missing",
                    "s.env"
                ),
            ]
        );
    }

    #[test]
    fn without_a_file_all_required_names_are_listed() {
        let violations = check_secrets(&BTreeSet::from(["B", "A"]), "", None);

        assert_eq!(violations[0].rule, "no-secret-file");
        assert!(violations[0].message.ends_with("`A`, `B`"));
        assert_eq!(check_secrets(&BTreeSet::new(), "", None), []);
    }

    #[test]
    fn a_name_tells_that_its_value_is_a_secret() {
        let text = "DB_PASSWORD=a\napiToken=b\nPORT=1\nAWS_ACCESS_KEY_ID=c\nKEYBOARD=d\nPGPASS=e\nMONKEY=f\n";
        let file = SecretFile::parse("f", text, &|_| None).unwrap();
        let expected = ["AWS_ACCESS_KEY_ID", "DB_PASSWORD", "PGPASS", "apiToken"];
        assert_eq!(file.telling_names(), BTreeSet::from(expected));
    }

    #[rstest]
    #[case("DB_PASSWORD", true)]
    #[case("DB_PASS", true)]
    #[case("AWS_SECRET_ACCESS_KEY", true)]
    #[case("apiToken", true)]
    #[case("stripeKey", true)]
    #[case("SIGNINGKEY", true)]
    #[case("GREETING", false)]
    #[case("timeout", false)]
    fn a_name_tells_whether_its_value_is_shown_and_kept(#[case] name: &str, #[case] hidden: bool) {
        assert_eq!(may_name_a_secret(name), hidden);
    }
}
