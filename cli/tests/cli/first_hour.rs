//! What a newcomer meets: words from other tools, notes that do not drown a warning, files that are found.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::esb::with_shop;
use crate::support::Machine;

/// A template with one warning, three notes and, where asked for, an error.
fn template(error: &str) -> String {
    format!(
        "Parameters:
  Stage: {{Type: String, Default: dev}}
Resources:
  Rule:
    Type: AWS::IAM::Role
    Properties: {{RoleName: !Ref Stage}}
  Policy:
    Type: AWS::IAM::Policy
    Properties: {{}}
  Strange:
    Type: AWS::Strange::Thing
{error}"
    )
}

const ERROR: &str = "  Broken:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: nowhere}
";

fn generate(machine: &Machine, more: &[&str]) -> crate::support::Ran {
    machine.esb(&[&["artifact", "generate"], more].concat())
}

fn with_template(text: &str) -> Machine {
    let machine = Machine::fresh();
    fs::write(machine.work().join("template.yaml"), text).unwrap();
    machine
}

#[test]
fn notes_are_counted_and_shown_with_v() {
    let machine = with_template(&template(""));
    let folded = generate(&machine, &[]);
    assert_eq!(folded.code, 0, "{}", folded.stderr);
    assert!(
        folded.stderr.contains("3 notes: -v shows them\n"),
        "{}",
        folded.stderr
    );
    assert!(!folded.stderr.contains("\nnote: "), "{}", folded.stderr);
    assert!(
        folded.stderr.contains("warning: template.yaml:"),
        "{}",
        folded.stderr
    );

    let shown = generate(&machine, &["-v"]);

    assert_eq!(
        shown.stderr.matches("note: template.yaml:").count(),
        3,
        "{}",
        shown.stderr
    );
    assert!(!shown.stderr.contains("-v shows"), "{}", shown.stderr);
}

#[test]
fn an_error_does_not_hide_the_warnings() {
    let machine = with_template(&template(ERROR));
    let ran = generate(&machine, &[]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("warning: template.yaml:"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}

#[test]
fn entries_are_their_ids() {
    let machine = with_template(&template(""));
    let ran = generate(&machine, &["--format", "json"]);
    let line: Value = serde_json::from_str(&ran.stdout).unwrap();
    let id = line["entries"][0].as_str().unwrap();
    let manifest = fs::read_to_string(machine.work().join("artifact/artifact.yml")).unwrap();
    assert!(manifest.contains(&format!("id: {id}")), "{id}: {manifest}");
}

#[rstest]
#[case::artifact_generate(&["artifact", "generate"])]
#[case::generate(&["generate"])]
#[case::build(&["build"])]
fn the_words_of_sam_mean_what_they_mean_there(#[case] words: &[&str]) {
    let machine = with_shop();
    let ran = machine.esb(&[words, &["-t", "sam/shop.yaml", "-o", "made"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(machine.work().join("made/artifact.yml").is_file());
}

/// The value of the parameter by who gives it, the strongest last.
#[rstest]
#[case::by_itself(&[], "", "stage-sam")]
#[case::environment(&["--samconfig-env", "prod"], "", "stage-prod")]
#[case::project_file(&[], "[parameter]\nStage = 'file'\n", "stage-file")]
#[case::flag(&["--parameter", "Stage=flag"], "[parameter]\nStage = 'file'\n", "stage-flag")]
fn a_samconfig_beside_the_template_is_the_weakest_source(
    #[case] flags: &[&str],
    #[case] project: &str,
    #[case] name: &str,
) {
    let machine = Machine::fresh();
    let work = machine.work();
    let text = "Parameters:
  Stage: {Type: String}
Resources:
  Table:
    Type: AWS::Serverless::SimpleTable
    Properties: {TableName: !Sub 'stage-${Stage}'}
";
    fs::create_dir(work.join("sam")).unwrap();
    fs::write(work.join("sam/template.yaml"), text).unwrap();
    fs::write(
        work.join("sam/samconfig.toml"),
        "[default.deploy.parameters]\nparameter_overrides = 'Stage=sam Other=x'\n\
         [prod.deploy.parameters]\nparameter_overrides = 'Stage=prod'\n",
    )
    .unwrap();
    fs::write(work.join("artifactctl.toml"), project).unwrap();

    let ran = generate(&machine, &[&["-t", "sam/template.yaml"], flags].concat());

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("parameters from sam/samconfig.toml: Stage\n"),
        "{}",
        ran.stderr
    );
    let resources = work.join("artifact/template/config/resources.yml");
    let resources = fs::read_to_string(resources).unwrap();
    assert!(resources.contains(name), "{resources}");
}

#[test]
fn an_error_about_a_samconfig_names_it() {
    let machine = with_template(&template(""));
    fs::write(machine.work().join("samconfig.toml"), "[default\n").unwrap();
    let ran = generate(&machine, &[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("samconfig.toml:1"), "{}", ran.stderr);
}
