//! Which Dockerfiles are assembled, and which line says that one is not.

use std::collections::BTreeMap;

use rstest::rstest;

use crate::image::recipe;

fn refused(text: &str) -> String {
    let refused = recipe(text, &BTreeMap::new(), "linux/amd64");
    refused.expect_err("a builder is needed").to_string()
}

#[rstest]
#[case::run("FROM a\nRUN true", "line 2: `RUN` needs a builder: it runs a command")]
#[case::lower("from a\nrun true", "line 2: `RUN` needs a builder: it runs a command")]
#[case::syntax(
    "# syntax=x\nFROM a",
    "line 1: `# syntax` needs a builder: it names a frontend of its own"
)]
#[case::onbuild(
    "FROM a\nONBUILD RUN x",
    "line 2: `ONBUILD` needs a builder: it is for images that build on this one"
)]
#[case::heredoc(
    "FROM a\nCOPY <<E /x\nE",
    "line 2: `COPY` needs a builder: it has a heredoc"
)]
#[case::url(
    "FROM a\nADD https://x.example/a /",
    "line 2: `ADD` needs a builder: a source is fetched"
)]
#[case::git(
    "FROM a\nADD git@x.example:a /",
    "line 2: `ADD` needs a builder: a source is fetched"
)]
#[case::flag(
    "FROM a\nCOPY --link a /",
    "line 2: `COPY` needs a builder: its flag `--link` is not understood"
)]
#[case::mode(
    "FROM a\nCOPY --chmod=u+x a /",
    "line 2: `COPY` needs a builder: the mode `u+x` is not octal, at most 777"
)]
#[case::platform(
    "FROM --platform=linux/arm64 a",
    "line 1: `FROM` needs a builder: it names a platform of its own"
)]
#[case::late_stage(
    "FROM a AS x\nCOPY --from=y a /\nFROM b AS y\nFROM x",
    "line 2: `COPY` needs a builder: the stage `y` is not an earlier one"
)]
#[case::build_platform(
    "FROM a\nARG BUILDARCH",
    "line 2: `ARG` needs a builder: only a builder knows `BUILDARCH`"
)]
#[case::no_texts(
    "FROM a\nCMD [1]",
    "line 2: `CMD` needs a builder: its JSON array holds something else than texts"
)]
#[case::no_destination(
    "FROM a\nCOPY a",
    "line 2: `COPY` needs a builder: it names no source, or no destination"
)]
#[case::shell(
    "FROM a\nSHELL sh",
    "line 2: `SHELL` needs a builder: it is no JSON array of texts"
)]
#[case::unknown("FROM a\nFOO", "line 2: `FOO` needs a builder: it has no argument")]
#[case::nothing("", "line 1: `FROM` needs a builder: the Dockerfile has no stage")]
#[case::reached(
    "FROM a AS x\nRUN x\nFROM b\nCOPY --from=0 a b",
    "line 2: `RUN` needs a builder: it runs a command"
)]
fn the_first_line_that_needs_a_builder_is_named(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(refused(text), expected);
}

#[test]
fn stages_are_bounded() {
    let text = "FROM a\n".to_owned() + &"FROM a\n".repeat(64);
    let expected = "line 65: `FROM` needs a builder: the Dockerfile has more than 64 stages";
    assert_eq!(refused(&text), expected);
}

#[rstest]
#[case("FROM a", &["a"])]
#[case("ARG T=1\nFROM a:$T\nCOPY --from=b:2 x /", &["a:1", "b:2"])]
#[case::not_reached("FROM a AS x\nRUN x\nFROM b", &["b"])]
#[case::through_a_stage("FROM a AS x\nFROM b as y\nFROM x\nCOPY --from=X x /", &["a"])]
#[case::by_number("FROM a\nFROM b\nFROM scratch\nCOPY --from=1 x /", &["b"])]
#[case::same_platform("FROM --platform=linux/amd64 a", &["a"])]
#[case::same_platform_by_name("FROM --platform=$TARGETPLATFORM a", &["a"])]
#[case::of_the_platform("FROM a:$TARGETARCH", &["a:amd64"])]
fn the_bases_are_those_of_the_stages_that_are_reached(
    #[case] text: &str,
    #[case] expected: &[&str],
) {
    let recipe = recipe(text, &BTreeMap::new(), "linux/x86_64").unwrap();
    let bases: Vec<String> = recipe.bases().iter().map(ToString::to_string).collect();
    assert_eq!(bases, expected);
}
