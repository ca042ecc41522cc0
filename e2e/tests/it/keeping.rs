//! Backups of journals that are in use, and what may be done with what is restored. Real programs, a real stack.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Ran, run};
use crate::refusal::Mount;
use crate::rig::Rig;

/// A command on a machine that shares the stack, and has a journal of its own.
fn elsewhere(command: Command, journal: &Path) -> Ran {
    let mut command = command;
    run(command.env("ARTIFACTCTL_JOURNAL", journal))
}

/// Makes a backup into a file of the rig.
fn back_up(rig: &Rig<'_>, name: &str) -> (PathBuf, Ran) {
    let file = rig.folder().join(name);
    let ran = rig.run(&[
        "journal",
        "backup",
        "--format",
        "json",
        file.to_str().unwrap(),
    ]);
    (file, ran.ended(0))
}

#[test]
fn a_backup_that_is_made_during_a_deploy_is_restored_and_goes_on_elsewhere() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy_beside("alpha", false).ended(0);
    let deploy = rig.start_held_at("alpha", &[]);
    let (during, made) = back_up(&rig, "during.backup");
    let targets = made.object("backed_up")["targets"].clone();
    assert_eq!(targets.as_array().unwrap().len(), 2, "{targets}");
    let doctor = rig.run(&["journal", "doctor"]).ended(5);
    let owned = format!("(process {} on ", deploy.pid());
    assert!(doctor.stdout.contains(&owned), "{}", doctor.stdout);
    rig.proxy.release();
    deploy.wait().ended(0);
    rig.run(&["journal", "doctor"]).ended(0);
    let (after, _) = back_up(&rig, "after.backup");

    let journal = rig.folder().join("elsewhere");
    let at = |arguments: &[&str]| elsewhere(rig.command(arguments), &journal);
    let restored = at(&[
        "journal",
        "restore",
        "--format",
        "json",
        during.to_str().unwrap(),
    ]);
    let restored = restored.ended(0);
    let unfinished: Vec<bool> = restored
        .objects("restored")
        .iter()
        .map(|one| one["unfinished"].is_string())
        .collect();
    assert_eq!(unfinished, [true, false], "{}", restored.stdout);
    at(&["verify"]).ended(0);
    let target = format!("{}/dev", rig.stack.project());
    let kinds = at(&["show", "--format", "json", "--target", &target]).ended(0);
    assert_eq!(kinds.kinds(), "Requested Observed CompatChecked Merged");
    at(&["resume", &target])
        .ended(5)
        .said("can only be abandoned");

    // The rest of the history is there now: nothing is unfinished any more.
    at(&["journal", "restore", after.to_str().unwrap()]).ended(0);
    let head = |ran: Ran| ran.ended(0).objects("verified");
    let verify = ["verify", "--format", "json"];
    assert_eq!(head(at(&verify)), head(rig.run(&verify)));
    at(&["journal", "doctor"]).ended(0);

    // It deploys from there, and finds what was built.
    let deployed = elsewhere(rig.request("deploy", &[]), &journal).ended(0);
    let built = deployed.payloads("ImageBuilt");
    assert!(
        built.iter().all(|image| image["source"] != "built"),
        "{built:?}"
    );
    // Once both went on, neither is put over the other.
    rig.deploy(&[]).ended(0);
    let (both, _) = back_up(&rig, "both.backup");
    let refused = at(&["journal", "restore", both.to_str().unwrap()]).ended(5);
    refused.said(&format!("target `{target}` has another history"));
}

/// Somebody else's deploy goes on meanwhile: of it there is nothing to resume here, and everything to deploy.
#[test]
fn a_deploy_that_was_killed_and_restored_is_superseded_by_the_same_artifact() {
    let rig = Rig::new(&["alpha"]);
    rig.start_held_at("alpha", &[]).kill();
    rig.proxy.release();
    let (file, _) = back_up(&rig, "killed.backup");
    let doctor = rig.run(&["journal", "doctor"]).ended(5);
    assert!(
        doctor.stdout.contains("without letting go"),
        "{}",
        doctor.stdout
    );
    assert!(
        doctor.stdout.contains("`artifactctl resume "),
        "{}",
        doctor.stdout
    );
    let journal = rig.folder().join("elsewhere");
    let at = |command| elsewhere(command, &journal);
    at(rig.command(&["journal", "restore", file.to_str().unwrap()])).ended(0);
    let deployed = at(rig.request("deploy", &[])).ended(0);
    assert_eq!(
        deployed.object("applied")["attempt"],
        1,
        "a deploy of its own"
    );
    at(rig.command(&["journal", "doctor"])).ended(0);
    at(rig.command(&["verify"])).ended(0);
}

#[test]
fn a_restore_that_has_no_room_writes_nothing() {
    let rig = Rig::without_builds(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let (file, _) = back_up(&rig, "whole.backup");
    let small = rig.folder().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = Mount::memory(&small, 512);
    let at = |arguments: &[&str]| elsewhere(rig.command(arguments), &small.join("journal"));
    let refused = at(&["journal", "restore", file.to_str().unwrap()]).ended(9);
    refused.said("what is to be written takes at least 1.");
    refused.said("hint: free some space");
    assert_eq!(std::fs::read_dir(&small).unwrap().count(), 0);
    let doctor = at(&["journal", "doctor"]).ended(9);
    assert!(
        doctor.stdout.contains("are free where it is"),
        "{}",
        doctor.stdout
    );
    drop(mount);
}

#[test]
fn a_doctor_names_a_file_system_that_takes_no_changes() {
    let rig = Rig::without_builds(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let mount = Mount::read_only(&rig.journal);
    let doctor = rig.run(&["journal", "doctor"]).ended(9);
    assert!(
        doctor.stdout.contains("is on a read-only file system"),
        "{}",
        doctor.stdout
    );
    let (file, _) = back_up(&rig, "read-only.backup");
    drop(mount);
    let journal = rig.folder().join("elsewhere");
    let restore = rig.command(&["journal", "restore", file.to_str().unwrap()]);
    elsewhere(restore, &journal).ended(0);
}
