//! Times at which functions are called: the one grammar of `rate(…)`, `cron(…)` and `at(…)`.

use super::source::quoted;

const RATE: &str = "`rate(N minutes)`, `rate(N hours)` or `rate(N days)`";
const CRON: &str = "`cron(minutes hours day-of-month month day-of-week year)`";
const AT: &str = "`at(yyyy-mm-ddThh:mm:ss)`";

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A field of a cron expression.
struct Field {
    name: &'static str,
    from: u32,
    to: u32,
    /// Words for its values, the first for `from`.
    words: &'static [&'static str],
    /// Whether it names days: `?`, `L`, `W` and `#` stand there.
    is_day: bool,
}

const FIELDS: [Field; 6] = [
    field("minutes", 0, 59, &[], false),
    field("hours", 0, 23, &[], false),
    field("day-of-month", 1, 31, &[], true),
    field("month", 1, 12, &MONTHS, false),
    // 0 is Sunday too, to some.
    field("day-of-week", 0, 7, &DAYS, true),
    field("year", 1970, 2199, &[], false),
];

const fn field(
    name: &'static str,
    from: u32,
    to: u32,
    words: &'static [&'static str],
    is_day: bool,
) -> Field {
    Field {
        name,
        from,
        to,
        words,
        is_day,
    }
}

/// An expression of a time, as the cloud and the stack read it; `at(…)` is one where `at_too` says so. The error says what would have to
/// stand there.
pub fn schedule_expression(text: &str, at_too: bool) -> Result<String, String> {
    let inside = |begin: &str| text.strip_prefix(begin)?.strip_suffix(')');
    let checked = if let Some(rate) = inside("rate(") {
        is_rate(rate).then_some(()).ok_or(RATE.to_owned())
    } else if let Some(cron) = inside("cron(") {
        check_cron(cron)
    } else if let (Some(at), true) = (inside("at("), at_too) {
        is_moment(at).then_some(()).ok_or(AT.to_owned())
    } else {
        let at = if at_too { ", `at(…)`" } else { "" };
        Err(format!("`rate(…)`, `cron(…)`{at}"))
    };
    checked
        .map(|()| text.to_owned())
        .map_err(|expected| format!("{expected} stands here, not {}", quoted(text)))
}

fn is_rate(rate: &str) -> bool {
    const UNITS: [&str; 6] = ["minute", "minutes", "hour", "hours", "day", "days"];
    let words: Vec<&str> = rate.split_whitespace().collect();
    let [number, unit] = words[..] else {
        return false;
    };
    number.parse::<u32>().is_ok_and(|number| number > 0) && UNITS.contains(&unit)
}

/// What would have to stand there, when the fields are no fields.
fn check_cron(cron: &str) -> Result<(), String> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(CRON.to_owned());
    }
    for (text, field) in fields.iter().zip(&FIELDS) {
        if !text.split(',').all(|item| field.takes(item)) {
            let name = field.name;
            return Err(format!("{CRON} with other {name} than {}", quoted(text)));
        }
    }
    Ok(())
}

impl Field {
    /// Whether one of the items between commas fits.
    fn takes(&self, item: &str) -> bool {
        let (values, step) = match item.split_once('/') {
            Some((values, step)) => (values, Some(step)),
            None => (item, None),
        };
        if step.is_some_and(|step| !step.parse::<u32>().is_ok_and(|step| step > 0)) {
            return false;
        }
        if values == "*" || self.is_day && self.is_special(values) {
            return true;
        }
        match values.split_once('-') {
            Some((from, to)) => self.is_value(from) && self.is_value(to),
            None => self.is_value(values),
        }
    }

    fn is_value(&self, text: &str) -> bool {
        let number = text.parse::<u32>();
        number.is_ok_and(|number| (self.from..=self.to).contains(&number))
            || self
                .words
                .iter()
                .any(|word| word.eq_ignore_ascii_case(text))
    }

    /// `?`, `L`, `LW`, `L-3`, `15W`, `5L`, `3#2`.
    fn is_special(&self, text: &str) -> bool {
        if matches!(text, "?" | "L" | "LW") {
            return true;
        }
        let is_number = |text: &str| text.parse::<u32>().is_ok();
        let before = |end: char| text.strip_suffix(end);
        text.strip_prefix("L-").is_some_and(is_number)
            || before('W').is_some_and(|day| self.is_value(day))
            || before('L').is_some_and(|day| self.is_value(day))
            || text
                .split_once('#')
                .is_some_and(|(day, week)| self.is_value(day) && is_number(week))
    }
}

/// `2030-01-31T08:00:00`.
fn is_moment(text: &str) -> bool {
    const LIKE: &str = "0000-00-00T00:00:00";
    text.len() == LIKE.len()
        && text.chars().zip(LIKE.chars()).all(|(c, like)| match like {
            '0' => c.is_ascii_digit(),
            sign => c == sign,
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::minute("rate(1 minute)", true)]
    #[case::days("rate(14 days)", true)]
    #[case::slip("rate(1 dayz)", false)]
    #[case::seconds("rate(30 seconds)", false)]
    #[case::none("rate(0 hours)", false)]
    #[case::word("rate(one hour)", false)]
    #[case::open("rate(1 day", false)]
    #[case::cron("cron(0 12 ? * MON-FRI *)", true)]
    #[case::steps("cron(0/5 8-17,20 * jan-Mar,12 ? 2030-2040/2)", true)]
    #[case::last("cron(0 18 L * ? *)", true)]
    #[case::before_last("cron(0 18 L-3 * ? *)", true)]
    #[case::weekday("cron(0 18 15W * ? *)", true)]
    #[case::second_monday("cron(0 18 ? * MON#2 *)", true)]
    #[case::last_friday("cron(0 18 ? * 6L *)", true)]
    #[case::five_fields("cron(0 12 * * *)", false)]
    #[case::minute_60("cron(60 12 * * ? *)", false)]
    #[case::month_13("cron(0 12 * 13 ? *)", false)]
    #[case::no_day("cron(0 12 ? * MOM *)", false)]
    #[case::no_step("cron(0/0 12 * * ? *)", false)]
    #[case::once("at(2030-01-01T00:00:00)", true)]
    #[case::zone("at(2030-01-01T00:00:00Z)", false)]
    #[case::lists("cron(5,45 8-9 ? * mon-fri *)", true)]
    #[case::hour_24("cron(0 24 * * ? *)", false)]
    #[case::year("cron(0 0 1 1 ? 20)", false)]
    #[case::every("every hour", false)]
    #[case::nothing("", false)]
    fn an_expression_is_read_as_the_cloud_reads_it(#[case] text: &str, #[case] reads: bool) {
        assert_eq!(schedule_expression(text, true).is_ok(), reads);
    }

    #[test]
    fn an_event_schedule_runs_more_than_once() {
        assert!(schedule_expression("at(2030-01-01T00:00:00)", false).is_err());
    }

    #[test]
    fn the_error_says_which_field() {
        let message = schedule_expression("cron(0 12 ? * MOM *)", true).unwrap_err();
        assert!(
            message.contains("other day-of-week than `MOM`"),
            "{message}"
        );
    }
}
