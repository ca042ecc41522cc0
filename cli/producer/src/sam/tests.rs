use rstest::rstest;

use super::{Input, resolve};
use crate::model::{App, EnvValue};
use crate::report::Level;
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
