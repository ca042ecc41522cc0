//! `assert`: compares the events of a deploy with patterns.

mod annotations;
mod junit;

use std::path::Path;
use std::process::ExitCode;

use engine::load;
use engine::run::DeployJournalError;
use engine::views::{Mismatch, Pattern, PatternDifference, TimedEvent, parse_assertions};
use journal::{StoredEvent, StreamId};
use serde::Serialize;

use crate::applier::args::{Annotations, Assert};
use crate::applier::ids::Ids;
use crate::applier::target::store_failure;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;

/// The largest file of assertions, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// The place of a pattern that stands on the command line.
const ARGUMENT: &str = "PATTERN";

/// One pattern that is compared.
struct Check {
    /// Its name in the file; none of one that stands on the command line.
    name: Option<String>,
    /// The line of its name, from 1.
    line: u32,
    text: String,
    pattern: Pattern,
}

/// What became of one pattern.
struct Checked<'a> {
    check: &'a Check,
    mismatch: Option<Mismatch>,
    side_by_side: Vec<String>,
}

/// What was compared with what.
struct Subject<'a> {
    target: &'a StreamId,
    deploy: uuid::Uuid,
    /// Its id in short, as people read it.
    id: String,
    /// The file of assertions, as it was named.
    file: Option<&'a Path>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Comparison<'a> {
    /// The deploy whose events were compared.
    deploy: uuid::Uuid,
    /// The name of the pattern in its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The pattern.
    pattern: &'a str,
    /// The kinds of the events, in their order.
    events: &'a [&'a str],
    /// The events fit the pattern.
    holds: bool,
    /// Where the events leave the pattern; null when they fit.
    mismatch: Option<&'a Mismatch>,
}

/// Asserts.
pub(crate) fn run(global: &Global, args: &Assert, output: &Output) -> Ended {
    let (named, checks) = asked(args)?;
    let (root, stream) = target::one(global, args.target.as_deref())?;
    let reader = target::reader(&root, &stream)?;
    let stored = deploys::named(&reader, named)?;
    let events = timed(&stored, &checks)?;
    let subject = Subject {
        target: &stream,
        deploy: stored[0].header.deploy,
        id: Ids::of(&reader, false)
            .map_err(|error| store_failure(&error))?
            .shown(stored[0].header.deploy),
        file: args.file.as_deref(),
    };
    let checked = checks
        .iter()
        .map(|check| compared(check, &events))
        .collect::<Result<Vec<_>, _>>()?;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    for one in &checked {
        let body = Comparison {
            deploy: subject.deploy,
            name: one.check.name.as_deref(),
            pattern: &one.check.text,
            events: &kinds,
            holds: one.mismatch.is_none(),
            mismatch: one.mismatch.as_ref(),
        };
        output.result(Type::Assertion, &body, || shown(one, &subject.id))?;
    }
    if let Some(path) = &args.junit {
        junit::write(path, &subject, &checked)?;
    }
    match args.annotations {
        Some(Annotations::Github) => annotations::github(&subject, &checked),
        Some(Annotations::Gitlab) => annotations::gitlab(&subject, &checked)?,
        None => {}
    }
    failure(&subject, &checked).map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Which deploy is meant, and what it is compared with.
fn asked(args: &Assert) -> Result<(&str, Vec<Check>), Failure> {
    let (deploy, words) = args.deploy_and_words();
    let Some(file) = &args.file else {
        let text = words.join(" ");
        if words.is_empty() {
            return Err(Failure::new(Kind::Usage, "there is no pattern to compare with")
                .hint("give one, as `artifactctl assert 'Requested ... Applied'`, or a file of them with `--file`"));
        }
        let pattern = Pattern::parse(&text).map_err(|error| {
            let violations = vec![error.violation(ARGUMENT)];
            Failure::violated(Kind::Usage, "the pattern does not read", violations)
        })?;
        let name = None;
        let line = 1;
        return Ok((
            deploy,
            vec![Check {
                name,
                line,
                text,
                pattern,
            }],
        ));
    };
    if let Some(word) = words.first() {
        return Err(Failure::new(
            Kind::Usage,
            format!("`{word}` is a pattern, and `--file` names a file of them"),
        )
        .hint("leave one of them out"));
    }
    Ok((deploy, from_file(file)?))
}

fn from_file(path: &Path) -> Result<Vec<Check>, Failure> {
    let shown = path.display().to_string();
    let unreadable = |why: String| {
        let mut failure =
            Failure::new(Kind::Usage, format!("cannot read the assertions `{shown}`"));
        failure.causes.push(why);
        failure.hint("`--file` names a file of named patterns")
    };
    let text = load::open_anywhere(path)
        .and_then(|mut file| load::read_bounded(&mut file, FILE_MAX))
        .map_err(|problem| unreadable(format!("it {problem}")))?;
    let text = String::from_utf8(text).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let named = parse_assertions(&text).map_err(|errors| {
        let violations = errors.iter().map(|error| error.violation(&shown));
        let what = format!("the assertions `{shown}` do not read");
        Failure::violated(Kind::Usage, &what, violations.collect())
    })?;
    let checks = named.into_iter().map(|named| Check {
        name: Some(named.name),
        line: named.line,
        text: named.text,
        pattern: named.pattern,
    });
    Ok(checks.collect())
}

fn timed(stored: &[StoredEvent], checks: &[Check]) -> Result<Vec<TimedEvent>, Failure> {
    let patterns: Vec<&Pattern> = checks.iter().map(|check| &check.pattern).collect();
    let timed = stored.iter().map(|event| {
        TimedEvent::of(event, &patterns).map_err(|source| {
            let sequence = event.header.sequence;
            target::deploy_journal_failure(&DeployJournalError::Decode { sequence, source })
        })
    });
    timed.collect()
}

fn compared<'a>(check: &'a Check, events: &[TimedEvent]) -> Result<Checked<'a>, Failure> {
    let (mismatch, side_by_side) = match check.pattern.compare(events) {
        Ok(()) => (None, Vec::new()),
        Err(PatternDifference::Mismatch {
            mismatch,
            side_by_side,
        }) => (Some(mismatch), side_by_side),
        Err(PatternDifference::TooCostly) => {
            let message = format!(
                "the pattern of {} is too costly to compare with {} events",
                check.title(),
                events.len()
            );
            return Err(Failure::new(Kind::Usage, message)
                .hint("put fewer `within` into each other, and fewer `...` before them"));
        }
    };
    Ok(Checked {
        check,
        mismatch,
        side_by_side,
    })
}

