//! Types of resources that are not read, and what a resource says besides its properties.

use crate::report::{Findings, Level, Rule, did_you_mean};
use crate::template::{Kind, Resource, is_function, refuse};

/// Types without effect on a local stack; `*` stands for the rest of a name.
pub(super) const NO_EFFECT: [(&str, &str); 13] = [
    ("AWS::ApiGateway::Account", "the gateway has no account"),
    ("AWS::CDK::Metadata", "it is for the makers of the CDK"),
    ("AWS::CloudFormation::*", "there is no CloudFormation"),
    ("AWS::CloudWatch::*", "nothing is measured"),
    ("AWS::CodeDeploy::*", "there is one version of a function"),
    ("AWS::IAM::*", "the stack asks nobody for permission"),
    ("AWS::KMS::*", "nothing is encrypted"),
    ("AWS::Lambda::Alias", "there is one version of a function"),
    (
        "AWS::Lambda::Permission",
        "the stack asks nobody for permission",
    ),
    ("AWS::Lambda::Version", "there is one version of a function"),
    ("AWS::Logs::*", "logs are the stack's"),
    (
        "AWS::S3::BucketPolicy",
        "the stack asks nobody for permission",
    ),
    ("AWS::XRay::*", "the stack keeps no traces"),
];

/// Types that are left out, with more to say than that.
pub(super) const LEFT_OUT: [(&str, &str); 4] = [
    (
        "AWS::Serverless::Api",
        "the gateway serves the routes of functions; who may call, CORS and stages are its own",
    ),
    (
        "AWS::Serverless::Application",
        "nested applications are templates of their own; name them with `--template`",
    ),
    (
        "AWS::Serverless::HttpApi",
        "the gateway serves the routes of functions; who may call, CORS and stages are its own",
    ),
    (
        "AWS::Serverless::StateMachine",
        "the stack runs no state machines",
    ),
];

/// What a resource says besides its properties.
pub(super) const ATTRIBUTES: [(&str, &str); 9] = [
    (
        "Condition",
        "read: the resource is absent when it does not hold",
    ),
    (
        "Connectors",
        "left out: the stack asks nobody for permission",
    ),
    ("CreationPolicy", "no effect"),
    ("DeletionPolicy", "no effect"),
    ("DependsOn", "no effect"),
    (
        "Metadata",
        "read of functions and layers, see below; no effect elsewhere",
    ),
    ("Properties", "read"),
    ("Type", "read"),
    ("UpdateReplacePolicy", "no effect"),
];

/// Reports what a resource says besides its properties and is not read.
pub(super) fn check_attributes(findings: &Findings<'_>, resource: &Resource<'_>) {
    for (name, entry) in resource.map {
        let mut subject = resource.subject();
        if is_function(name) {
            refuse(findings, &subject, entry.key_span, name);
            continue;
        }
        subject.property.clone_from(name);
        let known = ATTRIBUTES.iter().find(|(known, _)| known == name);
        let (level, rule, message) = match known {
            Some((_, says)) if says.starts_with("read") => {
                let is_built = matches!(
                    resource.kind,
                    Some(
                        Kind::ServerlessFunction
                            | Kind::LambdaFunction
                            | Kind::ServerlessLayer
                            | Kind::LambdaLayer
                    )
                );
                if name != "Metadata" || is_built {
                    continue;
                }
                let message = "it has no effect: it is for other tools";
                (Level::Note, Rule::NoEffect, message.to_owned())
            }
            Some((_, says)) if says.starts_with("no effect") => {
                let message = "it has no effect: the stack is not CloudFormation";
                (Level::Note, Rule::NoEffect, message.to_owned())
            }
            Some((_, says)) => (
                Level::Warning,
                Rule::PropertyLeftOut,
                format!("it is {says}"),
            ),
            None => (
                Level::Warning,
                Rule::UnknownProperty,
                "a resource has no such attribute; it is left out".to_owned(),
            ),
        };
        let hint = match known {
            Some(_) => None,
            None => did_you_mean(name, ATTRIBUTES.iter().map(|(known, _)| *known)),
        };
        findings.note(level, rule, &subject, entry.key_span, message, hint);
    }
}

/// Notes a resource that is absent.
pub(super) fn note_absent(findings: &Findings<'_>, resource: &Resource<'_>) {
    let (level, rule, span) = (Level::Note, Rule::NoEffect, resource.span);
    let message = "the resource is absent: its condition does not hold";
    findings.note(level, rule, &resource.subject(), span, message, None);
}

/// Reports a resource of a type that is not read.
pub(super) fn leave_out(findings: &Findings<'_>, resource: &Resource<'_>) {
    let name = resource.type_name;
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == pattern,
    };
    let no_effect = NO_EFFECT.iter().find(|(pattern, _)| fits(pattern));
    let left_out = LEFT_OUT.iter().find(|(pattern, _)| fits(pattern));
    let (level, rule, message) = match (no_effect, left_out) {
        (Some((_, why)), _) => (
            Level::Note,
            Rule::NoEffect,
            format!("the type has no effect: {why}"),
        ),
        (None, Some((_, why))) => (
            Level::Warning,
            Rule::TypeLeftOut,
            format!("the resource is left out: {why}"),
        ),
        (None, None) => (
            Level::Warning,
            Rule::TypeLeftOut,
            "the resource is left out: its type has no counterpart in the stack".to_owned(),
        ),
    };
    // Types share long prefixes: only a letter or two more or less is a typing mistake.
    let hint = Kind::ALL
        .into_iter()
        .map(Kind::name)
        .find(|known| strsim::levenshtein(name, known) <= 2)
        .map(|known| format!("did you mean `{known}`?"));
    findings.note(
        level,
        rule,
        &resource.subject(),
        resource.span,
        message,
        hint,
    );
}
