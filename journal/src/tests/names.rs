//! Names and versions: one spelling each, and safe as path parts.

use rstest::rstest;

use super::rig::stream;
use crate::{Hash, Head, Schema, StreamId};

#[rstest]
#[case("shop", "dev", "shop/dev", "shop/dev")]
#[case("..", ".", "../.", "%2E%2E/%2E")]
#[case("a/b", "c", "a%2Fb/c", "a%2Fb/c")]
#[case("50%", "über x", "50%25/über x", "50%25/%C3%BCber%20x")]
#[case("a.b_c-D9", "..x", "a.b_c-D9/..x", "a.b_c-D9/..x")]
#[case("~", "\u{1f600}", "~/\u{1f600}", "%7E/%F0%9F%98%80")]
fn a_target_has_one_text_and_one_safe_folder(
    #[case] project: &str,
    #[case] env: &str,
    #[case] text: &str,
    #[case] folder: &str,
) {
    let target = StreamId::new(project, env).unwrap();
    assert_eq!(target.to_string(), text);
    assert_eq!(target.to_path().to_str().unwrap(), folder);
    assert_eq!(text.parse::<StreamId>().unwrap(), target);
    let parts: Vec<_> = folder.split('/').map(StreamId::part_from_path).collect();
    assert_eq!(parts, [Some(project.to_owned()), Some(env.to_owned())]);
}

#[rstest]
#[case::empty("")]
#[case::one_part("shop")]
#[case::empty_env("shop/")]
#[case::three_parts("a/b/c")]
#[case::second_spelling("%73hop/dev")]
#[case::control("sh\nop/dev")]
#[case::not_text("%FF/dev")]
fn what_is_no_target_is_refused(#[case] text: &str) {
    assert!(text.parse::<StreamId>().is_err());
}

#[rstest]
#[case("%73hop")]
#[case(".")]
#[case("a b")]
#[case("%2e")]
fn a_folder_that_no_target_has_is_passed_over(#[case] name: &str) {
    assert_eq!(StreamId::part_from_path(name), None);
}

#[test]
fn a_part_of_81_bytes_is_refused_and_80_of_the_widest_still_make_a_file_name() {
    assert!(StreamId::new("x".repeat(81), "dev").is_err());
    let widest = StreamId::new("é".repeat(40), "dev").unwrap();
    let folder = widest.to_path();
    assert!(folder.iter().all(|part| part.len() <= 255));
}

#[rstest]
#[case("1.0", Some(Schema { major: 1, minor: 0 }))]
#[case("1.65535", Some(Schema { major: 1, minor: 65535 }))]
#[case("01.0", None)]
#[case("+1.0", None)]
#[case("1", None)]
#[case("1.0.0", None)]
#[case("1.65536", None)]
fn a_schema_has_one_spelling(#[case] text: &str, #[case] schema: Option<Schema>) {
    assert_eq!(text.parse().ok(), schema);
}

#[test]
fn a_hash_is_64_lowercase_digits() {
    let text = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(Hash::of(b"hello").to_string(), text);
    assert_eq!(text.parse::<Hash>().unwrap(), Hash::of(b"hello"));
    assert!(text.to_uppercase().parse::<Hash>().is_err());
    assert!(text[1..].parse::<Hash>().is_err());
}

#[test]
fn an_empty_stream_has_a_head_of_its_own() {
    let other = StreamId::new("shop", "prod").unwrap();
    assert_eq!(Head::empty(&stream()).sequence, 0);
    assert_ne!(Head::empty(&stream()).hash, Head::empty(&other).hash);
}
