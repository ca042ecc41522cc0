use rstest::rstest;

use super::*;
use crate::report::{Level, TemplateRule};
use crate::template::Template;

const RESOURCES: &str = "\nResources: {}\n";

fn given(pairs: &[(&str, &str)]) -> Given {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), GivenValue::new(*value)))
        .collect()
}

fn shown(given: &Given) -> Vec<(&str, &str)> {
    given
        .iter()
        .map(|(name, value)| (name.as_str(), value.reveal()))
        .collect()
}

/// Rules that a declaration with a value breaks.
fn broken(declaration: &str, value: Option<&str>) -> Vec<String> {
    let text = format!("Parameters:\n  P: {declaration}{RESOURCES}");
    let template = match Template::read("t", &text) {
        Ok(template) => template,
        Err(report) => {
            return report
                .findings
                .into_iter()
                .map(|found| found.rule)
                .collect();
        }
    };
    let given: Given = value
        .map(|value| ("P".to_owned(), GivenValue::new(value)))
        .into_iter()
        .collect();
    bind(&template, &given);
    let report = template.findings.report();
    report
        .findings
        .into_iter()
        .map(|found| found.rule)
        .collect()
}

#[rstest]
#[case("{Type: String}", "anything at all")]
#[case("{Type: String, AllowedValues: [a, 1, true]}", "1")]
#[case("{Type: String, AllowedPattern: 'a|b'}", "b")]
#[case("{Type: String, MinLength: 2, MaxLength: 3}", "éé")]
#[case("{Type: String, MaxLength: 2}", "éé")]
#[case("{Type: Number, MinValue: -1, MaxValue: 1.5}", "1.5")]
#[case("{Type: Number, MinValue: 2}", "2")]
#[case("{Type: Number}", "-1e3")]
#[case("{Type: List<Number>}", "1, 2,3")]
#[case("{Type: List<Number>}", "")]
#[case("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a, b")]
#[case("{Type: 'AWS::EC2::VPC::Id'}", "vpc-1")]
#[case("{Type: 'List<AWS::EC2::Subnet::Id>'}", "a,b")]
fn a_value_that_fits_is_taken(#[case] declaration: &str, #[case] value: &str) {
    assert_eq!(broken(declaration, Some(value)), Vec::<String>::new());
}

#[rstest]
#[case("{Type: String, AllowedValues: [a]}", "b")]
#[case("{Type: String, AllowedPattern: 'a|b'}", "ab")]
#[case("{Type: String, AllowedPattern: '[a-z]*'}", "a\n")]
#[case("{Type: String, MinLength: 2}", "é")]
#[case("{Type: String, MaxLength: 1}", "ab")]
#[case("{Type: Number, MinValue: 2}", "1")]
#[case("{Type: Number, MaxValue: 2}", "3")]
#[case("{Type: Number}", "one")]
#[case("{Type: Number}", "NaN")]
#[case("{Type: Number}", "inf")]
#[case("{Type: List<Number>}", "1,x")]
#[case("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c")]
fn a_value_that_does_not_fit_is_refused(#[case] declaration: &str, #[case] value: &str) {
    assert_eq!(broken(declaration, Some(value)), ["parameter-value"]);
}

#[rstest]
#[case("{}")]
#[case("text")]
#[case("{Type: [a]}")]
#[case("{Type: Text}")]
#[case("{Type: List<String>}")]
#[case("{Type: 'AWS::SSM::Parameter::Value<Text>'}")]
#[case("{Type: 'AWS::SSM::Parameter::Value<String'}")]
#[case("{Type: String, NoEcho: maybe}")]
#[case("{Type: String, MinLength: short}")]
#[case("{Type: String, AllowedValues: a}")]
#[case("{Type: String, AllowedValues: [[a]]}")]
#[case("{Type: String, Default: [a]}")]
#[case("{Type: Number, Default: x}")]
fn a_wrong_declaration_is_refused(#[case] declaration: &str) {
    assert_eq!(broken(declaration, Some("x")), ["bad-parameter"]);
}

#[rstest]
#[case(
    "{Type: String, AllowedPattern: '(?=a)'}",
    TemplateRule::UncheckedPattern
)]
#[case("{Type: String, AllowdValues: [x]}", TemplateRule::MisspeltName)]
#[case("{Type: String, Strange: [x]}", TemplateRule::UnknownProperty)]
fn what_is_odd_about_a_declaration_is_said(#[case] declaration: &str, #[case] rule: TemplateRule) {
    assert_eq!(broken(declaration, Some("x")), [rule.name()]);
}

#[test]
fn what_has_no_value_is_asked_for_in_the_order_of_the_text() {
    let text = format!(
        "Parameters:
  Zone: {{Type: String, Description: where, AllowedValues: [a, b]}}
  Key: {{Type: String, NoEcho: true, AllowedValues: [canary]}}
  Given: {{Type: String}}
  Default: {{Type: String, Default: x}}{RESOURCES}"
    );
    let template = Template::read("t", &text).unwrap();

    let questions = questions(&template, &given(&[("Given", "x")]));

    let asked: Vec<_> = questions
        .iter()
        .map(|question| {
            (
                question.name.as_str(),
                question.no_echo,
                question.allowed.len(),
            )
        })
        .collect();
    assert_eq!(asked, [("Zone", false, 2), ("Key", true, 0)]);
    assert_eq!(questions[0].description.as_deref(), Some("where"));
}