impl Check {
    /// What it is called: its name, else the pattern.
    fn title(&self) -> String {
        let name = self.name.as_ref().unwrap_or(&self.text);
        format!("`{name}`")
    }
}

fn shown(checked: &Checked<'_>, id: &str) -> String {
    let name = checked.check.name.as_deref();
    match (&checked.mismatch, name) {
        (None, None) => format!("{id} fits the pattern"),
        (None, Some(name)) => format!("{id} fits `{name}`"),
        (Some(mismatch), _) => {
            let head = name.map_or_else(String::new, |name| format!("`{name}`\n"));
            let pattern = &checked.check.text;
            let prefix = match mismatch.whole {
                Some(whole) if whole > 0 => format!("\nthe whole pattern fits up to event {whole}"),
                Some(_) | None => String::new(),
            };
            let lines = checked.side_by_side.iter().map(|line| line.trim_end());
            let lines: Vec<&str> = lines.collect();
            format!("{head}pattern: {pattern}\n{}{prefix}", lines.join("\n"))
        }
    }
}

/// What does not hold, if something does not.
fn failure(subject: &Subject<'_>, checked: &[Checked<'_>]) -> Option<Failure> {
    let Subject { target, id, .. } = subject;
    let failed: Vec<(&Check, &Mismatch)> = checked
        .iter()
        .filter_map(|one| Some((one.check, one.mismatch.as_ref()?)))
        .collect();
    let message = match (failed.as_slice(), subject.file) {
        ([], _) => return None,
        ([(_, mismatch)], None) => {
            format!("deploy {id} does not fit the pattern: {mismatch}")
        }
        (failed, _) => {
            let all = checked.len();
            let mut message = format!(
                "deploy {id} does not fit {} of {all} {}",
                failed.len(),
                if all == 1 { "assertion" } else { "assertions" }
            );
            for (check, mismatch) in failed {
                message.push_str(&format!("\n{}: {mismatch}", check.title()));
            }
            message
        }
    };
    Some(Failure::new(Kind::Assertion, message).hint(format!(
        "`artifactctl show {id} --target {target}` says what happened"
    )))
}
