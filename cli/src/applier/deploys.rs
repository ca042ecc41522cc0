//! Which deploy of a target is meant, and its events.
//!
//! A name is `latest`, `last-good`, `@{TIME}`, an id, or the first or last digits of one; `~N` behind it goes back by N deploys.

use engine::contract::did_you_mean;
use engine::machine::{Base, Event};
use engine::run::{latest_deploy, latest_state, typed};
use jiff::Timestamp;
use journal::{EventLog, Head, StoreError, StoredEvent};
use uuid::Uuid;

use crate::applier::at::At;
use crate::applier::ids::Ids;
use crate::applier::target::{deploy_journal_failure, store_failure};
use crate::failure::{Failure, Kind};
use crate::report::counted;
use crate::when;

/// The latest deploy.
pub(crate) const LATEST: &str = "latest";
/// The latest deploy that was applied.
pub(crate) const LAST_GOOD: &str = "last-good";
/// Fewest hexadecimal digits that stand for a deploy.
const DIGITS_MIN: usize = 4;
/// How many deploys, from the newest on, are looked through for an abbreviated id, or are counted back.
pub(crate) const SEARCHED: usize = 10_000;
/// How many of them are asked for at a time.
const PAGE: usize = 256;
/// How many deploys are named when an abbreviation fits several.
const NAMED: usize = 8;

/// What stands before the `~` of a name.
#[derive(Debug, PartialEq, Eq)]
enum Anchor<'a> {
    Latest,
    LastGood,
    /// The deploy that was in effect at this moment.
    InEffect(&'a str),
    Id(Uuid),
    /// The beginning or end of an id, in lower case, without dashes.
    Digits(String),
}

/// A name in its two parts: what stands before the `~`, and how many deploys before that one are meant. None when it is no name.
fn parsed(name: &str) -> Option<(Anchor<'_>, usize)> {
    let (anchor, back) = match name.rsplit_once('~') {
        Some((anchor, "")) => (anchor, 1),
        Some((anchor, back)) => (anchor, back.parse().ok()?),
        None => (name, 0),
    };
    let moment = anchor
        .strip_prefix("@{")
        .and_then(|at| at.strip_suffix('}'));
    let anchor = match (anchor, moment) {
        (LATEST, _) => Anchor::Latest,
        (LAST_GOOD, _) => Anchor::LastGood,
        (_, Some(moment)) => Anchor::InEffect(moment),
        (text, None) => match Uuid::parse_str(text) {
            Ok(id) => Anchor::Id(id),
            Err(_) => Anchor::Digits(digits(text)?),
        },
    };
    Some((anchor, back))
}

/// The digits of an abbreviated id; none when it is none.
fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|&c| c != '-').collect();
    let is_id = digits.len() >= DIGITS_MIN && digits.chars().all(|c| c.is_ascii_hexdigit());
    is_id.then(|| digits.to_ascii_lowercase())
}

/// Whether a text has the form of a name. Of digits alone that says nothing.
pub(crate) fn is_name(text: &str) -> bool {
    parsed(text).is_some()
}

/// The events of the deploy that is meant.
pub(crate) fn named(events: &dyn EventLog, name: &str) -> Result<Vec<StoredEvent>, Failure> {
    let first = start(events, name)?;
    raw(events, first).map_err(|error| store_failure(&error))
}

/// The first event of the deploy that is meant.
pub(crate) fn start(events: &dyn EventLog, name: &str) -> Result<u64, Failure> {
    let target = events.stream();
    let Some((anchor, back)) = parsed(name) else {
        return Err(
            Failure::new(Kind::Usage, format!("`{name}` is no deploy")).hint(format!(
                "give a deploy's id, its first or last {DIGITS_MIN} digits or more, `latest`, `latest~2`, `last-good` or `@{{yesterday}}`; `artifactctl history {target}` lists them"
            )),
        );
    };
    let applied_only = matches!(anchor, Anchor::LastGood | Anchor::InEffect(_));
    let first = match anchor {
        Anchor::Latest => latest_deploy(events).map_err(|error| deploy_journal_failure(&error))?,
        Anchor::LastGood => in_effect(events)?,
        Anchor::InEffect(moment) => return in_effect_at(events, name, moment, back),
        Anchor::Id(id) => events
            .deploy_start(id)
            .map_err(|error| store_failure(&error))?,
        Anchor::Digits(digits) => abbreviated(events, name, &digits)?,
    };
    let first = first.ok_or_else(|| absent(events, name))?;
    before(events, first, back, applied_only)?
        .ok_or_else(|| too_far(events, name, first, applied_only))
}

/// The deploy that was in effect at a moment, and then back.
fn in_effect_at(
    events: &dyn EventLog,
    name: &str,
    moment: &str,
    back: usize,
) -> Result<u64, Failure> {
    let Some(time) = when::moment(moment, Timestamp::now()) else {
        return Err(Failure::new(Kind::Usage, format!("`{moment}` is no time"))
            .hint(format!("write {}", when::FORMS)));
    };
    let then = At::time(events, time)?;
    let first = in_effect(&then)?.ok_or_else(|| {
        let target = events.stream();
        Failure::new(
            Kind::Refused,
            format!(
                "nothing was applied to `{target}` by {}",
                when::second(time)
            ),
        )
        .hint(format!(
            "`artifactctl history {target}` says when its deploys were applied"
        ))
    })?;
    before(events, first, back, true)?.ok_or_else(|| too_far(events, name, first, true))
}

