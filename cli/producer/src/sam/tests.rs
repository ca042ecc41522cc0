use std::collections::BTreeMap;

use rstest::rstest;

use super::{Files, Input, LayerInstead, resolve};
use crate::model::{App, EnvValue};
use crate::report::{Level, Report};
use crate::template::Template;

/// The one function of a template with `Globals`, which has some properties of its own.
fn with_globals(globals: &str, own: &str) -> Result<App, String> {
    let text = format!(
        "Globals: {{Function: {{{globals}}}}}
Resources:
  F: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: ., Handler: a.b, Runtime: python3.12, {own}}}}}
"
    );
    let template = Template::read("t.yaml", &text).map_err(|report| format!("{report:?}"))?;
    match resolve(&template, &Input::default()) {
        Ok((app, _)) => Ok(app),
        Err(report) => Err(report.of(Level::Error).next().unwrap().rule.clone()),
    }
}

#[test]
fn a_function_in_globals_is_overridden_as_one_value() {
    let global = "Environment: {Variables: {X: {Ref: 'AWS::Region'}, Y: global}}";
    let own = "Environment: {Variables: {X: {'Fn::Sub': own}}}";
    let app = with_globals(global, own).unwrap();
    let variables = &app.functions[0].environment;
    assert_eq!(variables["X"], EnvValue::Text("own".to_owned()));
    assert_eq!(variables["Y"], EnvValue::Text("global".to_owned()));
}

#[test]
fn a_name_for_every_resource_is_refused() {
    let refused = with_globals("FunctionName: same", "Timeout: 3");
    assert_eq!(refused, Err("bad-value".to_owned()));
}

#[rstest]
#[case("any", 7)]
#[case("'*'", 7)]
#[case("get", 1)]
fn a_method_is_read_in_any_case(#[case] method: &str, #[case] routes: usize) {
    let event = format!("Events: {{E: {{Type: Api, Properties: {{Path: /, Method: {method}}}}}}}");
    let app = with_globals("", &event).unwrap();
    assert_eq!(app.functions[0].routes.len(), routes);
}

#[test]
fn the_state_of_a_schedule_stands_above_whether_it_is_enabled() {
    let event = "Events: {E: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: true, State: DISABLED}}}";
    let app = with_globals("", event).unwrap();
    assert!(!app.functions[0].schedules[0].enabled);
}

const POWERTOOLS: &str = "arn:aws:lambda:us-east-1:017000801446:layer:Powertools:51";

/// A function with a layer of the cloud, and what is said to stand in its place.
fn with_layer_of_the_cloud(arn: &str, key: &str, instead: &str) -> Result<(App, Report), Report> {
    let text = format!(
        "Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: a.b
      Runtime: python3.12
      Layers:
        - {arn}
"
    );
    let template = Template::read("t.yaml", &text).unwrap();
    let mut input = Input::default();
    let instead = LayerInstead::parse(instead).unwrap();
    input.layers.insert(key.to_owned(), instead);
    resolve(&template, &input)
}

#[rstest]
#[case::by_arn(POWERTOOLS)]
#[case::by_arn_without_version("arn:aws:lambda:us-east-1:017000801446:layer:Powertools")]
#[case::by_name("Powertools")]
fn a_path_stands_in_place_of_a_layer_of_the_cloud(#[case] key: &str) {
    let (app, _) = with_layer_of_the_cloud(POWERTOOLS, key, "layers/powertools").unwrap();
    let [layer] = app.layers.as_slice() else {
        panic!("one layer, not {:?}", app.layers);
    };
    assert_eq!(layer.name.as_str(), "Powertools-51");
    assert_eq!(layer.content.as_str(), "layers/powertools");
    assert_eq!(
        app.functions[0].layers,
        std::slice::from_ref(&layer.logical_id)
    );
}

