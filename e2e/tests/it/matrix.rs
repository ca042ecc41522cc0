//! The runner of the matrix: its file, what it chooses, its last line, its logs, and what it leaves behind.
//!
//! Not here: the suites, which `cargo run --bin e2e -- matrix` runs.

mod runs;

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::engine::describe;
use e2e::matrix::{Matrix, Suite};
use e2e::workspace;
use rstest::rstest;

use crate::process::run;

/// A sound file with one environment of each mode. Manifests are named by their absolute paths, so that it can stand anywhere.
fn sound(project: &str) -> String {
    let manifest = |mode: &str, name: &str| {
        workspace::fixture(&format!("matrix/{mode}/{name}.yml"))
            .display()
            .to_string()
    };
    let names = [
        "shop",
        "shop-changed",
        "shop-newer",
        "probe",
        "probe-changed",
    ];
    let artifacts = names.map(|name| {
        let [docker, containerd] = ["docker", "containerd"].map(|mode| manifest(mode, name));
        format!("  {name}: {{ docker: {docker}, containerd: {containerd} }}\n")
    });
    format!(
        "version: 1\nartifacts:\n{}environments:\n  - name: first\n    mode: docker\n    stack_version: 1.4.2\n    \
         api_version: \"1.0\"\n    project: {project}\n    suites: [smoke, runtime]\n  - name: second\n    \
         mode: containerd\n    stack_version: 1.5.0\n    api_version: \"1.1\"\n    project: {project}\n    \
         suites: [smoke, restart]\n",
        artifacts.concat()
    )
}

/// Writes a matrix file that differs from the sound one in these texts, each of which must be there.
fn write(folder: &Path, edits: &[(&str, &str)]) -> PathBuf {
    let mut text = sound("contract");
    for (from, to) in edits {
        assert!(text.contains(from), "no `{from}` in:\n{text}");
        text = text.replacen(from, to, 1);
    }
    let path = folder.join("matrix.yml");
    std::fs::write(&path, text).unwrap();
    path
}

fn refusal(edits: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    describe(&Matrix::read(&write(folder.path(), edits)).unwrap_err())
}

#[test]
fn the_committed_matrix_runs_every_suite_in_both_modes() {
    let matrix = Matrix::read(&workspace::fixture("matrix.yml")).unwrap();
    let modes: Vec<_> = matrix
        .environments
        .iter()
        .map(|environment| environment.mode.name())
        .collect();
    assert_eq!(modes, ["docker", "containerd"]);
    for environment in &matrix.environments {
        assert_eq!(environment.suites, Suite::ALL, "{}", environment.name);
    }
    assert_eq!(matrix.manifests().len(), 10);
}

/// One fault each: what is replaced by what, and words that the refusal must hold.
#[rstest]
#[case::unknown_key("version: 1", "version: 1\nenvironment: x", &["line 2", "environment"])]
#[case::unknown_key_of_an_environment("    mode: docker\n", "    mode: docker\n    modes: x\n", &["modes"])]
#[case::legacy_driver_at_the_top(
    "version: 1",
    "deploy_driver: artifact\nversion: 1",
    &["matrix.yml:1:", "`deploy_driver`", "`mode`"],
)]
#[case::legacy_driver(
    "    mode: docker\n",
    "    mode: docker\n    deploy_driver: scripts\n",
    &["matrix.yml:11:", "`deploy_driver`", "`mode`"],
)]
#[case::legacy_generation(
    "    mode: docker\n",
    "    mode: docker\n    artifact_generate: true\n",
    &["matrix.yml:11:", "`artifact_generate`", "`artifacts`"],
)]
#[case::legacy_generation_without_a_value(
    "version: 1",
    "version: 1\nartifact_generate:",
    &["matrix.yml:2:", "`artifact_generate`", "`artifacts`"],
)]
#[case::missing_key("    api_version: \"1.0\"\n", "", &["api_version"])]
#[case::other_version("version: 1", "version: 2", &["matrix.yml:1:10", "can only be 1"])]
#[case::unknown_mode("mode: docker", "mode: podman", &["podman"])]
#[case::unknown_suite("[smoke, runtime]", "[smoke, speed]", &["speed"])]
#[case::no_suites("[smoke, runtime]", "[]", &["matrix.yml:14:", "no suites"])]
#[case::suite_twice("[smoke, runtime]", "[smoke, smoke]", &["`smoke` is listed twice"])]
#[case::name_taken("name: second", "name: first", &["matrix.yml:15:", "`first` is taken"])]
#[case::name_as_a_path("name: first", "name: ../first", &["matrix.yml:9:", "name `../first`"])]
#[case::project_in_capitals("project: contract", "project: Contract", &["project `Contract`"])]
#[case::version_with_a_space("stack_version: 1.4.2", "stack_version: 1 4", &["stack_version `1 4`"])]
#[case::manifest_of_another_mode(
    "matrix/docker/shop.yml",
    "matrix/containerd/shop.yml",
    &["matrix.yml:3:", "for mode `containerd`", "under `docker`"],
)]
#[case::manifest_that_is_not_there("docker/probe.yml", "docker/lost.yml", &["matrix.yml:6:", "lost.yml"])]
#[case::artifact_that_a_suite_needs("  probe: {", "  other: {", &["`runtime`", "`probe`", "`docker`"])]
fn a_file_with_a_fault_is_refused_with_its_place(
    #[case] from: &str,
    #[case] to: &str,
    #[case] words: &[&str],
) {
    let refusal = refusal(&[(from, to)]);
    for word in words {
        assert!(refusal.contains(word), "no `{word}` in:\n{refusal}");
    }
}

