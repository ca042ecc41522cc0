//! Which deploy of a target is meant, and its events.

use engine::run::latest_deploy;
use journal::{EventLog, StoreError, StoredEvent};
use uuid::Uuid;

use crate::applier::target::{deploy_journal_failure, store_failure};
use crate::failure::{Failure, Kind};

/// Fewest hexadecimal digits that stand for a deploy.
const DIGITS_MIN: usize = 4;
/// How many deploys, from the newest on, are looked through for an abbreviated id.
const SEARCHED: usize = 10_000;
/// How many of them are asked for at a time.
const PAGE: usize = 256;
/// How many deploys are named when an abbreviation fits several.
const NAMED: usize = 8;

/// The events of the deploy that is meant: `latest`, an id, or the beginning or end of one.
///
/// The beginning of an id is its time, so that deploys of one day begin alike; their ends differ.
pub(crate) fn named(events: &dyn EventLog, name: &str) -> Result<Vec<StoredEvent>, Failure> {
    let first = if name == "latest" {
        latest_deploy(events).map_err(|error| deploy_journal_failure(&error))?
    } else if let Ok(id) = Uuid::parse_str(name) {
        events
            .deploy_start(id)
            .map_err(|error| store_failure(&error))?
    } else {
        abbreviated(events, name)?
    };
    let target = events.stream();
    let first = first.ok_or_else(|| {
        Failure::new(
            Kind::Refused,
            format!("target `{target}` has no deploy `{name}`"),
        )
        .hint(format!("`artifactctl history {target}` lists its deploys"))
    })?;
    raw(events, first).map_err(|error| store_failure(&error))
}

/// The first event of the only deploy whose id begins or ends with these digits.
fn abbreviated(events: &dyn EventLog, name: &str) -> Result<Option<u64>, Failure> {
    let digits: String = name.chars().filter(|&c| c != '-').collect();
    let digits = digits.to_ascii_lowercase();
    if digits.len() < DIGITS_MIN || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Failure::new(Kind::Usage, format!("`{name}` is no deploy")).hint(format!(
            "give a deploy's id, its first or last {DIGITS_MIN} digits or more, or `latest`; `artifactctl history {}` lists them",
            events.stream()
        )));
    }
    let fits = |id: &Uuid| {
        let id = id.simple().to_string();
        id.starts_with(&digits) || id.ends_with(&digits)
    };
    let mut found: Vec<(u64, Uuid)> = Vec::new();
    let (mut before, mut searched) = (None, 0);
    while searched < SEARCHED && found.len() <= NAMED {
        let page = events
            .latest_deploys(before, PAGE)
            .map_err(|error| store_failure(&error))?;
        let Some(&(first, _)) = page.last() else {
            break;
        };
        (before, searched) = (Some(first), searched + page.len());
        found.extend(page.into_iter().filter(|(_, id)| fits(id)));
    }
    match found.as_slice() {
        [] => Ok(None),
        [(first, _)] => Ok(Some(*first)),
        several => {
            let ids: Vec<String> = several
                .iter()
                .take(NAMED)
                .map(|(_, id)| id.to_string())
                .collect();
            let more = if several.len() > NAMED { ", …" } else { "" };
            Err(Failure::new(
                Kind::Usage,
                format!("`{name}` is several deploys: {}{more}", ids.join(", ")),
            )
            .hint("give more digits; the last ones differ most"))
        }
    }
}

/// The events of the deploy that begins at a sequence, oldest first, not decoded.
pub(crate) fn raw(events: &dyn EventLog, first: u64) -> Result<Vec<StoredEvent>, StoreError> {
    let mut all: Vec<StoredEvent> = Vec::new();
    for event in journal::scan(events, first) {
        let event = event?;
        if all
            .first()
            .is_some_and(|begin| begin.header.deploy != event.header.deploy)
        {
            break;
        }
        all.push(event);
    }
    Ok(all)
}
