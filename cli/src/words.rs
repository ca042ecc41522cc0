//! Words that people bring from other tools. A word that means the same as one of ours is an alias of that command, declared with
//! it. Here: words that mean something which is done another way, and commands of the other program.

use clap::CommandFactory;

use crate::{applier, esb};

/// What to do instead, by the words that ask for it.
const ARTIFACTCTL: [(&[&str], &str); 5] = [
    (
        &["destroy", "down", "delete", "remove", "rm"],
        "a function ends with the deploy of an artifact without it; the stack itself ends with `docker compose down`",
    ),
    (
        &["unlock", "release"],
        "`artifactctl lock release` ends a hold",
    ),
    (&["hold"], "`artifactctl lock hold` begins a hold"),
    (
        &["logs"],
        "`artifactctl show` shows the events of a deploy; the logs of functions are the stack's: `docker compose logs`",
    ),
    (
        &["sync-ids"],
        "`artifactctl manifest sync-ids` writes the computed ids",
    ),
];
const ESB: [(&[&str], &str); 4] = [
    (
        &["plan", "preview"],
        "`esb deploy --dry-run` makes the artifact and shows what would be deployed",
    ),
    (
        &["local", "invoke"],
        "`esb deploy` puts the functions onto the running stack, whose gateway calls them",
    ),
    (
        &["delete", "destroy", "down", "remove", "rm"],
        "a function ends with the deploy of a template without it; the stack itself ends with `docker compose down`",
    ),
    (&["sync"], "`esb deploy` makes and deploys what changed"),
];

/// What to do instead of a command that a program does not have.
pub(crate) fn instead(program: &str, word: &str) -> Option<String> {
    let (table, other) = if program == "esb" {
        (&ESB[..], applier::args::Args::command())
    } else {
        (&ARTIFACTCTL[..], esb::args::Args::command())
    };
    let known = table.iter().find(|(words, _)| words.contains(&word));
    known.map(|(_, advice)| (*advice).to_owned()).or_else(|| {
        let command = other.find_subcommand(word)?;
        Some(format!(
            "`{} {}` does that",
            other.get_name(),
            command.get_name()
        ))
    })
}
