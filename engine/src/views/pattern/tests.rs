//! The rules of patterns.

mod errors;
mod predicates;
mod reference;
mod sequences;

use serde_json::{Value, json};

use super::{Mismatch, Pattern, PatternDifference, TimedEvent};

/// An event without fields, a second after the epoch for each place.
fn event(kind: &str, second: i64) -> TimedEvent {
    TimedEvent {
        kind: kind.to_owned(),
        recorded_at_ms: second * 1000,
        actor: "mori@build-7".to_owned(),
        attempt: 1,
        payload: Value::Null,
    }
}

/// Events of these kinds, one a second.
fn events(kinds: &str) -> Vec<TimedEvent> {
    let kinds = kinds.split_whitespace().zip(0..);
    kinds.map(|(kind, second)| event(kind, second)).collect()
}

fn carrying(kind: &str, payload: Value) -> TimedEvent {
    TimedEvent {
        payload,
        ..event(kind, 0)
    }
}

fn image(function: &str, source: &str, duration_ms: u64) -> TimedEvent {
    let payload = json!({"function": function, "source": source, "duration_ms": duration_ms});
    carrying("ImageBuilt", payload)
}

#[track_caller]
fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error} {:?}", error.hint))
}

fn mismatch(difference: PatternDifference) -> Mismatch {
    let PatternDifference::Mismatch { mismatch, .. } = difference else {
        panic!("it was compared");
    };
    mismatch
}
