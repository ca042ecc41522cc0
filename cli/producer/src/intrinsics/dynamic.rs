//! Dynamic references: `{{resolve:ssm:…}}`, `{{resolve:ssm-secure:…}}`, `{{resolve:secretsmanager:…}}`.
//!
//! The cloud looks them up when a stack is deployed. Here the value of a parameter of SSM is given, as that of an import is; a
//! secret reaches a function by reference, as the value of a `NoEcho` parameter does (docs/adr/0055).

use std::borrow::Cow;

use engine::yaml::Span;

use super::{Resolver, SecretSource};
use crate::parameters::SSM;
use crate::report::{Level, Read, Reported, TemplateRule};
use crate::text::{Piece, is_env_name, push};

const BEGIN: &str = "{{resolve:";
const END: &str = "}}";

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    /// As it stands.
    Literal(&'t str),
    /// What stands between `{{resolve:` and `}}`.
    Reference(&'t str),
}

/// Splits a text into parts; none when a reference has no end.
fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once(BEGIN) {
        let (reference, after) = after.split_once(END)?;
        found.push(Part::Literal(literal));
        found.push(Part::Reference(reference));
        rest = after;
    }
    found.push(Part::Literal(rest));
    Some(found)
}

/// Where the cloud looks a reference up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// A parameter of SSM, which is no secret.
    Parameters,
    /// A secret of SSM or of the Secrets Manager.
    Secrets,
}

impl Service {
    fn of(reference: &str) -> Option<Self> {
        match reference.split_once(':')? {
            (_, "") => None,
            ("ssm", _) => Some(Self::Parameters),
            ("ssm-secure" | "secretsmanager", _) => Some(Self::Secrets),
            _ => None,
        }
    }
}

/// The name of the variable in which the gateway has a secret, unless another was given: the secret's name and its key, with `_` in
/// the place of every other sign. None where that is no name of a variable.
fn default_name(reference: &str) -> Option<String> {
    let (service, rest) = reference.split_once(':')?;
    let whole_id = rest
        .strip_prefix("arn:")
        .and_then(|arn| arn.split_once(":secret:"))
        .map_or(rest, |(_, id)| id);
    let mut parts = whole_id.split(':');
    let id = parts.next()?;
    let key = match service {
        "secretsmanager" => parts.nth(1).unwrap_or_default(),
        _ => "",
    };
    let words: Vec<&str> = [id, key]
        .into_iter()
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|word| !word.is_empty())
        .collect();
    Some(words.join("_")).filter(|name| is_env_name(name))
}

