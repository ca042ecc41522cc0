//! What is written reads back the same, under YAML 1.2 and, for strings, under YAML 1.1.

use proptest::prelude::*;
use rstest::rstest;

use super::emit;
use crate::yaml::{Entry, Map, Node, ParseLimits, Value, parse};

fn string(text: &str) -> Node {
    Value::String(text.to_owned()).into()
}

fn read(text: &str) -> Node {
    parse(text, &ParseLimits::default()).unwrap_or_else(|error| panic!("{error:?} in:\n{text}"))
}

fn map(entries: &[(&str, Node)]) -> Node {
    let entries = entries.iter().map(|(key, node)| {
        let entry = Entry {
            node: node.clone(),
            ..Entry::default()
        };
        ((*key).to_owned(), entry)
    });
    Value::Map(entries.collect()).into()
}

fn list(items: &[Node]) -> Node {
    Value::List(items.to_vec()).into()
}

#[test]
fn the_layout_is_two_spaces_a_level_with_sorted_keys() {
    let number = |text: &str| Node::from(Value::Number(text.to_owned()));
    let tree = map(&[
        (
            "routes",
            list(&[
                map(&[("path", string("/a/{id}")), ("method", string("GET"))]),
                list(&[number("1"), list(&[number("2"), number("3")])]),
                list(&[]),
                map(&[]),
                Value::Null.into(),
            ]),
        ),
        (
            "functions",
            map(&[("b", map(&[])), ("a", map(&[("timeout", number("1.10"))]))]),
        ),
        (
            "defaults",
            map(&[
                ("debug", Value::Bool(false).into()),
                ("none", Value::Null.into()),
                ("tags", list(&[])),
            ]),
        ),
    ]);
    let expected = "\
defaults:
  debug: false
  none: null
  tags: []
functions:
  a:
    timeout: 1.10
  b: {}
routes:
  - method: GET
    path: /a/{id}
  - - 1
    - - 2
      - 3
  - []
  - {}
  - null
";
    assert_eq!(emit(&tree), expected);
    assert_eq!(read(expected), tree);
}

#[rstest]
#[case(Value::Null, "null\n")]
#[case(Value::Map(Map::new()), "{}\n")]
#[case(Value::List(Vec::new()), "[]\n")]
#[case(Value::Bool(true), "true\n")]
#[case(Value::String("no".to_owned()), "\"no\"\n")]
fn a_document_may_be_a_scalar_or_empty(#[case] value: Value, #[case] expected: &str) {
    assert_eq!(emit(&value.into()), expected);
}

#[rstest]
#[case("1.10")]
#[case("1.0")]
#[case("0x10")]
#[case("0o17")]
#[case("1e3")]
#[case("-0")]
#[case("123456789012345678901234567890")]
#[case(".inf")]
#[case("-.INF")]
#[case(".nan")]
fn a_number_keeps_its_text(#[case] text: &str) {
    let number: Node = Value::Number(text.to_owned()).into();
    assert_eq!(emit(&number), format!("{text}\n"));
    assert_eq!(read(&emit(&number)), number);
}

