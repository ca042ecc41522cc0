use rstest::rstest;

use super::*;
use crate::report::{Level, Report};

fn refused(text: &str) -> Report {
    let report = match Template::read("t", text) {
        Err(report) => report,
        Ok(template) => template.findings.report(),
    };
    assert!(report.is_fatal(), "it is refused");
    report
}

/// What was found in a template and its resources.
fn found(text: &str) -> Report {
    match Template::read("t", text) {
        Err(report) => report,
        Ok(template) => {
            template.resources();
            template.findings.report()
        }
    }
}

fn rules(report: &Report) -> Vec<&str> {
    report
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect()
}

#[rstest]
#[case("And", "Fn::And")]
#[case("Base64", "Fn::Base64")]
#[case("Condition", "Condition")]
#[case("FindInMap", "Fn::FindInMap")]
#[case("GetAZs", "Fn::GetAZs")]
#[case("GetAtt", "Fn::GetAtt")]
#[case("ImportValue", "Fn::ImportValue")]
#[case("Ref", "Ref")]
#[case("Sub", "Fn::Sub")]
#[case("Transform", "Fn::Transform")]
fn a_short_tag_stands_for_a_function(#[case] tag: &str, #[case] function: &str) {
    let text = format!("Resources: {{A: {{Type: T, X: !{tag} x}}}}");
    let template = Template::read("t", &text).unwrap();
    let resource = template.resources()["A"];
    let Value::Map(map) = &resource.map["X"].node.value else {
        panic!("a mapping with one function");
    };
    assert_eq!(map.keys().collect::<Vec<_>>(), [function]);
}

#[rstest]
#[case("", "not-a-template")]
#[case("text", "not-a-template")]
#[case("{}", "not-a-template")]
#[case("Resources:", "wrong-kind")]
#[case("Resources: []", "wrong-kind")]
#[case("{Resources: {}, Parameters: []}", "wrong-kind")]
#[case("{Resources: {}, AWSTemplateFormatVersion: 2011}", "bad-value")]
#[case("{Resources: {}, Transform: Other}", "refused-intrinsic")]
#[case(
    "{Resources: {}, Transform: {Name: 'AWS::Include'}}",
    "refused-intrinsic"
)]
#[case("{Resources: {}, 'Fn::Transform': {Name: X}}", "refused-intrinsic")]
#[case("{Resources: {'Fn::Transform': {Name: X}}}", "refused-intrinsic")]
#[case(
    "{Resources: {}, Mappings: {'Fn::ForEach::X': []}}",
    "refused-intrinsic"
)]
#[case(
    "{Resources: {}, Mappings: {'Fn::Transform': {}}}",
    "refused-intrinsic"
)]
#[case("{Resources: {}, Globals: {'Fn::Transform': {}}}", "refused-intrinsic")]
#[case(
    "{Resources: {}, Parameters: {'Fn::Transform': {}}}",
    "refused-intrinsic"
)]
#[case("{Resources: {}, Mappings: {M: x}}", "wrong-kind")]
#[case("{Resources: {}, Mappings: {M: {a: [x]}}}", "wrong-kind")]
#[case("{Resources: {}, Mappings: {M: {a: {b: {c: x}}}}}", "wrong-kind")]
#[case("{Resources: {}, Mappings: {M: {a: {b: [x, [y]]}}}}", "wrong-kind")]
#[case("Resources: {A: !Foo x}", "unsupported-tag")]
#[case("Resources: {}\n---\nResources: {}\n", "second-document")]
fn what_is_no_template_is_refused(#[case] text: &str, #[case] rule: &str) {
    assert_eq!(rules(&refused(text)), [rule]);
}

#[rstest]
#[case("A: x", "wrong-kind")]
#[case("A: {}", "missing-property")]
#[case("A: {Type: [x]}", "missing-property")]
#[case("A_B: {Type: T}", "bad-value")]
#[case("'': {Type: T}", "bad-value")]
fn what_is_no_resource_is_reported(#[case] resource: &str, #[case] rule: &str) {
    let report = found(&format!("Resources:\n  {resource}\n"));
    assert_eq!(rules(&report), [rule]);
    assert!(report.is_fatal());
}

#[test]
fn sections_may_be_empty_but_for_the_resources() {
    let report = found("Resources: {}\nParameters:\nMappings:\nGlobals:\nConditions:\n");
    assert_eq!(rules(&report), Vec::<&str>::new());
}

#[test]
fn the_resources_have_a_limit() {
    let resources = |count: usize| {
        let lines: Vec<String> = (0..count)
            .map(|n| format!("  R{n}: {{Type: T}}\n"))
            .collect();
        format!("Resources:\n{}", lines.concat())
    };
    assert_eq!(rules(&found(&resources(MAX_RESOURCES))), Vec::<&str>::new());
    assert_eq!(rules(&found(&resources(MAX_RESOURCES + 1))), ["too-many"]);
}

/// The default of a secret, and what is wrong about it, in several forms.
#[rstest]
#[case(
    "Parameters:\n  P:\n    Type: Number\n    NoEcho: true\n    Default: canary\nResources: {}\n"
)]
#[case("Parameters: {P: {Type: Number, NoEcho: true, Default: canary}}\nResources: {}\n")]
#[case(
    "Parameters:\n  P:\n    Type: Number\n    NoEcho: maybe\n    Default: canary\nResources: {}\n"
)]
#[case(
    "Parameters:\n  P:\n    NoEcho: true\n    Default: [canary]\n    Type: String\nResources: {}\n"
)]
#[case(r#"{"Resources": {}, "Parameters": {"P": {"Default": "canary", "NoEcho": "yes", "Type": "Number"}}}"#)]
#[case(
    "X: &x [canary]\nParameters:\n  P: {Type: String, NoEcho: true, Default: *x}\nResources: {}\n"
)]
fn no_line_of_a_secret_parameter_is_shown(#[case] text: &str) {
    let report = refused(text);
    assert!(!format!("{report:?}").contains("canary"), "{report:?}");
    for finding in report.of(Level::Error) {
        assert!(finding.place.line > 0);
    }
}

#[test]
fn lines_of_other_parameters_are_shown() {
    let report = refused("Parameters:\n  P: {Type: Number, Default: shown}\nResources: {}\n");
    assert!(report.findings[0].place.excerpt.contains("shown"));
}

#[test]
fn a_text_that_is_no_yaml_is_shown_unless_it_may_hold_secrets() {
    let shown = refused("A: [\nB: 'line'\n");
    assert!(!shown.findings[0].place.excerpt.is_empty());
    let hidden = refused("P: {NoEcho: true, Default: canary\nA: ]\n");
    assert!(!format!("{hidden:?}").contains("canary"), "{hidden:?}");
    assert!(hidden.findings[0].place.line > 0);
}
