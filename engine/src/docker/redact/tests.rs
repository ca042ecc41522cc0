//! Secrets in the spellings of programs, in pieces, at the end of what is cut.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD,
};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::contract::secret_values;
use crate::docker::transcript::tidy;

fn knowing(secrets: &[&str]) -> Redactor {
    Redactor::knowing(secrets.iter().copied())
}

#[test]
fn credentials_of_build_arguments_are_taken_out_and_not_shown() {
    let args = [(
        "HTTP_PROXY".to_owned(),
        "http://me:hunter22@proxy".to_owned(),
    )];
    let redactor = Redactor::of(&args.into(), &SecretValues::default());
    assert_eq!(
        redactor.clean("the word hunter22 is out"),
        "the word *** is out"
    );
    assert_eq!(
        redactor.clean("see https://a:b@host/x?token=c"),
        "see https://***@host/x?token=***"
    );
    assert!(!format!("{redactor:?}").contains("hunter22"));
}

#[rstest]
#[case::several(&["hunter2"], "a hunter2 b hunter2", "a *** b ***")]
#[case::one_begins_with_another(&["hunter", "hunter2"], "hunter2", "***")]
#[case::one_ends_in_another(&["one two", "two six"], "one two six", "***")]
#[case::blank(&["", "    "], "a    b", "a    b")]
#[case::short(&["dev"], "dev is no secret", "dev is no secret")]
#[case::a_line_of_several(&["line one\nline two"], "x line two", "x ***")]
#[case::windows_lines(&["line one\r\nline two\r\n"], "x line one y", "x *** y")]
#[case::trimmed(&["  indented"], "x indented", "x ***")]
#[case::with_a_tab(&["a\tbcd"], "a bcd", "***")]
#[case::with_what_nobody_sees(&["pass\u{200b}word"], "a password", "a ***")]
#[case::not_ascii(&["gr\u{fc}n!"], "sehr gr\u{fc}n! heute", "sehr *** heute")]
#[case::within_quotes(&["it's"], "it's; 'it'\\''s'; \"it's\"; it\\'s", "***; '***'; \"***\"; ***")]
#[case::quotes_between_only(&["a'b'"], "cabin and cab", "cabin and cab")]
fn a_secret_is_taken_out(#[case] secrets: &[&str], #[case] line: &str, #[case] expected: &str) {
    assert_eq!(knowing(secrets).clean(line), expected);
}

