use std::fmt::Write as _;

use rstest::rstest;

use super::{
    ParseError, ParseLimits, YamlRule, parse, parse_all, parse_bytes, parse_last_wins,
    parse_shorthand,
};
use crate::yaml::{Map, Node, Span, Value};

fn read(text: &str) -> Node {
    parse(text, &ParseLimits::default()).unwrap()
}

fn refused(text: &str) -> ParseError {
    parse(text, &ParseLimits::default()).unwrap_err()
}

fn at(line: u32, column: u32) -> Span {
    Span { line, column }
}

fn map(node: &Node) -> &Map {
    let Value::Map(map) = &node.value else {
        panic!("{} instead of a mapping", node.value.kind())
    };
    map
}

fn text<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .fold(node, |node, key| &map(node)[*key].node)
        .value
        .text()
}

#[rstest]
#[case("on", Value::String("on".into()))]
#[case("no", Value::String("no".into()))]
#[case("'12'", Value::String("12".into()))]
#[case("\"true\"", Value::String("true".into()))]
#[case("12:30:45", Value::String("12:30:45".into()))]
#[case("2026-02-20T00:00:00Z", Value::String("2026-02-20T00:00:00Z".into()))]
#[case("1_000", Value::String("1_000".into()))]
#[case("0b11", Value::String("0b11".into()))]
#[case("1.4.2", Value::String("1.4.2".into()))]
#[case(".", Value::String(".".into()))]
#[case("+", Value::String("+".into()))]
#[case("1e", Value::String("1e".into()))]
#[case("e3", Value::String("e3".into()))]
#[case("0x", Value::String("0x".into()))]
#[case("-0x1", Value::String("-0x1".into()))]
#[case("1.10", Value::Number("1.10".into()))]
#[case("010", Value::Number("010".into()))]
#[case("0o17", Value::Number("0o17".into()))]
#[case("0xFf", Value::Number("0xFf".into()))]
#[case("-1", Value::Number("-1".into()))]
#[case("1e3", Value::Number("1e3".into()))]
#[case("-1.5E+7", Value::Number("-1.5E+7".into()))]
#[case(".5", Value::Number(".5".into()))]
#[case("5.", Value::Number("5.".into()))]
#[case("+.Inf", Value::Number("+.Inf".into()))]
#[case(".nan", Value::Number(".nan".into()))]
#[case("True", Value::Bool(true))]
#[case("FALSE", Value::Bool(false))]
#[case("tRUE", Value::String("tRUE".into()))]
#[case("~", Value::Null)]
#[case("", Value::Null)]
#[case("Null", Value::Null)]
#[case("!!str 12", Value::String("12".into()))]
#[case("!!str", Value::String(String::new()))]
#[case("! 12", Value::String("12".into()))]
#[case("!!int '12'", Value::Number("12".into()))]
#[case("!!float 12", Value::Number("12".into()))]
#[case("!!null ''", Value::Null)]
#[case("|\n    12\n", Value::String("12\n".into()))]
fn a_scalar_means_what_the_core_schema_says(#[case] written: &str, #[case] value: Value) {
    let node = read(&format!("v: {written}\n"));

    assert_eq!(map(&node)["v"].node.value, value);
}

