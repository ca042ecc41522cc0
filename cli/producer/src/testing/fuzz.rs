//! The door for fuzzing: every pure room of the producer, behind one function of bytes that panics where a rule is broken.
//!
//! The tests call it with the committed corpus (`fixtures/fuzz/template.zip`) and with the templates of the fixtures. Not here: files of
//! code and layers.

use std::collections::BTreeMap;

use engine::contract::{
    Shape, Source, Violation, check_functions, check_resources, check_routing, render_violations,
};
use engine::yaml::{Node, ParseLimits, Span, parse_all};

use crate::artifact;
use crate::model::App;
use crate::parameters::{self, Given, GivenValue};
use crate::report::Report;
use crate::sam::{self, Input};
use crate::template::Template;

/// Ends the template in an input; a file of parameters may follow.
const PART: &str = "=====\n";

/// The value of every parameter that must not be echoed.
const CANARY: &str = "wVq7-canary-3xKz";

const FILE: &str = "template.yaml";

/// Reads bytes as a template and a file of its parameters, and resolves the one with the other. What is wrong has its place in the
/// text; no secret is in what comes of it; what comes of it is the configuration of an artifact.
pub fn read_template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if text.contains(CANARY) {
        return;
    }
    let (text, values) = text.split_once(PART).unwrap_or((text, ""));
    let given = given(values);
    let template = match Template::read(FILE, text) {
        Ok(template) => template,
        Err(report) => return told(text, &report),
    };
    shown(text, &violations_of_unknown(&template, &given));
    let input = Input {
        parameters: answered(&template, given),
        ..Input::default()
    };
    match sam::resolve(&template, &input) {
        Ok((app, report)) => {
            assert!(!report.is_fatal(), "a model without an error");
            told(text, &report);
            made(&app);
        }
        Err(report) => {
            assert!(report.is_fatal(), "without a model there is an error");
            told(text, &report);
        }
    }
}

/// The values of a file of parameters, whichever of its forms it has.
fn given(text: &str) -> Given {
    let mut given = Given::new();
    for file in ["p.yaml", "p.toml", "p.env"] {
        given.extend(parameters::read_file(file, text, "default").unwrap_or_default());
    }
    let words = text
        .lines()
        .filter_map(|line| parameters::assignment(line).ok());
    given.extend(words);
    given
}

fn violations_of_unknown(template: &Template<'_>, given: &Given) -> Vec<Violation> {
    let findings = parameters::unknown(&[template], given);
    findings
        .iter()
        .map(crate::report::TemplateFinding::violation)
        .collect()
}

/// Values for what has none, and the canary for every secret.
fn answered(template: &Template<'_>, mut given: Given) -> Given {
    for question in parameters::questions(template, &given) {
        let answer = question.allowed.first().map_or("1", String::as_str);
        given.insert(question.name, GivenValue::new(answer));
    }
    let secret = template.declarations().iter().filter(|one| one.no_echo);
    given.extend(secret.map(|one| (one.name.clone(), GivenValue::new(CANARY))));
    given
}

/// A report can be shown, and every finding stands in the text.
fn told(text: &str, report: &Report) {
    let all = report
        .findings
        .iter()
        .map(crate::report::TemplateFinding::violation);
    shown(text, &all.collect::<Vec<_>>());
}

fn shown(text: &str, violations: &[Violation]) {
    let source = Source::new(FILE, text);
    for violation in violations {
        let span = Span {
            line: violation.place.line,
            column: violation.place.column,
        };
        let inside = span.line == 0 || source.offset(span).is_some();
        assert!(inside, "{violation:?} is outside of the text");
    }
    let shown = render_violations(violations);
    let moves = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!shown.contains(moves), "{shown:?} moves a terminal");
    assert!(!shown.contains(CANARY), "{shown:?} shows a secret");
}

/// What the model gives satisfies the payload contract, and holds no secret.
fn made(app: &App) {
    let model = serde_json::to_string(app).expect("a model is made of texts and lists");
    assert!(!model.contains(CANARY), "{model} holds a secret");
    for (name, text) in artifact::configuration(app, &BTreeMap::new(), true).files {
        assert!(!text.contains(CANARY), "{text} holds a secret");
        let tree = parse_all(&text, &ParseLimits::default());
        let tree = tree.unwrap_or_else(|errors| panic!("{errors:?} in {text}"));
        let check: fn(&Source<'_>, &Node) -> Shape = match name {
            "functions.yml" => check_functions,
            "routing.yml" => check_routing,
            _ => check_resources,
        };
        let shape = check(&Source::new(name, &text), &tree);
        assert!(
            shape.violations.is_empty(),
            "{:?} in {text}",
            shape.violations
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use zip::ZipArchive;

    use super::{CANARY, FILE, Input, Template, made, read_template, sam};
    use crate::golden;

    /// An input of the corpus: what libFuzzer once found stays mended.
    #[test]
    fn every_input_that_was_ever_found_keeps_the_rules() {
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fixtures/fuzz/template.zip"
        );
        let mut corpus = ZipArchive::new(File::open(corpus).unwrap()).unwrap();
        let mut replayed = 0;
        for index in 0..corpus.len() {
            let mut entry = corpus.by_index(index).unwrap();
            let mut input = Vec::new();
            entry.read_to_end(&mut input).unwrap();
            let held = std::panic::catch_unwind(|| read_template(&input));
            assert!(held.is_ok(), "{}", entry.name());
            replayed += 1;
        }
        assert!(replayed > 3, "the target has seeds");
    }

    #[test]
    fn every_template_of_the_fixtures_keeps_the_rules() {
        for text in golden::texts() {
            read_template(text.as_bytes());
        }
    }

    /// A broken rule would be seen.
    #[test]
    #[should_panic(expected = "holds a secret")]
    fn a_secret_that_comes_out_is_seen() {
        let text = "Resources: {Bucket: {Type: 'AWS::S3::Bucket'}}\n";
        let template = Template::read(FILE, text).map_err(|_| "read").unwrap();
        let (mut app, _) = sam::resolve(&template, &Input::default()).unwrap();
        CANARY.clone_into(&mut app.source.path);
        made(&app);
    }
}
