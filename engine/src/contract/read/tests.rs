use rstest::rstest;

use super::*;
use crate::contract::ApiVersion;

const FULL: &str = r#"schema_version: "1"
project: esb-dev
env: dev
mode: docker
runtime_stack:
  api_version: 1.0
  mode: docker
  esb_version: "1.4.2"
  requires:
    gateway: ">=1.4, <2"
    provisioner: ^1.2
artifacts:
  - id: orders-7b1d8e0c
    artifact_root: ../svc-a
    runtime_config_dir: config
    bundle_manifest: bundle/manifest.json
    required_secret_env: [AUTH_PASS]
    source_template:
      path: shop/orders.yaml
      sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      parameters: { Stage: dev, Count: 3, Debug: true, Nothing: }
  - artifact_root: /srv/svc-b
    runtime_config_dir: ./a/../config
generated_at: 2026-02-20T00:00:00Z
generator: { name: esb, version: v0.4.0 }
merge_policy: last_write_wins_v1
"#;

/// The full manifest with the id that belongs to it.
fn full() -> String {
    let checked = check_manifest(&Source::new("artifact.yml", FULL), Ids::Recomputed);
    let manifest = checked.manifest.expect("the full manifest is right");
    let id = manifest.artifacts[0].id.clone().expect("it has a template");
    FULL.replace("orders-7b1d8e0c", &id)
}

/// Reads the full manifest with one piece of text replaced.
fn changed(old: &str, new: &str) -> Result<(Manifest, Vec<Warning>), Vec<Violation>> {
    let full = full();
    assert_eq!(
        full.matches(old).count(),
        1,
        "`{old}` must stand there once"
    );
    parse_manifest("artifact.yml", &full.replace(old, new))
}

#[test]
fn a_full_manifest_is_read() {
    let (manifest, warnings) = parse_manifest("artifact.yml", &full()).unwrap();

    assert_eq!(warnings, []);
    let stack = manifest.runtime_stack.unwrap();
    assert_eq!(stack.api_version, ApiVersion { major: 1, minor: 0 });
    assert_eq!(stack.requires["provisioner"].to_string(), "^1.2");
    let template = manifest.artifacts[0].source_template.clone().unwrap();
    assert_eq!(template.parameters["Count"], "3");
    assert_eq!(template.parameters["Debug"], "true");
    assert_eq!(template.parameters["Nothing"], "");
    assert_eq!(manifest.artifacts[0].id, Some(ids::compute_id(&template)));
    assert_eq!(manifest.artifacts[1].id, None);
    assert_eq!(manifest.artifacts[1].artifact_root, "/srv/svc-b");
    assert_eq!(
        manifest.generated_at.as_deref(),
        Some("2026-02-20T00:00:00Z")
    );
}

#[test]
fn a_small_manifest_is_enough() {
    let text = "schema_version: 1\nproject: p\nenv: 1\nmode: containerd\nartifacts: [{artifact_root: ., runtime_config_dir: c}]\n";

    let (manifest, warnings) = parse_manifest("m", text).unwrap();

    assert_eq!((manifest.env.as_str(), warnings.len()), ("1", 0));
    assert_eq!(manifest.runtime_stack, None);
}

#[test]
fn a_manifest_survives_its_json() {
    let (manifest, _) = parse_manifest("m", &full()).unwrap();

    let json = serde_json::to_string(&manifest).unwrap();

    assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
}

