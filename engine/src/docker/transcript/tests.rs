//! Reading streams that a Docker 20.10 engine wrote (`recorded/`), and streams that no engine would write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;

use super::{KEPT_LINES, Spoken, Transcript};
use crate::contract::Digest;
use crate::contract::{SecretValues, secret_values};
use crate::docker::redact::{Line, Redactor};

const PUSHED: &str = "sha256:46d4ac86454ef41e49c88ec54cc3ca20e0f6240771e8ed1bbc1ef656e16f3936";

/// How a stream ends, and the lines a person saw.
fn read(stream: &[u8], redactor: &Redactor) -> (Result<Option<Digest>, Spoken>, Vec<String>) {
    let said = Mutex::new(Vec::new());
    let say = |line| said.lock().unwrap().push(line);
    let mut transcript = Transcript::new(redactor, &say);
    for line in stream.split(|byte| *byte == b'\n') {
        transcript.read(line);
    }
    let ended = transcript.end();
    (ended, said.into_inner().unwrap())
}

#[test]
fn a_classic_build_is_shown_line_by_line() {
    let (ended, said) = read(include_bytes!("recorded/classic.jsonl"), &Redactor::NONE);
    assert_eq!(ended, Ok(None));
    assert_eq!(said[0], "Step 1/3 : FROM 127.0.0.1:5999/base:1");
    assert!(said.contains(&"hi".to_owned()), "{said:#?}");
    assert_eq!(
        said.last().unwrap(),
        "Successfully tagged 127.0.0.1:5999/rec:2"
    );
}

#[test]
fn a_buildkit_build_is_decoded_from_its_trace() {
    let (ended, said) = read(include_bytes!("recorded/buildkit.jsonl"), &Redactor::NONE);
    assert_eq!(ended, Ok(None));
    let expected = [
        "[1/3] FROM 127.0.0.1:5999/base:1",
        "[2/3] COPY a.txt /a.txt (cached)",
        r#"[3/3] RUN ["/bin/busybox","sh","-c","echo hi; echo there >&2"]"#,
        "hi",
        "there",
        "exporting to image",
        "Successfully tagged 127.0.0.1:5999/rec:1",
        "Successfully tagged 127.0.0.1:5999/rec:2",
    ];
    assert_eq!(said, expected);
}

#[rstest]
#[case::classic(include_bytes!("recorded/classic-failed.jsonl"), "unable to start container process", "Step 2/2 : RUN echo oops && false")]
#[case::buildkit(include_bytes!("recorded/buildkit-failed.jsonl"), "exit code: 1", "[2/2] RUN echo oops && false")]
fn a_failed_build_ends_with_the_engines_words_and_its_last_lines(
    #[case] stream: &[u8],
    #[case] words: &str,
    #[case] line: &str,
) {
    let (ended, _) = read(stream, &Redactor::NONE);
    let spoken = ended.unwrap_err();
    assert!(spoken.message.contains(words), "{spoken:#?}");
    assert!(spoken.output.contains(&line.to_owned()), "{spoken:#?}");
}

#[test]
fn a_push_ends_with_its_digest_and_shows_no_progress() {
    let (ended, said) = read(include_bytes!("recorded/push.jsonl"), &Redactor::NONE);
    assert_eq!(ended.unwrap().unwrap().as_str(), PUSHED);
    assert!(said.contains(&"cca8f8f4a762: Pushed".to_owned()));
    assert!(
        !said.iter().any(|line| line.contains("Pushing")),
        "{said:#?}"
    );
}

