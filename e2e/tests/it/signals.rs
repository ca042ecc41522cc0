//! Being asked to stop: once finishes the step at hand, twice aborts it.

use std::time::{Duration, Instant};

use rstest::rstest;
use rustix::process::Signal;

use crate::process::images;
use crate::rig::{BY_ENGINE, Rig};

/// How long a step that is aborted may take to end: one that is not is held for as long as the test runs.
const AT_ONCE: Duration = Duration::from_secs(5);

const SENTENCE: &str = "stopping after 1 build in flight";

#[rstest]
#[case::ctrl_c(Signal::INT)]
#[case::terminate(Signal::TERM)]
fn the_first_signal_finishes_and_records_the_build_in_flight(#[case] signal: Signal) {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.hold_build("alpha");
    let deploy = rig.start(&[&BY_ENGINE[..], &["--jobs", "1"]].concat());
    rig.await_builds(1);
    deploy.signal(signal);
    deploy.says(SENTENCE);
    rig.proxy.release();
    let stopped = deploy.wait().ended(130);
    assert_eq!(stopped.images(), images(&[("alpha", "built")]));
    assert_eq!(stopped.payload("Failed")["kind"], "interrupted");
    assert_eq!(rig.builds(), ["alpha"], "the second build was not begun");
    assert!(rig.published().is_empty(), "{:?}", rig.published());

    let next = rig.deploy(&[]).ended(0);
    assert_eq!(next.payload("Resumed")["last_failure"], "interrupted");
    assert_eq!(
        next.images(),
        images(&[("alpha", "reused"), ("beta", "built")])
    );
}

#[rstest]
#[case::ctrl_c_twice([Signal::INT, Signal::INT])]
#[case::terminate_then_ctrl_c([Signal::TERM, Signal::INT])]
fn the_second_signal_aborts_the_build_in_flight_and_the_journal_says_so(
    #[case] signals: [Signal; 2],
) {
    let rig = Rig::new(&["alpha"]);
    rig.hold_build("alpha");
    let deploy = rig.start(&BY_ENGINE);
    rig.await_builds(1);
    deploy.signal(signals[0]);
    deploy.says(SENTENCE);
    deploy.signal(signals[1]);
    let asked = Instant::now();
    let stopped = deploy.wait().ended(130);
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    let failed = rig.latest().payload("Failed");
    assert_eq!(failed, stopped.payload("Failed"));
    assert_eq!(failed["kind"], "interrupted");
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("interrupted twice"), "{message}");

    let next = rig.run(&["resume", "--format", "json"]).ended(0);
    assert_eq!(next.images(), images(&[("alpha", "built")]));
}
