//! Which images are found, and what becomes of them.

use rstest::rstest;

use super::*;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The text after the rewrite, and the bases.
fn check(source: &str, expected: &str, bases: &[&str]) {
    let result = rewritten(source).unwrap();
    assert_eq!(result.text, expected);
    assert_eq!(texts(&result.bases), bases);
}

#[rstest]
#[case::plain("FROM alpine:3\n", &["alpine:3"])]
#[case::no_line_end("FROM alpine", &["alpine"])]
#[case::lower_case("from alpine as b\nrun true\n", &["alpine"])]
#[case::tabs("FROM\talpine\tAS\tb\n", &["alpine"])]
#[case::indented("  FROM alpine\n", &["alpine"])]
#[case::crlf("# c\r\nFROM alpine\r\nRUN a \\\r\n  b\r\n", &["alpine"])]
#[case::byte_order_mark("\u{feff}FROM alpine\n", &["alpine"])]
#[case::comment_before("# FROM registry:5010/x\nFROM alpine\n", &["alpine"])]
#[case::platform("FROM --platform=linux/amd64 alpine\n", &["alpine"])]
#[case::platform_variable("FROM --platform=$BUILDPLATFORM alpine AS b\n", &["alpine"])]
#[case::continued("FROM \\\n  alpine:3 \\\n  AS b\n", &["alpine:3"])]
#[case::comment_in_continuation("FROM \\\n  # registry:5010/x\n\n  alpine:3\n", &["alpine:3"])]
#[case::scratch("FROM scratch\n", &[])]
#[case::stage_of_stage("FROM alpine AS base\nFROM base\n", &["alpine"])]
#[case::stage_in_other_case("FROM alpine AS Base\nFROM bASE AS second\nFROM SECOND\n", &["alpine"])]
#[case::a_later_stage_is_an_image("FROM later\nFROM alpine AS later\n", &["later", "alpine"])]
#[case::from_takes_no_number("FROM alpine\nFROM 0\n", &["alpine", "0"])]
#[case::copy_from_number("FROM alpine\nFROM busybox\nCOPY --from=0 /a /a\n", &["alpine", "busybox"])]
#[case::copy_from_stage("FROM alpine AS a\nFROM busybox\nCOPY --from=A /a /a\n", &["alpine", "busybox"])]
#[case::copy_from_later_stage("FROM alpine\nCOPY --from=b /a /a\nFROM busybox AS b\n", &["alpine", "busybox"])]
#[case::copy_from_image("FROM alpine\nCOPY --from=busybox:1 /a /a\n", &["alpine", "busybox:1"])]
#[case::twice_the_same("FROM alpine\nFROM alpine\nCOPY --from=alpine /a /a\n", &["alpine"])]
#[case::mount_from_image(
    "FROM alpine\nRUN --mount=type=bind,from=busybox,target=/b --mount=type=cache,target=/c true\n",
    &["alpine", "busybox"]
)]
#[case::mount_from_stage("FROM alpine AS a\nFROM busybox\nRUN --mount=from=a,target=/a true\n", &["alpine", "busybox"])]
#[case::mount_from_scratch("FROM alpine\nRUN --mount=type=cache,from=scratch,target=/a true\n", &["alpine"])]
#[case::heredoc("FROM alpine\nRUN <<EOF\nFROM registry:5010/x\nEOF\n", &["alpine"])]
#[case::heredoc_with_tabs("FROM alpine\nRUN <<-EOF\n\tFROM registry:5010/x\n\tEOF\nFROM busybox\n", &["alpine", "busybox"])]
#[case::heredoc_quoted("FROM alpine\nRUN <<\"E O\"\nFROM registry:5010/x\nE O\nFROM busybox\n", &["alpine", "busybox"])]
#[case::heredoc_single_quoted("FROM alpine\nRUN <<'EOF' cat\nFROM registry:5010/x\nEOF\n", &["alpine"])]
#[case::heredoc_end_is_the_whole_line("FROM alpine\nRUN <<EOF\n EOF\nEOF \nFROM x y z\nEOF\n", &["alpine"])]
#[case::heredoc_with_descriptor("FROM alpine\nRUN cat 3<<EOF\nFROM registry:5010/x\nEOF\n", &["alpine"])]
#[case::heredocs_of_copy("FROM alpine\nCOPY <<A <<B /x/\nFROM registry:5010/x\nA\nFROM registry:5010/y\nB\n", &["alpine"])]
#[case::heredoc_crlf("FROM alpine\r\nRUN <<EOF\r\nFROM registry:5010/x\r\nEOF\r\nFROM busybox\r\n", &["alpine", "busybox"])]
#[case::heredoc_below_onbuild("FROM alpine\nONBUILD RUN <<EOF\nFROM registry:5010/x\nEOF\n", &["alpine"])]
#[case::here_string_is_no_heredoc("FROM alpine\nRUN cat <<<EOF\nFROM busybox\n", &["alpine", "busybox"])]
#[case::quoted_arrows_are_no_heredoc("FROM alpine\nRUN echo '<<EOF'\nFROM busybox\n", &["alpine", "busybox"])]
#[case::shift_is_no_heredoc("FROM alpine\nRUN echo $((1<<2))\nFROM busybox\n", &["alpine", "busybox"])]
#[case::json_has_no_heredoc("FROM alpine\nRUN [\"echo\", \"<<EOF\"]\nFROM busybox\n", &["alpine", "busybox"])]
#[case::env_has_no_heredoc("FROM alpine\nENV A=<<EOF\nFROM busybox\n", &["alpine", "busybox"])]
#[case::backtick_escape("# escape=`\nFROM alpine\nRUN dir C:\\\nFROM `\n  busybox\n", &["alpine", "busybox"])]
#[case::escape_after_a_comment_is_a_comment("# c\n# escape=`\nFROM \\\n  alpine\n", &["alpine"])]
#[case::escape_after_an_unknown_directive_is_a_comment(
    "# unknown=1\n# escape=`\nFROM \\\n  alpine\n",
    &["alpine"]
)]
#[case::escaped_escape_does_not_continue("FROM alpine\nRUN dir C:\\\\\nFROM busybox\n", &["alpine", "busybox"])]
#[case::blanks_behind_the_escape("FROM \\ \t\n  alpine\n", &["alpine"])]
#[case::continued_into_the_end("FROM alpine\nRUN a \\", &["alpine"])]
#[case::other_registry("FROM other.example/acme/x:1\n", &["other.example/acme/x:1"])]
#[case::similar_name("FROM registry:50100/x\n", &["registry:50100/x"])]
#[case::argument_default("ARG V=3\nFROM alpine:${V}\n", &["alpine:3"])]
#[case::argument_without_braces("ARG V=3\nFROM alpine:$V\n", &["alpine:3"])]
#[case::argument_whole("ARG IMAGE=alpine:3\nFROM $IMAGE\n", &["alpine:3"])]
#[case::argument_of_argument("ARG V=3\nARG IMAGE=alpine:$V\nFROM ${IMAGE}\n", &["alpine:3"])]
#[case::arguments_of_one_line("ARG V=3 IMAGE=alpine:$V\nFROM $IMAGE\n", &["alpine:3"])]
#[case::argument_quoted("ARG IMAGE=\"alpine:3\"\nFROM $IMAGE\n", &["alpine:3"])]
#[case::default_for_unset("ARG V\nFROM alpine:${V:-3}\n", &["alpine:3"])]
#[case::default_for_undeclared("FROM alpine:${V:-3}\n", &["alpine:3"])]
#[case::default_for_empty("ARG V=\nFROM alpine:${V:-3}\n", &["alpine:3"])]
#[case::default_not_used("ARG V=4\nFROM alpine:${V:-3}\n", &["alpine:4"])]
#[case::default_not_needed("ARG V=4\nFROM alpine:${V:-$UNSET}\n", &["alpine:4"])]
#[case::default_of_default("FROM alpine:${V:-${W:-3}}\n", &["alpine:3"])]
#[case::alternative_set("ARG V=1\nFROM alpine${V:+:3}\n", &["alpine:3"])]
#[case::alternative_unset("ARG V\nFROM alpine${V:+:3}\n", &["alpine"])]
#[case::suffix_cut("ARG V=3.20.1\nFROM alpine:${V%.*}\n", &["alpine:3.20"])]
#[case::longest_suffix_cut("ARG V=3.20.1\nFROM alpine:${V%%.*}\n", &["alpine:3"])]
#[case::prefix_cut("ARG V=v3\nFROM alpine:${V#v}\n", &["alpine:3"])]
#[case::longest_prefix_cut("ARG V=a/b/3\nFROM alpine:${V##*/}\n", &["alpine:3"])]
#[case::nothing_cut("ARG V=3\nFROM alpine:${V%-x}${V#v}${V%%x*}\n", &["alpine:333"])]
#[case::wildcard_cut("ARG V=a1b22\nFROM alpine:${V#a?}-${V%%[0-9]*}-${V%b*}\n", &["alpine:b22-a1b22-a1"])]
#[case::stage_from_argument("ARG S=one\nFROM alpine AS one\nFROM $S\n", &["alpine"])]
#[case::quoted("FROM \"alpine\"\n", &["alpine"])]
#[case::json_arguments("FROM alpine\nCMD [\"a\", \"b\"]\nHEALTHCHECK CMD true\nMAINTAINER me\n", &["alpine"])]
#[case::hash_within_a_line("FROM alpine\nRUN echo '#x' # registry:5010/x\n", &["alpine"])]
fn an_image_that_is_not_ours_is_found_and_nothing_changes(
    #[case] source: &str,
    #[case] bases: &[&str],
) {
    check(source, source, bases);
}

