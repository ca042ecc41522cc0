//! Who may look while a deploy runs, who may not deploy, and what a journal proves afterwards.

use std::time::Duration;

use crate::process::{images, run};
use crate::rig::Rig;

/// How long a reader, or a refusal, may take while another process holds the target.
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn readers_answer_and_only_the_same_target_is_refused_while_a_deploy_runs() {
    let rig = Rig::new(&["alpha"]);
    let deploy = rig.start_held_at("alpha", &["--actor", "ada"]);
    let readers: [&[&str]; 4] = [&["history"], &["show"], &["status"], &["verify"]];
    for arguments in readers {
        let answer = rig.run(arguments).ended(0);
        assert!(answer.took < AT_ONCE, "{arguments:?}: {:?}", answer.took);
        assert!(!answer.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(
        rig.latest().kinds(),
        "Requested Observed CompatChecked Merged"
    );

    let refused = rig.deploy(&[]).ended(5);
    assert!(refused.took < AT_ONCE, "{:?}", refused.took);
    refused.said("is held by ada");
    refused.said(&format!("(process {} on ", deploy.pid()));

    rig.deploy_beside("alpha", true).ended(0);

    rig.proxy.release();
    deploy.wait().ended(0);
    let status = rig.run(&["status", "--format", "json"]).ended(0);
    let statuses = status.objects("status");
    let targets: Vec<_> = statuses.iter().map(|target| &target["target"]).collect();
    let project = rig.stack.project();
    assert_eq!(
        targets,
        [&format!("{project}/dev"), &format!("{project}/test")]
    );
    assert!(statuses.iter().all(|target| target["status"] == "applied"));
}

#[test]
fn a_target_whose_holder_was_killed_is_taken_over() {
    let rig = Rig::new(&["alpha"]);
    let deploy = rig.start_held_at("alpha", &[]);
    rig.deploy(&[]).ended(5);
    deploy.kill();
    let next = rig.deploy(&[]).ended(0);
    assert_eq!(next.images(), images(&[("alpha", "built")]));
    assert_eq!(next.object("applied")["attempt"], 2);
}

#[test]
fn an_exported_journal_has_the_same_head_where_it_is_imported() {
    let rig = Rig::without_builds(&["alpha"]);
    rig.deploy(&[]).ended(0);
    rig.deploy(&[]).ended(0);
    let export = rig.run(&["export"]).ended(0);
    let file = rig.folder().join("journal.jsonl");
    std::fs::write(&file, &export.stdout).unwrap();
    let elsewhere = rig.folder().join("elsewhere");
    let at = |arguments: &[&str]| {
        let mut command = rig.command(arguments);
        run(command.env("ARTIFACTCTL_JOURNAL", &elsewhere))
    };
    let file = file.to_str().unwrap();
    at(&["import", file]).ended(0);
    let verify = ["verify", "--format", "json"];
    let (here, there) = (rig.run(&verify).ended(0), at(&verify).ended(0));
    assert_eq!(here.object("verified"), there.object("verified"));
    assert_eq!(there.object("verified")["deploys"], 2);
    at(&["import", file]).ended(5);
}

#[test]
fn a_journal_is_verified_against_the_head_that_a_run_printed() {
    let rig = Rig::without_builds(&["alpha"]);
    let head = rig.deploy(&[]).ended(0).object("applied")["head"].clone();
    let head = head.as_str().unwrap();
    rig.run(&["verify", "--head", head]).ended(0);
    let (sequence, hash) = head.split_once(':').unwrap();
    let other = hash.chars().rev().collect::<String>();
    assert_ne!(hash, other);
    rig.run(&["verify", "--head", &format!("{sequence}:{other}")])
        .ended(10);
    let beyond = sequence.parse::<u64>().unwrap() + 1;
    rig.run(&["verify", "--head", &format!("{beyond}:{hash}")])
        .ended(10);
}

#[test]
fn the_events_of_a_deploy_can_be_asserted() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let holds = "Requested Observed CompatChecked Merged ImageBuilt+ Applied";
    rig.run(&["assert", "latest", holds]).ended(0);

    let differs = rig.run(&[
        "assert",
        "latest",
        "Requested Observed CompatChecked Merged Applied",
    ]);
    let differs = differs.ended(10);
    assert!(
        differs.stdout.contains(">   5  Applied        ImageBuilt"),
        "{}",
        differs.stdout
    );
    differs.said("does not fit the pattern");
    differs.said("Applied");
    rig.run(&["assert", "latest", "Requested Exploded"])
        .ended(2);
}
