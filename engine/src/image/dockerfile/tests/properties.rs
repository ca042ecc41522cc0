//! What holds for any text.

use proptest::prelude::*;

use super::*;

/// Text made of what Dockerfiles are made of, so that the interesting places are reached.
fn dockerfile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("FROM ".to_owned()),
        Just("FROM alpine\n".to_owned()),
        Just("FROM alpine AS b\n".to_owned()),
        Just("COPY --from=".to_owned()),
        Just("RUN --mount=type=bind,from=".to_owned()),
        Just("RUN <<EOF\nx\nEOF\n".to_owned()),
        Just("ADD <<-'E' ".to_owned()),
        Just("ONBUILD ".to_owned()),
        Just("ARG A=b\n".to_owned()),
        Just("ENV A=${A:-b} ".to_owned()),
        Just("# escape=`\n".to_owned()),
        Just("registry:5010/x".to_owned()),
        Just("esb-lambda-base".to_owned()),
        Just("\\\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("[\"".to_owned()),
        "[ \t\n$\\{}\\[\\]:'\"<>@#`/,=-]{0,4}",
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A Dockerfile that can be rewritten, with the image references of its own marked by a name that nothing else has.
fn buildable() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("FROM registry:5010/marked:1\n".to_owned()),
        Just("FROM \\\n  # c\n\tregistry:5010/marked:1 AS s\r\n".to_owned()),
        Just("COPY --from=registry:5010/marked:1 a b\n".to_owned()),
        Just("RUN --mount=from=registry:5010/marked:1,target=/a x \\\n\n y\n".to_owned()),
        Just("RUN <<-E\n\tregistry:5010/other\n\tE\n".to_owned()),
        "(RUN|CMD|LABEL) [a-z]{1,8}[ \t]{0,3}\n",
        "[ \t]{0,3}#[^\n<\\\\]{0,12}\n",
        Just("\r\n".to_owned()),
    ];
    let lines = prop::collection::vec(line, 0..16);
    lines.prop_map(|lines| format!("FROM alpine\n{}", lines.concat()))
}

proptest! {
    #[test]
    fn no_text_makes_the_rewrite_panic(text in dockerfile()) {
        drop(rewritten(&text));
    }

    #[test]
    fn no_arbitrary_text_makes_the_rewrite_panic(text in any::<String>()) {
        drop(rewritten(&text));
    }

    #[test]
    fn where_nothing_maps_every_byte_stays(text in dockerfile()) {
        let context = RewriteContext {
            registries: &Registries::default(),
            stack_version: None,
            esb_tag: None,
        };
        if let Ok(result) = rewrite(&text, &context) {
            let lambda = result.bases.iter().any(|base| base.last_part() == crate::image::LAMBDA_BASE);
            prop_assert!(lambda || result.text == text);
        }
    }

    #[test]
    fn a_rewritten_text_is_rewritten_to_itself(text in dockerfile()) {
        if let Ok(once) = rewritten(&text) {
            let twice = rewritten(&once.text);
            prop_assert_eq!(twice.map(|result| (result.text, result.bases, result.sources)),
                Ok((once.text, once.bases, once.sources)));
        }
    }

    #[test]
    fn exactly_the_references_change(text in buildable()) {
        let result = rewritten(&text);
        let expected = text.replace("registry:5010/marked", "127.0.0.1:5010/marked");
        prop_assert_eq!(result.map(|result| result.text), Ok(expected));
    }
}
