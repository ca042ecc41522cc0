//! The example project of `artifactctl-testing`: it is none of this workspace, and its tests pass.

use e2e::workspace;

#[test]
fn the_example_project_tests_its_deploys() {
    let ran = workspace::cargo()
        .args(["test", "--locked", "--manifest-path"])
        .arg(workspace::fixture("deploy-tests/Cargo.toml"))
        .env(
            "CARGO_TARGET_DIR",
            workspace::target_dir().join("deploy-tests"),
        )
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}{failed}");
    assert!(said.contains("test result: ok. 5 passed"), "{said}");
}
