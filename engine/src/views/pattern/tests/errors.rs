//! What is no pattern, with its place.

use rstest::rstest;

use super::super::{Pattern, parse_assertions};

#[rstest]
#[case::empty("  ", 1, "the pattern is empty", "")]
#[case::kind(
    "Requested Aplied",
    11,
    "`Aplied` is no event kind",
    "did you mean `Applied`?"
)]
#[case::field(
    "Merged[changes.aded>0]",
    8,
    "`Merged` has no field `changes.aded`",
    "did you mean `changes.added`?"
)]
#[case::deeper(
    "Merged[added>0]",
    8,
    "`Merged` has no field `added`",
    "did you mean `changes.added`?"
)]
#[case::field_of_another(
    "Observed[verdict=compatible]",
    10,
    "`Observed` has no field `verdict`",
    "fields are observation"
)]
#[case::field_of_any(
    "_[verdict=compatible]",
    3,
    "not every event has a field `verdict`",
    ""
)]
#[case::word(
    "CompatChecked[verdict=compatibel]",
    23,
    "`verdict` is never `compatibel`",
    "did you mean `compatible`?"
)]
#[case::order(
    "CompatChecked[verdict>compatible]",
    23,
    "`verdict` is a text, which has no order",
    "compare it with `=` or `!=`"
)]
#[case::number(
    "ImageBuilt[duration_ms<fast]",
    24,
    "`duration_ms` is a number, and `fast` is none",
    ""
)]
#[case::infinite(
    "ImageBuilt[duration_ms<inf]",
    24,
    "`duration_ms` is a number, and `inf` is none",
    ""
)]
#[case::flag(
    "ImageBuilt[reused=yes]",
    19,
    "`reused` is `true` or `false`, and never `yes`",
    ""
)]
#[case::version(
    "Observed[gateway.version>=new]",
    27,
    "`gateway.version` is a version, and `new` is none",
    "write one as `1`, `1.4` or `1.4.2`"
)]
#[case::list(
    "Merged[changes.added>x]",
    22,
    "`changes.added` is a list: its length is compared, with a number",
    ""
)]
#[case::things(
    "Merged[changes=x]",
    16,
    "`changes` holds other fields, and is no text",
    "compare how many"
)]
#[case::no_comparison(
    "ImageBuilt[function]",
    20,
    "a comparison should stand here",
    "write `=`"
)]
#[case::no_value("ImageBuilt[function=]", 21, "a value should stand here", "")]
#[case::twice("ImageBuilt[function==orders]", 21, "a value should stand here", "")]
#[case::no_name("ImageBuilt[]", 12, "the name of a field should stand here", "")]
#[case::bracket(
    "ImageBuilt[function=orders",
    11,
    "this bracket is not closed",
    "add `]`"
)]
#[case::between(
    "ImageBuilt[function=orders retried=1]",
    28,
    "`,` or `]` should stand here",
    ""
)]
#[case::quote(
    "ImageBuilt[function=\"orders]",
    21,
    "this text is not closed",
    "add `\"`"
)]
#[case::group("Requested (Observed", 11, "this group is not closed", "add `)`")]
#[case::group_end("Requested)", 10, "this `)` closes no group", "")]
#[case::nothing_in_group(
    "Requested ()",
    12,
    "an event should stand here",
    "write `?` behind it"
)]
#[case::nothing_or("Requested | ", 13, "an event should stand here", "")]
#[case::sign("+ Requested", 1, "an event should stand here", "kinds are Requested")]
#[case::count("ImageBuilt{a}", 12, "how often should stand here", "write `{2}`")]
#[case::backwards(
    "ImageBuilt{3,2}",
    12,
    "the first number is larger than the second",
    ""
)]
#[case::very_often(
    "ImageBuilt{100001}",
    12,
    "more than 100000 times cannot be asked for",
    ""
)]
#[case::duration(
    "Requested within soon",
    18,
    "a duration should stand here",
    "write one as `500ms`"
)]
#[case::within("within 3s", 1, "`within` stands behind what it limits", "")]
#[case::negated(
    "!(Requested Observed)",
    1,
    "`!` negates one event, or a group of alternatives of one event each",
    "(!A)*"
)]
#[case::dots(
    "Requested .. Applied",
    11,
    "`...` stands by itself, for any events",
    ""
)]
#[case::dots_again("...*", 4, "`...` stands for any number of events already", "")]
#[case::group_predicates(
    "(Requested)[actor=x]",
    12,
    "predicates stand behind an event, and not behind a group",
    ""
)]
#[case::large(
    "((ImageBuilt{1000}){1000}){1000}",
    1,
    "the pattern has more than 200000 parts when repetitions are written out",
    ""
)]
#[case::deep_within(
    "((((Applied within 1s) within 1s) within 1s) within 1s)",
    1,
    "`within` stands in `within` more than 3 times",
    ""
)]
fn an_error_names_its_place_and_what_would_be_right(
    #[case] text: &str,
    #[case] column: u32,
    #[case] message: &str,
    #[case] hint: &str,
) {
    let error = Pattern::parse(text).unwrap_err();
    assert_eq!((error.column, error.message.as_str()), (column, message));
    let found = error.hint.unwrap_or_default();
    assert!(found.contains(hint), "{found}");
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("{}Applied{}", "(".repeat(10_000), ")".repeat(10_000));
    let error = Pattern::parse(&deep).unwrap_err();
    assert_eq!(error.message, "groups are nested deeper than 32");
    let long = "Applied ".repeat(10_000);
    let error = Pattern::parse(&long).unwrap_err();
    assert_eq!(error.message, "the pattern is longer than 65536 bytes");
}

