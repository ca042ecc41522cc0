//! Whose a target is: one deploy at a time, a holder that is gone, and a person's hold. With real processes.

use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Running, run};
use crate::rig::Rig;

/// How long a refusal may take while another process holds the target: whoever waits for it waits for as long as the test does.
const AT_ONCE: Duration = Duration::from_secs(5);
/// How long a reader may take to say that nobody answers, with some load beside.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn whatever_would_change_a_target_is_refused_at_once_while_a_deploy_runs() {
    let rig = Rig::new(&["alpha"]);
    let deploy = rig.start_held_at("alpha", &["--actor", "ada"]);
    let others: [&[&str]; 4] = [
        &["resume"],
        &["abandon"],
        &["lock", "hold", "-m", "mine"],
        &["lock", "release"],
    ];
    for arguments in others {
        let refused = rig.run(arguments).ended(5);
        assert!(refused.took < AT_ONCE, "{arguments:?}: {:?}", refused.took);
        refused.said("is held by ada");
        refused.said(&format!("(process {} on ", deploy.pid()));
        refused.said(") since 20");
    }
    let status = rig.run(&["lock", "status", "--format", "json"]).ended(0);
    let lock = status.object("lock");
    assert_eq!(lock["state"], "held");
    assert_eq!(lock["holder"]["pid"], deploy.pid());
    rig.proxy.release();
    deploy.wait().ended(0);
    let status = rig.run(&["lock", "status", "--format", "json"]).ended(0);
    assert_eq!(status.object("lock")["state"], "free");
}

/// The holder is written into the events of the deploy that goes on, once, before it goes on.
#[test]
fn a_killed_holder_is_recorded_by_whoever_takes_over() {
    let rig = Rig::new(&["alpha"]);
    let deploy = rig.start_held_at("alpha", &["--actor", "ada"]);
    let pid = deploy.pid();
    deploy.kill();
    rig.proxy.clear();
    rig.deploy(&["--actor", "grace"]).ended(0);
    let shown = rig.latest();
    assert_eq!(
        shown.kinds(),
        "Requested Observed CompatChecked Merged \
         TakenOver Resumed Observed CompatChecked Merged ImageBuilt Applied"
    );
    let holder = &shown.payload("TakenOver")["holder"];
    assert_eq!(
        (&holder["actor"], &holder["pid"]),
        (&"ada".into(), &pid.into())
    );
    let deploy = &shown.objects("event")[0]["deploy"];
    assert_eq!(&holder["deploy"], deploy);
    // A clean end leaves nothing to record, and an undisturbed deploy fits its pattern.
    rig.deploy(&[]).ended(0);
    assert_eq!(
        rig.latest().kinds(),
        "Requested Observed CompatChecked Merged ImagesKept Applied"
    );
    rig.run(&["verify"]).ended(0);
}

#[test]
fn a_hold_survives_its_process_and_every_kill_and_ends_only_by_a_release() {
    let rig = Rig::without_builds(&["alpha"]);
    let target = format!("{}/dev", rig.stack.project());
    let hold = [
        "lock",
        "hold",
        &target,
        "-m",
        "the disk is being changed",
        "--actor",
        "ada",
        "--new",
    ];
    rig.run(&hold).ended(0);
    let refused = rig.deploy(&[]).ended(5);
    refused.said("is on hold by ada since 20");
    refused.said("the disk is being changed");
    refused.said(&format!("`artifactctl lock release {target}`"));
    assert!(rig.mutating().is_empty() && rig.published().is_empty());
    // A plan reads, and warns.
    let plan = run(&mut rig.request("plan", &[])).ended(0);
    plan.said("is on hold by ada since 20");
    plan.said("the disk is being changed");
    plan.said(&format!("`artifactctl lock release {target}`"));
    assert_eq!(plan.object("plan")["hold"]["actor"], "ada");
    // A process that died with the lock in its hands is taken over; the hold is not.
    let lock = rig.journal.join(&target).join("lock");
    let dead = r#"{"actor":"eve","pid":1,"host":"gone","boot_id":"b007","since":"2026-02-20T09:00:00Z","deploy":null}"#;
    std::fs::write(lock, dead).unwrap();
    rig.deploy(&[]).ended(5).said("on hold by ada");
    // Another target of the same journal goes on.
    rig.deploy_beside("alpha", false).ended(0);

    rig.run(&["lock", "release", &target, "--actor", "grace", "--yes"])
        .ended(0);
    rig.deploy(&[]).ended(0);
    let history = rig.run(&["history", &target, "--format", "json"]).ended(0);
    let hold = history.object("hold");
    assert_eq!(
        (&hold["actor"], &hold["released_by"]),
        (&"ada".into(), &"grace".into())
    );
    let shown = rig.run(&[
        "show",
        hold["hold"].as_str().unwrap(),
        "--target",
        &target,
        "--format",
        "json",
    ]);
    assert_eq!(shown.ended(0).kinds(), "Held TakenOver Released");
    rig.run(&["verify"]).ended(0);
}