/// Strings that a reader of YAML 1.1 or 1.2 takes for something else unless they are quoted.
const TRAPS: &[&str] = &[
    "",
    " ",
    "  a",
    "a  ",
    "\ta",
    "a\t",
    "~",
    "null",
    "Null",
    "NULL",
    "true",
    "True",
    "TRUE",
    "false",
    "False",
    "FALSE",
    "y",
    "Y",
    "n",
    "N",
    "yes",
    "Yes",
    "YES",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "0",
    "-0",
    "+1",
    "007",
    "0777",
    "08",
    "0o7",
    "0o8",
    "0x10",
    "0XFF",
    "0b101",
    "-0b1",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "0x_f",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "1E3",
    "1.e3",
    "1.5e+3",
    "1.5e3",
    "-1e-3",
    "685.230_15e+03",
    "1,000",
    ".inf",
    "-.inf",
    "+.inf",
    ".Inf",
    ".INF",
    ".nan",
    ".NaN",
    ".NAN",
    "inf",
    "nan",
    ".",
    "..",
    "-.",
    "+",
    "12:30",
    "12:30:45",
    "1:30",
    "190:20:30",
    "190:20:30.15",
    "-1:30",
    "0:0",
    "23:59:59",
    "2001-12-14",
    "2001-1-1",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43.10 -5",
    "2001-12-15 2:59:43.10",
    "2026-02-20T00:00:00Z",
    "=",
    "<<",
    "-",
    "?",
    ":",
    "- a",
    "? a",
    ": a",
    "-a",
    "?a",
    ":a",
    "a:",
    "a: b",
    "a :b",
    "a:b",
    "a #b",
    "a#b",
    "#a",
    "# a",
    "%a",
    "@a",
    "`a",
    "&a",
    "*a",
    "!a",
    "!!str a",
    "|",
    ">",
    "|-",
    ">+",
    "'",
    "''",
    "'a'",
    "\"",
    "\"a\"",
    "a'b",
    "a\"b",
    "\\",
    "\\n",
    "[",
    "]",
    "[a]",
    "{",
    "}",
    "{a}",
    "{a: b}",
    ",",
    ",a",
    "a,b",
    "a, b",
    "a]",
    "a}",
    "---",
    "...",
    "--- a",
    "... a",
    "---a",
    "--",
    "%YAML 1.2",
    "a\nb",
    "a\n",
    "\na",
    "\n",
    "\n\n",
    "a\n\nb\n",
    "  a\n b",
    "a\n  b\n",
    "a \nb",
    "a\r\nb",
    "\r",
    "a\tb",
    "#\n#",
    "- a\n- b\n",
    "a: b\nc: d\n",
    "---\n",
    "\u{0}",
    "\u{1}",
    "\u{7}",
    "\u{8}",
    "\u{b}",
    "\u{c}",
    "\u{1b}",
    "\u{7f}",
    "\u{85}",
    "a\u{85}b",
    "\u{a0}",
    "\u{a0}a\u{a0}",
    "\u{2028}",
    "a\u{2029}b",
    "\u{feff}",
    "\u{feff}a",
    "a\u{feff}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{200b}",
    "\u{202e}a",
    "é",
    "日本語",
    "🦀",
    "\u{10ffff}",
    "\u{e000}",
    "a b c",
    "/path/{proxy+}",
    "GET",
    "rate(5 minutes)",
    "cron(0 12 * * ? *)",
    "${VAR}",
    "http://a:80/b?c=d&e=f#g",
    "a=b",
    "k: v # c",
    "sha256:abc",
    "127.0.0.1:5000/x:v1",
];

#[test]
fn a_trap_stays_the_same_string_as_value_key_and_item() {
    for trap in TRAPS {
        let tree = map(&[(trap, list(&[string(trap), map(&[(trap, string(trap))])]))]);
        let text = emit(&tree);
        assert_eq!(read(&text), tree, "{trap:?} in:\n{text}");
    }
}

#[rstest]
#[case("on")]
#[case("no")]
#[case("y")]
#[case("N")]
#[case("1e3")]
#[case("0x10")]
#[case("0o7")]
#[case("017")]
#[case("0b1")]
#[case("1_000")]
#[case("12:30")]
#[case("190:20:30.15")]
#[case("2026-02-20")]
#[case("2026-02-20T00:00:00Z")]
#[case(".inf")]
#[case("~")]
#[case("null")]
#[case("<<")]
#[case("=")]
#[case(".5")]
#[case("5.")]
fn a_trap_of_either_version_is_quoted_as_value_and_as_key(#[case] trap: &str) {
    assert_eq!(
        emit(&map(&[(trap, string(trap))])),
        format!("\"{trap}\": \"{trap}\"\n")
    );
}

#[rstest]
#[case::at_the_limit(990)]
#[case::beyond_it(1100)]
#[case::far_beyond(70_000)]
fn a_long_key_reads_back(#[case] length: usize) {
    let key = "k".repeat(length);
    let tree = list(&[map(&[
        (&key, map(&[(&key, string("v"))])),
        ("b", list(&[map(&[(&key, list(&[string("x")]))])])),
    ])]);
    assert_eq!(read(&emit(&tree)), tree);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \t\r\n:#'\"\\\\,-]{0,6}",
        "[0-9a-fxo_:.eE+-]{1,8}",
        "[ -~]{0,12}",
        (0..TRAPS.len()).prop_map(|i| TRAPS[i].to_owned()),
    ]
}

fn any_value() -> impl Strategy<Value = Node> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        "-?[0-9]{1,9}[.][0-9]{1,9}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(Value::Number),
        any_text().prop_map(Value::String),
    ];
    leaf.prop_map(Node::from).prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| Value::List(items).into()),
            prop::collection::btree_map(any_text(), inner, 0..6).prop_map(|entries| {
                let entries = entries.into_iter().map(|(key, node)| {
                    let entry = Entry {
                        node,
                        ..Entry::default()
                    };
                    (key, entry)
                });
                Value::Map(entries.collect()).into()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_and_is_written_the_same(tree in any_value()) {
        let text = emit(&tree);
        prop_assert!(text.ends_with('\n'));
        let back = read(&text);
        prop_assert_eq!(&back, &tree, "{}", text);
        prop_assert_eq!(emit(&back), text);
    }
}
