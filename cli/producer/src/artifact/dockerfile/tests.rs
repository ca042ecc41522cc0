//! What is written is what was meant, whatever a template says.

use engine::image::dockerfile::instructions;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case::plain("/srv/app one", "/srv/app one")]
#[case::variable("/srv/$app", "/srv/\\$app")]
#[case::quotes("/srv/\"a\"'b'", "/srv/\\\"a\\\"\\'b\\'")]
#[case::escape("/srv\\a", "/srv\\\\a")]
fn docker_sees_no_sign_of_its_own_in_a_text(#[case] text: &str, #[case] written: &str) {
    assert_eq!(literal(text), written);
}

/// Hooks are loaded where a runtime has a way to, and only those that are there.
#[rstest]
#[case::python(Family::Python, &["any.py"], "ENV PYTHONPATH=/opt/hooks${PYTHONPATH:+:$PYTHONPATH}\n")]
#[case::nodejs(Family::Nodejs, &["preload.js"], "ENV NODE_OPTIONS=\"--require /opt/hooks/preload.js\"\n")]
#[case::nodejs_other(Family::Nodejs, &["any.js"], "")]
#[case::java(Family::Java, &["agent.jar"], "ENV JAVA_TOOL_OPTIONS=\"-javaagent:/opt/hooks/agent.jar\"\n")]
#[case::java_other(Family::Java, &["any.jar"], "")]
#[case::provided(Family::Provided, &["preload.js", "agent.jar"], "")]
fn a_runtime_loads_the_hooks_that_are_there(
    #[case] family: Family,
    #[case] hooks: &[&str],
    #[case] line: &str,
) {
    let hooks = hooks.iter().map(|hook| (*hook).to_owned()).collect();
    let extras = Extras {
        hooks: Some(hooks),
        ..Extras::default()
    };
    let written = |extras: &Extras| {
        let mut file = Dockerfile::default();
        extras.environment(family, &mut file);
        file.0
    };
    assert_eq!(written(&extras), line);
    assert_eq!(written(&Extras::default()), "");
}

/// An artifact that `artifactctl manifest validate` refuses is never made.
#[test]
fn an_image_that_only_a_build_argument_names_needs_that_argument() {
    let made = |text: &str, args: &BTreeMap<String, String>| {
        let told = Own {
            text,
            target: None,
            args,
        };
        own("f", told, &ImageConfig::default(), None, &Extras::default())
    };
    let error = made("ARG X\nFROM $X\n", &BTreeMap::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("line 2, column 6: `$X` needs `X`"),
        "{error}"
    );
    made("ARG X=a:1\nFROM $X\n", &BTreeMap::new()).unwrap();
    let given = BTreeMap::from([("X".to_owned(), "a:1".to_owned())]);
    made("ARG X\nFROM $X\n", &given).unwrap();
}

#[rstest]
#[case::line("/srv\nRUN evil", "\\", Unwritable::Control("its `WorkingDirectory`"))]
#[case::return_("/srv\rRUN evil", "\\", Unwritable::Control("its `WorkingDirectory`"))]
#[case::escape("C:`", "`", Unwritable::Escaped("its `WorkingDirectory`"))]
fn a_folder_that_would_be_more_than_one_is_refused(
    #[case] folder: &str,
    #[case] escape: &str,
    #[case] expected: Unwritable,
) {
    let text = format!("# escape={escape}\nFROM scratch\n");
    let config = ImageConfig {
        working_directory: Some(folder.to_owned()),
        ..ImageConfig::default()
    };
    let told = Own {
        text: &text,
        target: None,
        args: &BTreeMap::new(),
    };
    match own("f", told, &config, None, &Extras::default()) {
        Err(OwnError::Unwritable(error)) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
}

/// Texts with every sign that has a meaning somewhere.
fn hostile() -> impl Strategy<Value = String> {
    let signs = prop::sample::select(vec![
        "\n",
        "\r",
        "\n# escape=`\n",
        "\\",
        "`",
        "\"",
        "'",
        "$",
        "${X}",
        "<<EOF",
        "EOF",
        "#",
        " ",
        "&&",
        "RUN evil",
        "]",
        "[\"a\"]",
        "\u{2028}",
        "\u{85}",
        "é",
        "a",
    ]);
    prop::collection::vec(signs, 0..6).prop_map(|signs| signs.concat())
}

/// The names of the instructions, as the engine splits the file.
fn names(text: &str) -> Vec<String> {
    instructions(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

proptest! {
    #[test]
    fn parameters_never_change_the_list_of_instructions(
        words in prop::collection::vec(hostile(), 1..4),
        folder in hostile(),
        argument in hostile(),
        directive in prop::sample::select(vec!["", "# escape=`\n", "# syntax=x\n# escape=\\\n"]),
    ) {
        let config = ImageConfig {
            command: Some(words.clone()),
            entry_point: Some(words.clone()),
            working_directory: Some(folder),
        };
        let expected = ["FROM", "WORKDIR", "ENTRYPOINT", "CMD"];
        if let Ok(text) = wrapper("f", "image:1", &config, None, &Extras::default()) {
            prop_assert_eq!(names(&text), expected);
        }
        let args = BTreeMap::from([("NAME".to_owned(), argument)]);
        let text = format!("{directive}FROM image:1\nARG NAME=x OTHER\nRUN true\n");
        let told = Own { text: &text, target: None, args: &args };
        if let Ok(text) = own("f", told, &config, None, &Extras::default()) {
            let expected = ["FROM", "ARG", "RUN", "WORKDIR", "ENTRYPOINT", "CMD"];
            prop_assert_eq!(names(&text), expected);
        }
        let zip_function = Zip {
            function: "f",
            base: "image:1",
            family: Family::Python,
            handler: &words[0],
            delivery: &Delivery::Copied(Install::Nothing),
            extras: &Extras::default(),
        };
        let text = zip(&zip_function).unwrap();
        prop_assert_eq!(names(&text), ["FROM", "COPY", "CMD"]);
        if let Ok(text) = wrapper("f", &words[0], &ImageConfig::default(), None, &Extras::default()) {
            prop_assert_eq!(names(&text), ["FROM"]);
        }
    }
}
