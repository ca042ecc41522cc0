//! Reading streams that a Docker 20.10 engine wrote (`recorded/`), and streams that no engine would write.

use std::fmt::Write as _;
use std::sync::Mutex;

use rstest::rstest;

use super::{KEPT_LINES, Spoken, Transcript};
use crate::contract::Digest;
use crate::contract::SecretValues;
use crate::docker::redact::Redactor;

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
#[case::bidi_is_text("\u{5d0}", "\u{5d0}")]
fn a_line_never_moves_the_terminal(#[case] line: &str, #[case] shown: &str) {
    assert_eq!(super::tidy(line, &Redactor::NONE), shown);
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
