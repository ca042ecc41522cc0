//! The values of parameters: files, flags, and a person at a terminal.

use engine::contract::{Violation, quoted};

use crate::esb::args::Making;
use crate::esb::parameter_file::of_file;
use crate::esb::saved_answers::SavedAnswers;
use crate::esb::{prompt, samconfig};
use crate::failure::{Failure, Kind};
use crate::report::talk;
use crate::terminal;
use producer::parameters::{
    Declaration, Given, GivenValue, Question, assignment, is_of_the_cloud, unknown,
};
use producer::report::{TemplateFinding, did_you_mean};
use producer::sam::{Input, questions};
use producer::template::Template;

/// What happens to a parameter without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The person at the terminal is asked; without one it is an error.
    Asked,
    /// A made-up value that the declaration allows stands in for it, since only the template is looked at.
    MadeUp,
}

/// Values for these templates, the weakest first: samconfig.toml beside a template, the project file, files that flags name in their order, flags, the answers of the
/// person at the terminal.
pub(super) fn given(
    making: &Making,
    templates: &[Template<'_>],
    inputs: &[Input<'_>],
    missing: Missing,
) -> Result<Given, Failure> {
    let mut given = samconfig::given(making, templates)?;
    given.extend(of_project_file(making, templates)?);
    for path in &making.parameters_file {
        given.extend(of_file(path, &making.samconfig_env)?);
    }
    for text in &making.parameter {
        let (name, value) = assignment(text)
            .map_err(|message| Failure::new(Kind::Usage, format!("`--parameter`: {message}")))?;
        given.insert(name, value);
    }
    let all: Vec<&Template<'_>> = templates.iter().collect();
    let strange = unknown(&all, &given);
    if !strange.is_empty() {
        let violations = strange.iter().map(TemplateFinding::violation).collect();
        return Err(Failure::violated(
            Kind::Usage,
            "a parameter is not known",
            violations,
        ));
    }
    let mut open = open_questions(templates, inputs, &given);
    if open.is_empty() {
        return Ok(given);
    }
    match missing {
        Missing::MadeUp => return Ok(made_up(templates, inputs, given)),
        Missing::Asked if !terminal::somebody_is_there() => return Err(no_values(&open)),
        Missing::Asked => {}
    }
    let mut answers = SavedAnswers::of(&making.template);
    // An answer may decide what is read, and with it what is asked next.
    while let Some(question) = open.first() {
        let name = &question.name;
        let fits = |answer: &str| {
            let declared = templates.iter().flat_map(Template::declarations);
            let mut declared = declared.filter(|declaration| declaration.name == *name);
            declared.try_for_each(|declaration| declaration.check(answer))
        };
        let mut declared = templates.iter().flat_map(Template::declarations);
        let limits = declared
            .find(|declaration| declaration.name == *name)
            .and_then(Declaration::limits);
        let value = prompt::ask(question, limits.as_deref(), answers.get(name), fits)?;
        if !question.no_echo {
            answers.set(name, &value);
        }
        given.insert(name.clone(), GivenValue::new(value));
        open = open_questions(templates, inputs, &given);
    }
    if making.save_defaults {
        answers.save()?;
    }
    Ok(given)
}

/// Texts of which nearly every declaration allows one.
const MADE_UP: [&str; 6] = [
    "value",
    "1",
    "0",
    "10",
    "100",
    "value-of-32-characters-0123456789",
];

/// The values with one made up for each parameter that has none, and says so. A declaration that allows none of the texts keeps its
/// parameter without a value, which is then an error of the template's check.
fn made_up(templates: &[Template<'_>], inputs: &[Input<'_>], mut given: Given) -> Given {
    let mut tried: Vec<String> = Vec::new();
    loop {
        let open = open_questions(templates, inputs, &given);
        let Some(question) = open.iter().find(|one| !tried.contains(&one.name)) else {
            return given;
        };
        tried.push(question.name.clone());
        let declared = || {
            let declared = templates.iter().flat_map(Template::declarations);
            declared.filter(|declaration| declaration.name == question.name)
        };
        let candidates = question.allowed.iter().map(String::as_str).chain(MADE_UP);
        let fitting = candidates
            .into_iter()
            .find(|text| declared().all(|declaration| declaration.check(text).is_ok()));
        if let Some(text) = fitting {
            let name = &question.name;
            let another = if question.no_echo {
                format!("the line `{name}=…` in a file for `--parameters-file` checks")
            } else {
                format!("`--parameter {name}=VALUE` checks")
            };
            talk(&format!(
                "{name} has no value: checked with `{text}`; {another} with another"
            ));
            given.insert(question.name.clone(), GivenValue::new(text));
        }
    }
}

/// The parameters that the templates read and that have no value, each once.
fn open_questions(
    templates: &[Template<'_>],
    inputs: &[Input<'_>],
    given: &Given,
) -> Vec<Question> {
    let mut open: Vec<Question> = Vec::new();
    for (template, input) in templates.iter().zip(inputs) {
        let input = Input {
            parameters: given.clone(),
            ..input.clone()
        };
        for question in questions(template, &input) {
            if !open.iter().any(|known| known.name == question.name) {
                open.push(question);
            }
        }
    }
    open
}

/// What the project file says: the files that it names, then its own values. A secret has no place in it, and a name that no template
/// has is a mistake.
fn of_project_file(making: &Making, templates: &[Template<'_>]) -> Result<Given, Failure> {
    let mut given = Given::new();
    for path in &making.project_file.files {
        given.extend(of_file(path, &making.samconfig_env)?);
    }
    let declared = || templates.iter().flat_map(Template::declarations);
    let mut violations = Vec::new();
    for pair in &making.project_file.values {
        let wrong = |rule: &str, message, hint| Violation {
            place: pair.place.clone(),
            rule: rule.to_owned(),
            message,
            hint,
        };
        let name = pair.name.as_str();
        if declared().any(|declaration| declaration.name == name && declaration.no_echo) {
            violations.push(wrong(
                "secret-in-project-file",
                format!("`{name}` is declared `NoEcho`: its value has no place in the project file"),
                Some(format!(
                    "put the line `{name}=…` into a file that is not committed, and name that file: `parameters-file = \"PATH\"`"
                )),
            ));
        } else if declared().any(|declaration| declaration.name == name) || is_of_the_cloud(name) {
            given.insert(name.to_owned(), GivenValue::new(pair.value.clone()));
        } else {
            let known = declared().map(|declaration| declaration.name.as_str());
            violations.push(wrong(
                "unknown-parameter",
                format!("no template has a parameter {}", quoted(name)),
                did_you_mean(name, known),
            ));
        }
    }
    if violations.is_empty() {
        Ok(given)
    } else {
        Err(Failure::violated(
            Kind::Usage,
            "the project file cannot be used",
            violations,
        ))
    }
}

/// Everything that is missing, at once.
fn no_values(open: &[Question]) -> Failure {
    let lines: Vec<String> = open
        .iter()
        .map(|question| {
            let description = question.description.as_ref();
            let description = description.map(|text| format!(": {text}"));
            format!(
                "  {} ({}){}",
                question.name,
                question.type_name,
                description.unwrap_or_default()
            )
        })
        .collect();
    let flags = |no_echo: bool, value: &str| {
        let flags = open.iter().filter(|one| one.no_echo == no_echo);
        let flags = flags.map(|one| format!("{}={value}", one.name));
        flags.collect::<Vec<_>>()
    };
    let mut failure = Failure::new(
        Kind::Usage,
        format!(
            "these parameters have no value and no default:\n{}",
            lines.join("\n")
        ),
    );
    let plain = flags(false, "VALUE");
    if !plain.is_empty() {
        failure = failure.hint(format!("add `--parameter {}`", plain.join(" --parameter ")));
    }
    let secret = flags(true, "…");
    if !secret.is_empty() {
        failure = failure.hint(format!(
            "add `--parameters-file PATH` with the line `{}`: a secret is no argument, which other processes see",
            secret.join("` and the line `")
        ));
    }
    failure
}
