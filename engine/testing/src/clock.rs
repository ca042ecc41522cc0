//! A clock that stands still until it is looked at, and ids that count: the same test writes the same events every time.

use std::sync::atomic::{AtomicI64, Ordering};

use engine::run::Stamp;
use jiff::Timestamp;
use uuid::Uuid;

/// The first moment of every simulation, in milliseconds: 2026-01-01 00:00 UTC.
const BEGIN: i64 = 1_767_225_600_000;

/// Goes on by a millisecond with each look.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicI64);

impl Clock {
    fn tick(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Stamp for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(BEGIN + self.tick()).unwrap_or_default()
    }

    /// Version 7: the time, then a number. Numbers are spread, so that ids differ at their ends.
    fn id(&self) -> Uuid {
        let tick = self.tick();
        let spread = tick.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&spread.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis((BEGIN + tick).unsigned_abs(), &bytes).into_uuid()
    }
}
