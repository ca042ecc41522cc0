//! A target can be written as an argument and as `--target`, whichever way a command declares it.

use super::{Args, Command, JournalCommand, Lock};
use crate::applier::deploys::{LAST_GOOD, LATEST};

/// The target as a flag, for commands that take it as an argument: people who know `--target` write it everywhere.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TargetFlag {
    /// The target, as the argument of that name
    #[arg(
        id = "target-flag",
        long = "target",
        value_name = "TARGET",
        conflicts_with = "target",
        hide = true
    )]
    flag: Option<String>,
}

/// The target as an argument, for commands that take it as a flag.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TargetArgument {
    /// The target, as the flag of that name
    #[arg(
        id = "target-argument",
        value_name = "TARGET",
        conflicts_with = "target",
        hide = true
    )]
    argument: Option<String>,
}

impl Args {
    /// Puts the target in its one place, whichever way it was written.
    pub(crate) fn settle_target(&mut self) {
        let settle = |target: &mut Option<String>, other: &mut Option<String>| {
            if let Some(other) = other.take() {
                *target = Some(other);
            }
        };
        match &mut self.command {
            Command::Resume(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::Abandon(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::Status(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::History(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::Watch(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::Verify(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::Export(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::Lock(
                Lock::Hold {
                    target,
                    target_flag,
                    ..
                }
                | Lock::Release {
                    target,
                    target_flag,
                    ..
                }
                | Lock::Status {
                    target,
                    target_flag,
                },
            ) => settle(target, &mut target_flag.flag),
            Command::Show(args) => {
                // `show PROJECT/ENV` names a target: no deploy has a slash.
                if args.deploy.contains('/') && args.target_argument.argument.is_none() {
                    let named = std::mem::replace(&mut args.deploy, LATEST.to_owned());
                    args.target_argument.argument = Some(named);
                }
                settle(&mut args.target, &mut args.target_argument.argument);
            }
            Command::Rollback(args) => {
                if args
                    .deploy
                    .as_ref()
                    .is_some_and(|named| named.contains('/'))
                    && args.target_argument.argument.is_none()
                {
                    args.target_argument.argument = args.deploy.take();
                }
                settle(&mut args.target, &mut args.target_argument.argument);
            }
            Command::Diff(args) => {
                // As with `show`, before or behind the deploys.
                let names = |word: &str| word.contains('/') && !word.starts_with('@');
                if names(&args.from) {
                    let from = args.to.take().unwrap_or_else(|| LAST_GOOD.to_owned());
                    let named = std::mem::replace(&mut args.from, from);
                    args.to = args.target_argument.argument.replace(named);
                } else if args.to.as_deref().is_some_and(names) {
                    let named = args.to.take();
                    args.to = std::mem::replace(&mut args.target_argument.argument, named);
                }
                settle(&mut args.target, &mut args.target_argument.argument);
            }
            Command::Journal(JournalCommand::Stats(args)) => {
                settle(&mut args.target, &mut args.target_flag.flag);
            }
            Command::Journal(JournalCommand::Prune(args)) => {
                settle(&mut args.target, &mut args.target_flag.flag);
            }
            Command::Journal(JournalCommand::Doctor(args)) => {
                settle(&mut args.target, &mut args.target_flag.flag);
            }
            Command::Stacks(args) => settle(&mut args.target, &mut args.target_flag.flag),
            Command::Blame(args) => settle(&mut args.target, &mut args.target_argument.argument),
            Command::Assert(args) => {
                let mut named = args.take_target();
                settle(&mut args.target, &mut named);
            }
            Command::Deploy(_)
            | Command::Plan(_)
            | Command::Import(_)
            | Command::Replay(_)
            | Command::Sim(_)
            | Command::Journal(
                JournalCommand::Remove(_) | JournalCommand::Backup(_) | JournalCommand::Restore(_),
            )
            | Command::Manifest(_)
            | Command::Validate { .. }
            | Command::Provision(_)
            | Command::Init
            | Command::Config
            | Command::Schema { .. }
            | Command::Man { .. }
            | Command::Completions { .. } => {}
        }
    }
}