#[rstest]
#[case::alias("FROM registry:5010/x:1\n", "FROM 127.0.0.1:5010/x:1\n")]
#[case::alias_crlf(
    "FROM registry:5010/x\r\nRUN a\r\n",
    "FROM 127.0.0.1:5010/x\r\nRUN a\r\n"
)]
#[case::alias_bom("\u{feff}FROM registry:5010/x\n", "\u{feff}FROM 127.0.0.1:5010/x\n")]
#[case::alias_between_blanks(
    "FROM  --platform=linux/arm64\tregistry:5010/x   AS  b  \n",
    "FROM  --platform=linux/arm64\t127.0.0.1:5010/x   AS  b  \n"
)]
#[case::alias_continued(
    "FROM \\\n # c\n\tregistry:5010/x \\\n AS b\n",
    "FROM \\\n # c\n\t127.0.0.1:5010/x \\\n AS b\n"
)]
#[case::alias_broken_across_lines(
    "FROM regis\\\ntry:5010/x AS b\n",
    "FROM 127.0.0.1:5010/x AS b\n"
)]
#[case::alias_in_quotes("FROM 'registry:5010/x'\n", "FROM 127.0.0.1:5010/x\n")]
#[case::alias_with_backtick(
    "# escape=`\nFROM `\nregistry:5010/x\n",
    "# escape=`\nFROM `\n127.0.0.1:5010/x\n"
)]
#[case::alias_from_argument(
    "ARG R=registry:5010\nFROM ${R}/x:1\n",
    "ARG R=registry:5010\nFROM 127.0.0.1:5010/x:1\n"
)]
#[case::alias_after_heredoc(
    "FROM scratch AS s\nCOPY <<EOF /x\nregistry:5010/x\nEOF\nFROM registry:5010/x\n",
    "FROM scratch AS s\nCOPY <<EOF /x\nregistry:5010/x\nEOF\nFROM 127.0.0.1:5010/x\n"
)]
#[case::copy_from(
    "FROM scratch\nCOPY --from=registry:5010/x --chown=1 /a /a\n",
    "FROM scratch\nCOPY --from=127.0.0.1:5010/x --chown=1 /a /a\n"
)]
#[case::copy_from_in_quotes(
    "FROM scratch\nCOPY --from=\"registry:5010/x\" /a /a\n",
    "FROM scratch\nCOPY --from=\"127.0.0.1:5010/x\" /a /a\n"
)]
#[case::copy_from_in_onbuild(
    "FROM scratch\nONBUILD COPY --from=registry:5010/x /a /a\n",
    "FROM scratch\nONBUILD COPY --from=127.0.0.1:5010/x /a /a\n"
)]
#[case::mount_from(
    "FROM scratch\nRUN --mount=type=bind,from=registry:5010/x,target=/a true registry:5010/x\n",
    "FROM scratch\nRUN --mount=type=bind,from=127.0.0.1:5010/x,target=/a true registry:5010/x\n"
)]
#[case::mount_from_continued(
    "FROM scratch\nRUN --mount=type=bind,\\\nfrom=registry:5010/x,target=/a \\\n  true\n",
    "FROM scratch\nRUN --mount=type=bind,\\\nfrom=127.0.0.1:5010/x,target=/a \\\n  true\n"
)]
#[case::mount_keys_in_any_case(
    "FROM scratch\nRUN --mount=TYPE=bind,FROM=registry:5010/x,target=/a true\n",
    "FROM scratch\nRUN --mount=TYPE=bind,FROM=127.0.0.1:5010/x,target=/a true\n"
)]
fn the_alias_of_our_registry_becomes_the_address_that_builds_reach(
    #[case] source: &str,
    #[case] expected: &str,
) {
    let result = rewritten(source).unwrap();
    assert_eq!(result.text, expected);
    assert!(result.bases[0].to_string().starts_with("127.0.0.1:5010/x"));
    // Rewriting is done once: what is rewritten stays.
    assert_eq!(rewritten(&result.text).unwrap().text, result.text);
}

