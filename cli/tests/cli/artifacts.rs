//! Templates and the artifacts that they give, byte for byte.
//!
//! `fixtures/templates` holds templates in the shapes that people write; the code that they name is made up here. `fixtures/packages`
//! holds code, layers and images in every form, with the flags that go with them. Beside each template that gives an artifact
//! stands `artifact.txt`: every file of the artifact with its mode and its text. `SNAPSHOTS=overwrite cargo test -p artifactctl` writes them anew.

mod code;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use engine::contract::Digest;
use engine::yaml::{self, ParseLimits, Value};

use crate::support::{Machine, workspace};

/// What stands beside a template and is none of its code.
const NO_CODE: [&str; 6] = [
    "artifact.txt",
    "flags",
    "images.yaml",
    "model.json",
    "parameters.yaml",
    "report.txt",
];

/// The folders of the templates of a kind, sorted.
fn folders(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join("fixtures").join(kind)).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// A machine with a template and its code.
fn machine(fixture: &Path) -> Machine {
    let machine = Machine::fresh();
    code::copy(fixture, &machine.work(), &NO_CODE);
    if let Ok(model) = fs::read(fixture.join("model.json")) {
        let model = serde_json::from_slice(&model).unwrap();
        code::make_up(&model, &machine.work());
    }
    machine
}

/// The command line that makes the artifact of a fixture.
fn arguments(fixture: &Path, output: &str) -> Vec<String> {
    let mut words = vec!["artifact", "generate", "--output", output, "--template"];
    let json = fixture.join("template.json").exists();
    words.push(if json {
        "template.json"
    } else {
        "template.yaml"
    });
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let parameters = fixture.join("parameters.yaml");
    if parameters.exists() {
        words.push("--parameters-file".to_owned());
        words.push(parameters.display().to_string());
    }
    if let Ok(text) = fs::read_to_string(fixture.join("images.yaml")) {
        let images = yaml::parse(&text, &ParseLimits::default()).unwrap();
        let Value::Map(images) = images.value else {
            panic!("images.yaml is a mapping");
        };
        for (name, entry) in images {
            let image = entry.node.value.text().unwrap();
            words.push(format!("--image-uri={name}={image}"));
        }
    }
    let flags = fs::read_to_string(fixture.join("flags")).unwrap_or_default();
    words.extend(flags.lines().map(str::to_owned));
    if fixture
        .parent()
        .is_some_and(|kind| kind.ends_with("templates"))
    {
        // Images that start and build what `esb-lambda-base` does not.
        let images = [
            "base=nodejs",
            "base=java",
            "base=ruby",
            "base=dotnet",
            "base=go",
        ]
        .into_iter()
        .chain([
            "build-image=java",
            "build-image=go",
            "build-image=rust",
            "build-image=makefile",
        ]);
        words.extend(
            images.map(|image| format!("--{image}=images.example/{}", image.replace('=', "-"))),
        );
    }
    words
}

/// Makes the artifact of a fixture on a machine of its own, and lists it.
fn made(fixture: &Path, output: &str) -> String {
    let machine = machine(fixture);
    let arguments = arguments(fixture, output);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = machine.esb(&words);
    assert_eq!(ran.code, 0, "{}: {}", fixture.display(), ran.stderr);
    listing(&machine.work().join(output))
}

/// Every file of a folder, by its path: `==> path`, the mode where it is not 0644, then the content.
fn listing(folder: &Path) -> String {
    let mut paths = BTreeSet::new();
    walk(folder, &mut paths);
    let mut text = String::new();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap().display();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_symlink() {
            let to = fs::read_link(&path).unwrap();
            text.push_str(&format!("==> {name} -> {}\n", to.display()));
            continue;
        }
        let mode = meta.permissions().mode() & 0o7777;
        let shown = if mode == 0o644 {
            String::new()
        } else {
            format!(" {mode:04o}")
        };
        text.push_str(&format!("==> {name}{shown}\n"));
        let bytes = fs::read(&path).unwrap();
        match String::from_utf8(bytes) {
            Ok(content) if content.is_empty() || content.ends_with('\n') => text.push_str(&content),
            Ok(content) => text.push_str(&format!("{content}\n(no newline at the end)\n")),
            Err(error) => {
                let digest = Digest::of(error.as_bytes());
                text.push_str(&format!("({} bytes, {digest})\n", error.as_bytes().len()));
            }
        }
    }
    text
}

fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o755, "{}", entry.path().display());
            walk(&entry.path(), found);
        } else {
            found.insert(entry.path());
        }
    }
}

/// Compares with a golden, or writes it.
fn compare(golden: &Path, made: &str) -> Option<String> {
    let kept = fs::read_to_string(golden).unwrap_or_default();
    if kept == made {
        return None;
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite") {
        fs::write(golden, made).unwrap();
        return None;
    }
    let lines = kept.lines().zip(made.lines());
    let first = lines.take_while(|(kept, made)| kept == made).count();
    Some(format!(
        "{}, line {}: is {:?}, should be {:?}",
        golden.display(),
        first + 1,
        made.lines().nth(first),
        kept.lines().nth(first)
    ))
}

fn compare_all(fixtures: &[PathBuf]) {
    let mut wrong = Vec::new();
    for fixture in fixtures {
        let first = made(fixture, "output");
        let again = made(fixture, "some/where/else");
        assert_eq!(first, again, "{}: made twice", fixture.display());
        wrong.extend(compare(&fixture.join("artifact.txt"), &first));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_template_gives_its_artifact_wherever_it_is_made() {
    let (good, bad): (Vec<PathBuf>, Vec<PathBuf>) = folders("templates")
        .into_iter()
        .partition(|folder| folder.join("model.json").exists());
    assert!(good.len() >= 35, "{} templates", good.len());
    compare_all(&good);
    for folder in bad {
        let golden = folder.join("artifact.txt");
        assert!(!golden.exists(), "{} is of no model", golden.display());
    }
}

#[test]
fn every_package_gives_its_artifact_wherever_it_is_made() {
    compare_all(&folders("packages"));
}

/// The rows of the table of `docs/guide/producer.md`, and the folders.
#[test]
fn the_documented_packages_are_those_of_the_fixtures() {
    let page = fs::read_to_string(workspace().join("docs/guide/producer.md")).unwrap();
    let (_, table) = page
        .split_once("| package of `fixtures/packages` |")
        .unwrap();
    let documented: BTreeSet<&str> = table
        .lines()
        .skip(2)
        .map_while(|row| row.strip_prefix("| `"))
        .map(|row| row.split('`').next().unwrap())
        .collect();
    let folders = folders("packages");
    let there = folders.iter().map(|folder| folder.file_name().unwrap());
    let there: BTreeSet<&str> = there.map(|name| name.to_str().unwrap()).collect();
    assert_eq!(documented, there);
}
