//! How long a call to the outside may take.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

/// The longest any call may take. Every call to an engine or a registry is bounded by one of these.
///
/// Written as `name=duration`, comma-separated, over the defaults: `query=30s,build=1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One question to the engine or a registry, answer included.
    pub query: Duration,
    /// One whole build, from the first byte of its context to its last line.
    pub build: Duration,
    /// A push or a pull that says nothing for this long is stuck. A busy registry is waited for as long (`Retry-After`).
    pub silence: Duration,
    /// One whole push or pull. Large layers take their time, but an engine that talks for ever is stuck too.
    pub transfer: Duration,
    /// One whole run of the provisioner, and one of its prebuild.
    pub provision: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query: Duration::from_secs(10),
            build: Duration::from_secs(30 * 60),
            silence: Duration::from_secs(10 * 60),
            transfer: Duration::from_secs(2 * 60 * 60),
            provision: Duration::from_secs(30 * 60),
        }
    }
}

/// Why a text says no limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// There is no such limit.
    #[error("`{0}` is no limit; there are `query`, `build`, `silence`, `transfer` and `provision`")]
    Unknown(String),
    /// It is no time, or none at all.
    #[error("the limit `{name}` is `{value}`, which is no time such as `30s` or `1h 30m`")]
    NoTime {
        /// The limit.
        name: String,
        /// What it was set to.
        value: String,
    },
}

impl FromStr for Limits {
    type Err = LimitsError;

    fn from_str(text: &str) -> Result<Self, LimitsError> {
        let mut limits = Self::default();
        for part in text.split(',').map(str::trim) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let limit = match name {
                "query" => &mut limits.query,
                "build" => &mut limits.build,
                "silence" => &mut limits.silence,
                "transfer" => &mut limits.transfer,
                "provision" => &mut limits.provision,
                _ => return Err(LimitsError::Unknown(name.to_owned())),
            };
            let time = value.parse::<SignedDuration>().ok();
            *limit = time
                .and_then(|time| Duration::try_from(time).ok())
                .filter(|time| !time.is_zero())
                .ok_or_else(|| LimitsError::NoTime {
                    name: name.to_owned(),
                    value: value.to_owned(),
                })?;
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_limit_is_named_and_the_others_stay() {
        let limits: Limits = "query=250ms, build=1h 30m".parse().unwrap();
        let expected = Limits {
            query: Duration::from_millis(250),
            build: Duration::from_secs(90 * 60),
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[rstest]
    #[case("patience=1s", "`patience` is no limit")]
    #[case("", "`` is no limit")]
    #[case("query", "the limit `query` is ``")]
    #[case("query=soon", "`soon`, which is no time")]
    #[case("query=0s", "`0s`, which is no time")]
    #[case("query=-1s", "`-1s`, which is no time")]
    fn what_says_no_limits_is_refused(#[case] text: &str, #[case] words: &str) {
        let error = text.parse::<Limits>().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
