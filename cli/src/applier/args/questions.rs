//! The words of the questions that a journal answers.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use engine::compat::Verdict;
use engine::machine::Event;
use engine::views::{DeployFilter, StackFilter, Status as DeployStatus};
use jiff::Timestamp;

use super::{TargetArgument, TargetFlag};
use crate::applier::deploys::{LAST_GOOD, LATEST};
use crate::when;

#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The target, PROJECT/ENV [default: all]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Go on behind this deploy, the last one of an earlier list
    #[arg(long, value_name = "DEPLOY")]
    pub(crate) after: Option<String>,
    /// Show at most this many deploys
    #[arg(short = 'n', long, value_name = "N", default_value = "20")]
    pub(crate) limit: NonZeroUsize,
    /// Show ids in full
    #[arg(long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

/// A moment of the past.
#[derive(Debug, clap::Args)]
pub(crate) struct Past {
    /// Read the journal as it was at this time, with the end of this deploy, or with this event
    #[arg(long, value_name = "TIME|DEPLOY|SEQUENCE")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// A deploy: its id or some digits of it, `latest`, `latest~2`, `last-good`, `@{yesterday}`
    #[arg(default_value = LATEST)]
    pub(crate) deploy: String,
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_argument: TargetArgument,
    /// With `--format json`, also print the documents that the events name: owners, images, values
    #[arg(long)]
    pub(crate) documents: bool,
    /// Show ids in full
    #[arg(long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

/// Which deploys are listed.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only deploys of this person, or of whoever has this in their name
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only deploys of an artifact whose digest begins so
    #[arg(long, value_name = "DIGEST")]
    artifact: Option<String>,
    /// Only deploys of an artifact with such an entry
    #[arg(long, value_name = "ID")]
    entry: Option<String>,
    /// Only deploys that changed this function, or made its image
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only deploys that recorded an image whose digest begins so
    #[arg(long, value_name = "DIGEST")]
    image: Option<String>,
    /// Only deploys that changed this route: `GET /orders`, or a path
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Only deploys that met such a service: `gateway`, `gateway<1.5`; repeatable
    #[arg(long, value_name = "SERVICE", value_parser = stack)]
    stack: Vec<StackFilter>,
    /// Only deploys of which the last check said so
    #[arg(long, value_enum, value_name = "VERDICT")]
    verdict: Option<VerdictArg>,
    /// Only deploys that stand so
    #[arg(long, value_enum, value_name = "STATUS")]
    status: Option<StatusArg>,
    /// Only deploys with an event of this kind
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<String>,
    /// Only deploys that were asked for since then: a time, `2h`, `yesterday`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only deploys that were asked for until then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only deploys of which an attempt failed
    #[arg(long)]
    failed: bool,
}

impl FilterArgs {
    pub(crate) fn filter(&self) -> DeployFilter {
        DeployFilter {
            actor: self.actor.clone(),
            artifact: self.artifact.clone(),
            entry: self.entry.clone(),
            function: self.function.clone(),
            image: self.image.clone(),
            route: self.route.clone(),
            stack: self.stack.clone(),
            verdict: self.verdict.map(Into::into),
            status: self.status.map(Into::into),
            kind: self.kind.clone(),
            since: self.since,
            until: self.until,
            failed: self.failed,
        }
    }
}

/// What a check said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VerdictArg {
    Compatible,
    Incompatible,
}

impl From<VerdictArg> for Verdict {
    fn from(verdict: VerdictArg) -> Self {
        match verdict {
            VerdictArg::Compatible => Self::Compatible,
            VerdictArg::Incompatible => Self::Incompatible,
        }
    }
}

/// How a deploy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusArg {
    Unfinished,
    Failed,
    Applied,
    Abandoned,
    Superseded,
}

impl From<StatusArg> for DeployStatus {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Unfinished => Self::Unfinished,
            StatusArg::Failed => Self::Failed,
            StatusArg::Applied => Self::Applied,
            StatusArg::Abandoned => Self::Abandoned,
            StatusArg::Superseded => Self::Superseded,
        }
    }
}

fn stack(text: &str) -> Result<StackFilter, String> {
    StackFilter::parse(text).ok_or_else(|| {
        "a service is expected, with releases where they matter: `gateway`, `gateway<1.5`"
            .to_owned()
    })
}

fn kind(text: &str) -> Result<String, String> {
    if Event::KINDS.contains(&text) {
        return Ok(text.to_owned());
    }
    let nearest = engine::contract::did_you_mean(text, Event::KINDS.into_iter());
    let known = Event::KINDS.join(", ");
    Err(nearest.unwrap_or_else(|| format!("kinds of events are {known}")))
}

pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    when::moment(text, Timestamp::now()).ok_or_else(|| format!("a time is {}", when::FORMS))
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// A deploy, as `show` names it
    #[arg(default_value = LAST_GOOD)]
    pub(crate) from: String,
    /// Another one, or `now` for what stands in the output directory [default: now; with --at latest]
    pub(crate) to: Option<String>,
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_argument: TargetArgument,
    /// Exit 11 when something differs
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Show ids in full
    #[arg(long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BlameArgs {
    /// A function, a route (`GET /orders`, `/orders`), a resource, or a whole key (`dynamodb/orders`)
    pub(crate) name: String,
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_argument: TargetArgument,
    /// Show ids and values in full
    #[arg(long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StacksArgs {
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Show ids in full, of every deploy
    #[arg(long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}
