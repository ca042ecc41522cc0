//! `verify`: the journal's hash chain is whole, and its facts can follow each other.

use std::path::Path;
use std::process::ExitCode;

use engine::run::{deploy_facts, fold};
use journal::{Damage, Facts, Head, Journal, ReadError, StoreError, StreamId, VerifyReport, chain};
use serde::Serialize;

use crate::applier::args::Verify;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::counted;

#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    report: VerifyReport,
    /// The first deploy whose facts cannot follow each other, in words.
    illegal: Option<String>,
}

/// Verifies every target that is meant, all of them before the first failure is reported.
pub(crate) fn run(global: &Global, args: &Verify, output: &Output) -> Ended {
    let noted = args.head.as_deref().map(target::parse_head).transpose()?;
    let (root, targets) = match noted {
        // A head belongs to one target.
        Some(_) => {
            let (root, one) = target::one(global, args.target.as_deref())?;
            (root, vec![one])
        }
        None => target::all_or(global, args.target.as_deref())?,
    };
    let (mut damaged, mut kind) = (Vec::new(), Kind::Assertion);
    for stream in &targets {
        let verified = verify(&root, stream, noted.as_ref())?;
        output.result(Type::Verified, &verified, || text(&verified))?;
        let reason = verified
            .report
            .damage
            .as_ref()
            .map(ToString::to_string)
            .or(verified.illegal);
        if let Some(reason) = reason {
            damaged.push(format!("{stream}: {reason}"));
            // A journal that is whole without the noted head is not damaged: it is another one.
            if noted.is_none() || broken(&verify(&root, stream, None)?) {
                kind = Kind::Journal;
            }
        }
    }
    if targets.is_empty() {
        target::nothing_in(&root);
    }
    if damaged.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(kind, damaged.join("\n")).hint(
        "keep the journal as it is; `artifactctl import FILE --journal DIR` makes another of its last export",
    ))
}

fn broken(verified: &Verified) -> bool {
    verified.report.damage.is_some() || verified.illegal.is_some()
}

fn verify(root: &Path, stream: &StreamId, noted: Option<&Head>) -> Result<Verified, Failure> {
    let reader = match Journal::read(root, stream) {
        Ok(reader) => reader,
        // So damaged that it cannot be opened: a finding as any other, and the other targets are still looked at.
        Err(ReadError::Store(StoreError::Damaged(damage))) => return Ok(unopened(stream, damage)),
        Err(error) => return Err(target::read_failure(&error)),
    };
    let report = chain::verify(&reader, noted).map_err(|error| target::store_failure(&error))?;
    let illegal = if report.damage.is_none() {
        illegal(&reader)?
    } else {
        None
    };
    Ok(Verified { report, illegal })
}

/// The report on a journal of which nothing can be read.
fn unopened(stream: &StreamId, damage: Damage) -> Verified {
    Verified {
        report: VerifyReport {
            stream: stream.clone(),
            head: Head::empty(stream),
            facts: 0,
            deploys: 0,
            damage: Some(damage),
        },
        illegal: None,
    }
}

/// Folds every deploy, a page of the index at a time.
fn illegal(facts: &dyn Facts) -> Result<Option<String>, Failure> {
    const PAGE: usize = 256;
    let mut before = None;
    loop {
        let page = facts
            .latest_deploys(before, PAGE)
            .map_err(|error| target::store_failure(&error))?;
        for &(first, _) in &page {
            if let Err(error) = deploy_facts(facts, first).and_then(|facts| fold(&facts)) {
                return Ok(Some(Failure::of(Kind::Journal, &error).sentence()));
            }
        }
        match page.last() {
            Some(&(first, _)) => before = Some(first),
            None => return Ok(None),
        }
    }
}

fn text(verified: &Verified) -> String {
    let Verified { report, illegal } = verified;
    let state = match (&report.damage, illegal) {
        (Some(damage), _) => format!("damaged: {damage}"),
        (None, Some(illegal)) => format!("damaged: {illegal}"),
        (None, None) => "whole".to_owned(),
    };
    format!(
        "{}: {state}; {} in {}, head {}",
        report.stream,
        counted(report.facts, "fact"),
        counted(report.deploys, "deploy"),
        target::head_text(&report.head)
    )
}
