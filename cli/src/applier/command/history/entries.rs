//! The entries of a history: which are asked for, and in which order they stand.

use std::collections::VecDeque;

use engine::views::{
    DeployFilter, DriftSummary, HoldSummary, PruneSummary, Summary, drift, hold, prune, summarise,
};
use jiff::SignedDuration;
use journal::EventLog;

use crate::applier::ids::Ids;
use crate::applier::{deploys, target};
use crate::failure::Failure;

/// The entries of all targets, newest first. In each target the order is that of its events; a clock decides between targets only.
pub(super) fn newest_first(mut targets: Vec<VecDeque<Entry>>, limit: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    while all.len() < limit {
        let newest = targets
            .iter_mut()
            .filter(|entries| !entries.is_empty())
            .max_by_key(|entries| entries.front().map(Entry::begun_at));
        match newest.and_then(VecDeque::pop_front) {
            Some(entry) => all.push(entry),
            None => break,
        }
    }
    all
}

/// What a target's journal consists of.
pub(super) enum Entry {
    Deploy(Box<Summary>),
    /// A hold of a target without an unfinished deploy.
    Hold(HoldSummary),
    /// Drift that was recorded.
    Drift(DriftSummary),
    /// A prune.
    Prune(PruneSummary),
}

impl Entry {
    pub(super) fn target(&self) -> &str {
        match self {
            Self::Deploy(summary) => &summary.target,
            Self::Hold(hold) => &hold.target,
            Self::Drift(drift) => &drift.target,
            Self::Prune(prune) => &prune.target,
        }
    }

    fn begun_at(&self) -> jiff::Timestamp {
        match self {
            Self::Deploy(summary) => summary.requested_at,
            Self::Hold(hold) => hold.held_at,
            Self::Drift(drift) => drift.found_at,
            Self::Prune(prune) => prune.pruned_at,
        }
    }
}

/// What is known of one target.
pub(super) struct Past {
    pub(super) target: String,
    pub(super) entries: VecDeque<Entry>,
    pub(super) ids: Ids,
    /// How many deploys and holds are older, where that is counted.
    pub(super) older: usize,
    /// Older ones were not looked at: nobody knows how many of them fit.
    pub(super) may_go_on: bool,
}

/// Deploys that are counted beyond those that are shown, of each target: what is older costs history.
const COUNTED_MAX: usize = 10_000;

/// How many of the index are asked for at a time.
const PAGE: usize = 256;
/// No clock is set back by more: what was asked for so long before a moment ends the search for what came after it.
const CLOCK_SETBACK: SignedDuration = SignedDuration::from_hours(24);

/// Which entries are asked for.
pub(super) struct Asked<'a> {
    pub(super) filter: DeployFilter,
    /// The deploy behind which the list begins.
    pub(super) after: Option<&'a str>,
    pub(super) limit: usize,
    pub(super) is_long: bool,
}

impl Asked<'_> {
    pub(super) fn of_target(&self, events: &dyn EventLog) -> Result<Past, Failure> {
        let failed = |error| target::store_failure(&error);
        let mut before = self
            .after
            .map(|name| deploys::start(events, name))
            .transpose()?;
        let mut past = Past {
            target: events.stream().to_string(),
            entries: VecDeque::new(),
            ids: Ids::of(events, self.is_long).map_err(failed)?,
            older: 0,
            may_go_on: false,
        };
        'pages: loop {
            let wanted = if self.filter.is_empty() {
                self.limit - past.entries.len()
            } else {
                PAGE
            };
            if wanted == 0 {
                break;
            }
            let page = events.latest_deploys(before, wanted).map_err(failed)?;
            if page.is_empty() {
                return Ok(past);
            }
            for (first, _) in page {
                if past.entries.len() == self.limit {
                    past.may_go_on = true;
                    break 'pages;
                }
                before = Some(first);
                if !self.is_young(events, first)? {
                    return Ok(past);
                }
                past.entries.extend(self.entry(events, first)?);
            }
        }
        // Of those that are asked for by some property nobody knows how many are older.
        if self.filter.is_empty() {
            past.older = events
                .latest_deploys(before, COUNTED_MAX)
                .map_err(failed)?
                .len();
        }
        Ok(past)
    }

    /// What begins here may be young enough, and so may what came before it.
    fn is_young(&self, events: &dyn EventLog, first: u64) -> Result<bool, Failure> {
        let Some(since) = self.filter.since else {
            return Ok(true);
        };
        let event = journal::event(events, first).map_err(|error| target::store_failure(&error))?;
        let begun = event.map(|event| event.header.recorded_at);
        Ok(begun.is_none_or(|begun| begun.duration_since(since) > -CLOCK_SETBACK))
    }

    /// The entry that begins here, when it is asked for.
    fn entry(&self, events: &dyn EventLog, first: u64) -> Result<Option<Entry>, Failure> {
        let failed = |error| target::store_failure(&error);
        if self.filter.since.is_some() || self.filter.until.is_some() {
            let event = journal::event(events, first).map_err(failed)?;
            if event.is_some_and(|event| !self.filter.admits_time(event.header.recorded_at)) {
                return Ok(None);
            }
        }
        let events = deploys::raw(events, first).map_err(failed)?;
        if let Some(hold) = hold(&events) {
            let is_asked = self.filter.admits_hold(&hold, &events);
            return Ok(is_asked.then_some(Entry::Hold(hold)));
        }
        if let Some(drift) = drift(&events) {
            let is_asked = self.filter.admits_drift(&drift, &events);
            return Ok(is_asked.then_some(Entry::Drift(drift)));
        }
        if let Some(prune) = prune(&events) {
            let is_asked = self.filter.admits_prune(&prune, &events);
            return Ok(is_asked.then_some(Entry::Prune(prune)));
        }
        let summary = summarise(&events).filter(|summary| self.filter.admits(summary, &events));
        Ok(summary.map(Box::new).map(Entry::Deploy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(target: &str, at: &str) -> Entry {
        Entry::Hold(HoldSummary {
            target: target.to_owned(),
            hold: uuid::Uuid::nil(),
            first: 1,
            last: 1,
            actor: "ada".to_owned(),
            message: at.to_owned(),
            held_at: at.parse().unwrap(),
            released_at: None,
            released_by: None,
            note: None,
        })
    }

    /// The clock of the first target went back by an hour between its two entries.
    #[test]
    fn within_a_target_the_order_is_that_of_its_events() {
        let late = "2026-02-20T10:00:00Z";
        let one = [hold("a/dev", "2026-02-20T09:00:00Z"), hold("a/dev", late)];
        let other = [hold("b/dev", "2026-02-20T09:30:00Z")];
        let all = newest_first(vec![one.into(), other.into()], 10);
        let order: Vec<(String, String)> = all
            .into_iter()
            .map(|entry| match entry {
                Entry::Hold(hold) => (hold.target, hold.message[11..16].to_owned()),
                Entry::Deploy(_) | Entry::Drift(_) | Entry::Prune(_) => {
                    unreachable!("only holds were given")
                }
            })
            .collect();
        let order: Vec<(&str, &str)> = order.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            order,
            [("b/dev", "09:30"), ("a/dev", "09:00"), ("a/dev", "10:00")]
        );
    }
}
