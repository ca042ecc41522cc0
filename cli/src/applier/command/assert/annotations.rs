//! What does not hold, where the services that run pipelines show it beside the file: GitHub's workflow commands, and GitLab's
//! report of code quality.

use engine::contract::Digest;
use serde::Serialize;

use super::{Checked, Mismatch, Subject};
use crate::failure::{Failure, Kind};
use crate::report;

/// Where GitLab's documentation puts the report.
const GITLAB_FILE: &str = "gl-code-quality-report.json";

/// Says one workflow command for each assertion that does not hold, on standard error: standard output is data.
pub(super) fn github(subject: &Subject<'_>, checked: &[Checked<'_>]) {
    for (one, mismatch) in failed(checked) {
        report::talk(&command(subject, one, mismatch));
    }
}

fn command(subject: &Subject<'_>, one: &Checked<'_>, mismatch: &Mismatch) -> String {
    let place = subject.file.map_or_else(String::new, |file| {
        let file = property(&file.display().to_string());
        format!("file={file},line={},", one.check.line)
    });
    let title = property(one.check.name.as_deref().unwrap_or("artifactctl assert"));
    let message = data(&format!("deploy {}: {mismatch}", subject.deploy));
    format!("::error {place}title={title}::{message}")
}

/// The message of a workflow command: `%` and line ends are escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command: what ends one is escaped, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// Writes GitLab's report, also when everything holds: an artifact that is missing is an error of the job.
pub(super) fn gitlab(subject: &Subject<'_>, checked: &[Checked<'_>]) -> Result<(), Failure> {
    let issues: Vec<Issue> = failed(checked)
        .map(|(one, mismatch)| issue(subject, one, mismatch))
        .collect();
    let text = serde_json::to_string_pretty(&issues).expect("texts and numbers are JSON");
    std::fs::write(GITLAB_FILE, text).map_err(|error| {
        let message = format!("cannot write the report `{GITLAB_FILE}`");
        let mut failure = Failure::new(Kind::Unreachable, message);
        failure.causes.push(error.to_string());
        failure.hint("run it in a directory that can be written to")
    })
}

fn issue(subject: &Subject<'_>, one: &Checked<'_>, mismatch: &Mismatch) -> Issue {
    let path = subject.file.map(|file| file.display().to_string());
    let path = path.unwrap_or_else(|| "artifactctl assert".to_owned());
    let name = one.check.name.as_ref().unwrap_or(&one.check.text);
    Issue {
        description: format!("{}: {mismatch}", one.check.title()),
        check_name: "artifactctl assert".to_owned(),
        fingerprint: Digest::of(format!("{}\n{path}\n{name}", subject.target))
            .hex()
            .to_owned(),
        severity: "major",
        location: Location {
            path,
            lines: Lines {
                begin: one.check.line,
            },
        },
    }
}

fn failed<'c>(checked: &'c [Checked<'c>]) -> impl Iterator<Item = (&'c Checked<'c>, &'c Mismatch)> {
    checked
        .iter()
        .filter_map(|one| Some((one, one.mismatch.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use super::{data, property};

    #[test]
    fn what_would_end_a_workflow_command_is_escaped() {
        assert_eq!(data("50%\nof: a, b"), "50%25%0Aof: a, b");
        assert_eq!(property("a:b,c\n"), "a%3Ab%2Cc%0A");
    }
}