#[test]
fn every_part_knows_its_place() {
    let node = read("a: 1\nüb: [x, \"y\"]\nc:\n  - d: &q zz\n    e: |\n      t\n");

    let root = map(&node);
    assert_eq!(node.span, at(1, 1));
    assert_eq!(root["üb"].key_span, at(2, 1));
    assert_eq!(root["üb"].node.span, at(2, 5));
    let Value::List(items) = &root["üb"].node.value else {
        panic!("no list")
    };
    assert_eq!(items[1].span, at(2, 9));
    let Value::List(items) = &root["c"].node.value else {
        panic!("no list")
    };
    assert_eq!(items[0].span, at(4, 5));
    assert_eq!(map(&items[0])["d"].node.span, at(4, 11));
    assert_eq!(map(&items[0])["e"].key_span, at(5, 5));
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_not_move_places() {
    let node = read("\u{feff}a: 1\r\nb: 2\r\n");

    assert_eq!(map(&node)["a"].key_span, at(1, 1));
    assert_eq!(map(&node)["b"].node.span, at(2, 4));
}

#[test]
fn an_empty_text_is_null() {
    assert_eq!(read("").value, Value::Null);
    assert_eq!(read("# only a comment\n").value, Value::Null);
}

#[test]
fn keys_are_their_text() {
    let node = read("1: a\ntrue: b\n'': c\n~: d\n1.10: e\n");

    let keys: Vec<_> = map(&node).keys().map(String::as_str).collect();
    assert_eq!(keys, ["", "1", "1.10", "true", "~"]);
}

#[test]
fn aliases_and_merge_keys_give_their_values() {
    let node = read(
        "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\none:\n  <<: *b\n  x: 9\ntwo: {<<: [*b, *m], w: *b}\n\
         quoted: {'<<': 1}\nkey: &k name\n*k : v\n",
    );

    assert_eq!(text(&node, &["one", "x"]), Some("9"));
    assert_eq!(text(&node, &["one", "y"]), Some("2"));
    assert_eq!(text(&node, &["two", "y"]), Some("2"));
    assert_eq!(text(&node, &["two", "z"]), Some("4"));
    assert_eq!(text(&node, &["two", "w", "x"]), Some("1"));
    assert_eq!(text(&node, &["quoted", "<<"]), Some("1"));
    assert_eq!(text(&node, &["name"]), Some("v"));
    assert!(!map(&map(&node)["one"].node).contains_key("<<"));
}

#[test]
fn a_value_behind_an_alias_stands_where_it_was_written() {
    let node = read("a: &x 7\nb: *x\n");

    assert_eq!(map(&node)["b"].node.span, at(1, 7));
    assert_eq!(map(&node)["b"].key_span, at(2, 1));
}

#[rstest]
#[case("a: [1\n", YamlRule::Syntax, at(1, 4))]
#[case("a: b: c\n", YamlRule::Syntax, at(1, 5))]
#[case("a:\n\t- b\n", YamlRule::Tab, at(2, 2))]
#[case("a: 1\nb: \u{0}\n", YamlRule::ControlCharacter, at(2, 4))]
#[case("a: 1\r\nb: \u{1b}[31m\n", YamlRule::ControlCharacter, at(2, 4))]
#[case("a: 1\nb: 2\na: 3\n", YamlRule::DuplicateKey, at(3, 1))]
#[case("1: x\n'1': y\n", YamlRule::DuplicateKey, at(2, 1))]
#[case("b: &b {}\na:\n  <<: *b\n  <<: *b\n", YamlRule::DuplicateKey, at(4, 3))]
#[case("k: &k b\nb: 1\n*k : 2\n", YamlRule::DuplicateKey, at(3, 1))]
#[case("a: 1\n---\nb: 2\n", YamlRule::SecondDocument, at(2, 1))]
#[case("a: 1\n---\n", YamlRule::SecondDocument, at(2, 1))]
#[case("[1]: 2\n", YamlRule::ComplexKey, at(1, 1))]
#[case("? {a: 1}\n: 2\n", YamlRule::ComplexKey, at(1, 3))]
#[case(": 2\n", YamlRule::ComplexKey, at(1, 1))]
#[case("a: &a [1]\n*a : 2\n", YamlRule::ComplexKey, at(2, 1))]
#[case("a: !Ref x\n", YamlRule::UnsupportedTag, at(1, 9))]
#[case("a: !!binary aGk=\n", YamlRule::UnsupportedTag, at(1, 13))]
#[case("a: !!int x\n", YamlRule::UnsupportedTag, at(1, 10))]
#[case("a: !!int 1.5\n", YamlRule::UnsupportedTag, at(1, 10))]
#[case("a: !Sub [x]\n", YamlRule::UnsupportedTag, at(1, 9))]
#[case("a: !!map [x]\n", YamlRule::UnsupportedTag, at(1, 10))]
#[case("a: {<<: 1}\n", YamlRule::BadMergeKey, at(1, 5))]
#[case("a: {<<: [{}, 1]}\n", YamlRule::BadMergeKey, at(1, 5))]
#[case("a: *x\n", YamlRule::UnknownAlias, at(1, 4))]
#[case("*x : 1\n", YamlRule::UnknownAlias, at(1, 1))]
#[case("a: &x [*x]\n", YamlRule::RecursiveAlias, at(1, 8))]
fn a_breach_names_its_rule_and_place(
    #[case] text: &str,
    #[case] rule: YamlRule,
    #[case] span: Span,
) {
    let error = refused(text);

    assert_eq!((error.rule, error.span), (rule, span), "{error}");
}

#[test]
fn a_duplicate_key_names_both_places() {
    let error = refused("x:\n  a: 1\n  b: 2\n  a: 3\n");

    assert_eq!((error.span, error.first), (at(4, 3), Some(at(2, 3))));
    assert!(error.message.contains("line 2, column 3"), "{error}");
}

#[test]
fn breaches_are_found_all_at_once() {
    let text = "a: 1\na: 2\nb: !Ref x\n[1]: 3\nc: *x\nd: {e: 1, e: 2}\nf: [\n";

    let errors = parse_all(text, &ParseLimits::default()).unwrap_err();

    let rules: Vec<_> = errors
        .iter()
        .map(|error| (error.span.line, error.rule))
        .collect();
    assert_eq!(
        rules,
        [
            (2, YamlRule::DuplicateKey),
            (3, YamlRule::UnsupportedTag),
            (4, YamlRule::ComplexKey),
            (5, YamlRule::UnknownAlias),
            (6, YamlRule::DuplicateKey),
            (7, YamlRule::Syntax),
        ]
    );
}

#[test]
fn problems_are_bounded() {
    let text = "a: 1\n".repeat(10_000);

    assert_eq!(
        parse_all(&text, &ParseLimits::default()).unwrap_err().len(),
        super::build::MAX_PROBLEMS
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        writeln!(text, "a{level}: &a{level} [{below}]").unwrap();
    }

    assert_eq!(refused(&text).rule, YamlRule::AliasBomb);
}

#[test]
fn an_alias_bomb_of_one_long_string_is_refused() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(64)
    );

    assert_eq!(refused(&text).rule, YamlRule::AliasBomb);
}

