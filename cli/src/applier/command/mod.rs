//! One file per command.

pub(crate) mod abandon;
pub(crate) mod assert;
pub(crate) mod backup;
pub(crate) mod blame;
pub(crate) mod deploy;
pub(crate) mod diff;
pub(crate) mod doctor;
mod history;
pub(crate) mod lock;
pub(crate) mod manifest;
pub(crate) mod plan;
mod provision;
pub(crate) mod prune;
pub(crate) mod remove;
pub(crate) mod replay;
pub(crate) mod restore;
mod resume;
mod rollback;
pub(crate) mod schema;
pub(crate) mod show;
mod sim;
pub(crate) mod stacks;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod transfer;
pub(crate) mod verify;
mod watch;

use clap::CommandFactory;

use crate::applier::args::{Args, Command, Deploy, JournalCommand, Plan};
use crate::args::Global;
use crate::output::Output;
use crate::program::{Call, Ended};
use crate::{manual, project};

/// Runs the command that was asked for.
pub(crate) fn run(args: &Args, call: &Call, output: &mut Output) -> Ended {
    let global = &args.global;
    match &args.command {
        Command::Deploy(deploy) => apply(global, deploy, output),
        Command::Plan(plan) => plan::run(global, plan, output),
        Command::Resume(resume) => resume::run(global, resume, output),
        Command::Rollback(args) => rollback::run(global, args, output),
        Command::Abandon(abandon) => abandon::run(global, abandon, output),
        Command::Status(status) => status::run(global, status, output),
        Command::History(history) => history::run(global, history, output),
        Command::Show(show) => show::run(global, show, output),
        Command::Diff(diff) => diff::run(global, diff, output),
        Command::Blame(blame) => blame::run(global, blame, output),
        Command::Stacks(stacks) => stacks::run(global, stacks, output),
        Command::Watch(watch) => watch::run(global, watch, output),
        Command::Lock(lock) => lock::run(global, lock, output),
        Command::Verify(verify) => verify::run(global, verify, output),
        Command::Assert(assert) => assert::run(global, assert, output),
        Command::Replay(args) => replay::run(global, args, output),
        Command::Sim(args) => sim::run(args, output),
        Command::Export(export) => transfer::export(global, export, output),
        Command::Import(import) => transfer::import(global, import, output),
        Command::Journal(command) => journal(global, command, output),
        Command::Manifest(manifest) => manifest::run(manifest, output),
        Command::Provision(provision) => provision::run(provision, output),
        Command::Init => project::init::run("artifactctl", global, output),
        Command::Config => project::config::run("artifactctl", call, output),
        Command::Validate {
            artifact,
            allow_unknown,
        } => manifest::validate(artifact, *allow_unknown, output),
        Command::Schema { name } => schema::run(name.as_deref(), output),
        Command::Man { dir } => manual::man(Args::command(), dir.as_deref()),
        Command::Completions { shell } => manual::completions(*shell, &mut Args::command()),
    }
}

/// Takes care of journals.
fn journal(global: &Global, command: &JournalCommand, output: &Output) -> Ended {
    match command {
        JournalCommand::Remove(args) => remove::run(global, args, output),
        JournalCommand::Prune(args) => prune::run(global, args, output),
        JournalCommand::Backup(args) => backup::run(global, args, output),
        JournalCommand::Restore(args) => restore::run(global, args, output),
        JournalCommand::Doctor(args) => doctor::run(global, args, output),
        JournalCommand::Stats(args) => stats::run(global, args, output),
    }
}

/// Applies an artifact, or shows what that would do: the one way in for every program that does.
pub(crate) fn apply(global: &Global, deploy: &Deploy, output: &Output) -> Ended {
    if deploy.dry_run {
        let plan = Plan {
            request: deploy.request.clone(),
            building: deploy.acting.building,
            explain: deploy.acting.explain,
            exit_code: false,
            save: None,
            plan_file: None,
        };
        plan::run(global, &plan, output)
    } else {
        deploy::run(global, deploy, output)
    }
}
