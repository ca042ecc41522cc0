//! What a template declares about its parameters.

use std::collections::BTreeSet;

use engine::contract::quoted;
use engine::yaml::{Map, Node, Span, Value};
use regex::Regex;

use super::GivenValue;
use crate::report::{Findings, Level, Read, Reported, Subject, TemplateRule, did_you_mean};
use crate::template::is_function;

/// Parameters of one template.
const MAX_PARAMETERS: usize = 500;
/// Bytes that a compiled `AllowedPattern` may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// One parameter as it is declared.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub span: Span,
    /// Its type, as written.
    pub type_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether its value is a secret.
    pub no_echo: bool,
    /// Whether the cloud takes the value from SSM: the default names a place there, and is no value.
    pub looked_up: bool,
    pub(super) shape: Shape,
    pub(super) default: Option<GivenValue>,
    allowed: Option<Vec<String>>,
    pattern: Option<Regex>,
    length: (Option<usize>, Option<usize>),
    range: (Option<f64>, Option<f64>),
    constraint: Option<String>,
}

/// What a value of a type looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) is_list: bool,
    pub(super) is_number: bool,
}

/// The words of a declaration.
const WORDS: [&str; 11] = [
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

/// How a type begins whose value is what a name in SSM stands for.
const SSM_VALUE: &str = "AWS::SSM::Parameter::Value<";

/// Types that the cloud checks against what exists there; here their values are texts.
const CLOUD_TYPES: [&str; 11] = [
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::VPC::Id",
    "AWS::EC2::Volume::Id",
    "AWS::Route53::HostedZone::Id",
    "AWS::SSM::Parameter::Name",
];

/// Reads a truth value, in any of the forms that templates use.
pub fn is_flag(value: &Value) -> Option<bool> {
    let text = value.text()?.to_ascii_lowercase();
    match text.as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Reads the section `Parameters`, in the order of the text. What is declared wrongly is reported, and given by its name.
pub fn declarations(
    findings: &Findings<'_>,
    section: &Map,
) -> (Vec<Declaration>, Vec<(String, Reported)>) {
    let mut found = Vec::new();
    let mut refused = Vec::new();
    let read = section
        .iter()
        .take(MAX_PARAMETERS)
        // A function was refused with the section.
        .filter(|(name, _)| !is_function(name))
        .map(|(name, entry)| {
            let subject = Subject {
                id: name.clone(),
                kind: "parameter".to_owned(),
                property: String::new(),
            };
            let reader = Reader { findings, subject };
            let declaration = reader.declaration(name, entry.key_span, &entry.node);
            (name, declaration)
        });
    for (name, declaration) in read {
        match declaration {
            Ok(declaration) => found.push(declaration),
            Err(reported) => refused.push((name.clone(), reported)),
        }
    }
    if let Some((name, entry)) = section.iter().nth(MAX_PARAMETERS) {
        let message = format!("a template has at most {MAX_PARAMETERS} parameters");
        let subject = Subject {
            id: name.clone(),
            ..Subject::default()
        };
        findings.error(TemplateRule::TooMany, &subject, entry.key_span, message);
    }
    found.sort_by_key(|declaration| declaration.span);
    (found, refused)
}

struct Reader<'r, 'a> {
    findings: &'r Findings<'a>,
    subject: Subject,
}

impl Reader<'_, '_> {
    fn wrong(&self, span: Span, message: impl Into<String>) -> Reported {
        self.findings
            .error(TemplateRule::BadParameter, &self.subject, span, message)
    }

    fn declaration(&self, name: &str, span: Span, node: &Node) -> Read<Declaration> {
        let fits = !name.is_empty()
            && name.len() <= 255
            && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fits {
            return Err(self.wrong(span, "a parameter's name is made of letters and digits"));
        }
        let Value::Map(map) = &node.value else {
            let message = format!("a parameter is a mapping, not {}", node.value.kind());
            return Err(self.wrong(node.span, message));
        };
        self.words(map);
        let type_name = self
            .text(map, "Type")?
            .ok_or_else(|| self.wrong(span, "a parameter has a `Type`"))?;
        let inside = type_name
            .strip_prefix(SSM_VALUE)
            .and_then(|rest| rest.strip_suffix('>'));
        let looked_up = inside.is_some();
        let shape = self.shape(map, &type_name, inside)?;
        let no_echo = self.no_echo(map)?;
        let declaration = Declaration {
            name: name.to_owned(),
            span,
            description: self.text(map, "Description")?,
            no_echo,
            looked_up,
            shape,
            default: self.default(map)?.filter(|_| !looked_up),
            allowed: self.allowed(map)?,
            pattern: self.pattern(map)?,
            length: (
                self.number(map, "MinLength")?,
                self.number(map, "MaxLength")?,
            ),
            range: (self.number(map, "MinValue")?, self.number(map, "MaxValue")?),
            constraint: self.text(map, "ConstraintDescription")?,
            type_name,
        };
        let default = declaration.default.as_ref();
        if let Some(Err(message)) = default.map(|value| declaration.check(value.reveal())) {
            let message = format!("its default does not fit: {message}");
            return Err(self.wrong(span, message));
        }
        Ok(declaration)
    }

    fn words(&self, map: &Map) {
        for (word, entry) in map {
            if WORDS.contains(&word.as_str()) {
                continue;
            }
            let message = format!("no word `{word}` is known of parameters");
            let (findings, subject, span) = (self.findings, &self.subject, entry.key_span);
            if !findings.is_misspelling(subject, span, &message, word, &WORDS) {
                let hint = did_you_mean(word, WORDS.into_iter());
                let message = format!("{message}; it is left out");
                let (level, rule) = (Level::Warning, TemplateRule::UnknownProperty);
                findings.note(level, rule, subject, span, message, hint);
            }
        }
    }

    fn text(&self, map: &Map, word: &str) -> Read<Option<String>> {
        let Some(entry) = map.get(word) else {
            return Ok(None);
        };
        if let Some(text) = entry.node.value.text() {
            return Ok(Some(text.to_owned()));
        }
        let message = format!("`{word}` is a text, not {}", entry.node.value.kind());
        Err(self.wrong(entry.node.span, message))
    }

    fn number<T: std::str::FromStr>(&self, map: &Map, word: &str) -> Read<Option<T>> {
        let Some(text) = self.text(map, word)? else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            let message = format!("`{word}` is a number, not {}", quoted(&text));
            self.wrong(map[word].node.span, message)
        });
        number.map(Some)
    }

    fn no_echo(&self, map: &Map) -> Read<bool> {
        let Some(entry) = map.get("NoEcho") else {
            return Ok(false);
        };
        is_flag(&entry.node.value)
            .ok_or_else(|| self.wrong(entry.node.span, "`NoEcho` is `true` or `false`"))
    }

    fn default(&self, map: &Map) -> Read<Option<GivenValue>> {
        Ok(self.text(map, "Default")?.map(GivenValue))
    }

    fn allowed(&self, map: &Map) -> Read<Option<Vec<String>>> {
        let Some(entry) = map.get("AllowedValues") else {
            return Ok(None);
        };
        let Value::List(items) = &entry.node.value else {
            let message = "`AllowedValues` is a list of texts";
            return Err(self.wrong(entry.node.span, message));
        };
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| item.value.text().map(str::to_owned))
            .collect();
        texts
            .map(Some)
            .ok_or_else(|| self.wrong(entry.node.span, "`AllowedValues` is a list of texts"))
    }

    /// A pattern in Java's dialect. What this machine's engine has not, since it would need exponential time, is not checked.
    fn pattern(&self, map: &Map) -> Read<Option<Regex>> {
        let Some(text) = self.text(map, "AllowedPattern")? else {
            return Ok(None);
        };
        let whole = format!("^(?:{text})$");
        let built = regex::RegexBuilder::new(&whole)
            .size_limit(MAX_PATTERN_BYTES)
            .build();
        if built.is_err() {
            self.findings.note(
                Level::Warning,
                TemplateRule::UncheckedPattern,
                &self.subject,
                map["AllowedPattern"].node.span,
                "values are not checked against this `AllowedPattern`",
                Some("look-around and back-references are not supported".to_owned()),
            );
        }
        Ok(built.ok())
    }

    /// What values of a type look like. `looked_up` is the type of what a name in SSM stands for.
    fn shape(&self, map: &Map, type_name: &str, looked_up: Option<&str>) -> Read<Shape> {
        let plain = looked_up.unwrap_or(type_name);
        let (item, is_list) = match plain.strip_prefix("List<") {
            Some(rest) => (rest.strip_suffix('>').unwrap_or(rest), true),
            None => (plain, plain == "CommaDelimitedList"),
        };
        let known = match item {
            "String" => !is_list || looked_up.is_some(),
            "Number" | "CommaDelimitedList" => true,
            other => CLOUD_TYPES.contains(&other),
        };
        if known {
            return Ok(Shape {
                is_list,
                is_number: item == "Number",
            });
        }
        let span = map["Type"].node.span;
        let names = ["String", "Number", "List<Number>", "CommaDelimitedList"];
        let hint = did_you_mean(type_name, names.into_iter())
            .unwrap_or_else(|| format!("types are `{}`", names.join("`, `")));
        let message = format!("no type {} of parameters is known", quoted(type_name));
        Err(self.findings.error_with_hint(
            TemplateRule::BadParameter,
            &self.subject,
            span,
            message,
            hint,
        ))
    }
}

