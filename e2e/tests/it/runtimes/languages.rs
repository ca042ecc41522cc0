//! One function of each language.

use std::process::Command;

use e2e::bases::{Builder, Language};
use e2e::command;
use serde_json::json;

use super::{Project, fill_wheelhouse};
use crate::process::images;

#[test]
fn python_and_nodejs_answer_with_what_they_depend_on() {
    let project = Project::copy("scripts");
    fill_wheelhouse(&project.path("python"));
    let deployed = project.deploy(&[Language::Python, Language::Nodejs], &[]);
    assert_eq!(
        deployed.images(),
        images(&[("Node", "built"), ("Python", "built")])
    );

    let said = project.answer("POST", "/python/ada", "{a: [on, 010]}", "python");
    let expected = json!({ "name": "ada", "read": { "a": [true, 8] }, "with": "6.0.4" });
    assert_eq!(said, expected);
    let said = project.answer("GET", "/nodejs/ada?x=1", "", "nodejs");
    assert_eq!(said["greeting"], "good morning, ada");
    assert_eq!(
        (&said["name"], &said["query"]),
        (&json!("ada"), &json!({ "x": "1" }))
    );

    project.fails_with("POST", "/python/nobody", "LookupError: nobody is here");
    project.fails_with("GET", "/nodejs/nobody", "RangeError: nobody is here");
}

#[test]
fn typescript_is_bundled_by_esbuild_with_what_it_imports() {
    let project = Project::copy("typescript");
    let code = project.path("hello-world");
    project.deploy(&[Language::Nodejs], &[Builder::Nodejs(&code)]);
    let said = project.answer("GET", "/typescript/ada", "", "typescript");
    assert_eq!(said, json!({ "name": "ada", "with": 172_800_000 }));
    project.fails_with("GET", "/typescript/nobody", "RangeError: nobody is here");
}

#[test]
fn a_makefile_builds_a_function_with_what_it_asks_for() {
    let project = Project::copy("makefile");
    fill_wheelhouse(&project.path("hello_world"));
    project.deploy(&[Language::Python], &[Builder::Makefile]);
    let said = project.answer("GET", "/makefile/ada", "", "makefile");
    assert_eq!(said, json!({ "name": "ada", "with": "6.0.4" }));
    project.fails_with("GET", "/makefile/nobody", "LookupError: nobody is here");
}

#[test]
fn go_is_built_with_vendored_modules() {
    let project = Project::copy("go");
    project.deploy(&[Language::Provided], &[Builder::Go]);
    let said = project.answer("GET", "/go/ada", "", "go");
    assert_eq!(said, json!({ "name": "ada", "with": "good morning, ada" }));
    project.fails_with("GET", "/go/nobody", "nobody is here");
}

#[test]
fn rust_is_built_by_cargo_lambda_with_vendored_crates() {
    let project = Project::copy("rust");
    project.deploy(&[Language::Provided], &[Builder::Rust]);
    let said = project.answer("GET", "/rust/ada", "", "rust");
    assert_eq!(said, json!({ "name": "ada", "with": "good morning, ada" }));
    project.fails_with("GET", "/rust/nobody", "nobody is here");
}

#[test]
fn java_is_built_by_maven_with_the_jars_that_it_needs() {
    let project = Project::copy("maven");
    project.deploy(&[Language::Java], &[Builder::Java]);
    let said = project.answer("GET", "/maven/ada", "", "maven");
    assert_eq!(said, json!({ "name": "ada" }));
    project.fails_with(
        "GET",
        "/maven/nobody",
        "NoSuchElementException: nobody is here",
    );
}

#[test]
fn java_is_built_by_gradle_with_the_jars_that_it_needs() {
    let project = Project::copy("gradle");
    project.deploy(&[Language::Java], &[Builder::Java]);
    let said = project.answer("GET", "/gradle/ada", "", "gradle");
    assert_eq!(said, json!({ "name": "ada" }));
    project.fails_with(
        "GET",
        "/gradle/nobody",
        "NoSuchElementException: nobody is here",
    );
}

#[test]
fn ruby_has_the_gems_that_bundler_installs_from_its_cache() {
    let project = Project::copy("ruby");
    let cache = project.path("hello_world/vendor/cache");
    std::fs::create_dir_all(&cache).unwrap();
    project.rig.stack.push_base(Language::Ruby).unwrap();
    let mut gem = Command::new("gem");
    gem.current_dir(project.path("greeting"));
    gem.args(["build", "greeting.gemspec", "--output"]);
    command::run(gem.arg(cache.join("greeting-1.0.0.gem"))).unwrap();

    project.deploy(&[Language::Ruby], &[]);
    let said = project.answer("GET", "/ruby/ada", "", "ruby");
    assert_eq!(said, json!({ "name": "ada", "with": "good morning, ada" }));
    project.fails_with("GET", "/ruby/nobody", "nobody is here (KeyError)");
}
