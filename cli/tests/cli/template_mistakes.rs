//! Mistakes in templates: slips of the fingers are errors, every one is named at its place, and `validate` finds what `generate` does.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::support::{Machine, Ran};

/// A function with code, and other properties.
fn function(more: &str) -> String {
    format!(
        "Resources:\n  Fn:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: python3.12\n      \
         Handler: app.handler\n      CodeUri: src/\n{more}"
    )
}

/// A machine with a template, and code in `src`.
fn with_template(text: &str) -> Machine {
    let machine = Machine::fresh();
    let work = machine.work();
    fs::write(work.join("template.yaml"), text).unwrap();
    fs::create_dir(work.join("src")).unwrap();
    fs::write(work.join("src/app.py"), "def handler(*_): pass\n").unwrap();
    machine
}

fn generate(machine: &Machine, more: &[&str]) -> Ran {
    machine.esb(&[&["generate"], more].concat())
}

#[rstest]
#[case::property("      Tiemout: 10\n", "8", "did you mean `Timeout`?")]
#[case::event(
    "      Events:\n        Tick:\n          Type: Schedul\n          Properties: {Schedule: rate(1 day)}\n",
    "9",
    "did you mean `Schedule`?"
)]
#[case::resource(
    "  B:\n    Type: AWS::DynamoDB::Tabel\n",
    "9",
    "did you mean `AWS::DynamoDB::Table`?"
)]
#[case::attribute_of_resource("    Metadat: {}\n", "8", "did you mean `Metadata`?")]
#[case::section("Resouces: {}\n", "8", "did you mean `Resources`?")]
#[case::globals(
    "Globals:\n  Functions: {Timeout: 3}\n",
    "9",
    "did you mean `Function`?"
)]
fn a_slip_is_an_error_and_is_kept_when_asked_for(
    #[case] more: &str,
    #[case] line: &str,
    #[case] question: &str,
) {
    let machine = with_template(&function(more));
    for command in ["validate", "generate"] {
        let ran = machine.esb(&[command]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        let place = format!("template.yaml:{line}:");
        for words in [
            "error[misspelt-name]",
            &place,
            question,
            "`--allow-unknown`",
        ] {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
    }
    assert!(!machine.work().join("artifact").exists());

    let allowed = generate(&machine, &["--allow-unknown"]);
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
    assert!(allowed.stderr.contains("is left out"), "{}", allowed.stderr);
    assert!(allowed.stderr.contains(question), "{}", allowed.stderr);
}

#[rstest]
#[case::rate("rate(1 dayz)", "`rate(N days)`")]
#[case::cron("cron(0 12 ? * MOM *)", "day-of-week")]
fn a_schedule_that_cannot_be_read_is_an_error(#[case] expression: &str, #[case] words: &str) {
    let event = format!(
        "      Events:\n        Tick:\n          Type: Schedule\n          Properties: {{Schedule: \"{expression}\"}}\n"
    );
    let machine = with_template(&function(&event));
    for command in ["validate", "generate"] {
        let ran = machine.esb(&[command, "--allow-unknown"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("template.yaml:11:"), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn an_attribute_that_a_type_does_not_have_is_an_error() {
    let text = function(
        "      Environment: {Variables: {Q: !GetAtt Jobs.Arnn, OK: !GetAtt Jobs.Arn, ANY: !GetAtt Own.Any}}\n  \
         Jobs: {Type: AWS::SQS::Queue}\n  Own: {Type: Custom::Thing}\n",
    );
    let ran = with_template(&text).esb(&["validate"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`Jobs` has no attribute `Arnn`"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.matches("error[").count(), 1, "{}", ran.stderr);
}

#[test]
fn strict_warnings_counts_warnings_about_templates() {
    let machine = with_template(&function("      Strange: 1\n"));
    assert_eq!(machine.esb(&["validate"]).code, 0);
    for command in ["validate", "generate"] {
        let ran = machine.esb(&[command, "--strict-warnings"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("1 warning"), "{}", ran.stderr);
        assert!(ran.stderr.contains("`Strange`"), "{}", ran.stderr);
    }
    let deployed = machine.esb(&["deploy", "--out", "out", "--strict-warnings"]);
    assert_eq!(deployed.code, 3, "{}", deployed.stderr);
    assert!(!machine.work().join("artifact").exists());
    let machine = with_template(&function(""));
    assert_eq!(generate(&machine, &["--strict-warnings"]).code, 0);
}

#[rstest]
#[case::code("CodeUri: src/", "CodeUri: srcc/", 7)]
#[case::handler("Handler: app.handler", "Handler: missing.handler", 6)]
#[case::handler_without_function("Handler: app.handler", "Handler: app", 6)]
#[case::runtime("Runtime: python3.12", "Runtime: nodejs22.x", 5)]
fn validate_finds_what_generate_finds_at_the_property(
    #[case] right: &str,
    #[case] wrong: &str,
    #[case] line: u32,
) {
    let machine = with_template(&function("").replace(right, wrong));
    let place = format!("template.yaml:{line}:");
    let said = ["validate", "generate"].map(|command| {
        let ran = machine.esb(&[command]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains(&place), "{}", ran.stderr);
        ran.stderr
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn one_error_hides_no_other() {
    let text = "Parameters:
  Stage: {Type: Strng}
  Other: {Type: String, Default: a, AllowedPattern: '['}
Globals:
  Function: {Tiemout: 3}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: srcc/
      Environment: {Variables: {STAGE: !Ref Stage}}
  Bad:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: src/, Timeout: never}
  Gone:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Ref Nobody}
  NoHandler:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: missing.handler, CodeUri: src/}
";
    let machine = with_template(text);
    for command in ["validate", "generate"] {
        let ran = machine.esb(&[command, "--format", "json"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        let body: Value = serde_json::from_str(&ran.stdout).unwrap();
        let violations = body["violations"].as_array().unwrap();
        let rules: Vec<&str> = violations
            .iter()
            .map(|violation| violation["rule"].as_str().unwrap())
            .collect();
        // Whoever asks for a parameter that is declared wrongly says nothing more, and its own files are not looked at.
        assert_eq!(
            rules,
            [
                "bad-parameter",
                "misspelt-name",
                "bad-value",
                "unknown-name",
                "files"
            ],
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn many_warnings_of_one_kind_are_one_to_a_person() {
    let functions: Vec<String> = (0..300)
        .map(|number| {
            format!(
                "  F{number}:\n    Type: AWS::Serverless::Function\n    Properties: {{Runtime: python3.12, Handler: app.handler, \
                 CodeUri: src/, Strange: 1}}\n"
            )
        })
        .collect();
    let machine = with_template(&format!("Resources:\n{}", functions.concat()));
    let ran = machine.esb(&["validate"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("… and 299 more like it"),
        "{}",
        ran.stdout
    );
    let json = machine.esb(&["validate", "--format", "json"]);
    let body: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(body["report"].as_array().unwrap().len(), 300);
}