#[rstest]
#[case::bare("esb-lambda-base", "127.0.0.1:5010/esb-lambda-base:1.4.2")]
#[case::latest("esb-lambda-base:latest", "127.0.0.1:5010/esb-lambda-base:1.4.2")]
#[case::alias(
    "registry:5010/esb-lambda-base",
    "127.0.0.1:5010/esb-lambda-base:1.4.2"
)]
#[case::host(
    "127.0.0.1:5010/esb-lambda-base:latest",
    "127.0.0.1:5010/esb-lambda-base:1.4.2"
)]
#[case::other_registry(
    "other.example/acme/esb-lambda-base",
    "other.example/acme/esb-lambda-base:1.4.2"
)]
#[case::folder("acme/esb-lambda-base", "127.0.0.1:5010/acme/esb-lambda-base:1.4.2")]
#[case::explicit(
    "registry:5010/esb-lambda-base:1.0",
    "127.0.0.1:5010/esb-lambda-base:1.0"
)]
#[case::explicit_bare("esb-lambda-base:1.0", "127.0.0.1:5010/esb-lambda-base:1.0")]
#[case::similar("esb-lambda-base-2", "esb-lambda-base-2")]
#[case::folder_of_that_name("esb-lambda-base/x", "esb-lambda-base/x")]
fn a_lambda_base_gets_registry_and_version_of_the_stack(
    #[case] written: &str,
    #[case] expected: &str,
) {
    let result = rewritten(&format!("FROM {written}\nRUN true\n")).unwrap();
    assert_eq!(result.text, format!("FROM {expected}\nRUN true\n"));
    assert_eq!(texts(&result.bases), [expected]);
}

