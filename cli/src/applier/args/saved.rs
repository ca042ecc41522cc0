//! `deploy --plan FILE` and `plan --show FILE`: the plan says what is deployed and where to, so that nothing of that is asked for on the
//! command line, nor taken from it.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Args, Command, Id};

use super::{BuildingArgs, Request};
use crate::args::RegistryArgs;

/// The argument that names the plan.
const PLAN_FILE: &str = "plan_file";

/// The command as it is for these words.
pub(crate) fn with_saved_plan(command: Command, words: &[OsString]) -> Command {
    if words.iter().any(is_saved_plan) {
        of_saved_plan(command)
    } else {
        command
    }
}

/// The word names a saved plan, where the command takes one.
fn is_saved_plan(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    ["--plan", "--show"].contains(&word.split('=').next().unwrap_or_default())
}

fn of_saved_plan(command: Command) -> Command {
    let has_plan = command
        .get_arguments()
        .any(|argument| argument.get_id() == PLAN_FILE);
    let command = command.mut_subcommands(of_saved_plan);
    if !has_plan {
        return command;
    }
    let of_request = of_request();
    let command = command.mut_args(|argument| {
        if argument.is_required_set() {
            argument.required(false).default_value("-")
        } else {
            argument
        }
    });
    command.mut_arg(PLAN_FILE, |argument| {
        argument.conflicts_with_all(of_request)
    })
}

/// What the request of a plan holds. Names of registries are those of the machine on which it is deployed.
fn of_request() -> BTreeSet<Id> {
    let ids = |command: Command| -> BTreeSet<Id> {
        let ids = command.get_arguments().map(clap::Arg::get_id);
        ids.cloned().collect()
    };
    let request = BuildingArgs::augment_args(Request::augment_args(Command::new("plan")));
    let registries = RegistryArgs::augment_args(Command::new("registries"));
    &ids(request) - &ids(registries)
}
