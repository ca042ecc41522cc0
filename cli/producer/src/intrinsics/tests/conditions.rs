use rstest::rstest;

use super::resolved;
use crate::report::Level;

/// Whether a resource with a condition is there; the first rule that the condition breaks.
fn holds(condition: &str) -> Result<bool, String> {
    let text = format!(
        "Conditions:
  Yes: !Equals [a, a]
  No: !Equals [a, b]
  C: {condition}
Resources:
  Files: {{Type: AWS::S3::Bucket, Condition: C}}
"
    );
    match resolved(&text, &[]) {
        Ok((app, _)) => Ok(!app.buckets.is_empty()),
        Err(report) => Err(report.of(Level::Error).next().unwrap().rule.clone()),
    }
}

#[rstest]
#[case("!And [!Condition Yes, !Condition Yes]", true)]
#[case("!And [!Condition Yes, !Condition No]", false)]
#[case("!Or [!Condition No, !Condition Yes]", true)]
#[case("!Or [!Condition No, {Condition: No}]", false)]
#[case("!Not [!Condition No]", true)]
#[case("!Not [!Or [!Condition No, !Equals [x, x]]]", false)]
#[case("{Condition: Yes}", true)]
fn a_condition_holds_as_its_function_says(#[case] condition: &str, #[case] expected: bool) {
    assert_eq!(holds(condition), Ok(expected));
}

#[rstest]
#[case("!And [!Condition Yes]")]
#[case("!Or [!Condition Yes]")]
#[case("!And {a: b}")]
#[case("!Not [!Condition Yes, !Condition Yes]")]
#[case("!Equals [a]")]
#[case("!Equals [a, !Ref 'AWS::NoValue']")]
#[case("!If [Yes, !Condition Yes, !Condition No]")]
#[case("{Condition: [Yes]}")]
#[case("yes")]
fn what_is_no_condition_is_refused(#[case] condition: &str) {
    assert_eq!(holds(condition), Err("bad-intrinsic".to_owned()));
}

#[test]
fn so_many_conditions_are_taken_together_and_no_more() {
    let all = |count: usize| format!("!And [{}]", vec!["!Condition Yes"; count].join(", "));
    assert_eq!(holds(&all(10)), Ok(true));
    assert_eq!(holds(&all(11)), Err("bad-intrinsic".to_owned()));
}
