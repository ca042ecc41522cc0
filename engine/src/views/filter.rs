//! Which deploys are asked for.

use jiff::Timestamp;
use journal::StoredEvent;

use super::summary::{DriftSummary, HoldSummary, PruneSummary, ServiceVersion, Status, Summary};
use crate::compat::{ReleaseRange, Verdict};
use crate::machine;
use crate::merge::Changes;

/// What a deploy must be to be shown. What is not said is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeployFilter {
    /// Someone whose name holds this text asked for it, resumed it or ended it.
    pub actor: Option<String>,
    /// The digest of its artifact begins with these digits, after `sha256:` or without it.
    pub artifact: Option<String>,
    /// Its artifact has this entry: an id, or a part of one.
    pub entry: Option<String>,
    /// It changed this function, or made or adopted its image.
    pub function: Option<String>,
    /// It recorded an image whose digest begins with these digits.
    pub image: Option<String>,
    /// It changed this route: `GET /orders`, or a path.
    pub route: Option<String>,
    /// It met such a service. Each of several.
    pub stack: Vec<StackFilter>,
    /// Its last check said so.
    pub verdict: Option<Verdict>,
    /// How it stands.
    pub status: Option<Status>,
    /// It has an event of this kind.
    pub kind: Option<String>,
    /// It was asked for at this moment or later.
    pub since: Option<Timestamp>,
    /// It was asked for at this moment or earlier.
    pub until: Option<Timestamp>,
    /// An attempt of it failed, whatever became of it.
    pub failed: bool,
}

/// A service of the stack in certain releases: `gateway<1.5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackFilter {
    service: String,
    releases: Option<ReleaseRange>,
}

impl StackFilter {
    /// Reads a service and its releases; the service alone is any release of it. None when it does not read.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        let (service, releases) = text.split_at(end);
        let releases = match releases.trim() {
            "" => None,
            releases => Some(ReleaseRange::parse(releases)?),
        };
        (!service.is_empty()).then(|| Self {
            service: service.to_owned(),
            releases,
        })
    }

    fn holds(&self, services: &[ServiceVersion]) -> bool {
        services.iter().any(|seen| {
            seen.service == self.service
                && self.releases.as_ref().is_none_or(|releases| {
                    let version = seen.version.as_deref();
                    version.is_some_and(|version| releases.holds(version))
                })
        })
    }
}

impl DeployFilter {
    /// Nothing is asked for: every deploy is shown, every hold, and all drift that was recorded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a deploy that was asked for at this moment can be one, by that alone.
    pub fn admits_time(&self, asked_for: Timestamp) -> bool {
        self.since.is_none_or(|since| asked_for >= since)
            && self.until.is_none_or(|until| asked_for <= until)
    }

    /// Whether a deploy is one of those.
    pub fn admits(&self, summary: &Summary, events: &[StoredEvent]) -> bool {
        let holds =
            |wanted: &Option<String>, of: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(of);
        let is_of_summary = self.admits_time(summary.requested_at)
            && holds(&self.actor, &|actor| {
                summary.actors.iter().any(|one| one.contains(actor))
            })
            && holds(&self.artifact, &|digits| {
                let artifact = summary.artifact.as_deref();
                artifact.is_some_and(|artifact| begins_with(artifact, digits))
            })
            && holds(&self.entry, &|entry| {
                summary.entries.iter().any(|one| one.contains(entry))
            })
            && holds(&self.route, &|route| changes_route(&summary.changes, route))
            && self.stack.iter().all(|one| one.holds(&summary.stack))
            && self
                .verdict
                .is_none_or(|verdict| summary.verdict == Some(verdict))
            && self.status.is_none_or(|status| summary.status == status);
        is_of_summary
            && holds(&self.kind, &|kind| {
                events.iter().any(|event| event.header.kind == kind)
            })
            && (!self.failed || events.iter().any(|event| event.header.kind == FAILED))
            && holds(&self.function, &|function| {
                changes_key(&summary.changes, &format!("functions/{function}"))
                    || summary.images.iter().any(|one| one.as_str() == function)
            })
            && holds(&self.image, &|digits| {
                any_image(events, |image| begins_with(image.digest.as_str(), digits))
            })
    }

