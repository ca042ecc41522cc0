use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use rstest::rstest;

use super::*;

const HEAD: &str = "# mine\nschema_version: \"1\" # one\nproject: p\nenv: e\nmode: docker\n";

/// Runs `sync_ids` on a manifest of this head and these artifacts; gives the outcome and the text after it.
fn sync(artifacts: &str, check: bool) -> (Result<SyncOutcome, LoadError>, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("artifact.yml");
    fs::write(&path, format!("{HEAD}{artifacts}")).unwrap();

    let outcome = sync_ids(&path, check);

    let names = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 1, "no temp file stays behind");
    (outcome, fs::read_to_string(&path).unwrap())
}

// The ids of `t.yaml` and `u.yaml` without parameters.
const T: &str = "t-f1e2dbd3";
const U: &str = "u-e6de7b05";

#[rstest]
#[case::inserted(
    "artifacts:\n  - artifact_root: a # root\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n",
    "artifacts:\n  - id: {T}\n    artifact_root: a # root\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n"
)]
#[case::not_indented(
    "artifacts:\n- # note\n  artifact_root: a\n  runtime_config_dir: c\n  source_template: {path: t.yaml}\n",
    "artifacts:\n- # note\n  id: {T}\n  artifact_root: a\n  runtime_config_dir: c\n  source_template: {path: t.yaml}\n"
)]
#[case::replaced(
    "artifacts:\n  - artifact_root: a\n    id: wrong # note\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n",
    "artifacts:\n  - artifact_root: a\n    id: {T} # note\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n"
)]
#[case::quoted(
    "artifacts:\n  - {id: 'wrong', artifact_root: a, runtime_config_dir: c, source_template: {path: t.yaml}}\n",
    "artifacts:\n  - {id: {T}, artifact_root: a, runtime_config_dir: c, source_template: {path: t.yaml}}\n"
)]
#[case::escaped(
    "artifacts: [{\"i\\x64\": wrong, artifact_root: a, runtime_config_dir: c, source_template: {path: t.yaml}}]\n",
    "artifacts: [{\"i\\x64\": {T}, artifact_root: a, runtime_config_dir: c, source_template: {path: t.yaml}}]\n"
)]
#[case::empty(
    "artifacts:\n  - id:\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n",
    "artifacts:\n  - id: {T}\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n"
)]
#[case::null(
    "artifacts:\n  - id:  ~ # note\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n",
    "artifacts:\n  - id:  {T} # note\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n"
)]
#[case::flow(
    "artifacts: [{artifact_root: a, runtime_config_dir: c, source_template: {path: t.yaml}}]\n",
    "artifacts: [{id: {T}, artifact_root: a, runtime_config_dir: c, source_template: {path: t.yaml}}]\n"
)]
#[case::removed(
    "artifacts:\n  - id: x-00000000\n    artifact_root: a\n    runtime_config_dir: c\n",
    "artifacts:\n  - artifact_root: a\n    runtime_config_dir: c\n"
)]
#[case::removed_last(
    "artifacts:\n  - artifact_root: a\n    runtime_config_dir: c\n    id: x-00000000\n# end\n",
    "artifacts:\n  - artifact_root: a\n    runtime_config_dir: c\n# end\n"
)]
#[case::several(
    "artifacts:\n  - artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n  - id: {T}\n    artifact_root: b\n    runtime_config_dir: c\n    source_template: {path: u.yaml}\n",
    "artifacts:\n  - id: {T}\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n  - id: {U}\n    artifact_root: b\n    runtime_config_dir: c\n    source_template: {path: u.yaml}\n"
)]
#[case::carriage_returns(
    "artifacts:\r\n  - artifact_root: ä\r\n    runtime_config_dir: c\r\n    source_template: {path: t.yaml}\r\n",
    "artifacts:\r\n  - id: {T}\r\n    artifact_root: ä\r\n    runtime_config_dir: c\r\n    source_template: {path: t.yaml}\r\n"
)]
fn only_ids_change(#[case] before: &str, #[case] after: &str) {
    let (before, after) = (fill(before), fill(after));

    let (outcome, text) = sync(&before, false);

    assert!(outcome.unwrap().written);
    assert_eq!(text, format!("{HEAD}{after}"));
    let (again, same) = sync(&after, false);
    assert_eq!(
        again.unwrap(),
        SyncOutcome {
            changes: vec![],
            written: false
        }
    );
    assert_eq!(same, text);
}

fn fill(text: &str) -> String {
    text.replace("{T}", T).replace("{U}", U)
}