/// The value `a "b+c`, and one line of a key that has several.
#[test]
fn a_secret_is_taken_out_in_every_spelling() {
    let values = secret_values("A='a \"b+c&d'\nB=dev\n", &["A", "B"].into());
    let redactor = Redactor::of(&BTreeMap::new(), &values);
    let secret = "a \"b+c&d";
    let json = serde_json::Value::from(secret).to_string();
    for text in [
        secret.to_owned(),
        json.clone(),
        // As Go, PHP and others write it, in either case.
        r#""a \"b+c\u0026d""#.to_owned(),
        r#""\u0061\u0020\u0022b\u002Bc\u0026d""#.to_owned(),
        // JSON within JSON.
        serde_json::Value::from(json.as_str()).to_string(),
        serde_json::Value::from(serde_json::Value::from(json.as_str()).to_string()).to_string(),
        serde_json::Value::from(r#""a \"b+c\u0026d""#).to_string(),
        // Rust's and Python's debugging output, and bytes.
        format!("{secret:?}"),
        r"a \x22b+c\x26d".to_owned(),
        r"a \042b+c\046d".to_owned(),
        r"a \u{22}b+c&d".to_owned(),
        // URLs: upper and lower case, blanks both ways, as little and as much escaped as may be.
        "?a=a%20%22b%2Bc%26d&b".to_owned(),
        "?a=a+%22b%2bc%26d&b".to_owned(),
        "?a=a%20\"b+c%26d".to_owned(),
        "?a=%61%20%22%62%2B%63%26%64".to_owned(),
        "?a=a%2520%2522b%252Bc%2526d".to_owned(),
        "%7B%22A%22%3A%22a%20%5C%22b%2Bc%26d%22%7D".to_owned(),
        // Shells.
        r#"'a "b+c&d'"#.to_owned(),
        r#""a \"b+c&d""#.to_owned(),
        r#"a\ \"b+c\&d"#.to_owned(),
        r#"$'a \"b+c&d'"#.to_owned(),
    ]
    .into_iter()
    .chain(["", "x", "xy", "xyz"].map(|before| STANDARD.encode(format!("{before}{secret} end"))))
    .chain(["", "x", "xy"].map(|before| URL_SAFE_NO_PAD.encode(format!("{before}{secret}"))))
    .chain(["", "x", "xy"].map(|before| {
        let digits = STANDARD.encode(format!("{before}{secret}"));
        digits
            .replace('+', "%2B")
            .replace('/', "\\/")
            .replace('=', "%3D")
    })) {
        let cleaned = redactor.clean(&text);
        assert!(cleaned.contains("***"), "{text}: {cleaned}");
        for left in ["b+c", "%2Bc", "%2bc", "u002Bc", "c&d", "26d"] {
            assert!(!cleaned.contains(left), "{text}: {cleaned}");
        }
        let digits = pieces::base64_of(secret);
        let digits = digits.iter().find(|digits| cleaned.contains(*digits));
        assert_eq!(digits, None, "{text}: {cleaned}");
    }
    assert_eq!(redactor.clean("dev is no secret"), "dev is no secret");
}

/// What may be the beginning of a secret at the end of a line whose end is missing.
#[test]
fn the_beginning_of_a_secret_is_not_shown_where_a_line_is_cut() {
    let redactor = knowing(&["hunter22"]);
    let cut = |text: &str| {
        let (text, cut) = (text.to_owned(), true);
        tidy(&Line { text, cut }, &redactor)
    };
    let shown = cut(&format!("{}, hunter22, hunt", "x".repeat(200)));
    assert!(
        !shown.contains("hunt") && shown.starts_with("xxx"),
        "{shown}"
    );
    // A secret that begins where nothing is shown any more ends the line.
    assert!(!cut(&format!("{}hunter22", "x".repeat(100))).contains("hunt"));
    assert_eq!(cut("hunt"), "");
    let unknown = Line {
        text: "some text".to_owned(),
        cut: true,
    };
    assert_eq!(tidy(&unknown, &Redactor::NONE), "some text");
}

/// A way in which a program spells a value.
type Encoder = fn(&str) -> String;

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn json_ascii(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' | '&' | '<' | '>' | '\'' | '/' => format!("\\u{:04x}", u32::from(c)),
        c if c.is_control() || !c.is_ascii() => {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units);
            let units: Vec<_> = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
            units.concat()
        }
        c => c.to_string(),
    });
    escaped.collect()
}

fn percent(text: &str) -> String {
    let escaped: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    escaped.concat()
}