    /// Whether a hold is one of those: by who, when and kind.
    pub fn admits_hold(&self, hold: &HoldSummary, events: &[StoredEvent]) -> bool {
        let actors: Vec<&str> = [Some(&hold.actor), hold.released_by.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        self.admits_apart(hold.held_at, &actors, events)
    }

    /// Whether a prune is one of those: by who, when and kind.
    pub fn admits_prune(&self, prune: &PruneSummary, events: &[StoredEvent]) -> bool {
        self.admits_apart(prune.pruned_at, &[&prune.actor], events)
    }

    /// Whether recorded drift is one of those: by who, when and kind.
    pub fn admits_drift(&self, drift: &DriftSummary, events: &[StoredEvent]) -> bool {
        self.admits_apart(drift.found_at, &[&drift.actor], events)
    }

    /// Whether a group of events that is no deploy is one of those. It has nothing else that can be asked for.
    fn admits_apart(&self, at: Timestamp, actors: &[&str], events: &[StoredEvent]) -> bool {
        let of_no_deploy = Self {
            actor: self.actor.clone(),
            kind: self.kind.clone(),
            since: self.since,
            until: self.until,
            ..Self::default()
        };
        let (actor, kind) = (self.actor.as_deref(), self.kind.as_deref());
        *self == of_no_deploy
            && self.admits_time(at)
            && actor.is_none_or(|actor| actors.iter().any(|one| one.contains(actor)))
            && kind.is_none_or(|kind| events.iter().any(|event| event.header.kind == kind))
    }
}

/// The kind of an attempt's failure.
const FAILED: &str = "Failed";

fn any_image(events: &[StoredEvent], is_meant: impl Fn(&machine::ImageBuilt) -> bool) -> bool {
    events
        .iter()
        .filter(|event| event.header.kind == "ImageBuilt")
        .filter_map(|event| {
            let header = &event.header;
            machine::decode(&header.kind, header.schema, &event.payload).ok()
        })
        .any(|event| event.as_image_built().is_some_and(&is_meant))
}

fn all_keys(changes: &Changes) -> impl Iterator<Item = &str> {
    let keys = changes.added.iter().chain(&changes.changed);
    keys.chain(&changes.removed).map(|key| key.0.as_str())
}

fn changes_key(changes: &Changes, wanted: &str) -> bool {
    all_keys(changes).any(|key| key == wanted)
}

fn changes_route(changes: &Changes, wanted: &str) -> bool {
    all_keys(changes).any(|key| {
        let route = key.strip_prefix("routes/");
        let path = route.and_then(|route| route.split_once(' '));
        route == Some(wanted) || path.is_some_and(|(_, path)| path == wanted)
    })
}

/// A digest begins with these digits.
fn begins_with(digest: &str, digits: &str) -> bool {
    let hex = |text: &str| {
        text.strip_prefix("sha256:")
            .unwrap_or(text)
            .to_ascii_lowercase()
    };
    hex(digest).starts_with(&hex(digits))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("gateway<1.5", "1.4.2", true)]
    #[case("gateway<1.5", "1.5.0", false)]
    #[case("gateway >=1.4, <2", "1.9.0", true)]
    #[case("gateway=1.4.2", "1.4.2", true)]
    #[case("gateway", "latest", true)]
    #[case("gateway<1.5", "latest", false)]
    #[case("agent<1.5", "1.4.2", false)]
    fn a_stack_is_asked_for_by_service_and_release(
        #[case] text: &str,
        #[case] version: &str,
        #[case] holds: bool,
    ) {
        let seen = [ServiceVersion {
            service: "gateway".to_owned(),
            version: Some(version.to_owned()),
        }];
        assert_eq!(StackFilter::parse(text).unwrap().holds(&seen), holds);
    }

    #[rstest]
    #[case("<1.5")]
    #[case("gateway<<1")]
    #[case("gateway<soon")]
    fn what_names_no_service_or_release_does_not_read(#[case] text: &str) {
        assert_eq!(StackFilter::parse(text), None);
    }

    #[rstest]
    #[case("9d91", true)]
    #[case("sha256:9d91", true)]
    #[case("9D91", true)]
    #[case("d91", false)]
    fn a_digest_is_asked_for_by_its_beginning(#[case] digits: &str, #[case] holds: bool) {
        assert_eq!(begins_with("sha256:9d91bd", digits), holds);
    }

    #[rstest]
    #[case("GET /orders", true)]
    #[case("/orders", true)]
    #[case("POST /orders", false)]
    #[case("/order", false)]
    fn a_route_is_asked_for_whole_or_by_its_path(#[case] wanted: &str, #[case] holds: bool) {
        let changes = Changes {
            removed: vec![crate::merge::Key("routes/GET /orders".to_owned())],
            ..Changes::default()
        };
        assert_eq!(changes_route(&changes, wanted), holds);
    }
}