#[test]
fn a_name_that_no_template_has_is_an_error_with_the_nearest() {
    let one = format!("Parameters: {{Stage: {{Type: String}}}}{RESOURCES}");
    let two = format!("Parameters: {{Zone: {{Type: String}}}}{RESOURCES}");
    let one = Template::read("1", &one).unwrap();
    let two = Template::read("2", &two).unwrap();
    let given = given(&[
        ("Stage", "x"),
        ("Zone", "x"),
        ("Stagee", "canary"),
        ("ImportValue:x", "x"),
    ]);

    let findings = unknown(&[&one, &two], &given);

    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].level, Level::Error);
    assert_eq!(findings[0].hint.as_deref(), Some("did you mean `Stage`?"));
    assert!(!format!("{findings:?}{given:?}").contains("canary"));
}

#[test]
fn a_secret_value_is_in_no_message() {
    for declaration in [
        "{Type: String, NoEcho: true, MinLength: 99, Default: canary}",
        "{Type: String, NoEcho: true, AllowedValues: [canary-b]}",
        "{Type: Number, NoEcho: true}",
        "{Type: String, NoEcho: true, AllowedPattern: '[0-9]'}",
        "{Type: String, NoEcho: maybe, Default: canary}",
        "{Type: String, NoEcho: true, Default: [canary]}",
    ] {
        let text = format!("Parameters:\n  P: {declaration}{RESOURCES}");
        let report = match Template::read("t", &text) {
            Ok(template) => {
                bind(&template, &given(&[("P", "canary-a")]));
                template.findings.report()
            }
            Err(report) => report,
        };
        assert!(report.is_fatal(), "{declaration}");
        assert!(!format!("{report:?}").contains("canary"), "{report:?}");
    }
}

#[rstest]
#[case("Stage=dev", "Stage", "dev")]
#[case("Stage=", "Stage", "")]
#[case("Stage=a=b", "Stage", "a=b")]
#[case("ImportValue:shared-x=y", "ImportValue:shared-x", "y")]
fn a_parameter_is_given_as_name_and_value(
    #[case] text: &str,
    #[case] name: &str,
    #[case] value: &str,
) {
    let (given_name, given_value) = assignment(text).unwrap();
    assert_eq!((given_name.as_str(), given_value.reveal()), (name, value));
}

#[rstest]
#[case("canary")]
#[case("=canary")]
#[case("a b=canary")]
#[case("ImportValue:=canary")]
fn anything_else_is_refused_without_repeating_it(#[case] text: &str) {
    assert!(!assignment(text).unwrap_err().contains("canary"));
}

#[rstest]
#[case("p.json", r#"{"A": "1", "B": 2, "C": [1, "x"], "D": true}"#)]
#[case("p.yaml", "A: 1\nB: '2'\nC: [1, x]\nD: true\n")]
#[case("p.yml", "Parameters: {A: 1, B: 2, C: '1,x', D: 'true'}\n")]
#[case(
    "p.json",
    r#"[{"ParameterKey": "A", "ParameterValue": "1"}, {"ParameterKey": "B", "ParameterValue": 2},
  {"ParameterKey": "C", "ParameterValue": "1,x"}, {"ParameterKey": "D", "ParameterValue": true}]"#
)]
#[case(
    "p.env",
    "# note\nA=1\nexport B='2'\nC=\"1,x\" # note\nD=true # note\n"
)]
#[case(".env", "A=1\nB=2\nC=1,x\nD=true")]
#[case(
    "samconfig.toml",
    "version = 0.1\n[default.deploy.parameters]\nparameter_overrides = 'A=1 B=\"2\" C=1,x D=true'\n"
)]
#[case(
    "samconfig.toml",
    "[default.deploy.parameters]\nparameter_overrides = [\"A='1'\", 'B=\"2\"', 'ParameterKey=C,ParameterValue=\"1,x\"', 'D=true']\n"
)]
#[case(
    "samconfig.toml",
    "[default.deploy.parameters.parameter_overrides]\nA = '1'\nB = 2\nC = [1, 'x']\nD = true\n"
)]
#[case(
    "samconfig.yaml",
    "version: 0.1\ndefault: {global: {parameters: {parameter_overrides: [A=0, D=true]}}, deploy: {parameters: {parameter_overrides: 'A=1 B=\"2\" C=1,x'}}}\n"
)]
#[case(
    "conf/samconfig.yml",
    "default:\n  deploy:\n    parameters:\n      parameter_overrides:\n        A: 1\n        B: '2'\n        C: [1, x]\n        D: true\n"
)]
#[case("p.json", r#"["A=1", "B=2", "C=1,x", "D=true"]"#)]
#[case(
    "p.json",
    r#"{"Parameters": {"A": "1", "B": "2", "C": "1,x", "D": "true"}, "Tags": {"team": "shop"}}"#
)]
#[case(
    "p.json",
    r#"[{"ParameterKey": "A", "ParameterValue": "1"}, {"ParameterKey": "B", "ParameterValue": "2"}, {"ParameterKey": "E", "UsePreviousValue": true},
  {"ParameterKey": "C", "ParameterValue": "1,x"}, {"ParameterKey": "D", "ParameterValue": true, "UsePreviousValue": false}]"#
)]
#[case(
    "samconfig.toml",
    "[default.global.parameters]\nparameter_overrides = ['A=0', 'D=true']\n[default.deploy.parameters]\nparameter_overrides = ['A=1', 'B=2', 'ParameterKey=C,ParameterValue=1,x']\n"
)]
fn a_file_gives_values(#[case] file: &str, #[case] text: &str) {
    let read = read_file(file, text, "default").unwrap();
    assert_eq!(
        shown(&read),
        [("A", "1"), ("B", "2"), ("C", "1,x"), ("D", "true")]
    );
}

