//! The results of `assert` as `JUnit` XML, in the form that CI systems read: one test case for each assertion.

use std::fmt::Write as _;
use std::path::Path;

use super::{Checked, Subject};
use crate::failure::{Failure, Kind};

/// Writes the report.
pub(super) fn write(
    path: &Path,
    subject: &Subject<'_>,
    checked: &[Checked<'_>],
) -> Result<(), Failure> {
    std::fs::write(path, report(subject, checked)).map_err(|error| {
        let message = format!("cannot write the report `{}`", path.display());
        let mut failure = Failure::new(Kind::Unreachable, message);
        failure.causes.push(error.to_string());
        failure.hint("name a file that can be written with `--junit FILE`")
    })
}

fn report(subject: &Subject<'_>, checked: &[Checked<'_>]) -> String {
    let file = subject.file.map(|file| file.display().to_string());
    let suite = escaped(file.as_deref().unwrap_or("artifactctl assert"));
    let failures = checked.iter().filter(|one| one.mismatch.is_some()).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\"", checked.len());
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites {counts}>\n  \
         <testsuite name=\"{suite}\" {counts} errors=\"0\" skipped=\"0\">\n    \
         <properties>\n      \
         <property name=\"target\" value=\"{}\"/>\n      \
         <property name=\"deploy\" value=\"{}\"/>\n    \
         </properties>\n",
        escaped(&subject.target.to_string()),
        subject.deploy
    );
    for one in checked {
        let name = one.check.name.as_ref().unwrap_or(&one.check.text);
        let place = file.as_ref().map_or_else(String::new, |file| {
            format!(" file=\"{}\" line=\"{}\"", escaped(file), one.check.line)
        });
        let _ = write!(
            text,
            "    <testcase name=\"{}\" classname=\"{}\"{place}",
            escaped(name),
            escaped(&subject.target.to_string())
        );
        match &one.mismatch {
            None => text.push_str("/>\n"),
            Some(mismatch) => {
                let lines: Vec<&str> = one
                    .side_by_side
                    .iter()
                    .map(|line| line.trim_end())
                    .collect();
                let _ = write!(
                    text,
                    ">\n      <failure type=\"mismatch\" message=\"{}\">pattern: {}\n{}</failure>\n    </testcase>\n",
                    escaped(&mismatch.to_string()),
                    escaped(&one.check.text),
                    escaped(&lines.join("\n"))
                );
            }
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// A text as XML 1.0 has it: characters that it has no place for become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_text_is_one_that_xml_has_a_place_for() {
        assert_eq!(
            escaped("a<b & \"c\" > d\u{1b}[0m\u{0}\né"),
            "a&lt;b &amp; &quot;c&quot; &gt; d\u{fffd}[0m\u{fffd}\né"
        );
    }
}
