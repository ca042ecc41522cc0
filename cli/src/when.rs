//! Times as people read them: UTC, and how long ago where that says more.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Unit, civil};

/// `2026-02-20`, in UTC.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// `2026-02-20 09:00`, for columns whose head says UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2026-02-20 09:00:01Z`.
pub(crate) fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The same, and how long ago that was when it was within a day: `…, 12 min ago`.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    let whole = second(time);
    let seconds = now
        .since(time)
        .and_then(|span| span.total(Unit::Second))
        .unwrap_or(-1.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a day has few seconds, and fractions are not said"
    )]
    let seconds = seconds as i64;
    match seconds {
        0..60 => format!("{whole}, {seconds} s ago"),
        60..3600 => format!("{whole}, {} min ago", seconds / 60),
        3600..86_400 => format!("{whole}, {} h ago", seconds / 3600),
        // Another clock is ahead, or it was long ago: the time says it.
        _ => whole,
    }
}

/// What people may write for a moment, for errors and help.
pub(crate) const FORMS: &str =
    "`2026-11-01T10:00Z`, `2026-11-01`, `2h`, `3d` or `yesterday` (24 hours ago)";

/// A moment as people write it: a date, with or without a time, in UTC where no other zone is named; or how long ago it was.
pub(crate) fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    date(text).or_else(|| past(text, now))
}

/// A date, with or without a time: `2026-11-01T10:00Z`, `2026-11-01 10:00`, `2026-11-01`.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let time = text
        .parse::<civil::DateTime>()
        .or_else(|_| text.parse::<civil::Date>().map(civil::Date::into))
        .ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?;
    Some(time.timestamp())
}

/// How long ago: `2h`, `90m`, `1h30m`, `3d`, `2w`, `yesterday`, `now`.
fn past(text: &str, now: Timestamp) -> Option<Timestamp> {
    const DAY: i64 = 24;
    let text = text.trim();
    let text = text.strip_suffix("ago").map_or(text, str::trim_end);
    let days = |unit: char, hours: i64| {
        let number = text.strip_suffix(unit)?.parse::<u32>().ok()?;
        Some(SignedDuration::from_hours(hours * i64::from(number)))
    };
    let age = match text {
        "now" => SignedDuration::ZERO,
        "yesterday" => SignedDuration::from_hours(DAY),
        _ => days('d', DAY)
            .or_else(|| days('w', 7 * DAY))
            .or_else(|| text.parse::<SignedDuration>().ok())
            .filter(|age| !age.is_negative())?,
    };
    now.checked_sub(age).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z")]
    #[case("2026-11-01T10:00Z", "2026-11-01T10:00:00Z")]
    #[case("2026-11-01 10:00:01Z", "2026-11-01T10:00:01Z")]
    #[case("2026-11-01T12:00+02:00", "2026-11-01T10:00:00Z")]
    #[case("2026-11-01 10:00", "2026-11-01T10:00:00Z")]
    #[case("2026-11-01", "2026-11-01T00:00:00Z")]
    #[case("2h", "2026-11-29T22:00:00Z")]
    #[case("1h30m", "2026-11-29T22:30:00Z")]
    #[case("2h ago", "2026-11-29T22:00:00Z")]
    #[case("3d", "2026-11-27T00:00:00Z")]
    #[case("2w", "2026-11-16T00:00:00Z")]
    #[case("yesterday", "2026-11-29T00:00:00Z")]
    #[case("now", "2026-11-30T00:00:00Z")]
    fn a_moment_is_read_as_it_is_written(#[case] text: &str, #[case] expected: &str) {
        let now = "2026-11-30T00:00:00Z".parse().unwrap();
        assert_eq!(moment(text, now), Some(expected.parse().unwrap()));
    }

    #[rstest]
    #[case("soon")]
    #[case("")]
    #[case("12")]
    #[case("-2h")]
    #[case("2026-13-01")]
    #[case("99999999999w")]
    #[case("4294967295w")]
    fn what_is_no_moment_is_none(#[case] text: &str) {
        let now = "2026-11-30T00:00:00Z".parse().unwrap();
        assert_eq!(moment(text, now), None);
    }

    #[rstest]
    #[case("2026-02-20T09:00:05Z", "2026-02-20 09:00:00Z, 5 s ago")]
    #[case("2026-02-20T09:12:59Z", "2026-02-20 09:00:00Z, 12 min ago")]
    #[case("2026-02-21T08:59:59Z", "2026-02-20 09:00:00Z, 23 h ago")]
    #[case("2026-02-21T09:00:00Z", "2026-02-20 09:00:00Z")]
    #[case("2026-02-20T08:59:00Z", "2026-02-20 09:00:00Z")]
    fn what_was_today_is_said_to_be_so(#[case] now: &str, #[case] expected: &str) {
        let time = "2026-02-20T09:00:00Z".parse().unwrap();
        assert_eq!(ago(time, now.parse().unwrap()), expected);
    }
}
