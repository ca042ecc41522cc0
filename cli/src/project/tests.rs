use std::path::Path;

use rstest::rstest;

use super::*;

fn parse(text: &str) -> Result<ProjectFile, Vec<engine::contract::Violation>> {
    read::parse(Path::new(FILE), text)
}

/// What is wrong, as `line:column rule message`, and the hint.
fn wrong(text: &str) -> (String, Option<String>) {
    let violations = parse(text).unwrap_err();
    let [violation] = violations.as_slice() else {
        panic!("one thing is wrong: {violations:?}");
    };
    let place = &violation.place;
    let said = format!(
        "{}:{} {} {}",
        place.line, place.column, violation.rule, violation.message
    );
    (said, violation.hint.clone())
}

#[test]
fn values_are_read_by_the_type_of_their_flag() {
    let file = parse(
        "template = 'a.yaml'\ncompose-file = ['one.yml', 'two.yml']\njobs = 3\nprovision = true\n\
         [base]\n'python3.12' = 'base:1'\nnodejs = 'base:2'\n",
    )
    .unwrap();

    assert_eq!(file.texts("template"), ["a.yaml"]);
    assert_eq!(file.texts("compose-file"), ["one.yml", "two.yml"]);
    assert_eq!(file.texts("jobs"), ["3"]);
    assert_eq!(file.get("provision").unwrap().value, Value::Switch(true));
    assert_eq!(file.get("provision").unwrap().line, 4);
    let bases = file.pairs("base").iter();
    let bases: Vec<_> = bases
        .map(|pair| (pair.name.as_str(), pair.value.as_str(), pair.place.line))
        .collect();
    assert_eq!(
        bases,
        [("python3.12", "base:1", 6), ("nodejs", "base:2", 7)]
    );
}

#[test]
fn paths_are_relative_to_the_file() {
    let text =
        "out = 'config'\njournal = '/var/journal'\ntag = 'config'\n[parameter]\nStage = 'dev'\n";
    let file = read::parse(Path::new("deploy/prod.toml"), text).unwrap();

    assert_eq!(file.texts("out"), ["deploy/config"]);
    assert_eq!(file.texts("journal"), ["/var/journal"]);
    assert_eq!(file.texts("tag"), ["config"]);
    assert_eq!(file.pairs("parameter")[0].value, "dev");
}

#[rstest]
#[case::misspelt(
    "outt = 'x'",
    "1:1 unknown-setting `outt` is no setting",
    "did you mean `out`?"
)]
#[case::underscore(
    "\ncompose_project = 'x'",
    "2:1 unknown-setting `compose_project` is no setting",
    "did you mean `compose-project`?"
)]
#[case::one_run(
    "dry-run = true",
    "1:1 unknown-setting `dry-run` is no setting",
    "list every setting"
)]
fn an_unknown_key_is_refused_with_the_nearest(
    #[case] text: &str,
    #[case] said: &str,
    #[case] hint: &str,
) {
    let (found, hinted) = wrong(text);
    assert_eq!(found, said);
    assert!(
        hinted.as_deref().unwrap_or_default().contains(hint),
        "{hinted:?}"
    );
}

#[rstest]
#[case::switch(
    "provision = 'yes'",
    "1:13 setting-type `provision` takes `true` or `false`, not a TOML string"
)]
#[case::one(
    "out = ['a']",
    "1:7 setting-type `out` takes a text in quotes or a whole number, not a TOML array"
)]
#[case::float(
    "api-version = 1.0",
    "1:15 setting-type `api-version` takes a text in quotes or a whole number, not a TOML float"
)]
#[case::many(
    "template = true",
    "1:12 setting-type `template` takes a text in quotes, or a list of such texts, not a TOML boolean"
)]
#[case::item(
    "template = ['a', 1.5]",
    "1:18 setting-type `template` takes a text in quotes, or a list of such texts, not a TOML float"
)]
#[case::table(
    "base = 'x'",
    "1:8 setting-type `base` takes a table: a line `NAME = \"value\"` for each, not a TOML string"
)]
#[case::zero(
    "jobs = 0",
    "1:8 setting-value invalid value '0' for '--jobs <N>': must be a whole number, at least 1"
)]
#[case::choice(
    "compat = 'loose'",
    "1:10 setting-value invalid value 'loose' for '--compat <COMPAT>' [possible values: strict, lenient]"
)]
#[case::twice("out = 'a'\nout = 'b'", "2:1 toml duplicate key")]
#[case::no_toml(
    "out = ",
    "1:7 toml string values must be quoted, expected literal string"
)]
fn a_value_that_cannot_be_is_refused_with_its_place(#[case] text: &str, #[case] said: &str) {
    assert_eq!(wrong(text).0, said);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let violations = parse("outt = 'x'\njobs = 0\nprovision = 1\n").unwrap_err();
    let lines: Vec<u32> = violations.iter().map(|one| one.place.line).collect();
    assert_eq!(lines.len(), 3, "{violations:?}");
}

#[rstest]
#[case::line("[parameter]\nPassword = canary")]
#[case::no_table("parameter = 'canary'")]
#[case::list("[parameter]\nPassword = ['canary']")]
fn the_line_of_what_may_be_a_secret_is_never_shown(#[case] text: &str) {
    let violations = parse(text).unwrap_err();
    let said = engine::contract::render_violations(&violations);
    assert!(!said.contains("canary"), "{said}");
}

#[rstest]
#[case::apart(&["esb", "--project-file", "a.toml", "deploy"], Some("a.toml"))]
#[case::joined(&["esb", "deploy", "--project-file=a.toml"], Some("a.toml"))]
#[case::none(&["esb", "deploy"], None)]
#[case::after_the_end_of_flags(&["esb", "show", "--", "--project-file=a.toml"], None)]
fn the_command_line_names_the_file(#[case] words: &[&str], #[case] path: Option<&str>) {
    let words: Vec<OsString> = words.iter().map(Into::into).collect();
    assert_eq!(named(&words), path.map(OsString::from));
}

#[test]
fn a_flag_is_stronger_than_a_line_of_a_table_with_its_name() {
    let file = parse("[base]\npython = 'file:1'\nnodejs = 'file:2'\n").unwrap();
    let mut flags = vec!["python=flag:1".to_owned()];
    file.add_pairs("base", &mut flags);
    assert_eq!(flags, ["nodejs=file:2", "python=flag:1"]);
}

#[test]
fn what_belongs_to_one_run_is_no_setting() {
    let settings = settings();
    for key in [
        "dry-run",
        "check",
        "exit-code",
        "project-file",
        "format",
        "message",
    ] {
        assert!(!settings.contains_key(key), "{key}");
    }
    for key in [
        "template",
        "output",
        "out",
        "secret-env",
        "journal",
        "container-registry",
        "target",
    ] {
        assert!(settings.contains_key(key), "{key}");
    }
}
