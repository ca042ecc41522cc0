//! What holds for the three files together.

use super::{Out, entry, functions};
use crate::contract::Digest;
use crate::merge::ConfigFile::{self, Functions, Resources, Routing};

#[test]
fn a_first_deploy_makes_the_two_mandatory_files() {
    let outcome = Out::default().merge(&[entry("a", "functions: {}", "routes: []", "")]);
    let files: Vec<_> = outcome
        .texts
        .iter()
        .map(|(f, t)| (*f, t.as_str()))
        .collect();
    assert_eq!(
        files,
        [(Functions, "functions: {}\n"), (Routing, "routes: []\n")]
    );
    assert!(outcome.changes.is_empty());
}

#[test]
fn a_file_that_does_not_change_keeps_its_bytes() {
    let functions_text = "# kept\nfunctions:\n    f:   {image: 'x'} # and this\n";
    let mut out = Out::with(Functions, functions_text);
    out.texts
        .insert(Routing, "routes: []   # none\n".to_owned());
    out.texts.insert(Resources, "\n".to_owned());
    let outcome = out.deploy(&[functions("a", "functions: {f: {image: x}}")]);
    assert_eq!(out.text(Functions), functions_text);
    assert_eq!(out.text(Routing), "routes: []   # none\n");
    assert_eq!(out.text(Resources), "\n");
    assert!(outcome.changes.is_empty());
    assert_eq!(outcome.ownership.sources.len(), 1);
}

#[test]
fn digests_are_those_of_the_texts() {
    let outcome = Out::default().merge(&[entry("a", "", "", "s3: [{BucketName: b}]")]);
    assert_eq!(outcome.digests.len(), 3);
    for file in ConfigFile::ALL {
        assert_eq!(outcome.digests[&file], Digest::of(&outcome.texts[&file]));
    }
}

#[test]
fn an_output_directory_that_is_no_yaml_is_named() {
    let texts = [
        (Routing, "routes: [".to_owned()),
        (Functions, "a: 1\na: 2\n".to_owned()),
    ];
    let violations = super::ConfigTrees::parse(
        "/srv/config/",
        texts.into(),
        &crate::yaml::ParseLimits::default(),
    )
    .expect_err("neither is valid");
    let files: Vec<_> = violations.iter().map(|v| v.place.file.as_str()).collect();
    assert_eq!(
        files,
        ["/srv/config/functions.yml", "/srv/config/routing.yml"]
    );
}
