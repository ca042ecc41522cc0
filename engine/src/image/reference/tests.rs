use rstest::rstest;

use super::*;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[rstest]
#[case("alpine", None, "alpine", None)]
#[case("alpine:3.20", None, "alpine", Some("3.20"))]
#[case("library/alpine", None, "library/alpine", None)]
#[case(
    "hub.example/library/alpine:3",
    Some("hub.example"),
    "library/alpine",
    Some("3")
)]
#[case("localhost/x", Some("localhost"), "x", None)]
#[case("localhost:5010/x/y:v1", Some("localhost:5010"), "x/y", Some("v1"))]
#[case(
    "registry:5010/esb-lambda-base",
    Some("registry:5010"),
    "esb-lambda-base",
    None
)]
#[case(
    "127.0.0.1:5010/a/b/c:latest",
    Some("127.0.0.1:5010"),
    "a/b/c",
    Some("latest")
)]
#[case("[::1]:5000/x:1", Some("[::1]:5000"), "x", Some("1"))]
#[case("MyHost/x", Some("MyHost"), "x", None)]
#[case("registry/x", None, "registry/x", None)]
#[case("e--f/a-b__c.d", None, "e--f/a-b__c.d", None)]
fn a_reference_reads_as_docker_reads_it(
    #[case] text: &str,
    #[case] registry: Option<&str>,
    #[case] repository: &str,
    #[case] tag: Option<&str>,
) {
    let read = Reference::parse(text).unwrap();
    assert_eq!(read.registry.as_deref(), registry);
    assert_eq!(read.repository, repository);
    assert_eq!(read.tag.as_deref(), tag);
    assert_eq!(read.digest, None);
    assert_eq!(read.to_string(), text);
}

#[rstest]
#[case("alpine", None)]
#[case("r.example:5010/a/b:1", Some("1"))]
fn a_digest_is_read_behind_name_and_tag(#[case] name: &str, #[case] tag: Option<&str>) {
    let text = format!("{name}@sha256:{HEX}");
    let read = Reference::parse(&text).unwrap();
    assert_eq!(read.digest.as_ref().map(Digest::hex), Some(HEX));
    assert_eq!(read.tag.as_deref(), tag);
    assert_eq!(read.to_string(), text);
}

#[rstest]
#[case("", ReferencePart::Whole)]
#[case("-alpine", ReferencePart::Repository)]
#[case("--platform=x", ReferencePart::Repository)]
#[case("al pine", ReferencePart::Repository)]
#[case("alpine;rm", ReferencePart::Repository)]
#[case("$(id)", ReferencePart::Repository)]
#[case("a`b`", ReferencePart::Repository)]
#[case("a\nb", ReferencePart::Repository)]
#[case("a\u{7}b", ReferencePart::Repository)]
#[case("café", ReferencePart::Repository)]
#[case("Alpine", ReferencePart::Repository)]
#[case("a//b", ReferencePart::Repository)]
#[case("a/", ReferencePart::Repository)]
#[case("/a", ReferencePart::Repository)]
#[case("a..b", ReferencePart::Repository)]
#[case("a___b", ReferencePart::Repository)]
#[case("a/../b", ReferencePart::Repository)]
#[case(HEX, ReferencePart::Repository)]
#[case("alpine:", ReferencePart::Tag)]
#[case("alpine:-x", ReferencePart::Tag)]
#[case("alpine:a b", ReferencePart::Tag)]
#[case("alpine:1.2+x", ReferencePart::Tag)]
#[case("alpine:1:2", ReferencePart::Tag)]
#[case("alpine@sha256:12", ReferencePart::Digest)]
#[case("alpine@", ReferencePart::Digest)]
#[case("r.example:port/x", ReferencePart::Registry)]
#[case("r.example:99999/x", ReferencePart::Registry)]
#[case("r..example/x", ReferencePart::Registry)]
#[case("-r.example/x", ReferencePart::Registry)]
#[case("r .example/x", ReferencePart::Registry)]
#[case("[::1/x", ReferencePart::Registry)]
#[case("[zz]:1/x", ReferencePart::Registry)]
fn hostile_or_broken_text_is_refused_naming_the_part(
    #[case] text: &str,
    #[case] part: ReferencePart,
) {
    assert_eq!(Reference::parse(text).unwrap_err().part, part, "{text}");
}

#[test]
fn what_is_too_long_is_refused() {
    let long = |n| "a".repeat(n);
    assert!(Reference::parse(&long(255)).is_ok());
    assert_eq!(
        Reference::parse(&long(256)).unwrap_err().part,
        ReferencePart::Repository
    );
    assert!(Reference::parse(&format!("a:{}", long(128))).is_ok());
    assert_eq!(
        Reference::parse(&format!("a:{}", long(129)))
            .unwrap_err()
            .part,
        ReferencePart::Tag
    );
    assert_eq!(
        Reference::parse(&long(100_000)).unwrap_err().part,
        ReferencePart::Whole
    );
}

#[rstest]
#[case("https://user:hunter2@r.example/x")]
#[case("user:hunter2@r.example/x")]
#[case("user:hunter2@x@r.example/x")]
#[case("user:x@hunter2@r.example/x")]
fn an_error_shows_no_credentials_and_no_control_characters(#[case] text: &str) {
    let error = Reference::parse(text).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let error = Reference::parse("a\u{1b}[31m").unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn a_part_can_be_exchanged_and_the_digest_stays() {
    let base = Reference::parse(&format!("r:1/a/b:1@sha256:{HEX}")).unwrap();
    assert_eq!(base.last_part(), "b");
    assert_eq!(base.name(), "r:1/a/b");
    assert_eq!(
        base.with_tag("2").unwrap().to_string(),
        format!("r:1/a/b:2@sha256:{HEX}")
    );
    assert_eq!(
        base.with_registry(Some("s.example")).unwrap().to_string(),
        format!("s.example/a/b:1@sha256:{HEX}")
    );
    assert_eq!(base.with_registry(None).unwrap().name(), "a/b");
    assert!(base.with_tag("a b").is_err());
    assert!(base.with_registry(Some("plain")).is_err());
}