#[test]
fn aliases_cannot_build_a_depth_that_the_text_does_not_have() {
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..5000 {
        writeln!(text, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }

    assert_eq!(refused(&text).rule, YamlRule::TooDeep);
}

#[rstest]
#[case::flow("[".repeat(100_000))]
#[case::flow_maps("{a: ".repeat(100_000))]
#[case::block("- ".repeat(100_000))]
#[case::block_maps((0..500).map(|depth| " ".repeat(depth) + "a:\n").collect())]
#[case::mixed("- [".to_owned() + &"[".repeat(63) + &"]".repeat(64))]
fn a_deep_document_is_refused(#[case] text: String) {
    let error = refused(&text);
    assert_eq!(error.rule, YamlRule::TooDeep);
    let said = "lists and mappings are nested ";
    assert!(error.message.starts_with(said), "{error}");
}

#[test]
fn a_document_at_the_depth_limit_is_read() {
    let text = "[".repeat(64) + &"]".repeat(64);

    assert!(parse(&text, &ParseLimits::default()).is_ok());
}

#[test]
fn a_document_with_too_many_values_is_refused() {
    let text = "- a\n".repeat(500_001);

    let error = refused(&text);

    assert_eq!(
        (error.rule, error.span),
        (YamlRule::TooManyNodes, at(500_000, 3))
    );
}

#[test]
fn a_text_over_the_limit_is_refused_before_it_is_read() {
    let text = " ".repeat(9 << 20);

    assert_eq!(refused(&text).rule, YamlRule::TooLarge);
    assert_eq!(
        parse_bytes(text.as_bytes(), &ParseLimits::default()).unwrap_err()[0].rule,
        YamlRule::TooLarge
    );
}

#[rstest]
#[case(b"a: 1\nb: \xff\n", at(2, 4))]
#[case(b"\xff\xfea\x00", at(1, 1))]
#[case("é: \u{e9}".as_bytes().split_last().unwrap().1, at(1, 4))]
fn bytes_that_are_not_utf8_are_refused(#[case] bytes: &[u8], #[case] span: Span) {
    let errors = parse_bytes(bytes, &ParseLimits::default()).unwrap_err();

    assert_eq!((errors[0].rule, errors[0].span), (YamlRule::NotUtf8, span));
}

#[test]
fn rule_names_are_unique() {
    let mut names: Vec<_> = YamlRule::ALL.iter().map(|rule| rule.name()).collect();
    names.sort_unstable();
    names.dedup();

    assert_eq!(names.len(), YamlRule::ALL.len());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[-a:{}\\[\\]&*!<|>'\"#?,%~ \t\n\r\u{e9}0-2]{0,60}") {
        let _read = parse_all(&text, &ParseLimits::default());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
        let _read = parse_bytes(&bytes, &ParseLimits::default());
    }
}

/// Tags as some documents use them: `!Ref x` and `!Sub x`.
fn short(tag: &str) -> Option<&'static str> {
    match tag {
        "Ref" => Some("Ref"),
        "Sub" => Some("Fn::Sub"),
        _ => None,
    }
}