#[rstest]
#[case("p.env", r#"A="a\nb\\c\"d""#, "a\nb\\c\"d")]
#[case("p.env", r"A='a\nb'", r"a\nb")]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = \"A='x y'\"\n",
    "x y"
)]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = 'A=\"x y\"'\n",
    "x y"
)]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = ['A=x y']\n",
    "x y"
)]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = \"A=it's\"\n",
    "it's"
)]
fn a_value_between_quotes_is_read_as_its_form_says(
    #[case] file: &str,
    #[case] text: &str,
    #[case] value: &str,
) {
    let read = read_file(file, text, "default").unwrap();
    assert_eq!(shown(&read), [("A", value)]);
}

#[test]
fn another_environment_of_a_samconfig_has_its_own_values() {
    let text = "[prod.deploy.parameters]\nparameter_overrides = 'A=1'\n";
    assert!(read_file("s.toml", text, "default").unwrap().is_empty());
    assert_eq!(
        shown(&read_file("s.toml", text, "prod").unwrap()),
        [("A", "1")]
    );
}

#[rstest]
#[case("p.yaml", "A: {b: canary}\n", 1)]
#[case("p.yaml", "A: x\nB:\n", 2)]
#[case("p.yaml", "canary", 1)]
#[case("p.yaml", "a b: canary", 1)]
#[case("p.yaml", "A: 'canary", 1)]
#[case("p.json", r#"[{"Key": "canary"}]"#, 1)]
#[case("p.env", "A=1\ncanary\n", 2)]
#[case("p.env", "A_B=canary\n", 1)]
#[case("p.env", "A='canary\n", 1)]
#[case("p.toml", "a = 1\nb = canary\n", 2)]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = 'canary'\n",
    0
)]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = \"A='canary\"\n",
    0
)]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = [1]\n",
    0
)]
#[case("p.toml", "[default.deploy.parameters]\nparameter_overrides = 1\n", 0)]
#[case(
    "p.toml",
    "[default.deploy.parameters]\nparameter_overrides = 'file://canary'\n",
    0
)]
#[case(
    "samconfig.yaml",
    "default: {deploy: {parameters: {parameter_overrides: 7}}}\n",
    0
)]
#[case("p.json", r#"["canary"]"#, 0)]
#[case(
    "p.json",
    r#"["A=1", {"ParameterKey": "B", "ParameterValue": "canary"}]"#,
    1
)]
fn a_file_that_cannot_be_read_is_named_and_not_shown(
    #[case] file: &str,
    #[case] text: &str,
    #[case] line: u32,
) {
    let violations = read_file(file, text, "default").unwrap_err();
    assert_eq!(violations[0].place.file, file);
    assert_eq!(violations[0].place.line, line);
    assert!(
        !format!("{violations:?}").contains("canary"),
        "{violations:?}"
    );
}

#[rstest]
#[case("{Type: Number, MinValue: 1, MaxValue: 10}", Some("1 to 10"))]
#[case("{Type: Number, MaxValue: 1.5}", Some("at most 1.5"))]
#[case("{Type: String, MinLength: 3}", Some("at least 3 characters"))]
#[case(
    "{Type: String, MaxLength: 4, AllowedPattern: '[a-z]+|x'}",
    Some("at most 4 characters, like [a-z]+|x")
)]
#[case(
    "{Type: String, NoEcho: true, MinLength: 8, AllowedPattern: canary}",
    Some("at least 8 characters")
)]
#[case("{Type: String}", None)]
fn the_limits_of_a_value_are_said_in_words(#[case] declaration: &str, #[case] words: Option<&str>) {
    let text = format!("Parameters:\n  P: {declaration}{RESOURCES}");
    let template = Template::read("t", &text).unwrap();
    let limits = template.declarations()[0].limits();
    assert_eq!(limits.as_deref(), words);
}