#[rstest]
#[case("schema_version: \"1\"", "schema_version: 2", "schema-version", 1, 17)]
#[case(
    "schema_version: \"1\"",
    "schema_version: 1.0",
    "schema-version",
    1,
    17
)]
#[case("schema_version: \"1\"\n", "", "missing-field", 1, 1)]
#[case("project: esb-dev", "project:", "missing-field", 2, 1)]
#[case("project: esb-dev", "project: -rf", "bad-name", 2, 10)]
#[case("project: esb-dev", "project: a/b", "bad-name", 2, 10)]
#[case("project: esb-dev", "project: '..'", "bad-name", 2, 10)]
#[case("project: esb-dev", "project: ''", "bad-name", 2, 10)]
#[case("project: esb-dev", r#"project: "a\nb""#, "bad-name", 2, 10)]
#[case("project: esb-dev", "project: [a]", "wrong-kind", 2, 10)]
#[case("env: dev", "env: a b", "bad-name", 3, 6)]
#[case("env: dev\nmode: docker", "env: dev\nmode: podman", "bad-mode", 4, 7)]
#[case(
    "env: dev\nmode: docker",
    "env: dev\nmode: containerd",
    "mode-mismatch",
    7,
    9
)]
#[case("  mode: docker", "  other: docker", "missing-field", 6, 3)]
#[case("  api_version: 1.0", "  api_version: 1.0.0", "bad-api-version", 6, 16)]
#[case("  api_version: 1.0", "  api_version: v1", "bad-api-version", 6, 16)]
#[case(
    "  api_version: 1.0",
    "  api_version: 99999999999",
    "bad-api-version",
    6,
    16
)]
#[case(
    "esb_version: \"1.4.2\"",
    "esb_version: \"a b\"",
    "bad-esb-version",
    8,
    16
)]
#[case(
    "esb_version: \"1.4.2\"",
    "esb_version: \"\"",
    "bad-esb-version",
    8,
    16
)]
#[case("\">=1.4, <2\"", "\">=1.4 <2\"", "bad-version-range", 10, 14)]
#[case("\">=1.4, <2\"", "", "wrong-kind", 10, 12)]
#[case("gateway:", "'-x':", "bad-name", 10, 5)]
#[case("artifact_root: ../svc-a", "artifact_root: ''", "bad-path", 14, 20)]
#[case(
    "artifact_root: ../svc-a",
    "artifact_root: ..\\svc-a",
    "bad-path",
    14,
    20
)]
#[case(
    "artifact_root: ../svc-a",
    r#"artifact_root: "a\0b""#,
    "bad-path",
    14,
    20
)]
#[case(
    "artifact_root: ../svc-a",
    "artifact_root: ../svc-a/./runtime-base/x",
    "runtime-base",
    14,
    20
)]
#[case("artifact_root: ../svc-a", "artifact_root: {}", "wrong-kind", 14, 20)]
#[case("dir: config\n", "dir: .\n", "path-is-root", 15, 25)]
#[case("dir: config\n", "dir: a/..\n", "path-is-root", 15, 25)]
#[case("dir: config\n", "dir: /config\n", "absolute-path", 15, 25)]
#[case("dir: config\n", "dir: ../config\n", "path-escape", 15, 25)]
#[case("dir: config\n", "dir: a/../../svc-a/config\n", "path-escape", 15, 25)]
#[case("dir: config\n", "dir: ./runtime-base\n", "runtime-base", 15, 25)]
#[case(
    "dir: config\n",
    "dir: x/../runtime-base/config\n",
    "runtime-base",
    15,
    25
)]
#[case("dir: config\n", "dir: c:\\config\n", "bad-path", 15, 25)]
#[case("bundle/manifest.json", "../x", "path-escape", 16, 22)]
#[case("bundle/manifest.json", "/x", "absolute-path", 16, 22)]
#[case("[AUTH_PASS]", "[AUTH-PASS]", "bad-secret-name", 17, 27)]
#[case("[AUTH_PASS]", "[OK, 1X]", "bad-secret-name", 17, 31)]
#[case("[AUTH_PASS]", "AUTH_PASS", "wrong-kind", 17, 26)]
#[case("[AUTH_PASS]", "[[A]]", "wrong-kind", 17, 27)]
#[case("path: shop/orders.yaml", "path: ''", "bad-path", 19, 13)]
#[case("path: shop/orders.yaml", r#"path: "a\nb""#, "bad-path", 19, 13)]
#[case("      path: shop/orders.yaml\n", "", "missing-field", 19, 7)]
#[case("sha256: a", "sha256: A", "bad-sha256", 20, 15)]
#[case("sha256: aa", "sha256: a", "bad-sha256", 20, 15)]
#[case("Stage: dev", "Stage: [dev]", "wrong-kind", 21, 28)]
#[case(
    "{ Stage: dev, Count: 3, Debug: true, Nothing: }",
    "7",
    "wrong-kind",
    21,
    19
)]
#[case("2026-02-20T00:00:00Z", "2026-02-20", "bad-timestamp", 24, 15)]
#[case(
    "2026-02-20T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "bad-timestamp",
    24,
    15
)]
#[case("2026-02-20T00:00:00Z", "2026-02-20T00:00:00", "bad-timestamp", 24, 15)]
#[case("2026-02-20T00:00:00Z", "2026-02-20T00:00Z", "bad-timestamp", 24, 15)]
#[case(
    "2026-02-20T00:00:00Z",
    "2026-02-20T00:00:00.Z",
    "bad-timestamp",
    24,
    15
)]
#[case("name: esb, ", "", "missing-field", 25, 12)]
#[case("name: esb,", "name: '',", "bad-name", 25, 20)]
#[case("last_write_wins_v1", "first_wins", "merge-policy", 26, 15)]
fn a_breach_names_its_rule_and_place(
    #[case] old: &str,
    #[case] new: &str,
    #[case] rule: &str,
    #[case] line: u32,
    #[case] column: u32,
) {
    let violations = changed(old, new).unwrap_err();

    let found: Vec<_> = violations
        .iter()
        .map(|v| (v.rule.as_str(), v.place.line, v.place.column))
        .collect();
    assert_eq!(found, [(rule, line, column)], "{violations:?}");
}

