//! Who acts, from where, and the system's clock and ids.

use engine::run::Stamp;
use jiff::Timestamp;
use journal::ACTOR_MAX;
use uuid::Uuid;

/// Variables in which CI systems name the person behind a run, most specific first.
const CI_ACTORS: [&str; 6] = [
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILDKITE_BUILD_CREATOR",
    "CIRCLE_USERNAME",
    "BUILD_REQUESTEDFOR",
    "BITBUCKET_STEP_TRIGGERER_UUID",
];

/// The version of this tool, as events carry it.
pub(crate) const TOOL: &str = concat!("artifactctl ", env!("CARGO_PKG_VERSION"));

/// The actor: as asked, else the CI's, else `user@host`.
pub(crate) fn actor(asked: Option<&str>) -> String {
    let from_ci = || {
        CI_ACTORS
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let actor = asked
        .map(str::to_owned)
        .or_else(from_ci)
        .unwrap_or_else(|| format!("{}@{}", user(), host()));
    // A control character in a name would write into the terminal of whoever reads the journal.
    let mut actor: String = actor.chars().filter(|c| !c.is_control()).collect();
    // The journal counts bytes.
    while actor.len() > ACTOR_MAX {
        actor.pop();
    }
    actor
}

fn user() -> String {
    let named = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    named.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
}

/// The name of this host.
pub(crate) fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The id of this boot, so that a holder from before a restart is known to be dead; empty where the system has none.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// The system's clock and random ids.
pub(crate) struct SystemStamp;

impl Stamp for SystemStamp {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // Events are recorded in whole milliseconds.
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
