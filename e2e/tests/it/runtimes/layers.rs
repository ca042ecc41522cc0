//! Layers that are built, and the functions that use them.

use e2e::bases::{Builder, Language};
use serde_json::json;

use super::{Project, fill_wheelhouse};

#[test]
fn functions_answer_with_what_their_built_layers_bring() {
    let project = Project::copy("layers");
    fill_wheelhouse(&project.path("python_layer"));
    project.deploy(
        &[Language::Python, Language::Nodejs, Language::Java],
        &[Builder::Makefile, Builder::Java],
    );
    let said = project.answer("GET", "/layers/python/ada", "", "python");
    assert_eq!(
        said,
        json!(["ada", "6.0.4", "a module of the layer", "made"])
    );
    let said = project.answer("GET", "/layers/nodejs/ada", "", "nodejs");
    assert_eq!(said, json!(["ada", "good morning, ada"]));
    let said = project.answer("GET", "/layers/java/ada", "", "java");
    assert_eq!(said, json!(["ada", "good morning, ada"]));
}