/// A stopped owner holds its lock and its socket, and answers nobody: a reader says so, and a second deploy is refused as ever.
#[test]
fn a_reader_of_a_stopped_owner_says_so_within_a_bound_and_goes_on_when_the_owner_does() {
    let rig = Rig::new(&["alpha"]);
    let deploy = rig.start_held_at("alpha", &["--actor", "ada"]);
    let watch = Running::start(&mut rig.command(&["watch", "--exit-code", "--format", "json"]));
    watch.records("Merged");
    deploy.signal(Signal::STOP);
    let readers: Vec<Running> = ["history", "status", "show", "verify"]
        .iter()
        .map(|command| Running::start(&mut rig.command(&[command])))
        .collect();
    let refused = rig.deploy(&[]).ended(5);
    assert!(refused.took < AT_ONCE, "{:?}", refused.took);
    refused.said("is held by ada");
    for reader in readers {
        let ended = reader.wait();
        assert!(ended.took < BOUND, "{:?}", ended.took);
        assert_eq!(ended.code, Some(9), "{ended:?}");
        ended.said("does not answer");
        ended.said("`ada`");
        ended.said(&format!("`kill -CONT {}`", deploy.pid()));
    }
    deploy.signal(Signal::CONT);
    rig.proxy.release();
    deploy.wait().ended(0);
    let watched = watch.wait().ended(0);
    assert_eq!(
        watched.kinds(),
        "Requested Observed CompatChecked Merged ImageBuilt Applied"
    );
}

/// Twenty who watch see every event once, through the end of one owner and the kill of another.
#[test]
fn whoever_watches_sees_every_event_once_whatever_becomes_of_the_owner() {
    let rig = Rig::new(&["alpha"]);
    let target = format!("{}/dev", rig.stack.project());
    let watching = ["watch", &target, "--new", "--from", "1", "--format", "json"];
    let watches: Vec<Running> = (0..20)
        .map(|_| Running::start(&mut rig.command(&watching)))
        .collect();
    rig.deploy(&["--actor", "ada"]).ended(0);
    let killed = rig.start_held_at("alpha", &["--no-cache"]);
    killed.kill();
    rig.proxy.clear();
    rig.deploy(&["--no-cache"]).ended(0);
    let expected = format!(
        "{first} Requested Observed CompatChecked Merged ImagesKept TakenOver Resumed {rest}",
        first = "Requested Observed CompatChecked Merged ImageBuilt Applied",
        rest = "Observed CompatChecked Merged ImagesKept ImageBuilt Applied"
    );
    for watch in watches {
        watch.records_often("Applied", 2);
        watch.signal(Signal::INT);
        let ended = watch.wait().ended(130);
        assert_eq!(ended.kinds(), expected);
        let waiting = format!("`{target}` has no journal yet; waiting for its first deploy\n");
        assert!(
            ["", &waiting].contains(&ended.stderr.as_str()),
            "{}",
            ended.stderr
        );
    }
}

/// A killed deploy has not ended: whoever watches is told that it stands still, and how it ends once somebody goes on with it.
#[test]
fn whoever_watches_is_told_that_the_owner_was_killed_and_sees_the_end_all_the_same() {
    let rig = Rig::new(&["alpha"]);
    let deploy = rig.start_held_at("alpha", &["--actor", "ada"]);
    let watch = Running::start(&mut rig.command(&["watch", "--exit-code", "--format", "json"]));
    watch.records("Merged");
    deploy.kill();
    watch.says("nobody runs deploy ");
    watch.says(&format!("`artifactctl resume {}/dev`", rig.stack.project()));
    rig.proxy.clear();
    rig.run(&["resume"]).ended(0);
    let watched = watch.wait().ended(0);
    let kinds = watched.kinds();
    let expected = "Requested Observed CompatChecked Merged TakenOver Resumed";
    assert!(kinds.starts_with(expected), "{kinds}");
    assert!(kinds.ends_with("Applied"), "{kinds}");
    let said = watched.stderr.matches("nobody runs deploy").count();
    assert_eq!(said, 1, "{}", watched.stderr);
}
