//! `manifest`: validating an artifact, and its ids.

use std::fs;

use crate::support::Machine;

#[test]
fn the_demo_artifact_is_valid_and_in_sync() {
    let machine = Machine::fresh();
    let artifact = machine.artifact();
    machine.snapshot(
        "manifest-valid",
        &["manifest", "validate", "--artifact", artifact],
    );
    machine.snapshot(
        "manifest-in-sync",
        &["manifest", "sync-ids", "--artifact", artifact, "--check"],
    );
}

#[test]
fn every_violation_is_named_at_its_place() {
    let machine = Machine::fresh();
    let artifact = machine.artifact();
    let path = machine.work().join(artifact);
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replace("artifact_root: svc-a", "artifact_root: ../svc-a")
        .replace(
            "runtime_config_dir: config\n",
            "runtime_config_dir: /config\n",
        );
    fs::write(&path, text).unwrap();
    machine.snapshot(
        "manifest-invalid",
        &["manifest", "validate", "--artifact", artifact],
    );
}

#[test]
fn ids_are_checked_then_written_then_in_sync() {
    let machine = Machine::fresh();
    let artifact = machine.artifact();
    let path = machine.work().join(artifact);
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace("orders-f2d1205f", "orders-00000000");
    fs::write(&path, &changed).unwrap();
    let check = ["manifest", "sync-ids", "--artifact", artifact, "--check"];
    machine.snapshot("manifest-out-of-sync", &check);
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    machine.snapshot("manifest-sync", &check[..4]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(machine.run(&check).code, 0);
}

/// A typo does not deploy: each is named where it stands, with what was meant.
#[test]
fn what_is_misspelt_is_named_with_what_was_meant() {
    for (snapshot, file, from, to) in [
        (
            "manifest-misspelt-key",
            "artifact.yml",
            "runtime_stack:",
            "runtime_stak:",
        ),
        (
            "manifest-unknown-function",
            "svc-b/config/routing.yml",
            "function: stock-count",
            "function: stock-cuont",
        ),
        (
            "manifest-missing-source",
            "svc-b/functions/stock-count/Dockerfile",
            "functions/stock-count/src",
            "functions/stock-count/source",
        ),
    ] {
        let machine = Machine::fresh();
        let artifact = machine.artifact();
        let path = machine.work().join(artifact).with_file_name(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let validate = ["manifest", "validate", "--artifact", artifact];
        machine.snapshot(snapshot, &validate);
        let allowed = machine.run(&[&validate[..], &["--allow-unknown"]].concat());
        let is_tolerated = snapshot != "manifest-missing-source";
        assert_eq!(allowed.code == 0, is_tolerated, "{}", allowed.stderr);
    }
}
