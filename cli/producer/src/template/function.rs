//! The names of intrinsic functions: short tags, and what is refused by name.

use engine::contract::quoted;
use engine::yaml::{Map, Span};

use crate::report::{Findings, Reported, Subject, TemplateRule};

/// Functions that are known and refused, and what to do instead.
pub(crate) const REFUSED: [(&str, &str); 1] = [("Fn::Transform", "write out what the macro makes")];

/// How the key of a loop begins: `Fn::ForEach::Tables`.
pub(crate) const LOOP: &str = "Fn::ForEach";

/// The transform that extends the language.
pub(crate) const LANGUAGE: &str = "AWS::LanguageExtensions";

/// The key that a short tag stands for: `!Sub x` is `{Fn::Sub: x}`.
pub fn shorthand(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "Ref" => "Ref",
        "Condition" => "Condition",
        "And" => "Fn::And",
        "Base64" => "Fn::Base64",
        "Cidr" => "Fn::Cidr",
        "Equals" => "Fn::Equals",
        "FindInMap" => "Fn::FindInMap",
        "GetAZs" => "Fn::GetAZs",
        "GetAtt" => "Fn::GetAtt",
        "If" => "Fn::If",
        "ImportValue" => "Fn::ImportValue",
        "Join" => "Fn::Join",
        "Length" => "Fn::Length",
        "Not" => "Fn::Not",
        "Or" => "Fn::Or",
        "Select" => "Fn::Select",
        "Split" => "Fn::Split",
        "Sub" => "Fn::Sub",
        "ToJsonString" => "Fn::ToJsonString",
        "Transform" => "Fn::Transform",
        _ => return None,
    })
}

/// Whether a key is the name of a function.
pub fn is_function(key: &str) -> bool {
    key == "Ref" || key.starts_with("Fn::")
}

/// Whether a mapping stands for the value of a function. A `Ref` beside other keys is a key like them.
pub fn is_call(map: &Map) -> bool {
    map.keys()
        .any(|key| is_function(key) && (map.len() == 1 || key != "Ref"))
}

/// Whether a function is known and refused. The names of loops go on: `Fn::ForEach::Tables`.
pub fn is_refused(name: &str) -> bool {
    name.starts_with(LOOP) || REFUSED.iter().any(|(refused, _)| name.starts_with(refused))
}

/// Refuses a function of the extended language in a template that does not ask for it.
pub fn needs_language(
    findings: &Findings<'_>,
    subject: &Subject,
    span: Span,
    name: &str,
) -> Reported {
    let message = format!("`{name}` needs the transform `{LANGUAGE}`");
    let hint = format!(
        "write `Transform: [{LANGUAGE}, AWS::Serverless-2016-10-31]` at the top of the template"
    );
    findings.error_with_hint(TemplateRule::RefusedIntrinsic, subject, span, message, hint)
}

/// Refuses a function by name.
pub fn refuse(findings: &Findings<'_>, subject: &Subject, span: Span, name: &str) -> Reported {
    let message = format!("the function {} is not supported", quoted(name));
    let known = REFUSED
        .iter()
        .find(|(refused, _)| name.starts_with(refused));
    let rule = TemplateRule::RefusedIntrinsic;
    match known {
        Some((_, instead)) => findings.error_with_hint(rule, subject, span, message, *instead),
        None => findings.error(rule, subject, span, message),
    }
}
