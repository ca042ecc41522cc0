//! `docs/ci`: what the pipelines of GitHub and GitLab run is run here, step by step, onto a real stack.
//!
//! Here: their shell, with the variables that those services set. Not here: the services themselves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{artifactctl, workspace};

use crate::process::{Ran, run};
use crate::rig::Rig;

/// A pipeline: its scripts by name, and the folder that it works in.
struct Pipeline {
    scripts: BTreeMap<String, String>,
    rig: Rig<'static>,
    programs: PathBuf,
}

/// The scripts of a file: each block of text behind `key: |` or `- |`, by the name that was read last.
fn scripts(file: &str, name_of: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let text = fs::read_to_string(workspace::root().join("docs/ci").join(file)).unwrap();
    let mut scripts = BTreeMap::new();
    let mut name = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        name = name_of(line).unwrap_or(name);
        let begins = line.trim_end().ends_with("run: |") || line.trim() == "- |";
        if !begins {
            continue;
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        let outer = indent(line);
        let mut block = Vec::new();
        while let Some(line) = lines.next_if(|line| line.trim().is_empty() || indent(line) > outer)
        {
            block.push(line);
        }
        let depth = block.iter().map(|line| indent(line)).min().unwrap();
        let block: Vec<&str> = block
            .iter()
            .map(|line| line.get(depth..).unwrap_or(""))
            .collect();
        assert!(scripts.insert(name.clone(), block.join("\n")).is_none());
    }
    scripts
}

impl Pipeline {
    fn new(scripts: BTreeMap<String, String>) -> Self {
        let rig = Rig::new(&["alpha"]);
        let project = format!(
            "artifact = \"artifact/artifact.yml\"\nout = \"{}\"\n",
            rig.out.display()
        );
        fs::write(rig.folder().join("artifactctl.toml"), project).unwrap();
        let asserts =
            "built: Requested Observed CompatChecked Merged ... ImageBuilt+ ... Applied\n";
        fs::write(rig.folder().join("deploys.assert"), asserts).unwrap();
        Self {
            scripts,
            rig,
            programs: artifactctl::build().unwrap().parent().unwrap().to_owned(),
        }
    }