#[test]
fn a_layer_of_the_cloud_is_dropped_on_request() {
    let (app, report) = with_layer_of_the_cloud(POWERTOOLS, "Powertools", "drop").unwrap();
    assert!(app.layers.is_empty() && app.functions[0].layers.is_empty());
    let [note] = report.findings.as_slice() else {
        panic!("one note, not {report:?}");
    };
    assert_eq!((note.level, note.place.line), (Level::Note, 9));
}

#[test]
fn a_layer_of_the_cloud_that_nothing_stands_for_is_refused_with_the_flag() {
    let report = with_layer_of_the_cloud(POWERTOOLS, "Other", "drop").unwrap_err();
    let [error] = report.findings.as_slice() else {
        panic!("one error, not {report:?}");
    };
    assert_eq!((error.place.line, error.place.column), (9, 11));
    assert!(
        error
            .hint
            .as_ref()
            .unwrap()
            .contains("--layer Powertools=PATH")
    );
}

#[test]
fn a_layer_that_only_measures_is_left_out() {
    let arn = "arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsightsExtension:14";
    let (app, _) = with_layer_of_the_cloud(arn, "Other", "drop").unwrap();
    assert!(app.functions[0].layers.is_empty());
}

#[rstest]
#[case("Architectures: [x86_64]", "Architectures: [x86_64]")]
#[case("Architectures: [x86_64]", "Timeout: 3")]
fn the_same_architecture_in_globals_counts_once(#[case] globals: &str, #[case] own: &str) {
    assert!(with_globals(globals, own).is_ok());
}

#[test]
fn two_architectures_are_refused() {
    let refused = with_globals("Architectures: [arm64]", "Architectures: [x86_64]");
    assert_eq!(refused, Err("bad-value".to_owned()));
}

/// A function and the layer of its template, whose content lies in S3.
fn with_layer_in_s3(instead: Option<&str>) -> Result<(App, Report), Report> {
    let text = "Globals: {Function: {Layers: [{Ref: Shared}]}}
Resources:
  Shared: {Type: AWS::Lambda::LayerVersion, Properties: {Content: {S3Bucket: b, S3Key: k}}}
  F:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ., Handler: a.b, Runtime: python3.12, Layers: [{Ref: Shared}]}
";
    let template = Template::read("t.yaml", text).unwrap();
    let mut input = Input::default();
    if let Some(instead) = instead {
        let instead = LayerInstead::parse(instead).unwrap();
        input.layers.insert("Shared".to_owned(), instead);
    }
    resolve(&template, &input)
}

#[test]
fn a_path_stands_in_place_of_a_layer_of_the_template() {
    assert!(with_layer_in_s3(None).is_err());
    let (app, _) = with_layer_in_s3(Some("./layers/shared/")).unwrap();
    assert_eq!(app.layers[0].content.as_str(), "layers/shared");
    assert_eq!(app.functions[0].layers, ["Shared"]);
    let (app, _) = with_layer_in_s3(Some("drop")).unwrap();
    assert!(app.layers.is_empty() && app.functions[0].layers.is_empty());
}

#[rstest]
#[case("./image.tar.gz")]
#[case("")]
#[case("two words")]
fn what_can_be_no_image_is_refused(#[case] uri: &str) {
    let text = format!(
        "Resources: {{F: {{Type: AWS::Serverless::Function, Properties: {{PackageType: Image, ImageUri: '{uri}'}}}}}}"
    );
    let template = Template::read("t.yaml", &text).unwrap();
    let report = resolve(&template, &Input::default()).unwrap_err();
    let error = report.of(Level::Error).next().unwrap();
    assert_eq!(error.rule, "bad-value");
    assert!(error.hint.as_ref().unwrap().contains("--image-uri"));
}

/// Files that lie nowhere.
#[derive(Debug)]
struct InMemory(BTreeMap<String, String>);

impl Files for InMemory {
    fn read(&self, path: &str) -> Result<String, String> {
        let text = self.0.get(path).cloned();
        text.ok_or_else(|| "it is not there".to_owned())
    }
}