#[test]
fn a_sound_file_is_read_and_every_broken_rule_of_another_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    Matrix::read(&write(folder.path(), &[])).unwrap();
    let refusal = refusal(&[
        (
            "    mode: docker\n",
            "    mode: docker\n    deploy_driver: x\n",
        ),
        ("docker/probe.yml", "docker/lost.yml"),
        ("name: second", "name: SECOND"),
    ]);
    for word in ["deploy_driver", "lost.yml", "SECOND"] {
        assert!(refusal.contains(word), "no `{word}` in:\n{refusal}");
    }
}

#[test]
fn a_file_that_is_not_there_and_one_without_environments_are_refused() {
    let lost = Matrix::read(Path::new("nowhere/matrix.yml")).unwrap_err();
    assert!(describe(&lost).contains("`nowhere/matrix.yml`"), "{lost}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("matrix.yml");
    std::fs::write(&path, "version: 1\nartifacts: {}\nenvironments: []\n").unwrap();
    let empty = describe(&Matrix::read(&path).unwrap_err());
    assert!(empty.contains("no environment is described"), "{empty}");
}

/// What is chosen, as `environment/suite`.
fn chosen(environments: &[&str], suites: &[&str]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let matrix = Matrix::read(&write(folder.path(), &[])).unwrap();
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let chosen = matrix.choose(&owned(environments), &owned(suites));
    let chosen = chosen.map_err(|error| describe(&error))?;
    let entries = chosen.environments.iter().flat_map(|environment| {
        let suites = environment.suites.iter();
        suites.map(|suite| format!("{}/{}", environment.name, suite.name()))
    });
    Ok(entries.collect())
}

#[rstest]
#[case::everything(&[], &[], &["first/smoke", "first/runtime", "second/smoke", "second/restart"])]
#[case::an_environment(&["second"], &[], &["second/smoke", "second/restart"])]
#[case::a_suite(&[], &["smoke"], &["first/smoke", "second/smoke"])]
#[case::a_suite_of_one_environment(&[], &["restart"], &["second/restart"])]
#[case::both(&["first", "second"], &["runtime", "restart"], &["first/runtime", "second/restart"])]
fn what_is_asked_for_is_chosen_in_the_order_of_the_file(
    #[case] environments: &[&str],
    #[case] suites: &[&str],
    #[case] expected: &[&str],
) {
    assert_eq!(chosen(environments, suites).unwrap(), expected);
}

#[rstest]
#[case::environment(&["third"], &[], &["environment `third`", "first, second"])]
#[case::suite(&[], &["speed"], &["suite `speed`", "smoke, standard, runtime, restart"])]
#[case::nothing_together(&["first"], &["restart"], &["none of the chosen environments"])]
fn what_is_not_there_cannot_be_chosen(
    #[case] environments: &[&str],
    #[case] suites: &[&str],
    #[case] words: &[&str],
) {
    let refusal = chosen(environments, suites).unwrap_err();
    for word in words {
        assert!(refusal.contains(word), "no `{word}` in:\n{refusal}");
    }
}

#[test]
fn an_artifact_that_breaks_the_payload_contract_is_refused_before_any_engine_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yml");
    let shop = std::fs::read_to_string(workspace::fixture("matrix/docker/shop.yml")).unwrap();
    std::fs::write(&broken, shop.replace("../../artifact/svc-a", "lost")).unwrap();
    let manifest = workspace::fixture("matrix/docker/shop.yml");
    let file = write(
        folder.path(),
        &[(manifest.to_str().unwrap(), broken.to_str().unwrap())],
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_e2e"));
    command.arg("matrix").arg("--file").arg(file);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let refused = run(&mut command).ended(1);
    refused.said("cannot be applied");
    refused.said("lost");
    assert!(!refused.stderr.contains("Docker"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
}
