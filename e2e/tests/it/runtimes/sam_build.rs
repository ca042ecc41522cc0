//! What AWS's own `sam build` makes is deployed: with `--sam-build`, which runs it, and by its template.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use e2e::bases::Language;
use e2e::python::{self, SamCli};
use serde_json::json;

use super::Project;
use crate::process::run_compiler;

const LANGUAGES: [Language; 2] = [Language::Python, Language::Nodejs];

/// `PATH` with `sam`, and the interpreter under the name that SAM asks for.
fn path_with(sam: &SamCli, project: &Project) -> OsString {
    let named = project.path("bin");
    fs::create_dir_all(&named).unwrap();
    let link = named.join(&sam.runtime);
    std::os::unix::fs::symlink(python::command().unwrap().get_program(), link).unwrap();
    let before = [
        named,
        sam.program
            .parent()
            .map_or_else(PathBuf::new, PathBuf::from),
    ];
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(before.into_iter().chain(env::split_paths(&rest))).unwrap()
}

#[test]
fn sam_builds_what_functions_depend_on_and_esb_deploys_it() {
    let project = Project::copy("scripts");
    let sam = python::sam().unwrap();
    let template = project.path("template.yaml");
    let text = fs::read_to_string(&template).unwrap();
    fs::write(&template, text.replace("python3.12", &sam.runtime)).unwrap();

    let mut deploy = project.deployment(&LANGUAGES, &[]);
    deploy.arg("--sam-build");
    deploy.env("PATH", path_with(&sam, &project));
    deploy.env("PYTHONPATH", &sam.packages);
    deploy.env("SAM_CLI_TELEMETRY", "0");
    run_compiler(&mut deploy).ended(0);
    answers(&project);

    // What was built lies in the artifact as it is: nothing is installed by an image's build.
    let made = project.rig.folder().join("made");
    let dockerfiles = dockerfiles(&made);
    assert_eq!(dockerfiles.len(), 2);
    for text in &dockerfiles {
        assert!(!text.contains("RUN"), "{text}");
    }
}

fn answers(project: &Project) {
    let said = project.answer("POST", "/python/ada", "{a: [on, 010]}", "python");
    let expected = json!({ "name": "ada", "read": { "a": [true, 8] }, "with": "6.0.4" });
    assert_eq!(said, expected);
    let said = project.answer("GET", "/nodejs/ada?x=1", "", "nodejs");
    assert_eq!(said["greeting"], "good morning, ada");
    project.fails_with("GET", "/nodejs/nobody", "RangeError: nobody is here");
}

/// The text of every Dockerfile below a folder.
fn dockerfiles(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(dockerfiles(&path));
        } else if path.ends_with("Dockerfile") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
    found
}