impl Declaration {
    /// The values it takes, where they are listed and no secrets.
    pub fn allowed_values(&self) -> &[String] {
        match &self.allowed {
            Some(values) if !self.no_echo => values,
            Some(_) | None => &[],
        }
    }

    /// Checks a value. The message repeats it only when it is no secret. Of a parameter that is looked up the template's checks are
    /// about the name in SSM, and the value is given in its place.
    pub fn check(&self, text: &str) -> Result<(), String> {
        if self.looked_up {
            return Ok(());
        }
        let allowed: Option<BTreeSet<&str>> = self
            .allowed
            .as_ref()
            .map(|values| values.iter().map(String::as_str).collect());
        let checked = if self.shape.is_list {
            items(text).try_for_each(|item| self.check_item(item, allowed.as_ref()))
        } else {
            self.check_item(text, allowed.as_ref())
        };
        checked.map_err(|message| match &self.constraint {
            Some(constraint) => format!("{message} ({constraint})"),
            None => message,
        })
    }

    fn check_item(&self, text: &str, allowed: Option<&BTreeSet<&str>>) -> Result<(), String> {
        let shown = if self.no_echo {
            "the value".to_owned()
        } else {
            quoted(text)
        };
        if allowed.is_some_and(|allowed| !allowed.contains(text)) {
            return Err(if self.no_echo {
                "the value is not one of its `AllowedValues`".to_owned()
            } else {
                format!(
                    "{shown} is not one of `{}`",
                    self.allowed_values().join("`, `")
                )
            });
        }
        if self
            .pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(text))
        {
            return Err(format!("{shown} does not match its `AllowedPattern`"));
        }
        let length = text.chars().count();
        if let (Some(min), _) = self.length
            && length < min
        {
            return Err(format!("{shown} is shorter than {min} characters"));
        }
        if let (_, Some(max)) = self.length
            && length > max
        {
            return Err(format!("{shown} is longer than {max} characters"));
        }
        if self.shape.is_number {
            self.check_number(text, &shown)?;
        }
        Ok(())
    }

    /// What a value must keep to besides its type and its list: `1 to 10`, `at least 3 characters`, `like [a-z]+`.
    pub fn limits(&self) -> Option<String> {
        let (shortest, longest) = self.length;
        let texts = |bound: Option<usize>| bound.map(|bound| bound.to_string());
        let numbers = |bound: Option<f64>| bound.map(|bound| bound.to_string());
        let length = between(texts(shortest), texts(longest));
        let parts = [
            between(numbers(self.range.0), numbers(self.range.1)),
            length.map(|length| format!("{length} characters")),
            self.pattern_text().map(|pattern| format!("like {pattern}")),
        ];
        let said: Vec<String> = parts.into_iter().flatten().collect();
        (!said.is_empty()).then(|| said.join(", "))
    }

    /// The pattern as the template writes it. That of a secret may be the secret.
    fn pattern_text(&self) -> Option<&str> {
        let whole = self.pattern.as_ref().filter(|_| !self.no_echo)?.as_str();
        whole.strip_prefix("^(?:")?.strip_suffix(")$")
    }

    fn check_number(&self, text: &str, shown: &str) -> Result<(), String> {
        let number: f64 = text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| format!("{shown} is no number"))?;
        let (min, max) = self.range;
        if let Some(min) = min.filter(|min| number < *min) {
            return Err(format!("{shown} is less than {min}"));
        }
        if let Some(max) = max.filter(|max| number > *max) {
            return Err(format!("{shown} is more than {max}"));
        }
        Ok(())
    }
}

/// The items of a list's value: between commas, blanks around them do not count.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    let is_empty = text.trim().is_empty();
    text.split(',').map(str::trim).filter(move |_| !is_empty)
}

/// A range in words.
fn between(least: Option<String>, most: Option<String>) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (None, None) => None,
    }
}