#[test]
fn check_tells_and_writes_nothing() {
    let artifacts = "artifacts:\n  - id: wrong\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n";

    let (outcome, text) = sync(artifacts, true);

    assert_eq!(
        outcome.unwrap(),
        SyncOutcome {
            changes: vec![IdChange {
                entry: 0,
                from: Some("wrong".to_owned()),
                to: Some(T.to_owned()),
            }],
            written: false,
        }
    );
    assert_eq!(text, format!("{HEAD}{artifacts}"));
}

#[rstest]
#[case::merged(
    "artifacts:\n  - &a\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n  - <<: *a\n    source_template: {path: u.yaml}\n",
    &[(8, T), (11, U)]
)]
#[case::last_in_flow(
    "artifacts: [{artifact_root: a, runtime_config_dir: c, id: x-00000000}]\n",
    &[(6, "must have no id")]
)]
#[case::complex_key(
    "artifacts:\n  - ? id\n    :\n    artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n",
    &[(7, T)]
)]
fn a_text_that_cannot_be_edited_safely_stays_as_it_is(
    #[case] artifacts: &str,
    #[case] expected: &[(u32, &str)],
) {
    let (outcome, text) = sync(artifacts, false);

    let Err(LoadError::Violations(violations)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(text, format!("{HEAD}{artifacts}"));
    assert_eq!(violations.len(), expected.len());
    for (violation, (line, part)) in violations.iter().zip(expected) {
        assert_eq!(violation.place.line, *line);
        assert!(violation.message.contains(part), "{}", violation.message);
    }
}

#[test]
fn a_manifest_that_is_wrong_otherwise_is_not_written() {
    let (outcome, text) = sync(
        "artifacts:\n  - artifact_root: a\n    runtime_config_dir: ..\n    source_template: {path: t.yaml}\n",
        false,
    );

    let Err(LoadError::Violations(violations)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(violations[0].rule, "path-escape");
    assert!(!text.contains("id:"));
}

#[test]
fn two_entries_of_one_template_cannot_be_given_ids() {
    let entry =
        "  - artifact_root: a\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n";

    let (outcome, _) = sync(&format!("artifacts:\n{entry}{entry}"), false);

    assert!(
        matches!(outcome, Err(LoadError::Violations(found)) if found[0].rule == "duplicate-id")
    );
}

#[test]
fn a_symlink_stays_and_what_it_names_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real.yml"), dir.path().join("link.yml"));
    let text =
        "artifacts: [{artifact_root: a, runtime_config_dir: c, source_template: {path: t.yaml}}]\n";
    fs::write(&real, format!("{HEAD}{text}")).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("real.yml", &link).unwrap();

    sync_ids(&link, false).unwrap();

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains(T));
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o644);
}

#[test]
fn a_temp_file_left_behind_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("artifact.yml");
    let temp = dir
        .path()
        .join(format!(".artifact.yml.{}.tmp", std::process::id()));
    fs::write(&path, format!("{HEAD}artifacts: [{{artifact_root: a, runtime_config_dir: c, source_template: {{path: t.yaml}}}}]\n")).unwrap();
    fs::write(&temp, "x".repeat(10_000)).unwrap();
    fs::set_permissions(&temp, fs::Permissions::from_mode(0o600)).unwrap();

    sync_ids(&path, false).unwrap();

    assert!(!temp.exists());
    assert!(fs::read_to_string(&path).unwrap().ends_with("t.yaml}}]\n"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
}

#[test]
fn a_manifest_that_is_not_there_is_named() {
    let error = sync_ids(Path::new("/nothing/artifact.yml"), false).unwrap_err();

    assert!(matches!(error, LoadError::Unreadable { .. }));
}

/// Another user of the manifest's folder may have guessed the name under which the new text is written first.
#[rstest]
#[case::fifo(|temp: &Path, _: &Path| {
    let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(rustix::fs::CWD, temp, kind, mode, 0).unwrap();
})]
#[case::second_name_of_a_file(|temp: &Path, other: &Path| fs::hard_link(other, temp).unwrap())]
#[case::symlink(|temp: &Path, other: &Path| symlink(other, temp).unwrap())]
fn what_bears_the_temporary_name_is_not_written_through(#[case] plant: fn(&Path, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("artifact.yml"), dir.path().join("other"));
    let artifacts = "artifacts:\n- artifact_root: a\n  runtime_config_dir: c\n  source_template: {path: t.yaml}\n";
    fs::write(&path, format!("{HEAD}{artifacts}")).unwrap();
    fs::write(&other, "not ours").unwrap();
    let temp = format!(".artifact.yml.{}.tmp", std::process::id());
    plant(&dir.path().join(temp), &other);

    assert!(sync_ids(&path, false).unwrap().written);

    assert!(fs::read_to_string(&path).unwrap().contains(T));
    assert_eq!(fs::read_to_string(&other).unwrap(), "not ours");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}