    /// Runs a script as a service does, with these variables.
    fn run(&self, name: &str, variables: &[(&str, &str)]) -> Ran {
        let script = &self.scripts[name];
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).current_dir(self.rig.folder());
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", self.programs.display());
        shell
            .env("PATH", path)
            .env("DOCKER_HOST", self.rig.proxy.docker_host())
            .env("ARTIFACTCTL_JOURNAL", &self.rig.journal)
            .envs(self.rig.stack.deploy_env());
        for name in ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"] {
            shell.env(name, self.file(name));
        }
        shell
            .env("RUNNER_TEMP", self.rig.folder())
            .env("CI_PROJECT_DIR", self.rig.folder());
        run(shell.envs(variables.iter().copied()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.rig.folder().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// An archive of the programs, as a release has them, and its checksum.
    fn archive(&self) -> (PathBuf, String) {
        let stage = self.rig.folder().join("stage/artifactctl-0/bin");
        fs::create_dir_all(&stage).unwrap();
        fs::write(
            stage.join("artifactctl"),
            "#!/bin/sh\necho from the archive\n",
        )
        .unwrap();
        let archive = self.rig.folder().join("artifactctl.tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive);
        tar.arg("-C")
            .arg(self.rig.folder().join("stage"))
            .arg("artifactctl-0");
        run(&mut tar).ended(0);
        let sum = run(Command::new("sha256sum").arg(&archive)).ended(0).stdout;
        let sum = sum.split(' ').next().unwrap().to_owned();
        (archive, sum)
    }
}

/// Writes a script that can be run.
fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn is_whole_export(path: &Path) {
    let verify = Command::new(artifactctl::build().unwrap())
        .args(["verify", "--export"])
        .arg(path)
        .output()
        .unwrap();
    assert!(verify.status.success(), "{verify:?}");
}

#[test]
fn the_steps_of_the_github_action_plan_deploy_assert_and_export() {
    let pipeline = Pipeline::new(scripts("action.yml", |line| {
        let name = line.trim().strip_prefix("- name: ")?;
        Some(name.to_owned())
    }));
    pipeline.run("Plan", &[]).ended(0);
    assert_eq!(pipeline.text("GITHUB_OUTPUT"), "changes=true\n");
    let summary = pipeline.text("GITHUB_STEP_SUMMARY");
    assert!(summary.contains("```diff\n"), "{summary}");
    assert!(summary.contains("\n+ functions/alpha"), "{summary}");
    assert!(summary.contains("1 image to build"), "{summary}");

    // What comments on the pull request is a stand-in of the test's that keeps what it gets.
    let comment = pipeline.file("comment");
    let script = format!("#!/bin/sh\necho \"$@\" > {}\n", comment.display());
    program(&pipeline.file("gh"), &script);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", pipeline.rig.folder().display());
    let commented = pipeline.run("Comment", &[("PATH", &path), ("PULL_REQUEST", "7")]);
    commented.ended(0);
    let said = pipeline.text("comment");
    assert!(
        said.starts_with("pr comment 7 ") && said.contains("plan.md"),
        "{said}"
    );

    let commit = [("GITHUB_SHA", "0123abc")];
    pipeline.run("Deploy", &commit).ended(0);
    let outputs = pipeline.text("GITHUB_OUTPUT");
    let deploy = outputs.lines().last().unwrap().strip_prefix("deploy=");
    let latest = pipeline.rig.latest();
    let recorded = &latest.objects("event")[0]["deploy"];
    assert_eq!(deploy, recorded.as_str());

    let target = format!("{}/dev", pipeline.rig.stack.project());
    for target in ["", &target] {
        let asked = [("TARGET", target), ("ASSERTS", "deploys.assert")];
        pipeline.run("Assert", &asked).ended(0);
        pipeline.run("Export the journal", &asked).ended(0);
    }
    let junit = pipeline.text("artifactctl-junit.xml");
    assert!(junit.contains("failures=\"0\""), "{junit}");
    is_whole_export(&pipeline.file("artifactctl-journal.jsonl"));

    // There is nothing more to deploy.
    fs::remove_file(pipeline.file("GITHUB_OUTPUT")).unwrap();
    pipeline.run("Plan", &[]).ended(0);
    assert_eq!(pipeline.text("GITHUB_OUTPUT"), "changes=false\n");
    let wrong = [("ASSERTS", "wrong.assert"), ("GITHUB_SHA", "0123abc")];
    fs::write(pipeline.file("wrong.assert"), "never: Failed\n").unwrap();
    pipeline.run("Assert", &wrong).ended(10);

    // What cannot be deployed ends both steps with its exit code, and names no deploy.
    fs::write(pipeline.file("artifactctl.toml"), "artifact = \"no.yml\"\n").unwrap();
    let refused = pipeline.run("Plan", &[]).code;
    assert!(matches!(refused, Some(2 | 3)), "{refused:?}");
    assert_eq!(pipeline.run("Deploy", &commit).code, refused);
    assert!(pipeline.text("GITHUB_OUTPUT").ends_with("deploy=\n"));
}

#[test]
fn the_install_step_of_the_github_action_takes_no_archive_with_another_checksum() {
    let pipeline = Pipeline::new(scripts("action.yml", |line| {
        let name = line.trim().strip_prefix("- name: ")?;
        Some(name.to_owned())
    }));
    let (archive, sum) = pipeline.archive();
    let archive = archive.to_str().unwrap();
    let wrong = "0".repeat(64);
    let refused = pipeline.run("Install", &[("ARCHIVE", archive), ("SHA256", &wrong)]);
    assert_ne!(refused.code, Some(0));
    assert_eq!(pipeline.text("GITHUB_PATH"), "");
    pipeline
        .run("Install", &[("ARCHIVE", archive), ("SHA256", &sum)])
        .ended(0);
    let installed = PathBuf::from(pipeline.text("GITHUB_PATH").trim());
    let program = fs::read_to_string(installed.join("artifactctl")).unwrap();
    assert!(program.contains("from the archive"), "{program}");
}

#[test]
fn the_jobs_of_the_gitlab_template_plan_deploy_assert_and_export() {
    let job = RefCell::new(String::new());
    let pipeline = Pipeline::new(scripts("gitlab.yml", |line| {
        let name = line.trim().strip_suffix(':')?;
        if line.starts_with("artifactctl") || line.starts_with('.') {
            name.clone_into(&mut job.borrow_mut());
        }
        Some(format!("{} {name}", job.borrow()))
    }));
    let none = [
        ("ARTIFACTCTL_ARCHIVE", ""),
        ("ARTIFACTCTL_SHA256", ""),
        ("ARTIFACTCTL_TARGET", ""),
        ("ARTIFACTCTL_ASSERTS", "deploys.assert"),
        ("CI_COMMIT_SHA", "0123abc"),
    ];
    pipeline.run(".artifactctl before_script", &none).ended(0);
    pipeline.run("artifactctl-plan script", &none).ended(0);
    assert!(pipeline.text("plan.md").contains("```diff\n"));
    pipeline.run("artifactctl-deploy script", &none).ended(0);
    assert!(
        pipeline
            .text("artifactctl-junit.xml")
            .contains("failures=\"0\"")
    );
    pipeline
        .run("artifactctl-deploy after_script", &none)
        .ended(0);
    is_whole_export(&pipeline.file("artifactctl-journal.jsonl"));
    let (archive, sum) = pipeline.archive();
    let archive = archive.to_str().unwrap();
    let with_archive = [
        ("ARTIFACTCTL_ARCHIVE", archive),
        ("ARTIFACTCTL_SHA256", &sum),
    ];
    pipeline
        .run(".artifactctl before_script", &with_archive)
        .ended(0);
    let wrong = [
        ("ARTIFACTCTL_ARCHIVE", archive),
        ("ARTIFACTCTL_SHA256", "00"),
    ];
    assert_ne!(
        pipeline.run(".artifactctl before_script", &wrong).code,
        Some(0)
    );
}
