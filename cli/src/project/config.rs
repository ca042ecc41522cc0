//! `config`: every setting of a program, its value, and where the value comes from.

use std::process::ExitCode;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::Serialize;

use super::settings::{Kind, Setting, of_program};
use super::{Pair, ProjectFile, Value, name_of};
use crate::output::{Output, Type};
use crate::program::{Call, Ended};

/// The values of this setting are never shown: a parameter may be a secret, and only its template says so.
const HIDDEN: &str = "parameter";

/// What the command says.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Body {
    /// The project file, where there is one.
    project_file: Option<String>,
    /// Every setting.
    settings: Vec<Line>,
}

/// One setting, or one line of a table.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Setting"))]
struct Line {
    /// The key, as the project file has it.
    key: String,
    /// Nothing where the setting has no value and no fixed default.
    value: Option<String>,
    #[serde(flatten)]
    origin: Origin,
    /// The default in words, where no value is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Who gave a value.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "origin", content = "at", rename_all = "snake_case")]
enum Origin {
    Flag(String),
    Environment(String),
    File(String),
    Default,
}

/// Shows them.
pub(crate) fn run(program: &str, call: &Call, output: &Output) -> Ended {
    let (_, matches) = call.matches.subcommand().unwrap_or(("", &call.matches));
    let file = call.file.as_ref();
    let settings = of_program(program)
        .iter()
        .flat_map(|setting| lines(setting, matches, file))
        .collect();
    let body = Body {
        project_file: file.map(|file| file.path.display().to_string()),
        settings,
    };
    output.result(Type::Config, &body, || text(&body))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(setting: &Setting, matches: &ArgMatches, file: Option<&ProjectFile>) -> Vec<Line> {
    let key = setting.key.as_str();
    let source = matches.value_source(&setting.id);
    let values = texts(&setting.id, matches);
    let flag = || Origin::Flag(format!("--{key}"));
    if setting.kind == Kind::Pairs {
        return pairs(setting, &values, file.map_or(&[], |file| file.pairs(key)));
    }
    let entry = file.and_then(|file| Some((file, file.get(key)?)));
    let at = entry.map(|(file, entry)| format!("{}:{}", file.path.display(), entry.line));
    let origin = match (source, at) {
        (Some(ValueSource::CommandLine), _) => flag(),
        (Some(ValueSource::EnvVariable), _) => {
            Origin::Environment(setting.variable.clone().unwrap_or_default())
        }
        (_, Some(at)) => Origin::File(at),
        (_, None) => Origin::Default,
    };
    let value = match (&origin, entry.map(|(_, entry)| &entry.value)) {
        // Files of parameters are merged elsewhere, so that the parser does not know them.
        (Origin::File(_), Some(Value::Texts(texts))) => Some(texts.join(", ")),
        (Origin::File(_), Some(Value::Switch(on))) => Some(on.to_string()),
        _ => Some(values.join(", ")).filter(|value| !value.is_empty()),
    };
    vec![Line {
        key: key.to_owned(),
        note: setting.default_words().filter(|_| value.is_none()),
        value,
        origin,
    }]
}

/// The values of an argument; none when no command line can have it.
fn texts(id: &str, matches: &ArgMatches) -> Vec<String> {
    let raw = matches.try_get_raw(id).ok().flatten();
    raw.into_iter()
        .flatten()
        .map(|value| value.to_string_lossy().into_owned())
        .collect()
}

/// The lines of a table: those of the file that no flag replaces, then the flags.
fn pairs(setting: &Setting, flags: &[String], of_file: &[Pair]) -> Vec<Line> {
    let line = |name: &str, value: &str, origin| Line {
        key: format!("{}.{name}", setting.key),
        value: Some(value.to_owned()).filter(|_| setting.key != HIDDEN),
        origin,
        note: (setting.key == HIDDEN).then(|| "value not shown".to_owned()),
    };
    let kept = of_file
        .iter()
        .filter(|pair| !flags.iter().any(|flag| name_of(flag) == pair.name))
        .map(|pair| {
            let at = format!("{}:{}", pair.place.file, pair.place.line);
            line(&pair.name, &pair.value, Origin::File(at))
        });
    let given = flags.iter().map(|flag| {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        line(name, value, Origin::Flag(format!("--{}", setting.key)))
    });
    kept.chain(given).collect()
}

fn text(body: &Body) -> String {
    let shown: Vec<[String; 3]> = body
        .settings
        .iter()
        .map(|line| {
            let value = line.value.clone().unwrap_or_else(|| "-".to_owned());
            let origin = match &line.origin {
                Origin::Flag(flag) => format!("flag {flag}"),
                Origin::Environment(name) => format!("environment {name}"),
                Origin::File(at) => at.clone(),
                Origin::Default => "default".to_owned(),
            };
            let origin = match &line.note {
                Some(note) => format!("{origin}: {note}"),
                None => origin,
            };
            [line.key.clone(), value, origin]
        })
        .collect();
    let width = |column: usize| {
        let widths = shown.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let (keys, values) = (width(0), width(1).min(40));
    let mut text = match &body.project_file {
        Some(file) => format!("project file: {file}\n"),
        None => format!(
            "project file: none (`artifactctl init` writes {})\n",
            super::FILE
        ),
    };
    for [key, value, origin] in &shown {
        text.push_str(&format!("{key:keys$}  {value:values$}  {origin}\n"));
    }
    text
}
