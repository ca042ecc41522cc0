//! The door for fuzzing: every pure room, behind one function of bytes.

use super::parameters::{self, Given, GivenValue};
use super::sam::{self, Input};
use super::template::Template;

/// Reads bytes as a template, and as a file of parameters, and resolves the template. The result is dropped.
pub(crate) fn read_template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut given = Given::new();
    for file in ["p.yaml", "p.toml", "p.env"] {
        given.extend(parameters::read_file(file, text, "default").unwrap_or_default());
    }
    given.extend(
        text.lines()
            .filter_map(|line| parameters::assignment(line).ok()),
    );
    let Ok(template) = Template::read("template.yaml", text) else {
        return;
    };
    let _ = parameters::unknown(&[&template], &given);
    for question in parameters::questions(&template, &given) {
        let answer = question.allowed.first().cloned();
        let answer = GivenValue::new(answer.unwrap_or_else(|| "1".to_owned()));
        given.insert(question.name, answer);
    }
    let input = Input {
        parameters: given,
        ..Input::default()
    };
    let _ = sam::resolve(&template, &input);
}