fn url(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn quoted_twice(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

fn double_quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' | '$' | '`' => format!("\\{c}"),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

fn backslashed(text: &str) -> String {
    let escaped = text.chars().map(|c| {
        if c.is_alphanumeric() {
            c.to_string()
        } else {
            format!("\\{c}")
        }
    });
    escaped.collect()
}

const ENCODERS: [(&str, Encoder); 18] = [
    ("as it is", str::to_owned),
    ("JSON", json),
    ("JSON in ASCII", json_ascii),
    ("JSON in JSON", |text| json(&json(text))),
    ("JSON in ASCII in JSON", |text| json(&json_ascii(text))),
    ("Debug", |text| format!("{text:?}")),
    ("percent", percent),
    ("a form", url),
    ("single quotes", quoted),
    ("single quotes in double quotes", quoted_twice),
    ("double quotes", double_quoted),
    ("backslashes", backslashed),
    ("base64", |text| STANDARD.encode(text)),
    ("base64 from the second byte", |text| {
        STANDARD.encode(format!("k{text}"))
    }),
    ("base64 from the third byte", |text| {
        STANDARD.encode(format!("kk{text}"))
    }),
    ("base64 of URLs", |text| URL_SAFE_NO_PAD.encode(text)),
    ("base64 of URLs from the second byte", |text| {
        URL_SAFE_NO_PAD.encode(format!("k{text}"))
    }),
    ("base64 of URLs from the third byte", |text| {
        URL_SAFE_NO_PAD.encode(format!("kk{text}"))
    }),
];

/// What may be said in base64 within a text: each run of digits, read from each of its first four.
fn said_in_base64(text: &str) -> Vec<Vec<u8>> {
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let runs = text.split(|c| !is_digit(c));
    let read = |run: &str| {
        let run = run.replace('-', "+").replace('_', "/");
        let from = |first: usize| {
            let digits = run.get(first..)?;
            // A last digit alone says nothing.
            let length = digits.len() - usize::from(digits.len() % 4 == 1);
            let lenient = GeneralPurposeConfig::new()
                .with_decode_allow_trailing_bits(true)
                .with_decode_padding_mode(DecodePaddingMode::RequireNone);
            let reader = GeneralPurpose::new(&alphabet::STANDARD, lenient);
            reader.decode(&digits[..length]).ok()
        };
        (0..4).filter_map(from).collect::<Vec<_>>()
    };
    runs.flat_map(read).collect()
}

/// Reads an output in pieces, as it is shown.
fn shown(redactor: &Redactor, output: &[u8], cuts: &[usize]) -> String {
    let (mut lines, mut all) = (Lines::default(), Vec::new());
    let mut rest = output;
    for cut in cuts {
        let (piece, after) = rest.split_at(cut % (rest.len() + 1));
        lines.read(piece, |line| all.push(line));
        rest = after;
    }
    lines.read(rest, |line| all.push(line));
    lines.end(false, |line| all.push(line));
    let all = all.iter().map(|line| tidy(line, redactor));
    all.collect::<Vec<_>>().join("\n")
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), secret in any::<String>()) {
        knowing(&[&secret]).clean(&text);
        knowing(&[&secret]).clean_cut(&text);
    }

    /// Any secret, any encoder, any pieces: no line of it of four characters and more survives, in any spelling.
    #[test]
    fn no_line_of_a_secret_survives(
        lines in prop::collection::vec(r#"[ -~\\'"&<>+/%\u{e4}\u{1f511}]{1,24}"#, 1..4),
        before in "[a-z =:]{0,9}",
        encoder in 0..ENCODERS.len(),
        cuts in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let secret = lines.join("\n");
        prop_assume!(secret.chars().count() >= 4);
        let redactor = knowing(&[&secret]);
        let (name, encode) = ENCODERS[encoder];
        let output = format!("{before}{}\nend\n", encode(&secret));
        let shown = shown(&redactor, output.as_bytes(), &cuts);
        let long = lines.iter().filter(|line| line.trim().chars().count() >= 4);
        let said = said_in_base64(&shown);
        for line in long {
            let bytes = line.as_bytes();
            let is_said = |text: &Vec<u8>| text.windows(bytes.len()).any(|part| part == bytes);
            prop_assert!(
                !said.iter().any(is_said),
                "{:?} by {} is said in base64: {:?}", line, name, shown
            );
            for (spelling, encode) in ENCODERS {
                let whole = encode(line);
                let whole = whole.trim_matches(['"', '\'', '=']);
                // Of base64 only the middle says nothing of its neighbours.
                prop_assume!(whole.len() >= 4);
                prop_assert!(
                    !shown.contains(whole) || before.contains(whole) || "***end".contains(whole),
                    "{:?} by {} is seen as {}: {:?}", line, name, spelling, shown
                );
            }
        }
    }
}