#[rstest]
#[case("esb-lambda-base", "127.0.0.1:5010/esb-lambda-base")]
#[case("esb-lambda-base:latest", "127.0.0.1:5010/esb-lambda-base:latest")]
#[case("registry:5010/x:1", "127.0.0.1:5010/x:1")]
fn a_digest_is_never_dropped(#[case] written: &str, #[case] expected: &str) {
    let result = rewritten(&format!("FROM {written}@sha256:{HEX}\n")).unwrap();
    assert_eq!(result.text, format!("FROM {expected}@sha256:{HEX}\n"));
}

#[rstest]
#[case(Some("1.4.2"), Some("edge"), "1.4.2")]
#[case(None, Some("edge"), "edge")]
#[case(Some(" "), Some("edge"), "edge")]
#[case(None, None, "latest")]
fn the_tag_of_a_lambda_base_has_an_order(
    #[case] stack_version: Option<&str>,
    #[case] esb_tag: Option<&str>,
    #[case] expected: &str,
) {
    let context = RewriteContext {
        registries: &registries(),
        stack_version,
        esb_tag,
    };
    let result = rewrite("FROM esb-lambda-base\n", &context).unwrap();
    assert_eq!(
        texts(&result.bases),
        [format!("127.0.0.1:5010/esb-lambda-base:{expected}")]
    );
}

