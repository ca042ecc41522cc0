//! `docs/guide/troubleshooting.md` names messages that the programs have.

use super::ownership::{quoted, read};
use super::sources;

const PAGE: &str = "docs/guide/troubleshooting.md";

/// The first column of the page's tables of messages.
fn messages(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        inside = line == "| message | what to do |" || (inside && line.starts_with('|'));
        let message = line
            .strip_prefix("| `")
            .and_then(|row| row.split('`').next());
        found.extend(message.filter(|_| inside));
    }
    found
}

/// Text without what stands for a value: `{…}` of a format, and backticks around it.
fn plain(source: &str) -> String {
    let mut text = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        // A brace with blanks behind it opens a block of code.
        let value = after.split_once('}');
        let value = value.filter(|(value, _)| !value.contains(char::is_whitespace));
        rest = value.map_or(after, |(_, behind)| behind);
    }
    text.push_str(rest);
    text.replace('`', "")
}

#[test]
fn every_message_that_has_advice_is_one_that_the_programs_say() {
    let page = read(PAGE);
    let messages = messages(&page);
    assert!(messages.len() > 40, "{}", messages.len());
    let said: Vec<String> = sources()
        .iter()
        .filter(|source| source.is_rust() && !source.is_test())
        .filter(|source| !source.path.starts_with("e2e/"))
        // A text that goes on in the next line ends with a backslash there.
        .map(|source| {
            let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
            plain(&lines.join("\n").replace("\\\n", ""))
        })
        .collect();
    let mut missing = Vec::new();
    for message in messages {
        let fragments = message.split('…').map(str::trim);
        // What could not be done is named by whoever tried it.
        let fragments = fragments.map(|fragment| fragment.trim_start_matches("cannot "));
        // Words alone: what stands between two names may be a comma.
        for fragment in fragments.filter(|fragment| fragment.len() > 3) {
            if !said.iter().any(|text| text.contains(fragment)) {
                missing.push(format!("`{message}`: `{fragment}`"));
            }
        }
    }
    assert!(missing.is_empty(), "nobody says:\n{}", missing.join("\n"));
    assert!(quoted(&page).count() > 100);
}
