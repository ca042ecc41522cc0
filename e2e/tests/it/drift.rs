//! What is there and is not what was applied: named with its values, recorded when asked for, and healed by the next deploy.

use serde_json::Value;

use crate::rig::Rig;
use crate::support::publish;

const DRIFT: i32 = 11;

fn line(rig: &Rig<'_>, more: &[&str]) -> Value {
    let arguments = [&["status", "--format", "json"], more].concat();
    serde_json::from_str(&rig.run(&arguments).ended(0).stdout).unwrap()
}

#[test]
fn a_value_that_was_changed_by_hand_is_named_recorded_and_healed() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.deploy(&[]).ended(0);
    assert_eq!(line(&rig, &["--stack"])["stack"]["refused"], serde_json::json!([]));
    let published = rig.published()["functions.yml"].clone();
    publish(
        rig.stack,
        "functions.yml",
        &published.replace("WHO: alpha", "WHO: stranger"),
    );
    let said = rig.run(&["status", "--exit-code"]).ended(DRIFT).stdout;
    assert!(said.contains("- ") && said.contains("WHO: stranger"), "{said}");
    let drift = &line(&rig, &[])["key_drift"]["functions/alpha"];
    assert_eq!(drift["fields"][0]["field"], "environment.WHO", "{drift}");

    let recorded = line(&rig, &["--record"])["recorded"].clone();
    let history = rig.run(&["history"]).ended(0).stdout;
    assert!(history.contains("drift"), "{history}");
    let shown = rig.run(&["show", recorded.as_str().unwrap()]).ended(0).stdout;
    assert!(shown.contains("functions/alpha stands otherwise"), "{shown}");
    rig.run(&["verify"]).ended(0);

    rig.deploy(&[]).ended(0).said("drift: functions/alpha");
    assert_eq!(rig.published()["functions.yml"], published);
    rig.run(&["status", "--exit-code"]).ended(0);
    assert_eq!(line(&rig, &["--record"])["recorded"], Value::Null);
    // Drift is no deploy: the one before the latest is the first one.
    rig.run(&["show", "latest~1"]).ended(0);
    rig.run(&["show", "latest~2"]).ended(5);
}