#[test]
fn without_a_registry_a_lambda_base_still_gets_its_tag() {
    let context = RewriteContext {
        registries: &Registries::default(),
        stack_version: Some("1.4.2"),
        esb_tag: None,
    };
    let result = rewrite("FROM esb-lambda-base\n", &context).unwrap();
    assert_eq!(result.text, "FROM esb-lambda-base:1.4.2\n");
}

#[rstest]
#[case::empty("", 1, 1, "no FROM")]
#[case::only_comments("# FROM x\n\n", 1, 1, "no FROM")]
#[case::only_arguments("ARG A=1\n", 1, 1, "no FROM")]
#[case::command_first("\nRUN true\nFROM alpine\n", 2, 1, "before the first FROM")]
#[case::no_image("FROM alpine\nFROM\n", 2, 5, "names no image")]
#[case::too_many_words("FROM alpine b\n", 1, 13, "AS")]
#[case::as_without_name("FROM alpine AS\n", 1, 13, "AS")]
#[case::upper_case(
    "FROM alpine\n  FROM Alpine\n",
    2,
    8,
    "repository `Alpine` holds an upper-case letter"
)]
#[case::shell("FROM alpine;id\n", 1, 6, "repository `alpine;id`")]
#[case::unset("ARG V\nFROM alpine:$V\n", 2, 6, "needs `V`")]
#[case::undeclared("FROM alpine:${V}\n", 1, 6, "needs `V`")]
#[case::unset_before_a_default("ARG V=1\nFROM alpine:$U${V:-x}\n", 2, 6, "needs `U`")]
#[case::platform_argument("FROM base-$TARGETARCH\n", 1, 6, "does not settle")]
#[case::argument_of_a_stage("FROM alpine\nARG V=3\nFROM alpine:$V\n", 3, 6, "needs `V`")]
#[case::required("ARG V\nFROM alpine:${V:?which}\n", 2, 6, "needs `V`")]
#[case::bad_substitution("FROM alpine:${V\n", 1, 6, "cannot be read")]
#[case::unclosed_quote("FROM \"alpine\n", 1, 6, "cannot be read")]
#[case::variable_in_copy_from(
    "ARG S=a\nFROM alpine\nCOPY --from=$S /a /a\n",
    3,
    13,
    "takes no variables"
)]
#[case::variable_in_mount_from(
    "FROM alpine\nRUN --mount=from=${S},target=/a true\n",
    2,
    18,
    "takes no variables"
)]
#[case::number_of_no_stage("FROM alpine\nCOPY --from=1 /a /a\n", 2, 13, "no stage `1`")]
#[case::open_heredoc("FROM alpine\nRUN <<EOF\ntrue\n", 2, 1, "the heredoc `EOF` has no end")]
#[case::second_heredoc_open(
    "FROM alpine\nCOPY <<A <<B /x/\na\nA\n",
    2,
    1,
    "the heredoc `B` has no end"
)]
#[case::bad_escape("# escape=x\nFROM alpine\n", 1, 1, "escape directive")]
#[case::directive_twice("# syntax=a\n# syntax=b\nFROM alpine\n", 2, 1, "stands twice")]
#[case::columns_count_characters("FROM alpine AS ü\nCOPY --from=Ü,x /a /a\n", 2, 13, "repository")]
fn what_cannot_be_built_is_refused_at_its_place(
    #[case] source: &str,
    #[case] line: u32,
    #[case] column: u32,
    #[case] message: &str,
) {
    let error = rewritten(source).unwrap_err();
    assert_eq!((error.line, error.column), (line, column), "{error}");
    assert!(error.message.contains(message), "{error}");
}