/// A template that nests so many others, one in the other; a function lies in the last.
fn nested_so_deep(levels: usize) -> Result<(App, Report), Report> {
    let inner = |level: usize| {
        if level == levels {
            let code = "CodeUri: ., Handler: a.b, Runtime: python3.12";
            return format!(
                "Resources: {{F: {{Type: AWS::Serverless::Function, Properties: {{{code}}}}}}}"
            );
        }
        let next = format!("{}.yaml", level + 1);
        format!(
            "Resources: {{S: {{Type: AWS::Serverless::Application, Properties: {{Location: {next}}}}}}}"
        )
    };
    let files = (1..=levels).map(|level| (format!("{level}.yaml"), inner(level)));
    let files = InMemory(files.collect());
    let text = inner(0);
    let template = Template::read("t.yaml", &text).unwrap();
    let input = Input {
        files: Some(&files),
        ..Input::default()
    };
    resolve(&template, &input)
}

#[test]
fn templates_are_nested_eight_deep_and_no_deeper() {
    let (app, _) = nested_so_deep(8).unwrap();
    assert_eq!(app.functions[0].logical_id, format!("{}F", "S".repeat(8)));

    let report = nested_so_deep(9).unwrap_err();
    let mut errors = report.of(Level::Error);
    let too_deep = errors.find(|finding| finding.message.contains("more than 8 deep"));
    assert_eq!(too_deep.unwrap().place.file, "8.yaml");
}

#[test]
fn a_template_without_end_is_refused() {
    let text =
        "Resources: {S: {Type: AWS::Serverless::Application, Properties: {Location: t.yaml}}}";
    let files = InMemory(BTreeMap::from([("t.yaml".to_owned(), text.to_owned())]));
    let template = Template::read("t.yaml", text).unwrap();
    let input = Input {
        files: Some(&files),
        ..Input::default()
    };
    let report = resolve(&template, &input).unwrap_err();
    let message = &report.of(Level::Error).next().unwrap().message;
    assert!(message.contains("nests itself"), "{message}");
}

fn preflight_warnings(globals: &str, events: &str) -> Vec<String> {
    let text = format!(
        "Globals: {{{globals}}}
Resources:
  F: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: ., Handler: a.b, Runtime: python3.12, Events: {{{events}}}}}}}
"
    );
    let template = Template::read("t.yaml", &text).unwrap();
    let (_, report) = resolve(&template, &Input::default()).unwrap();
    report
        .of(Level::Warning)
        .map(|finding| finding.message.clone())
        .filter(|message| message.contains("preflight"))
        .collect()
}

const GET: &str = "G: {Type: Api, Properties: {Path: /a/b, Method: get}}";

#[rstest]
#[case::for_one_path("", true)]
#[case::for_another_path(", O: {Type: Api, Properties: {Path: /a, Method: options}}", true)]
#[case::by_a_function(", O: {Type: Api, Properties: {Path: /a/b, Method: options}}", false)]
#[case::by_any(", O: {Type: Api, Properties: {Path: /a/b, Method: ANY}}", false)]
#[case::below(
    ", O: {Type: Api, Properties: {Path: '/a/{proxy+}', Method: any}}",
    false
)]
fn a_path_whose_preflight_requests_nobody_answers_is_named(
    #[case] more: &str,
    #[case] is_warned: bool,
) {
    let warnings = preflight_warnings("Api: {Cors: \"'*'\"}", &format!("{GET}{more}"));
    let of_path = warnings.iter().filter(|message| message.contains("`/a"));
    assert_eq!(of_path.count(), usize::from(is_warned), "{warnings:?}");
}

#[test]
fn an_api_without_cors_is_not_warned_about() {
    assert_eq!(
        preflight_warnings("Api: {OpenApiVersion: 3.0.1}", GET),
        [""; 0]
    );
}