#[rstest]
#[case("esb_version: \"1.4.2\"", "esb_version: latest")]
#[case("esb_version: \"1.4.2\"", "esb_version: feature-x_1")]
#[case("esb_version: \"1.4.2\"", "esb_version: v1.4.2+build.1")]
#[case("esb_version: \"1.4.2\"", "esb_version: \">=1.4, <2\"")]
#[case("2026-02-20T00:00:00Z", "2026-02-20T00:00:00.123+09:00")]
#[case("2026-02-20T00:00:00Z", "\"2026-02-20 00:00:60z\"")]
#[case("artifact_root: ../svc-a", "artifact_root: a/../../x")]
#[case("dir: config\n", "dir: a/runtime-base\n")]
#[case("dir: config\n", "dir: ..config\n")]
#[case("dir: config\n", "dir: ~/config\n")]
fn what_the_contract_allows_is_accepted(#[case] old: &str, #[case] new: &str) {
    assert_eq!(changed(old, new).map(|(_, warnings)| warnings), Ok(vec![]));
}

#[rstest]
#[case("not-an-id", "bad-id")]
#[case("../x", "bad-id")]
#[case("orders-00000000", "id-mismatch")]
fn a_wrong_id_is_refused(#[case] id: &str, #[case] rule: &str) {
    let violations = parse_manifest("m", &FULL.replace("orders-7b1d8e0c", id)).unwrap_err();

    assert_eq!((violations[0].rule.as_str(), violations.len()), (rule, 1));
    assert_eq!(
        (violations[0].place.line, violations[0].place.column),
        (13, 9)
    );
    assert_eq!(violations[0].place.excerpt, format!("  - id: {id}"));
    assert!(violations[0].hint.as_deref().unwrap().contains("sync-ids"));
}

#[test]
fn an_id_needs_a_template() {
    let violations = changed(
        "  - artifact_root: /srv",
        "  - id: b-00000000\n    artifact_root: /srv",
    )
    .unwrap_err();

    assert_eq!(violations[0].rule, "id-without-template");
    assert_eq!(
        (violations[0].place.line, violations[0].place.column),
        (22, 9)
    );
}

#[test]
fn two_entries_of_one_template_have_one_id_and_that_is_a_breach() {
    let entry =
        "  - artifact_root: x\n    runtime_config_dir: c\n    source_template: {path: t.yaml}\n";
    let text = format!(
        "schema_version: 1\nproject: p\nenv: e\nmode: docker\nartifacts:\n{entry}{}",
        entry.replace("t.yaml", "./t.yaml")
    );

    let violations = parse_manifest("m", &text).unwrap_err();

    assert_eq!(violations[0].rule, "duplicate-id");
    assert_eq!(
        (violations[0].place.line, violations[0].place.column),
        (9, 5)
    );
}