fn read_short(text: &str) -> Result<Node, Vec<ParseError>> {
    parse_shorthand(text, &ParseLimits::default(), short)
}

#[rstest]
#[case("!Ref x", "{Ref: x}")]
#[case("a: !Sub '${x}'", "{a: {'Fn::Sub': '${x}'}}")]
#[case("a: !Sub [x, {y: !Ref z}]", "{a: {'Fn::Sub': [x, {y: {Ref: z}}]}}")]
#[case("a: !Ref {b: c}", "{a: {Ref: {b: c}}}")]
#[case("a: !Ref 1.10", "{a: {Ref: 1.10}}")]
#[case("a: !Ref", "{a: {Ref: null}}")]
#[case("a: !Ref\n  !Sub x", "{a: {Ref: {'Fn::Sub': x}}}")]
#[case("- !Sub\n  - x\n- y", "[{'Fn::Sub': [x]}, y]")]
#[case("a: &x !Ref b\nc: *x", "{a: {Ref: b}, c: {Ref: b}}")]
#[case("a: &x !Sub [b]\nc: *x", "{a: {'Fn::Sub': [b]}, c: {'Fn::Sub': [b]}}")]
#[case("a: !!str 1", "{a: '1'}")]
fn a_short_tag_is_a_mapping_written_short(#[case] text: &str, #[case] long: &str) {
    if let Ok(node) = read_short(text) {
        assert_eq!(node, read(long));
    } else {
        // The parser takes one tag for each value.
        assert_eq!(text, "a: !Ref\n  !Sub x");
    }
}

#[rstest]
#[case("a: !Other x\n", YamlRule::UnsupportedTag)]
#[case("a: !Other [x]\n", YamlRule::UnsupportedTag)]
#[case("!Ref a: x\n", YamlRule::ComplexKey)]
#[case("? !Sub [a]\n: x\n", YamlRule::ComplexKey)]
fn any_other_use_of_a_tag_is_refused(#[case] text: &str, #[case] rule: YamlRule) {
    assert_eq!(read_short(text).unwrap_err()[0].rule, rule);
}

/// Exactly as deep and exactly as large: one less of either is too little. A key of a mapping counts, the one that a tag is short for
/// does not.
#[rstest]
#[case::a_scalar("!Ref x", 1, 2)]
#[case::a_list("!Sub [x]", 2, 3)]
#[case::a_mapping("!Sub {a: x}", 2, 4)]
#[case::a_scalar_in_a_list("[!Ref x, y]", 2, 4)]
#[case::a_list_in_a_list("[!Sub [x]]", 3, 4)]
#[case::a_list_in_a_mapping("a: !Sub [x]", 3, 5)]
#[case::one_in_the_other("!Sub [!Sub [x]]", 4, 5)]
#[case::an_alias("[&x !Sub [x], *x]", 3, 7)]
fn short_tags_count_as_the_mappings_that_they_are(
    #[case] text: &str,
    #[case] depth: usize,
    #[case] nodes: usize,
) {
    let read = |depth, nodes| {
        let limits = ParseLimits {
            depth,
            nodes,
            ..ParseLimits::default()
        };
        parse_shorthand(text, &limits, short).map_err(|problems| problems[0].rule)
    };
    assert!(read(depth, nodes).is_ok());
    assert_eq!(read(depth - 1, nodes), Err(YamlRule::TooDeep));
    assert_eq!(read(depth, nodes - 1), Err(YamlRule::TooManyNodes));
}

#[test]
fn the_last_of_equal_keys_counts_where_it_may() {
    let text_of = "a: 1\nb: {c: 2, c: 3}\na: [4]\n";

    let (node, twice) = parse_last_wins(text_of, &ParseLimits::default(), |_| None).unwrap();

    assert!(matches!(map(&node)["a"].node.value, Value::List(_)));
    assert_eq!(text(&node, &["b", "c"]), Some("3"));
    let places: Vec<_> = twice.iter().map(|one| (one.span, one.first)).collect();
    assert_eq!(
        places,
        [(at(2, 11), Some(at(2, 5))), (at(3, 1), Some(at(1, 1)))]
    );
}

#[test]
fn a_merge_key_stands_once_even_where_the_last_key_counts() {
    let text = "b: &b {}\na:\n  <<: *b\n  <<: *b\n";

    let errors = parse_last_wins(text, &ParseLimits::default(), |_| None).unwrap_err();

    assert_eq!(errors[0].rule, YamlRule::DuplicateKey);
}
