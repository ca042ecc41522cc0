//! A restore that a power cut, or a kill, ends: a target is as it was or as it is in the backup, and a second restore does the rest.

use std::fs::File;
use std::path::Path;

use journal::Journal;
use journal::transfer::BackupReader;
use rstest::rstest;

use super::disk::{self, Tree};
use super::trace::Call;
use super::{Bench, holder, read, run, survives, told, try_every_cut};

/// A backup of a journal to which so many deploys were made, in the folder of a bench.
fn backup(from: &Bench, deploys: usize, to: &Bench) -> String {
    for _ in 0..deploys {
        run(&mut from.command(&from.program, &from.deploy())).ended(4);
    }
    let file = to.path("all.backup").display().to_string();
    let words = ["journal", "backup", "--force", &file].map(str::to_owned);
    run(&mut from.command(&from.program, &words)).ended(0);
    file
}

fn restore(file: &str) -> [String; 5] {
    ["journal", "restore", file, "--format", "json"].map(str::to_owned)
}

/// Restores what is missing, in this process.
fn restore_again(root: &Path, file: &str) -> Result<(), String> {
    let open = || BackupReader::open(File::open(file).unwrap()).map_err(|error| error.to_string());
    let compared = Journal::compare_backup(root, open()?, |_| true, |_| {});
    let compared = compared.map_err(|error| format!("cannot be compared: {error:?}"))?;
    let restored = Journal::restore_backup(root, open()?, &compared, &holder(), |_| {});
    restored.map_err(|error| format!("cannot be restored: {error:?}"))
}

/// The first of them makes the journal, the second completes one whose history is the beginning.
#[rstest]
#[case::that_makes_a_journal(0)]
#[case::that_completes_one(4)]
fn a_restore_survives_a_power_cut(#[case] known: u64) {
    let (from, bench) = (Bench::new(0), Bench::new(0));
    let mut before = Tree::new();
    if known > 0 {
        let file = backup(&from, 1, &bench);
        run(&mut bench.command(&bench.program, &restore(&file))).ended(0);
        before = disk::read(&bench.root());
    }
    let file = backup(&from, 1, &bench);
    let calls = bench.trace_words(&bench.program, &restore(&file), Vec::new());
    let all = read(&bench.journal()).unwrap();
    assert_eq!((told(&calls), all.len() as u64), (known + 4, known + 4));
    let exchanges = calls
        .iter()
        .filter(|call| matches!(call, Call::Exchange(..)));
    assert_eq!(exchanges.count(), usize::from(known > 0));
    try_every_cut(&bench, known, &before, &calls, |root, told, number| {
        let found = read(root)?.len() as u64;
        if ![known, all.len() as u64].contains(&found) || found < told {
            return Err(format!("{found} events where {told} were told of"));
        }
        if number.is_multiple_of(2) {
            return survives(root, told, &all, true);
        }
        restore_again(root, &file)?;
        if read(root)? == all {
            Ok(())
        } else {
            Err("a second restore does not bring all of it".to_owned())
        }
    });
}