#[test]
fn two_entries_of_one_source_are_odd() {
    let entry = "{artifact_root: x, runtime_config_dir: c}";
    let text = format!(
        "schema_version: 1\nproject: p\nenv: e\nmode: docker\nartifacts: [{entry}, {entry}]\n"
    );

    let (_, warnings) = parse_manifest("m", &text).unwrap();

    assert_eq!(
        (warnings[0].rule.as_str(), warnings[0].place.column),
        ("duplicate-source", 56)
    );
}

#[test]
fn unknown_keys_are_named_wherever_they_stand() {
    let text = full()
        .replace("env: dev", "env: dev\nenvironment: x")
        .replace("  api_version", "  colour: 1\n  api_version")
        .replace(
            "    bundle_manifest",
            "    \"esc\\e[31m\": 1\n    bundle_manifest",
        )
        .replace("{ name: esb", "{ by: me, name: esb");

    let (_, warnings) = parse_manifest("artifact.yml", &text).unwrap();

    let found: Vec<_> = warnings
        .iter()
        .map(|w| (w.place.line, w.place.column, w.message.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (4, 1, "the manifest has no key `environment`; it is ignored"),
            (7, 3, "`runtime_stack` has no key `colour`; it is ignored"),
            (
                18,
                5,
                "`artifacts[0]` has no key `esc\\u{1b}[31m`; it is ignored"
            ),
            (28, 14, "`generator` has no key `by`; it is ignored"),
        ]
    );
}

#[test]
fn all_violations_come_at_once_in_the_order_of_the_text() {
    let text = "mode: x\nproject: -a\nartifacts:\n  - runtime_config_dir: ..\n  - 7\n  - artifact_root: r\n    \
                runtime_config_dir: c\n";

    let checked = check_manifest(&Source::new("m", text), Ids::Checked);

    let found: Vec<_> = checked
        .violations
        .iter()
        .map(|v| (v.place.line, v.rule.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (1, "missing-field"),
            (1, "missing-field"),
            (1, "bad-mode"),
            (2, "bad-name"),
            (4, "missing-field"),
            (4, "path-escape"),
            (5, "wrong-kind"),
        ]
    );
    assert_eq!(checked.payloads.len(), 1);
    assert_eq!(checked.payloads[0].index, 2);
}

#[rstest]
#[case("")]
#[case("# nothing\n")]
#[case("[]")]
#[case("text")]
fn a_manifest_is_a_mapping(#[case] text: &str) {
    assert_eq!(parse_manifest("m", text).unwrap_err()[0].rule, "wrong-kind");
}

#[test]
fn artifacts_must_not_be_empty() {
    let text = "schema_version: 1\nproject: p\nenv: e\nmode: docker\nartifacts: []\n";

    let violations = parse_manifest("m", text).unwrap_err();

    assert_eq!(violations[0].rule, "no-artifacts");
    assert_eq!(
        (violations[0].place.line, violations[0].place.column),
        (5, 12)
    );
}

#[test]
fn a_text_that_is_no_yaml_is_shown_with_its_line() {
    let violations = parse_manifest("artifact.yml", "mode: docker\nmode: docker\n").unwrap_err();

    assert_eq!(violations[0].rule, "duplicate-key");
    assert_eq!(
        violations[0].place,
        Place {
            file: "artifact.yml".into(),
            line: 2,
            column: 1,
            excerpt: "mode: docker".into()
        }
    );
}

#[test]
fn a_value_in_the_list_of_secret_names_is_never_shown() {
    let violations = changed("[AUTH_PASS]", "[AUTH_PASS=hunter2]").unwrap_err();

    assert!(!format!("{violations:?}").contains("hunter2"));
}

#[test]
fn violations_of_one_file_are_bounded() {
    let text = format!("artifacts:\n{}", "  - 1\n".repeat(100_000));

    let violations = parse_manifest("m", &text).unwrap_err();

    assert_eq!(violations.len(), 1001);
    assert_eq!(
        violations.iter().filter(|v| v.rule == "too-many").count(),
        1
    );
}

#[test]
fn a_long_line_is_cut() {
    let text = format!("mode: {}\n", "é".repeat(5000));

    let violations = parse_manifest("m", &text).unwrap_err();

    let mode = violations.iter().find(|v| v.rule == "bad-mode").unwrap();
    assert_eq!(mode.place.excerpt.chars().count(), 200);
    assert!(mode.message.chars().count() < 200);
}