impl Resolver<'_> {
    /// The pieces of a text of a variable: values of SSM stand in it, and secrets by the names under which the gateway has them.
    pub fn pieces_of(&self, literal: &str, span: Span) -> Read<Vec<Piece>> {
        let mut pieces = Vec::new();
        for part in self.dynamic_parts(literal, span)? {
            let piece = match part {
                Part::Literal("") => continue,
                Part::Literal(text) => Piece::Literal(text.to_owned()),
                Part::Reference(reference) => match self.service(reference, span)? {
                    Service::Parameters => {
                        Piece::Literal(self.looked_up(reference, span)?.to_owned())
                    }
                    Service::Secrets => Piece::Secret(self.secret_name(reference, span)?),
                },
            };
            push(&mut pieces, &piece);
        }
        Ok(pieces)
    }

    /// A text that is written down: values of SSM stand in it, and a secret is refused.
    pub(super) fn without_references<'t>(&self, text: &'t str, span: Span) -> Read<Cow<'t, str>> {
        if !text.contains(BEGIN) {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::new();
        for part in self.dynamic_parts(text, span)? {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Reference(reference) => match self.service(reference, span)? {
                    Service::Parameters => out.push_str(self.looked_up(reference, span)?),
                    Service::Secrets => {
                        return Err(self.findings().error_with_hint(
                            TemplateRule::SecretInText,
                            &self.subject,
                            span,
                            format!("the secret `{BEGIN}{reference}{END}` would be written down"),
                            "give it to a function in a variable of its `Environment`",
                        ));
                    }
                },
            }
            self.charge(out.len(), span)?;
        }
        Ok(Cow::Owned(out))
    }

    fn dynamic_parts<'t>(&self, text: &'t str, span: Span) -> Read<Vec<Part<'t>>> {
        parts(text).ok_or_else(|| {
            let message = format!("a reference `{BEGIN}…` has no `{END}`, or a secret in it");
            self.bad(span, message)
        })
    }

    fn service(&self, reference: &str, span: Span) -> Read<Service> {
        Service::of(reference).ok_or_else(|| {
            let message = format!("`{BEGIN}{reference}{END}` names nothing that is known");
            let hint =
                "write `ssm:NAME`, `ssm-secure:NAME` or `secretsmanager:NAME` behind `resolve:`";
            let (findings, subject) = (self.findings(), &self.subject);
            findings.error_with_hint(TemplateRule::BadIntrinsic, subject, span, message, hint)
        })
    }

    /// The value that was given for a parameter of SSM, of this version or of every version.
    fn looked_up(&self, reference: &str, span: Span) -> Read<&str> {
        let given = &self.context.outside.given;
        let name = format!("resolve:{reference}");
        let all_versions = name
            .rsplit_once(':')
            .filter(|(_, version)| version.bytes().all(|b| b.is_ascii_digit()))
            .map(|(name, _)| name);
        self.context.ask_for(reference);
        let value = given
            .get(&name)
            .or_else(|| given.get(all_versions.filter(|name| name.starts_with(SSM))?));
        let Some(value) = value else {
            return Err(self.findings().error_with_hint(
                TemplateRule::NoLookup,
                &self.subject,
                span,
                format!("no value is given for `{BEGIN}{reference}{END}`"),
                format!("give it with `--parameter '{name}=VALUE'`"),
            ));
        };
        self.charge(value.reveal().len(), span)?;
        Ok(value.reveal())
    }

    /// The name under which the gateway has a secret.
    fn secret_name(&self, reference: &str, span: Span) -> Result<String, Reported> {
        let (findings, subject) = (self.findings(), &self.subject);
        self.context.ask_for(reference);
        let other = |name: &str| format!("`--secret-name '{reference}={name}'` gives it a name");
        let given = self.context.outside.secret_names.get(reference).cloned();
        let Some(name) = given.or_else(|| default_name(reference)) else {
            let message = format!("`{BEGIN}{reference}{END}` makes no name of a variable");
            let (rule, hint) = (TemplateRule::SecretInText, other("NAME"));
            return Err(findings.error_with_hint(rule, subject, span, message, hint));
        };
        let message = format!(
            "the gateway puts its variable `{name}` in the place of `{BEGIN}{reference}{END}`"
        );
        let hint = Some(format!("{} of your own", other("NAME")));
        let (level, rule) = (Level::Note, TemplateRule::SecretByReference);
        findings.note(level, rule, subject, span, message, hint);
        let source = SecretSource::Reference(reference.to_owned());
        self.context.use_secret(&name, source, subject, span);
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("secretsmanager:MySecret", Some("MySecret"))]
    #[case(
        "secretsmanager:prod/db:SecretString:password",
        Some("prod_db_password")
    )]
    #[case("secretsmanager:prod/db:SecretString", Some("prod_db"))]
    #[case("secretsmanager:prod/db:SecretString::AWSPREVIOUS", Some("prod_db"))]
    #[case(
        "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf:SecretString:user",
        Some("prod_db_AbCdEf_user")
    )]
    #[case("ssm-secure:/shop/key:3", Some("shop_key"))]
    #[case("secretsmanager:1st", None)]
    #[case("secretsmanager:é", None)]
    fn a_secret_has_a_name_of_its_own(#[case] reference: &str, #[case] name: Option<&str>) {
        assert_eq!(default_name(reference).as_deref(), name);
    }

    #[test]
    fn a_text_falls_into_parts() {
        use Part::{Literal, Reference};
        let found = parts("a{{resolve:ssm:/x}}b{{resolve:ssm:/y:1}}").unwrap();
        let expected = [
            Literal("a"),
            Reference("ssm:/x"),
            Literal("b"),
            Reference("ssm:/y:1"),
            Literal(""),
        ];
        assert_eq!(found, expected);
        assert_eq!(parts("a{{resolve:ssm:/x"), None);
        assert_eq!(parts("{{x}}"), Some(vec![Literal("{{x}}")]));
    }
}