#[test]
fn a_push_without_aux_ends_with_the_digest_of_its_status() {
    let stream = format!(r#"{{"status":"1: digest: {PUSHED} size: 735"}}"#);
    let (ended, _) = read(stream.as_bytes(), &Redactor::NONE);
    assert_eq!(ended.unwrap().unwrap().as_str(), PUSHED);
}

#[test]
fn a_pull_ends_with_its_digest() {
    let stream = format!(r#"{{"status":"Digest: {PUSHED}"}}"#);
    let (ended, _) = read(stream.as_bytes(), &Redactor::NONE);
    assert_eq!(ended.unwrap().unwrap().as_str(), PUSHED);
}

#[rstest]
#[case::no_json(b"not json", &["not json"])]
#[case::no_message(b"[1,2]", &["[1,2]"])]
#[case::invalid_utf8(b"\xff\xfe", &["\u{fffd}\u{fffd}"])]
#[case::trace_that_is_no_base64(br#"{"id":"moby.buildkit.trace","aux":"%%%"}"#, &[])]
#[case::trace_that_is_no_protobuf(br#"{"id":"moby.buildkit.trace","aux":"/////w=="}"#, &[])]
#[case::aux_of_another_kind(br#"{"aux":[1]}"#, &[])]
#[case::digest_that_is_none(br#"{"aux":{"Digest":"md5:1"}}"#, &[])]
#[case::blank(b"  ", &[])]
fn what_no_engine_writes_is_shown_or_skipped(#[case] stream: &[u8], #[case] shown: &[&str]) {
    let (ended, said) = read(stream, &Redactor::NONE);
    assert_eq!(ended, Ok(None));
    assert_eq!(said, shown);
}

#[test]
fn a_failure_keeps_the_last_forty_lines_each_cut() {
    let mut stream = String::new();
    for number in 0..100 {
        let long = "x".repeat(1000);
        writeln!(stream, "{{\"stream\":\"{number} {long}\\n\"}}").unwrap();
    }
    stream.push_str(r#"{"error":"it broke"}"#);
    let (ended, _) = read(stream.as_bytes(), &Redactor::NONE);
    let spoken = ended.unwrap_err();
    assert_eq!(spoken.message, "it broke");
    assert_eq!(spoken.output.len(), KEPT_LINES);
    assert!(spoken.output[0].starts_with("60 "));
    assert!(spoken.output.iter().all(|line| line.chars().count() == 400));
}

#[rstest]
#[case::colours("\u{1b}[91mred\u{1b}[0m", "red")]
#[case::overwritten("10%\r100%\r", "100%")]
#[case::other_escapes("\u{1b}]0;title\u{7}x", "0;titlex")]
#[case::cut_escape("x\u{1b}[", "x")]
#[case::tab("a\tb", "a b")]
#[case::turned("a\u{202e}b\u{61c}c", "abc")]
#[case::broken("a\u{2028}b\u{2029}c", "abc")]
#[case::unseen("a\u{200b}b\u{feff}c", "abc")]
#[case::bidi_is_text("\u{5d0}", "\u{5d0}")]
fn a_line_never_moves_the_terminal(#[case] line: &str, #[case] shown: &str) {
    assert_eq!(super::tidy(&Line::whole(line), &Redactor::NONE), shown);
}

#[test]
fn secrets_reach_neither_the_lines_nor_the_failure() {
    let args = [(
        "HTTP_PROXY".to_owned(),
        "http://me:hunter22@proxy:3128".to_owned(),
    )];
    let redactor = Redactor::of(&args.into(), &SecretValues::default());
    let stream = br#"{"stream":"using http://me:hunter22@proxy:3128/\nraw hunter22\n"}
{"errorDetail":{"message":"proxy said hunter22"}}"#;
    let (ended, said) = read(stream, &redactor);
    assert_eq!(said, ["using http://***@proxy:3128/", "raw ***"]);
    let spoken = ended.unwrap_err();
    assert_eq!(spoken.message, "proxy said ***");
    assert_eq!(spoken.output, said);
}

/// One message of `BuildKit`: pieces of what a step says, by output.
fn trace(pieces: &[(&str, i64, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (step, output, text) in pieces {
        let mut log = Vec::new();
        prost::encoding::string::encode(1, &(*step).to_owned(), &mut log);
        prost::encoding::int64::encode(3, output, &mut log);
        prost::encoding::bytes::encode(4, &text.to_vec(), &mut log);
        prost::encoding::bytes::encode(3, &log, &mut message);
    }
    let aux = STANDARD.encode(message);
    format!(r#"{{"id":"moby.buildkit.trace","aux":"{aux}"}}"#).into_bytes()
}

/// `BuildKit` hands out pieces of 32 KiB of each output of each step, and they may end anywhere.
#[test]
fn a_secret_in_pieces_is_taken_out() {
    let values = secret_values("A=hunter22hunter22\n", &["A"].into());
    let redactor = Redactor::of(&BTreeMap::new(), &values);
    let stream = [
        trace(&[("s", 1, b"it is hunter22"), ("s", 2, b"an error\nand hunt")]),
        trace(&[("t", 1, b"another step\n"), ("s", 1, b"hunter22, really\n")]),
        trace(&[("s", 2, b"er22hunter22")]),
    ]
    .join(&b'\n');
    let (_, said) = read(&stream, &redactor);
    let expected = ["an error", "another step", "it is ***, really", "and ***"];
    assert_eq!(said, expected);
}

/// The longest line that is kept ends in the middle of a secret, and so much was taken out before that its end would be shown.
#[test]
fn a_secret_at_the_end_of_a_line_that_is_too_long_is_taken_out() {
    let secret = "hunter22".repeat(128);
    let values = secret_values(&format!("A={secret}\n"), &["A"].into());
    let redactor = Redactor::of(&BTreeMap::new(), &values);
    let long = format!("begins {}", format!("{secret} ").repeat(100));
    let json = serde_json::json!({ "stream": long }).to_string();
    let (_, said) = read(json.as_bytes(), &redactor);
    assert!(said[0].starts_with("begins ***"), "{said:?}");
    assert!(!said.concat().contains("hunt"), "{said:?}");
}

/// A build that is cut off in the middle of a line may have been in the middle of a secret.
#[test]
fn the_beginning_of_a_secret_is_not_kept_when_a_build_breaks_off() {
    let values = secret_values("A=hunter22hunter22\n", &["A"].into());
    let redactor = Redactor::of(&BTreeMap::new(), &values);
    let say = |_| ();
    let mut transcript = Transcript::new(&redactor, &say);
    transcript.read(&trace(&[("s", 1, b"before\nhunter22hunt")]));
    assert_eq!(transcript.last_lines(), ["before"]);
}