/// The first event of the deploy that was applied last.
fn in_effect(events: &dyn EventLog) -> Result<Option<u64>, Failure> {
    let state = latest_state(events).map_err(|error| deploy_journal_failure(&error))?;
    applied(events, state.base())
}

/// The first event of the deploy that was applied last, of a base and those that it builds upon. Each names the one before.
fn applied(events: &dyn EventLog, mut base: Option<Base>) -> Result<Option<u64>, Failure> {
    let mut later = u64::MAX;
    while let Some(deploy) = base {
        let first = events
            .deploy_start(deploy.deploy)
            .map_err(|error| store_failure(&error))?;
        // A deploy builds upon an earlier one. Of any other, which nobody recorded here, nothing is known.
        let Some(first) = first.filter(|first| *first < later) else {
            break;
        };
        if deploy.applied {
            return Ok(Some(first));
        }
        (later, base) = (first, base_of(events, first)?);
    }
    Ok(None)
}

/// The deploy that a deploy builds upon, as its request says.
fn base_of(events: &dyn EventLog, first: u64) -> Result<Option<Base>, Failure> {
    let event = journal::event(events, first).map_err(|error| store_failure(&error))?;
    let event = event
        .as_ref()
        .map(typed)
        .transpose()
        .map_err(|error| deploy_journal_failure(&error))?;
    Ok(event.and_then(|event| event.event.as_requested()?.base.clone()))
}

/// The first event of the deploy that is so many before one; none when there are not so many. Of those that were applied, where only
/// they count; holds never do.
fn before(
    events: &dyn EventLog,
    first: u64,
    back: usize,
    applied_only: bool,
) -> Result<Option<u64>, Failure> {
    let mut first = first;
    if applied_only {
        for _ in 0..back {
            match applied(events, base_of(events, first)?)? {
                Some(earlier) => first = earlier,
                None => return Ok(None),
            }
        }
        return Ok(Some(first));
    }
    let mut left = back;
    while left > 0 {
        let page = events
            .latest_deploys(Some(first), left.min(PAGE))
            .map_err(|error| store_failure(&error))?;
        if page.is_empty() {
            return Ok(None);
        }
        for (earlier, _) in page {
            first = earlier;
            let event = journal::event(events, first).map_err(|error| store_failure(&error))?;
            let is_deploy =
                event.is_none_or(|event| !Event::KINDS_APART.contains(&event.header.kind.as_str()));
            left -= usize::from(is_deploy);
            if left == 0 {
                break;
            }
        }
    }
    Ok(Some(first))
}

/// The first event of the deploy that was applied before one; none when that was the first.
pub(crate) fn applied_before(events: &dyn EventLog, first: u64) -> Result<Option<u64>, Failure> {
    before(events, first, 1, true)
}

/// No deploy has this name.
fn absent(events: &dyn EventLog, name: &str) -> Failure {
    let target = events.stream();
    let failure = Failure::new(
        Kind::Refused,
        format!("target `{target}` has no deploy `{name}`"),
    );
    let newest = events.latest_deploys(None, PAGE).unwrap_or_default();
    let ids = Ids::among(newest.iter().map(|(_, id)| *id));
    let shown: Vec<String> = newest.iter().map(|(_, id)| ids.shown(*id)).collect();
    let words = [LATEST, LAST_GOOD].into_iter();
    let nearest = did_you_mean(name, shown.iter().map(String::as_str).chain(words));
    let failure = nearest.into_iter().fold(failure, Failure::hint);
    let failure = match events.checkpoint() {
        Ok(Head { sequence, .. }) if sequence > 0 => failure.hint(pruned(sequence)),
        Ok(_) | Err(_) => failure,
    };
    failure.hint(format!("`artifactctl history {target}` lists its deploys"))
}

/// Why a deploy may be missing that there was.
fn pruned(until: u64) -> String {
    format!(
        "deploys before event {} were pruned",
        until.saturating_add(1)
    )
}

/// There are not so many deploys before one.
fn too_far(events: &dyn EventLog, name: &str, first: u64, applied_only: bool) -> Failure {
    let target = events.stream();
    let failure = absent(events, name);
    // The oldest one is the nearest that there is.
    let (mut count, mut oldest) = (0_u64, first);
    while count < SEARCHED as u64 {
        match before(events, oldest, 1, applied_only) {
            Ok(Some(earlier)) => (count, oldest) = (count + 1, earlier),
            Ok(None) | Err(_) => break,
        }
    }
    let id = journal::event(events, oldest)
        .ok()
        .flatten()
        .map(|event| event.header.deploy);
    let which = if applied_only {
        "applied deploy"
    } else {
        "deploy"
    };
    let are = if count == 1 { "is" } else { "are" };
    let count = counted(count, which);
    let failure = Failure {
        hints: Vec::new(),
        ..failure
    };
    let failure = failure.hint(match id {
        Some(id) => {
            let id = Ids::of(events, false).unwrap_or_default().shown(id);
            format!("there {are} {count} before it; the first one is `{id}`")
        }
        None => format!("`artifactctl history {target}` lists its deploys"),
    });
    match events.checkpoint() {
        Ok(Head { sequence, .. }) if sequence > 0 => failure.hint(pruned(sequence)),
        Ok(_) | Err(_) => failure,
    }
}

/// The first event of the only deploy whose id begins or ends with these digits.
///
/// The beginning of an id is its time, so that deploys of one day begin alike; their ends differ.
fn abbreviated(events: &dyn EventLog, name: &str, digits: &str) -> Result<Option<u64>, Failure> {
    let fits = |id: &Uuid| {
        let id = id.simple().to_string();
        id.starts_with(digits) || id.ends_with(digits)
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
