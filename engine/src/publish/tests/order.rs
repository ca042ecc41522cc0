//! A reader who takes the files one by one, at any moment, finds a function for every route.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::publish::publish_watched;

type Names = BTreeSet<&'static str>;

fn functions_yml(names: &Names, value: &str) -> String {
    let names = names.iter().fold(String::new(), |mut text, name| {
        write!(text, "{name}: {{image: {value}}}, ").unwrap();
        text
    });
    format!("functions: {{{names}}}\n")
}

fn routing_yml(called: &Names) -> String {
    let routes = called.iter().fold(String::new(), |mut text, name| {
        write!(text, "{{path: /{name}, function: {name}}}, ").unwrap();
        text
    });
    format!("routes: [{routes}]\n")
}

fn configuration(functions: &Names, called: &Names, value: &str) -> BTreeMap<ConfigFile, String> {
    files(&[
        (Functions, &functions_yml(functions, value)),
        (Routing, &routing_yml(called)),
        (
            Resources,
            &format!("resources: {{s3: [{{BucketName: {value}}}]}}\n"),
        ),
    ])
}

/// The routes whose functions are not there.
fn dangling(out: &Path) -> Vec<String> {
    let text = |file: ConfigFile| fs::read_to_string(out.join(file.file_name())).unwrap();
    let (functions, routing) = (text(Functions), text(Routing));
    let called = routing
        .split("function: ")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap().trim());
    let called = called.map(|name| name.lines().next().unwrap());
    called
        .filter(|name| !functions.contains(&format!("{name}:")))
        .map(str::to_owned)
        .collect()
}

/// Publishes one configuration over another; the files in the order in which they were replaced.
fn replaced(
    old: &BTreeMap<ConfigFile, String>,
    new: &BTreeMap<ConfigFile, String>,
) -> Vec<ConfigFile> {
    let (_folder, out) = folder();
    publish(&out, old).unwrap();
    let mut order = Vec::new();
    let standing = standing(&out);
    publish_watched(&out, new, &standing, Duration::ZERO, &mut |file| {
        assert_eq!(dangling(&out), [""; 0], "after {file:?}");
        order.push(file);
    })
    .unwrap();
    assert_eq!(current(&out).unwrap(), *new);
    assert_eq!(names(&out).len(), 3);
    order
}

#[rstest]
#[case::adds(&["a"], &["a", "b"], &[Resources, Functions, Routing])]
#[case::removes(&["a", "b"], &["a"], &[Resources, Routing, Functions])]
#[case::both(&["a", "b"], &["a", "c"], &[Resources, Functions, Routing, Functions])]
fn functions_come_before_their_routes_and_go_after_them(
    #[case] old: &[&'static str],
    #[case] new: &[&'static str],
    #[case] expected: &[ConfigFile],
) {
    let names = |names: &[&'static str]| names.iter().copied().collect::<Names>();
    let (old, new) = (names(old), names(new));
    let order = replaced(
        &configuration(&old, &old, "one"),
        &configuration(&new, &new, "two"),
    );
    assert_eq!(order, expected);
}

fn any_configuration() -> impl Strategy<Value = (Names, Names)> {
    let names = prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4);
    names.prop_flat_map(|functions| {
        let count = functions.len();
        let called = prop::sample::subsequence(functions.clone(), 0..=count);
        (Just(functions), called).prop_map(|(functions, called)| {
            (
                functions.into_iter().collect(),
                called.into_iter().collect(),
            )
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn after_each_rename_every_route_has_its_function(
        old in any_configuration(),
        new in any_configuration(),
        value in prop::sample::select(vec!["one", "two"]),
    ) {
        replaced(&configuration(&old.0, &old.1, "one"), &configuration(&new.0, &new.1, value));
    }
}
