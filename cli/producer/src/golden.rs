//! Templates in the shapes that people write, each with the model and the report that it gives.
//!
//! `fixtures/templates/NAME` holds `template.yaml` (or `.json`), `parameters.yaml` when values are given, `images.yaml` when images
//! are, `secret-names.yaml` when names of secrets are, `flags` of the command line, and what comes of it: `model.json` and `report.txt`. `SNAPSHOTS=overwrite` writes the two anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use engine::yaml::{self, Entry, ParseLimits, Value};

use super::model::App;
use super::parameters;
use super::report::Report;
use super::sam::{self, Files, Input};
use super::template::Template;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/templates");

/// The folders of the templates, sorted.
pub(super) fn folders() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// The text of a template and the name of its file.
pub(super) fn template_of(folder: &Path) -> (&'static str, String) {
    for file in ["template.yaml", "template.json"] {
        if let Ok(text) = fs::read_to_string(folder.join(file)) {
            return (file, text);
        }
    }
    panic!("{} has no template", folder.display());
}

/// The text of every template.
pub(super) fn texts() -> Vec<String> {
    let folders = folders();
    folders.iter().map(|folder| template_of(folder).1).collect()
}

/// The files beside a template of the fixtures.
#[derive(Debug)]
struct Beside(PathBuf);

impl Files for Beside {
    fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.0.join(path)).map_err(|error| error.kind().to_string())
    }
}

/// What is given for a template.
pub(super) fn input_of(folder: &Path) -> Input<'static> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let given = read("parameters.yaml").unwrap_or_default();
    let texts = |file: &str| -> BTreeMap<String, String> {
        let text = read(file).unwrap_or_else(|| "{}".to_owned());
        let Value::Map(map) = yaml::parse(&text, &ParseLimits::default()).unwrap().value else {
            panic!("{file} is a mapping");
        };
        let text_of = |entry: Entry| entry.node.value.text().unwrap().to_owned();
        let pairs = map.into_iter();
        pairs.map(|(name, entry)| (name, text_of(entry))).collect()
    };
    Input {
        parameters: parameters::read_file("parameters.yaml", &given, "default").unwrap(),
        image_uris: texts("images.yaml"),
        secret_names: texts("secret-names.yaml"),
        allow_unknown: read("flags").is_some_and(|flags| flags.contains("--allow-unknown")),
        files: Some(Box::leak(Box::new(Beside(folder.to_owned())))),
        ..Input::default()
    }
}

/// Reads and resolves a template of the fixtures.
fn resolve(folder: &Path) -> (Option<App>, Report) {
    let (file, text) = template_of(folder);
    let template = match Template::read(file, &text) {
        Ok(template) => template,
        Err(report) => return (None, report),
    };
    match sam::resolve(&template, &input_of(folder)) {
        Ok((app, report)) => (Some(app), report),
        Err(report) => (None, report),
    }
}

/// A report as text, one finding after the other.
pub(super) fn shown(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let violation = finding.violation();
        let place = &finding.place;
        let level = serde_json::to_value(finding.level).unwrap();
        writeln!(
            text,
            "{}:{}:{} {}[{}] {}",
            place.file,
            place.line,
            place.column,
            level.as_str().unwrap(),
            finding.rule,
            violation.message,
        )
        .unwrap();
        if let Some(hint) = &finding.hint {
            writeln!(text, "  hint: {hint}").unwrap();
        }
    }
    text
}

fn compare(path: &Path, made: Option<&str>) -> Option<String> {
    let kept = fs::read_to_string(path).ok();
    if kept.as_deref() == made {
        return None;
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite") {
        match made {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        return None;
    }
    Some(format!(
        "{} should hold:\n{}",
        path.display(),
        made.unwrap_or("(nothing: there should be no such file)")
    ))
}

#[test]
fn every_template_gives_its_model_and_its_report() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let (app, report) = resolve(&folder);
        let model = app.map(|app| serde_json::to_string_pretty(&app).unwrap() + "\n");
        wrong.extend(compare(&folder.join("model.json"), model.as_deref()));
        let text = shown(&report);
        let text = (!text.is_empty()).then_some(text);
        wrong.extend(compare(&folder.join("report.txt"), text.as_deref()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
