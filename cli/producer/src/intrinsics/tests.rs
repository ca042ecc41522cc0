mod conditions;

use std::fmt::Write as _;

use proptest::prelude::*;
use rstest::rstest;

use crate::model::{App, EnvValue, Piece};
use crate::parameters::{Given, GivenValue};
use crate::report::{Level, Report, TemplateFinding};
use crate::sam::{Input, resolve};
use crate::template::Template;

/// Resolves a text with a few values.
fn resolved(text: &str, given: &[(&str, &str)]) -> Result<(App, Report), Report> {
    let template = Template::read("t.yaml", text)?;
    let parameters: Given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), GivenValue::new(*value)))
        .collect();
    let input = Input {
        parameters,
        ..Input::default()
    };
    resolve(&template, &input)
}

/// A template with one function that has one variable.
fn with_variable(value: &str) -> String {
    format!(
        "Parameters:
  Plain: {{Type: String, Default: plain}}
  List: {{Type: CommaDelimitedList, Default: 'a,b'}}
  Secret: {{Type: String, NoEcho: true, Default: canary}}
  Index: {{Type: Number, NoEcho: true, Default: 0}}
  Unset: {{Type: String, NoEcho: true, MinLength: 8}}
  UnsetList: {{Type: CommaDelimitedList, NoEcho: true}}
Mappings: {{M: {{0: {{k: from-map}}, plain: {{k: [x, y]}}}}}}
Conditions: {{Yes: !Equals [a, a], No: !Equals [a, b], Same: !Equals [!Ref Index, '0'], Unset: !Equals [!Ref Unset, ''], Inside: !Equals [!Sub 'x${{Unset}}', x]}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: a.b
      Runtime: python3.12
      Environment:
        Variables:
          X: {value}
"
    )
}

/// What the one variable is; the first rule that was broken where it has no value.
fn variable(value: &str) -> Result<Option<EnvValue>, String> {
    match resolved(&with_variable(value), &[]) {
        Ok((app, _)) => Ok(app.functions[0].environment.get("X").cloned()),
        Err(report) => {
            assert!(!format!("{report:?}").contains("canary"), "{report:?}");
            Err(report.findings[0].rule.clone())
        }
    }
}

#[rstest]
#[case("text", "text")]
#[case("!Ref Plain", "plain")]
#[case("{Ref: Plain}", "plain")]
#[case("!Sub '<${Plain}>'", "<plain>")]
#[case("!Join ['', !Ref List]", "ab")]
#[case("!Join [',', []]", "")]
#[case("!Select [1, !Ref List]", "b")]
#[case("!Select ['0', [!Ref Plain, b]]", "plain")]
#[case("!Select [1, !Split ['a', !Ref Plain]]", "in")]
#[case("!If [Yes, a, !Ref Nowhere]", "a")]
#[case("!If [No, a, !If [Yes, b, c]]", "b")]
#[case("!If [Same, same, other]", "same")]
#[case("!Join ['-', [a, !If [No, b, !Ref 'AWS::NoValue'], c]]", "a-c")]
#[case("!Select [1, !FindInMap [M, !Ref Plain, k]]", "y")]
#[case("!Base64 plain", "cGxhaW4=")]
#[case("!Sub ['${A}${B.C}', {A: 1, B.C: 2}]", "12")]
#[case("!Sub ['${Plain}', {Plain: own}]", "own")]
#[case("!Join ['', !Ref 'AWS::NotificationARNs']", "")]
fn a_function_gives_a_text(#[case] value: &str, #[case] text: &str) {
    assert_eq!(variable(value), Ok(Some(EnvValue::Text(text.to_owned()))));
}

#[test]
fn a_logical_id_that_is_too_short_for_a_name_gets_the_name_of_the_stack() {
    let text = "Resources:
  T1: {Type: AWS::Serverless::SimpleTable}
  Tab: {Type: AWS::Serverless::SimpleTable}
  B: {Type: AWS::S3::Bucket}
";
    let (app, _) = resolved(text, &[]).unwrap();
    let tables: Vec<&str> = app.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(tables, ["local-T1", "Tab"]);
    assert_eq!(app.buckets[0].name, "local-b");
}

#[rstest]
#[case("!Ref F.Alias", "F.Alias")]
#[case("!Sub '${F.Version}'", "F.Version")]
#[case("!GetAtt F.DestinationQueue", "F.DestinationQueue")]
#[case("!Ref G.Stage", "G.Stage")]
#[case("!Sub '${G}/${G.Stage}'", "G/G.Stage")]
#[case("!Ref FRole", "FRole")]
fn what_sam_would_make_stands_as_its_name_with_a_warning(#[case] value: &str, #[case] name: &str) {
    let text = with_variable(value) + "  G: {Type: AWS::Serverless::Api}\n";
    let (app, report) = resolved(&text, &[]).unwrap();
    let text = EnvValue::Text(name.to_owned());
    assert_eq!(app.functions[0].environment.get("X"), Some(&text));
    let warned = |found: &&TemplateFinding| found.subject.property == "Environment.Variables.X";
    let found = report.of(Level::Warning).find(warned).unwrap();
    assert_eq!(found.rule, "not-in-stack");
}

#[rstest]
#[case("!Ref 'AWS::NoValue'")]
#[case("!If [No, a, !Ref 'AWS::NoValue']")]
#[case("!If [Yes, !If [No, a, {Ref: 'AWS::NoValue'}], b]")]
fn no_value_removes_the_property(#[case] value: &str) {
    assert_eq!(variable(value), Ok(None));
}

#[rstest]
#[case("!Ref Secret")]
#[case("!Sub '${Secret}'")]
#[case("!Sub ['${S}', {S: !Ref Secret}]")]
#[case("!Join ['', [!Ref Secret]]")]
#[case("!Join [',', [!Ref Secret]]")]
#[case("!If [Yes, !Ref Secret, x]")]
#[case("!Select [0, [!Ref Secret]]")]
fn a_whole_secret_becomes_its_name(#[case] value: &str) {
    assert_eq!(
        variable(value),
        Ok(Some(EnvValue::Secret("Secret".to_owned())))
    );
}

#[rstest]
#[case("!Ref Unset")]
#[case("!Sub '${Unset}'")]
#[case("!Join ['', [!Ref Unset]]")]
#[case("!Select [0, [!Ref Unset]]")]
fn a_secret_without_a_value_becomes_its_name(#[case] value: &str) {
    let named = EnvValue::Secret("Unset".to_owned());
    assert_eq!(variable(value), Ok(Some(named)));
}

#[rstest]
#[case("!If [Unset, a, b]", "missing-parameter")]
#[case("!If [Inside, a, b]", "missing-parameter")]
#[case("!Select [!Ref Unset, [a, b]]", "missing-parameter")]
#[case("!FindInMap [M, !Ref Unset, k]", "missing-parameter")]
#[case("!Join ['', !Split [a, !Ref Unset]]", "missing-parameter")]
#[case("!Join ['', !Ref UnsetList]", "missing-parameter")]
#[case("!Base64 {Ref: Unset}", "secret-in-text")]
fn a_secret_without_a_value_is_asked_for_where_something_is_computed_with_it(
    #[case] value: &str,
    #[case] rule: &str,
) {
    assert_eq!(variable(value), Err(rule.to_owned()));
}

/// `<Secret>` is the place of the secret.
#[rstest]
#[case("!Sub 'x${Secret}'", "x<Secret>")]
#[case("!Sub '${Secret}${Secret}'", "<Secret><Secret>")]
#[case("!Join ['', [a, !Ref Secret]]", "a<Secret>")]
#[case("!Join ['-', [!Ref Secret, b, c]]", "<Secret>-b-c")]
#[case("!Sub ['${A}?${B}', {A: !Sub '${Secret}!', B: x}]", "<Secret>!?x")]
#[case("!Sub 'postgres://u:${Secret}@h/$5'", "postgres://u:<Secret>@h/$5")]
#[case("!Sub 'postgres://u:${Unset}@h/$5'", "postgres://u:<Unset>@h/$5")]
fn a_secret_may_stand_between_texts(#[case] value: &str, #[case] expected: &str) {
    let Ok(Some(value)) = variable(value) else {
        panic!("{value} is refused");
    };
    let shown = value.pieces().into_iter().map(|piece| match piece {
        Piece::Literal(text) => text,
        Piece::Secret(name) => format!("<{name}>"),
    });
    assert_eq!(shown.collect::<String>(), expected);
}

#[rstest]
#[case("!Base64 {Ref: Secret}")]
#[case("!Select [0, !Split [x, !Ref Secret]]")]
#[case("!Select [!Ref Index, [a, b]]")]
#[case("!FindInMap [M, !Ref Index, k]")]
#[case("!Join ['', !Split [a, !Ref Secret]]")]
#[case("!Sub ['${Secret}${A}', {A: !Base64 {Ref: Secret}}]")]
fn a_text_made_from_a_secret_is_refused(#[case] value: &str) {
    assert_eq!(variable(value), Err("secret-in-text".to_owned()));
}

#[rstest]
#[case("!Select [!Ref Secret, [a]]", "bad-intrinsic")]
#[case("!FindInMap [M, plain, !Ref Secret]", "unknown-name")]
#[case("!GetAtt [F, !Ref Secret]", "bad-intrinsic")]
#[case("!ImportValue {Ref: Secret}", "bad-intrinsic")]
#[case("!Ref F2", "unknown-name")]
#[case("!Ref List", "wrong-kind")]
#[case("!Sub '${List}'", "bad-intrinsic")]
#[case("!Sub '${AWS::NoValue}'", "bad-intrinsic")]
#[case("!Join ['', [!Ref List]]", "bad-intrinsic")]
#[case("!Ref F.Arn", "unknown-name")]
#[case("!Ref F2.Alias", "unknown-name")]
#[case("!GetAtt F.Alia", "unknown-name")]
#[case("!FindInMap [M, plain, z, {DefaultValue: x}]", "refused-intrinsic")]
#[case("!Cidr [a, b, c]", "bad-intrinsic")]
#[case("!Cidr [10.0.0.0/8, 2, !Ref Secret]", "bad-intrinsic")]
#[case("{'Fn::Nonsense': x}", "refused-intrinsic")]
#[case("'{{resolve:ssm:/shop/key:1}}'", "no-lookup")]
#[case("'https://{{resolve:ssm:/shop/host:1}}'", "no-lookup")]
#[case("!Sub '{{resolve:secretsmanager:${Secret}}}'", "bad-intrinsic")]
#[case("!Base64 '{{resolve:secretsmanager:shop}}'", "secret-in-text")]
fn a_wrong_use_is_named_and_shows_no_secret(#[case] value: &str, #[case] rule: &str) {
    assert_eq!(variable(value), Err(rule.to_owned()));
}

/// Rules that a template breaks.
fn broken(text: &str) -> Vec<String> {
    let report = resolved(text, &[]).unwrap_err();
    report
        .findings
        .into_iter()
        .map(|found| found.rule)
        .collect()
}

#[test]
fn a_macro_in_a_resource_is_refused() {
    let of = |kind: &str| {
        let transform = "'Fn::Transform': {Name: X}";
        broken(&format!("Resources:\n  A: {{Type: {kind}, {transform}}}\n"))
    };
    assert_eq!(of("AWS::S3::Bucket"), ["refused-intrinsic"]);
}

#[rstest]
#[case(&"x".repeat(4096), 2)]
#[case("", 9)]
#[case("x", 9)]
fn texts_that_grow_without_bound_are_refused(#[case] seed: &str, #[case] times: usize) {
    let mut value = format!("'{seed}'");
    for _ in 0..18 {
        let uses = "${a}".repeat(times);
        value = format!("{{'Fn::Sub': ['{uses}', {{a: {value}}}]}}");
    }
    assert_eq!(variable(&value), Err("too-long".to_owned()));
}

#[test]
fn a_chain_of_conditions_has_an_end() {
    let mut text =
        "Resources: {B: {Type: AWS::S3::Bucket, Condition: C0}}\nConditions:\n".to_owned();
    for index in 0..5000 {
        writeln!(text, "  C{index}: !Not [!Condition C{}]", index + 1).unwrap();
    }
    text.push_str("  C5000: !Equals [a, a]\n");
    assert_eq!(broken(&text), ["too-deep"]);
}

#[test]
fn a_chain_of_names_has_an_end() {
    let mut text = "Resources:\n".to_owned();
    for index in 0..3000 {
        let (own, next) = (format!("table-{index}"), index + 1);
        let name = format!("!Select [0, ['{own}', !Ref T{next}]]");
        writeln!(
            text,
            "  T{index}: {{Type: AWS::Serverless::SimpleTable, Properties: {{TableName: {name}}}}}"
        )
        .unwrap();
    }
    text.push_str("  T3000: {Type: AWS::Serverless::SimpleTable}\n");
    let rules = broken(&text);
    assert!(rules.iter().all(|rule| rule == "too-deep"), "{rules:?}");
}

#[test]
fn globals_that_grow_with_every_function_are_refused() {
    let mut text = "Globals: {Function: {Tags: [".to_owned();
    text.push_str(&"x, ".repeat(3000));
    text.push_str("x]}}\nResources:\n");
    for index in 0..400 {
        writeln!(text, "  F{index}: {{Type: AWS::Serverless::Function}}").unwrap();
    }
    assert_eq!(broken(&text), ["too-many"]);
}

#[test]
fn many_wrong_names_among_many_names_end_soon() {
    let mut text = "Resources:\n".to_owned();
    for index in 0..1000 {
        writeln!(
            text,
            "  Table{index}: {{Type: AWS::Serverless::SimpleTable}}"
        )
        .unwrap();
    }
    text.push_str("  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Environment:\n        Variables:\n");
    for index in 0..5000 {
        writeln!(text, "          V{index}: !Ref Teble{index}").unwrap();
    }
    assert_eq!(broken(&text).len(), 1000);
}

#[test]
fn a_function_with_many_events_ends_soon() {
    let mut text = "Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: a.b
      Runtime: python3.12
      Events:
"
    .to_owned();
    for index in 0..10_000 {
        writeln!(
            text,
            "        E{index}: {{Type: Api, Properties: {{Path: /{index}, Method: ANY}}}}"
        )
        .unwrap();
    }
    let (app, _) = resolved(&text, &[]).unwrap();
    assert_eq!(app.functions[0].routes.len(), 70_000);
}

/// Values that a template may hold, functions and nonsense alike.
fn values() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z0-9 ]{0,6}".prop_map(|text| format!("'{text}'")),
        Just("!Ref Plain".to_owned()),
        Just("!Ref List".to_owned()),
        Just("!Ref Secret".to_owned()),
        Just("!Ref AWS::NoValue".to_owned()),
        Just("!GetAtt F.Arn".to_owned()),
        "[$!{}A-Za-z.:]{0,12}".prop_map(|text| format!("!Sub \"{text}\"")),
        Just("!Sub '${Plain}-${Secret}-${F.Arn}-${!x}'".to_owned()),
        Just("null".to_owned()),
        Just("{}".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4)
            .prop_map(|items| format!("[{}]", items.join(", ")));
        prop_oneof![
            (inner.clone(), list.clone()).prop_map(|(a, l)| format!("{{'Fn::Join': [{a}, {l}]}}")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("{{'Fn::Split': [{a}, {b}]}}")),
            (0..4, list.clone()).prop_map(|(n, l)| format!("{{'Fn::Select': [{n}, {l}]}}")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("{{'Fn::If': [Yes, {a}, {b}]}}")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("{{'Fn::If': [{a}, {b}, {b}]}}")),
            inner.clone().prop_map(|a| format!("{{'Fn::Base64': {a}}}")),
            inner
                .clone()
                .prop_map(|a| format!("{{'Fn::Sub': ['${{A}}', {{A: {a}}}]}}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{{'Fn::FindInMap': [M, {a}, {b}]}}")),
            list,
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_value_resolves_to_the_same_thing_twice_and_shows_no_secret(value in values()) {
        let text = with_variable(&value);
        let outcome = || match resolved(&text, &[("Secret", "canary-given")]) {
            Ok((app, report)) => format!("{app:?}{report:?}"),
            Err(report) => format!("{report:?}"),
        };
        let first = outcome();
        prop_assert_eq!(&first, &outcome());
        prop_assert!(!first.contains("canary"), "{}", first);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "([A-Za-z&*!|>:{}\\[\\]'\",#\\- ]{0,12}\n){0,12}") {
        crate::testing::read_template(text.as_bytes());
    }

    #[test]
    fn any_piece_of_a_template_is_read_or_refused(value in values(), from in 0..900_usize, to in 0..900_usize) {
        let text = with_variable(&value);
        let (from, to) = (from.min(text.len()), to.min(text.len()));
        let mut bytes = text.into_bytes();
        bytes.drain(from.min(to)..from.max(to));
        crate::testing::read_template(&bytes);
    }
}