/// However a base is named, it is built from its pin; stages, `scratch` and every other byte stay.
#[test]
fn a_base_is_built_from_its_pin() {
    let source = "# c\nARG V=3\nFROM alpine:$V AS a\nFROM scratch\nCOPY --from=alpine:3 /x /x\n\
                  RUN --mount=from=busybox,target=/b true\nFROM a\nFROM other:1\nCOPY --from=a /alpine:3 /\n";
    let text = rewritten(source).unwrap().text;
    let pin = |written: &str, digest: &str| {
        let reference = Reference::parse(written).unwrap();
        let name = format!("{}@sha256:{}", reference.name(), digest.repeat(64));
        (reference, Reference::parse(&name).unwrap())
    };
    let pins = BTreeMap::from([pin("alpine:3", "a"), pin("busybox", "b")]);
    let expected = "# c\nARG V=3\nFROM alpine@A AS a\nFROM scratch\nCOPY --from=alpine@A /x /x\n\
                    RUN --mount=from=busybox@B,target=/b true\nFROM a\nFROM other:1\nCOPY --from=a /alpine:3 /\n";
    let expected = expected.replace("@A", &format!("@sha256:{}", "a".repeat(64)));
    let expected = expected.replace("@B", &format!("@sha256:{}", "b".repeat(64)));
    assert_eq!(pinned(&text, &pins), Ok(expected));
    assert_eq!(pinned(&text, &BTreeMap::new()), Ok(text));
}

#[test]
fn a_base_for_a_platform_of_its_own_is_told_apart() {
    let source = "FROM --platform=linux/arm64 alpine:3\nFROM busybox\nFROM --platform=$BUILDPLATFORM alpine:3\n";
    let result = rewritten(source).unwrap();
    assert_eq!(texts(&result.bases), ["alpine:3", "busybox"]);
    assert_eq!(texts(&result.foreign), ["alpine:3"]);
}

#[rstest]
#[case::none("FROM alpine\nRUN true\n", None)]
#[case::first("FROM alpine\nRUN true\nCOPY <<A /a\nx\nA\nRUN <<B\nx\nB\n", Some(3))]
#[case::own_frontend("# syntax=docker/dockerfile:1\nFROM alpine\nRUN <<B\nx\nB\n", None)]
fn the_first_heredoc_for_the_engine_has_a_line(#[case] source: &str, #[case] line: Option<u32>) {
    assert_eq!(rewritten(source).unwrap().heredoc, line);
}

#[test]
fn a_version_that_cannot_be_a_tag_is_refused() {
    let context = RewriteContext {
        registries: &registries(),
        stack_version: Some("1.4.2+build"),
        esb_tag: None,
    };
    let error = rewrite("FROM esb-lambda-base\n", &context).unwrap_err();
    assert!(error.message.contains("tag `1.4.2+build`"), "{error}");
}

#[test]
fn credentials_in_a_reference_are_not_shown() {
    let error = rewritten("FROM user:hunter2@r.example/x\n").unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

/// Lines made from the numbers of a range.
fn lines(range: std::ops::Range<usize>, line: impl Fn(usize) -> String) -> String {
    range.map(line).collect::<Vec<_>>().join("\n")
}

#[rstest]
#[case::stages("FROM alpine\n".repeat(65), "64 stages")]
#[case::images(format!("FROM alpine\n{}", lines(0..65, |n| format!("COPY --from=image{n} /a /a"))), "64 images")]
#[case::variables(lines(0..600, |n| format!("ARG V{n}=1")), "too many variables")]
#[case::size(format!("FROM alpine\n#{}", "x".repeat(MAX_SOURCE)), "1 MiB")]
#[case::nesting(format!("FROM {}alpine{}\n", "${A:-".repeat(5000), "}".repeat(5000)), "too deep")]
#[case::doubling(
    format!("ARG A0=xx\n{}\nFROM $A59\n", lines(1..60, |n| format!("ARG A{n}=$A{m}$A{m}", m = n - 1))),
    "does not settle"
)]
fn limits_hold(#[case] source: String, #[case] message: &str) {
    let error = rewritten(&source).unwrap_err();
    assert!(error.message.contains(message), "{error}");
}