#[test]
fn a_place_is_counted_in_characters_and_lines() {
    let error = Pattern::parse("ImageBuilt[function=\"é\"]\n  Aplied").unwrap_err();
    assert_eq!((error.line, error.column), (2, 3));
    assert_eq!(error.excerpt, "  Aplied");
    let error = Pattern::parse("ImageBuilt[function=\"é\"] Aplied").unwrap_err();
    assert_eq!((error.line, error.column), (1, 26));
    let caret = crate::contract::render_violations(&[error.violation("PATTERN")]);
    assert!(
        caret.contains("ImageBuilt[function=\"é\"] Aplied"),
        "{caret}"
    );
    assert!(caret.contains("^^^^^^"), "{caret}");
}

const FILE: &str = "# What every deploy of the shop does.
first deploy:
  Requested Observed   # looked
  CompatChecked[verdict=compatible] Merged ImageBuilt+ Applied

no failure: (!Failed)*
";

#[test]
fn a_file_names_its_patterns() {
    let named = parse_assertions(FILE).unwrap();
    let said: Vec<_> = named
        .iter()
        .map(|named| (named.name.as_str(), named.line, named.text.as_str()))
        .collect();
    let first = "Requested Observed CompatChecked[verdict=compatible] Merged ImageBuilt+ Applied";
    assert_eq!(
        said,
        [("first deploy", 2, first), ("no failure", 6, "(!Failed)*")]
    );
}

#[rstest]
#[case::all_at_once("a: Aplied\nb:\n  Requsted\n", &[(1, 4, "`Aplied` is no event kind"), (3, 3, "`Requsted` is no event kind")])]
#[case::twice("a: Applied\na: Applied\n", &[(2, 1, "`a` is named twice")])]
#[case::no_colon("a: Applied\nRequested Applied\n", &[(2, 1, "this line names no assertion")])]
#[case::before("  Applied\na: Applied\n", &[(1, 3, "no assertion is named here")])]
#[case::empty("# nothing\n", &[(1, 1, "no assertion is named here")])]
#[case::no_pattern("a:\nb: Applied\n", &[(1, 3, "the pattern is empty")])]
#[case::name("a<b: Applied\n", &[(1, 1, "this is no name")])]
fn a_file_that_does_not_read_names_each_place(
    #[case] text: &str,
    #[case] wanted: &[(u32, u32, &str)],
) {
    let problems = parse_assertions(text).unwrap_err();
    let found: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line, problem.column, problem.message.as_str()))
        .collect();
    assert_eq!(found, wanted);
}
