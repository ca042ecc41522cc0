//! `init`: writes a project file from what lies in the current folder and from the stack that runs.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use producer::artifact::default_project;
use serde::Serialize;

use super::FILE;
use super::write::{Line, text};
use crate::applier::prepare;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;

/// How long the engine may take to say what runs.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

/// The service that makes a compose project a stack.
const GATEWAY: &str = "gateway";

const TEMPLATES: [&str; 3] = ["template.yaml", "template.yml", "template.json"];
const COMPOSE_FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// Variables that name the registry, with the settings in whose place they stand.
const REGISTRY: [(&str, &str); 3] = [
    ("container-registry", "CONTAINER_REGISTRY"),
    ("host-registry", "HOST_REGISTRY_ADDR"),
    ("fallback-registry", "REGISTRY"),
];

/// What a deploy needs, in words.
const OUT: (&str, &str) = ("out", "the stack's configuration directory");
const TEMPLATE: (&str, &str) = ("template", "the SAM template");
const ARTIFACT: (&str, &str) = ("artifact", "the manifest of the artifact");
const PROJECT: (&str, &str) = (
    "project",
    "the compose project of the stack; `esb-dev` without it",
);
const HOST_REGISTRY: (&str, &str) = (
    "host-registry",
    "the registry of the images, as this machine reaches it",
);

/// What the command says.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Body {
    /// The project file that was written.
    project_file: String,
    /// The settings that have a value.
    settings: Vec<String>,
    /// The settings that a deploy may still need.
    missing: Vec<&'static str>,
}

/// Writes the file; one that is there stays as it is.
pub(crate) fn run(program: &str, global: &Global, output: &Output) -> Ended {
    let path = global.project_file.clone().unwrap_or_else(|| FILE.into());
    if path.exists() {
        return Err(exists(&path));
    }
    let folder = super::folder(&path);
    let mut lines = of_folder(&folder);
    lines.extend(of_environment());
    lines.extend(of_stack());
    let is_filled = |key: &str| lines.iter().any(|line| line.key == key && line.is_on());
    let missing: Vec<(&str, &str)> = needed(program)
        .into_iter()
        .filter(|(key, _)| !is_filled(key))
        // Any name of the registry does.
        .filter(|(key, _)| {
            *key != HOST_REGISTRY.0 || !REGISTRY.iter().any(|(key, _)| is_filled(key))
        })
        .collect();
    write(&path, &text(&lines))?;
    let body = Body {
        project_file: path.display().to_string(),
        settings: lines
            .iter()
            .filter(|line| line.is_on())
            .map(|line| line.key.to_owned())
            .collect(),
        missing: missing.iter().map(|(key, _)| *key).collect(),
    };
    output.result(Type::Initialized, &body, || words(program, &body, &missing))?;
    Ok(ExitCode::SUCCESS)
}

/// What a deploy needs of the file, by program.
fn needed(program: &str) -> Vec<(&'static str, &'static str)> {
    if program == "esb" {
        vec![TEMPLATE, OUT, PROJECT, HOST_REGISTRY]
    } else {
        vec![ARTIFACT, OUT, HOST_REGISTRY]
    }
}

fn words(program: &str, body: &Body, missing: &[(&str, &str)]) -> String {
    let found = match body.settings.as_slice() {
        [] => "nothing was found to fill in".to_owned(),
        found => format!("filled in {}", found.join(", ")),
    };
    let mut text = format!("wrote {}: {found}\n", body.project_file);
    if !missing.is_empty() {
        text.push_str("not found, and needed for a deploy:\n");
        for (key, what) in missing {
            text.push_str(&format!("  {key}: {what}\n"));
        }
    }
    text + &format!("`{program} deploy` reads the file")
}

fn exists(path: &Path) -> Failure {
    let message = format!("`{}` exists and stays as it is", path.display());
    Failure::new(Kind::Refused, message)
        .hint("edit the file, or name another with `--project-file PATH`")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return exists(path);
        }
        let mut failure = Failure::of(Kind::Publish, &error);
        failure.message = format!("cannot write `{}`: {}", path.display(), failure.message);
        failure.hint("let this user write there, or name another file with `--project-file PATH`")
    })
}

