//! Which paths of the context are reached, which builder is needed, and what is odd.

use rstest::rstest;

use super::*;

#[rstest]
#[case::none("RUN true", &[])]
#[case::one("COPY a/x.py /x", &["a/x.py"])]
#[case::many("COPY a b ./c/ /x/", &["a", "b", "c"])]
#[case::whole("COPY . /x", &["."])]
#[case::rooted("COPY /a/b /x", &["a/b"])]
#[case::upwards("COPY ../a /x", &["a"])]
#[case::wildcard("COPY a/*.py /x/", &["a/*.py"])]
#[case::each_once("COPY a /x\nCOPY ./a /y", &["a"])]
#[case::json("COPY [\"a b\", \"c\", \"/x\"]", &["a b", "c"])]
#[case::json_with_flag("COPY --chown=1:1 [\"a b\", \"/x\"]", &["a b"])]
#[case::broken_json_is_words("COPY [\"a\" /x", &["[a"])]
#[case::add("ADD a.tar.gz /x", &["a.tar.gz"])]
#[case::flags("COPY --chown=1:1 --chmod=755 --link a /x", &["a"])]
#[case::end_of_flags("COPY -- --a /x", &["--a"])]
#[case::continued("COPY a \\\n  # comment\n  b /x/", &["a", "b"])]
#[case::from_elsewhere("COPY --from=busybox a /x", &[])]
#[case::from_nowhere("COPY --from= a /x", &["a"])]
#[case::heredoc("COPY <<EOF a /x/\nb\nEOF", &["a"])]
#[case::onbuild("ONBUILD COPY a /x\nONBUILD ADD b /x", &["a", "b"])]
#[case::bind("RUN --mount=type=bind,source=a,target=/x true", &["a"])]
#[case::bind_short("RUN --mount=type=bind,src=./a/,dst=/x true", &["a"])]
#[case::bind_is_the_default("RUN --mount=source=a,target=/x true", &["a"])]
#[case::bind_of_everything("RUN --mount=type=bind,target=/x true", &["."])]
#[case::bind_in_quotes("RUN --mount='type=bind,\"source=a b,c\",target=/x' true", &["a b,c"])]
#[case::bind_from_elsewhere("RUN --mount=type=bind,from=busybox,source=a,target=/x true", &[])]
#[case::other_mounts("RUN --mount=type=cache,source=a,target=/x --mount=type=secret,id=s,source=b true", &[])]
#[case::argument("ARG D=a\nCOPY $D/x /x", &["a/x"])]
#[case::environment("ENV D=a\nCOPY ${D}/x /x", &["a/x"])]
#[case::environment_old_form("ENV D a b\nCOPY $D /x", &["a b"])]
#[case::environment_wins("ENV D=a\nARG D=b\nCOPY $D /x", &["a"])]
#[case::environment_before_the_line("ENV D=a\nENV D=b E=$D\nCOPY $E /x", &["a"])]
#[case::environment_quoted("ENV D=\"a b\" E='c d' F=e\\ f\nCOPY $D $E $F /x/", &["a b", "c d", "e f"])]
#[case::environment_of_a_parent_stage("ENV D=a\nFROM s\nCOPY $D /x", &["a"])]
#[case::default("ENV D=\nCOPY ${D:-a} /x", &["a"])]
#[case::escaped("COPY a\\$b /x", &["a$b"])]
#[case::unknown_widens("COPY $D /x", &["."])]
#[case::unknown_default_widens("COPY ${D:-a} /x", &["."])]
#[case::argument_without_value_widens("ARG D\nCOPY $D/x /x", &["."])]
#[case::argument_of_a_parent_stage_widens("ARG D=a\nFROM s\nCOPY $D /x", &["."])]
#[case::argument_of_another_stage_widens("ARG D=a\nFROM busybox\nCOPY $D /x", &["."])]
#[case::platform_widens("ARG TARGETARCH=amd64\nCOPY bin/$TARGETARCH /x", &["."])]
#[case::argument_of_its_own_line_widens("ARG A=b\nARG A=1 D=$A\nCOPY $D /x", &["."])]
#[case::substitution_widens("ENV D=a\nCOPY ${D/a/b} /x", &["."])]
#[case::bind_of_variable("ENV D=a\nRUN --mount=source=$D,target=/x true", &["a"])]
#[case::perhaps_bind("RUN --mount=type=$T,source=a,target=/x true", &["a"])]
#[case::bind_of_unknown("RUN --mount=type=bind,source=$D,target=/x true", &["."])]
fn the_context_paths_are_found(#[case] instructions: &str, #[case] expected: &[&str]) {
    let result = rewritten(&format!("FROM alpine AS s\n{instructions}\n")).unwrap();
    assert_eq!(result.sources, expected);
}

