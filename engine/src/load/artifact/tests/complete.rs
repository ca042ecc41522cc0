//! What is wrong in several files comes at once; Dockerfiles that are not where they are looked for.

use std::collections::BTreeSet;

use rstest::rstest;

use super::*;
use crate::contract::Unknown;
use crate::load::complete;

const FUNCTIONS: &str = "functions:\n  svc-a:\n    image: reg/svc-a\n    tiemout: 3\n";

fn rules(world: &World, elsewhere: Option<&BTreeSet<String>>) -> Vec<(String, u32, String)> {
    let path = world.path("m/artifact.yml");
    match complete(&path, Unknown::Refused, elsewhere) {
        Err(LoadError::Violations(found)) => found
            .into_iter()
            .map(|found| (found.rule, found.place.line, found.place.excerpt))
            .collect(),
        Ok(_) => Vec::new(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_is_wrong_in_several_files_comes_at_once() {
    let world = World::new();
    world.write("svc-a/config/functions.yml", FUNCTIONS);
    world.write(
        "svc-b/config/routing.yml",
        "routes:\n  - {path: /, method: GET, function: svc-bb}\n",
    );
    world.write(
        "svc-a/functions/svc-a/Dockerfile",
        "FROM scratch\nCOPY functions/svc-a/app.pi /\n",
    );
    let expected = [
        ("misspelt-key", 4, "    tiemout: 3"),
        ("missing-source", 2, "COPY functions/svc-a/app.pi /"),
        (
            "unknown-function",
            2,
            "  - {path: /, method: GET, function: svc-bb}",
        ),
    ];
    let expected = expected.map(|(rule, line, text)| (rule.to_owned(), line, text.to_owned()));
    for elsewhere in [None, Some(&BTreeSet::new())] {
        assert_eq!(rules(&world, elsewhere), expected);
    }
}

#[rstest]
#[case::near("svc-bb", None, true)]
#[case::far("payments", None, false)]
#[case::nobody("payments", Some(&[][..]), true)]
#[case::elsewhere("payments", Some(&["payments"][..]), false)]
#[case::near_and_elsewhere("svc-bb", Some(&["svc-bb"][..]), false)]
fn a_route_to_nobody_is_refused_before_anything_is_merged(
    #[case] function: &str,
    #[case] elsewhere: Option<&[&str]>,
    #[case] is_refused: bool,
) {
    let world = World::new();
    let routing = format!("routes: [{{path: /, method: GET, function: {function}}}]\n");
    world.write("svc-b/config/routing.yml", &routing);
    let elsewhere = elsewhere.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let found = rules(&world, elsewhere.as_ref());
    let expected = ("unknown-function".to_owned(), 1, routing.trim().to_owned());
    assert_eq!(found, if is_refused { vec![expected] } else { vec![] });
}

#[rstest]
#[case::case("functions/svc-a/dockerfile")]
#[case::slip("functions/svc-a/Dockerfle")]
#[case::folder("function/svc-a/Dockerfile")]
fn a_dockerfile_that_is_not_where_it_is_looked_for_is_named(#[case] at: &str) {
    let world = World::new();
    fs::remove_dir_all(world.path("svc-a/functions")).unwrap();
    world.write(&format!("svc-a/{at}"), "FROM scratch\n");
    let expected = format!("m/../svc-a/{at}");
    assert_eq!(
        world.found(),
        one("unused-dockerfile", &expected, 0, 0),
        "{at}"
    );
    let kept = artifact_with(&world.path("m/artifact.yml"), Unknown::Kept).unwrap();
    assert_eq!(kept.warnings[0].rule, "unused-dockerfile");
}

#[test]
fn a_folder_of_a_function_without_a_dockerfile_is_warned_of() {
    let world = World::new();
    world.remove("svc-a/functions/svc-a/Dockerfile");
    assert_eq!(world.load().unwrap().warnings, [], "an empty folder");
    world.write("svc-a/functions/svc-a/app.py", "");
    let warnings = world.load().unwrap().warnings;
    let found: Vec<_> = warnings.iter().map(|warning| &*warning.rule).collect();
    assert_eq!(found, ["no-dockerfile"]);
}