/// What lies in the folder of the project file.
fn of_folder(folder: &Path) -> Vec<Line> {
    let here = |names: &[&str]| -> Vec<String> {
        let found = names.iter().filter(|name| folder.join(name).is_file());
        found.map(|name| (*name).to_owned()).collect()
    };
    let mut lines = Vec::new();
    let templates = here(&TEMPLATES);
    if !templates.is_empty() {
        lines.push(Line::on("template", templates, "found here"));
    }
    if folder.join(".aws-sam/build/template.yaml").is_file() {
        let built = vec![".aws-sam/build/template.yaml".to_owned()];
        lines.push(Line::off("template", built, "what `sam build` made"));
    }
    let artifacts = below(folder, "artifact.yml");
    if let [one] = artifacts.as_slice() {
        let manifest = vec![format!("{one}/artifact.yml")];
        lines.push(Line::on("artifact", manifest, "found here"));
    }
    let outs: Vec<String> = below(folder, "functions.yml");
    match outs.as_slice() {
        [one] => lines.push(Line::on(
            "out",
            vec![one.clone()],
            "found here: it holds a functions.yml",
        )),
        [] | [..] => lines.push(Line::off(
            "out",
            vec!["/srv/stack/config".to_owned()],
            "needed for a deploy: the directory that the stack's gateway reads functions.yml from",
        )),
    }
    let compose = here(&COMPOSE_FILES);
    if let [one] = compose.as_slice() {
        lines.push(Line::on("compose-file", vec![one.clone()], "found here"));
    }
    lines
}

/// The folders directly below that hold a file of this name. An artifact has configuration too, but not at its top.
fn below(folder: &Path, name: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path: &PathBuf| path.join(name).is_file())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    found.sort();
    found
}

/// The registry's names in the environment of this shell, which another shell may not have.
fn of_environment() -> Vec<Line> {
    REGISTRY
        .iter()
        .filter_map(|(key, variable)| {
            let value = std::env::var(variable).ok()?;
            // Credentials are refused with the setting, and must not be copied before.
            let is_plain = !value.trim().is_empty() && !value.contains('@');
            is_plain.then(|| {
                Line::on(
                    key,
                    vec![value],
                    &format!("from {variable} in the environment"),
                )
            })
        })
        .collect()
}

/// The compose project of the stack that runs, when the engine answers and one stack runs: what is deployed onto, and what artifacts
/// are made for.
fn of_stack() -> Vec<Line> {
    let off = |projects: Vec<String>, why: &str| {
        ["compose-project", "project"]
            .map(|key| Line::off(key, projects.clone(), why))
            .into()
    };
    let example = || vec!["esb-dev".to_owned()];
    let Some(stacks) = running_stacks() else {
        return off(example(), "no Docker engine answered");
    };
    match stacks.as_slice() {
        [] => off(example(), "no stack runs"),
        [one] => of_project(one),
        [first, ..] => off(
            vec![first.clone()],
            &format!("several stacks run: {}", stacks.join(", ")),
        ),
    }
}

/// What the name of a stack's project says.
fn of_project(project: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = ["compose-project", "project"]
        .map(|key| Line::on(key, vec![project.to_owned()], "runs now"))
        .into();
    let env = project.strip_prefix(&default_project(""));
    if let Some(env) = env.filter(|env| !env.is_empty()) {
        let why = format!("of the project `{project}`");
        lines.push(Line::on("env", vec![env.to_owned()], &why));
    }
    lines
}

/// The compose projects that run a gateway; none when no engine answers.
fn running_stacks() -> Option<Vec<String>> {
    let runtime = crate::process_limits::runtime().ok()?;
    let limits = prepare::limits().ok()?;
    let look = async {
        let first = prepare::look("esb-dev", limits).await.ok()?;
        let mut stacks = Vec::new();
        let others = first.other_projects.clone();
        let has_gateway = |seen: &engine::compat::Observation| {
            seen.containers.iter().any(|one| one.service == GATEWAY)
        };
        if has_gateway(&first) {
            stacks.push(first.project.clone());
        }
        for project in others {
            let seen = prepare::look(&project, limits).await.ok()?;
            if has_gateway(&seen) {
                stacks.push(project);
            }
        }
        Some(stacks)
    };
    let stacks = runtime.block_on(async { tokio::time::timeout(ENGINE_TIMEOUT, look).await });
    runtime.shutdown_background();
    stacks.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_runs_is_what_artifacts_are_made_for() {
        let settings = |project| -> Vec<&str> {
            let lines = of_project(project);
            lines.iter().map(|line| line.key).collect()
        };
        assert_eq!(settings("shop"), ["compose-project", "project"]);
        assert_eq!(settings("esb-dev"), ["compose-project", "project", "env"]);
        assert!(text(&of_project("esb-prod")).contains("\nenv = \"prod\"\n"));
    }
}