#[test]
fn a_global_argument_is_seen_in_a_stage_that_declares_it() {
    let result = rewritten("ARG D=a\nFROM alpine\nARG D\nCOPY $D /x\n").unwrap();
    assert_eq!(result.sources, ["a"]);
    let result = rewritten("ARG D=a\nFROM alpine\nCOPY $D /x\n").unwrap();
    assert_eq!(result.sources, ["."]);
}

#[rstest]
#[case(
    "FROM alpine\nRUN true\nCOPY --chown=1 a /x\nHEALTHCHECK --interval=5s CMD true\n",
    false
)]
#[case("FROM --platform=linux/amd64 alpine\n", false)]
#[case("FROM alpine\nCOPY --from=busybox /a /a\n", false)]
#[case("# syntax=docker/dockerfile:1\nFROM alpine\n", true)]
#[case("# comment\n# syntax=docker/dockerfile:1\nFROM alpine\n", false)]
#[case("FROM --platform=$BUILDPLATFORM alpine\n", true)]
#[case("FROM alpine\nRUN <<EOF\ntrue\nEOF\n", true)]
#[case("FROM alpine\nRUN --mount=type=cache,target=/x true\n", true)]
#[case("FROM alpine\nRUN --network=none true\n", true)]
#[case("FROM alpine\nCOPY --chmod=755 a /x\n", true)]
#[case("FROM alpine\nCOPY --link a /x\n", true)]
#[case("FROM alpine\nADD --checksum=sha256:0 https://x.example/a /x\n", true)]
#[case("FROM alpine\nONBUILD COPY --link a /x\n", true)]
fn buildkit_is_asked_for_where_it_is_needed(#[case] source: &str, #[case] expected: bool) {
    assert_eq!(rewritten(source).unwrap().builder_needs_buildkit, expected);
}

#[rstest]
#[case::url(
    "ADD https://x.example/a.tgz /x",
    Some("`https://x.example/a.tgz` is fetched")
)]
#[case::git("ADD git@x.example:a/b.git /x", Some("is fetched during the build"))]
#[case::url_of_variable(
    "ENV V=1\nADD https://x.example/a-$V.tgz /x",
    Some("a-1.tgz` is fetched")
)]
#[case::url_in_variable(
    "ENV U=https://x.example/a\nADD $U /x",
    Some("`https://x.example/a` is fetched")
)]
#[case::pinned("ADD --checksum=sha256:0 https://x.example/a.tgz /x", None)]
#[case::local("ADD a.tgz /x", None)]
#[case::unknown("COPY $D /x", Some("depends on `D`"))]
#[case::outside("COPY runtime-base/x /x", Some("`runtime-base` is left out"))]
#[case::outside_whole("COPY ./runtime-base /x", Some("`runtime-base` is left out"))]
#[case::not_outside("COPY runtime-base-2 /x", None)]
fn what_is_odd_is_said_with_its_line(#[case] instructions: &str, #[case] expected: Option<&str>) {
    let lines = instructions.lines().count();
    let warnings = rewritten(&format!("FROM alpine\n{instructions}\n"))
        .unwrap()
        .warnings;
    match expected {
        None => assert_eq!(warnings, []),
        Some(expected) => {
            assert_eq!(warnings.len(), 1);
            assert_eq!(usize::try_from(warnings[0].line).unwrap(), 1 + lines);
            assert!(
                warnings[0].message.contains(expected),
                "{}",
                warnings[0].message
            );
        }
    }
}

#[test]
fn a_url_is_no_path_of_the_context_and_its_credentials_are_not_shown() {
    let result = rewritten("FROM alpine\nADD https://user:hunter2@x.example/a /x\n").unwrap();
    assert_eq!(result.sources, Vec::<String>::new());
    assert!(!result.warnings[0].message.contains("hunter2"));
}

#[test]
fn warnings_do_not_grow_without_bound() {
    let many = "COPY $D /x\n".repeat(1000);
    let result = rewritten(&format!("FROM alpine\n{many}")).unwrap();
    assert_eq!(result.warnings.len(), 64);
    assert_eq!(result.sources, ["."]);
}
