//! Types of resources that are not read, and what a resource says besides its properties.

use engine::contract::quoted;

use super::trigger;
use crate::report::{Findings, Level, TemplateRule, did_you_mean};
use crate::template::{Kind, NESTED, Resource, is_function, refuse};

/// Types without effect on a local stack; `*` stands for the rest of a name.
pub(super) const NO_EFFECT: [(&str, &str); 34] = [
    ("AWS::ApiGateway::Account", GATEWAY),
    ("AWS::ApiGateway::Deployment", GATEWAY),
    ("AWS::ApiGateway::DocumentationPart", "it is for people"),
    ("AWS::ApiGateway::DocumentationVersion", "it is for people"),
    ("AWS::ApiGateway::Stage", GATEWAY),
    ("AWS::ApiGatewayV2::Deployment", GATEWAY),
    ("AWS::ApiGatewayV2::Stage", GATEWAY),
    (
        "AWS::ApplicationAutoScaling::*",
        "the gateway scales by itself",
    ),
    ("AWS::CDK::Metadata", "it is for the makers of the CDK"),
    ("AWS::CertificateManager::*", "the gateway has its own"),
    ("AWS::CloudFormation::*", "there is no CloudFormation"),
    ("AWS::CloudWatch::*", "nothing is measured"),
    ("AWS::CodeDeploy::*", "there is one version of a function"),
    ("AWS::EC2::*", "functions are in the network of the stack"),
    ("AWS::Events::EventBusPolicy", NOBODY),
    ("AWS::IAM::*", NOBODY),
    ("AWS::KMS::*", "nothing is encrypted"),
    ("AWS::Lambda::Alias", "there is one version of a function"),
    ("AWS::Lambda::CodeSigningConfig", "code is not signed"),
    (
        "AWS::Lambda::EventInvokeConfig",
        "calls that nobody waits for are not retried",
    ),
    ("AWS::Lambda::LayerVersionPermission", NOBODY),
    ("AWS::Lambda::Permission", NOBODY),
    ("AWS::Lambda::Version", "there is one version of a function"),
    ("AWS::Logs::*", "logs are the stack's"),
    ("AWS::Route53::*", "names are the network's"),
    ("AWS::S3::BucketPolicy", NOBODY),
    ("AWS::SNS::TopicPolicy", NOBODY),
    ("AWS::SQS::QueuePolicy", NOBODY),
    ("AWS::SecretsManager::ResourcePolicy", NOBODY),
    (
        "AWS::SecretsManager::RotationSchedule",
        "secrets are not rotated here",
    ),
    ("AWS::Serverless::Connector", NOBODY),
    ("AWS::ServiceDiscovery::*", "names are the network's"),
    ("AWS::WAFv2::*", "the gateway does not ask who calls"),
    ("AWS::XRay::*", "the stack keeps no traces"),
];

const GATEWAY: &str = "the gateway has no stages";
const NOBODY: &str = "the stack asks nobody for permission";

/// Types that are left out, with more to say than that.
pub(super) const LEFT_OUT: [(&str, &str); 6] = [
    (
        "AWS::CloudFormation::CustomResource",
        "nothing calls its function when the stack is deployed",
    ),
    (
        "AWS::Logs::SubscriptionFilter",
        "nothing hands logs to its function",
    ),
    (
        "AWS::SecretsManager::Secret",
        "nothing here makes secrets; the gateway has the value of `{{resolve:secretsmanager:…}}` in its environment",
    ),
    (
        "AWS::SSM::Parameter",
        "nothing here answers for SSM; give its value to a function as a variable",
    ),
    (
        "AWS::Serverless::StateMachine",
        "the stack runs no state machines",
    ),
    (
        "AWS::StepFunctions::StateMachine",
        "the stack runs no state machines",
    ),
];

/// What a resource says besides its properties.
pub(super) const ATTRIBUTES: [(&str, &str); 9] = [
    (
        "Condition",
        "read: the resource is absent when it does not hold",
    ),
    ("Connectors", "no effect"),
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
                (Level::Note, TemplateRule::NoEffect, message.to_owned())
            }
            Some((_, says)) if says.starts_with("no effect") => {
                let message = "it has no effect: the stack is not CloudFormation";
                (Level::Note, TemplateRule::NoEffect, message.to_owned())
            }
            Some((_, says)) => (
                Level::Warning,
                TemplateRule::PropertyLeftOut,
                format!("it is {says}"),
            ),
            None => {
                let message = "a resource has no such attribute";
                let names = ATTRIBUTES.map(|(known, _)| known);
                if findings.is_misspelling(&subject, entry.key_span, message, name, &names) {
                    continue;
                }
                (
                    Level::Warning,
                    TemplateRule::UnknownProperty,
                    format!("{message}; it is left out"),
                )
            }
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
    let (level, rule, span) = (Level::Note, TemplateRule::NoEffect, resource.span);
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
    let left_out = LEFT_OUT.iter().find(|(known, _)| *known == name);
    let no_effect = NO_EFFECT
        .iter()
        .find(|(pattern, _)| left_out.is_none() && fits(pattern));
    let (level, rule, message) = match (no_effect, left_out) {
        (Some((_, why)), _) => (
            Level::Note,
            TemplateRule::NoEffect,
            format!("the type has no effect: {why}"),
        ),
        (None, Some((_, why))) => (
            Level::Warning,
            TemplateRule::TypeLeftOut,
            format!("the resource is left out: {why}"),
        ),
        (None, None) => (
            Level::Warning,
            TemplateRule::TypeLeftOut,
            "the resource is left out: its type has no counterpart in the stack".to_owned(),
        ),
    };
    let subject = resource.subject();
    if no_effect.is_none() && left_out.is_none() {
        let message = format!("no type {} of resources is known", quoted(name));
        if findings.is_misspelling(
            &subject,
            resource.type_span(),
            &message,
            name,
            &known_types(),
        ) {
            return;
        }
    }
    findings.note(level, rule, &subject, resource.span, message, None);
}

/// The types that have a line in the lists: what a misspelt one may have been meant to be. No real type of the cloud is so close to
/// one of these that it looks like a misspelling of it; the nearest are in the tests.
fn known_types() -> Vec<&'static str> {
    let whole = |name: &&str| !name.ends_with('*');
    let read = Kind::ALL.into_iter().map(Kind::name);
    let calling = trigger::TYPES.iter().map(|(name, _)| *name);
    let others = NO_EFFECT.iter().chain(&LEFT_OUT).map(|(name, _)| *name);
    let all = read.chain(calling).chain(NESTED).chain(others);
    all.filter(whole).collect()
}

#[cfg(test)]
mod tests {
    use engine::contract::misspelt;

    use super::*;

    #[test]
    fn real_types_are_no_misspellings() {
        let real = [
            "AWS::ApiGateway::Authorizer",
            "AWS::ApiGateway::Model",
            "AWS::ApiGateway::UsagePlan",
            "AWS::ApiGatewayV2::ApiMapping",
            "AWS::ApiGatewayV2::Authorizer",
            "AWS::ApiGatewayV2::IntegrationResponse",
            "AWS::ApiGatewayV2::RouteResponse",
            "AWS::Cassandra::Table",
            "AWS::DynamoDB::GlobalTable",
            "AWS::EMRServerless::Application",
            "AWS::Events::EventBus",
            "AWS::Glue::Table",
            "AWS::IoT::TopicRule",
            "AWS::Lambda::CapacityProvider",
            "AWS::Pipes::Pipe",
            "AWS::S3Express::DirectoryBucket",
            "AWS::S3Outposts::Bucket",
            "AWS::S3Tables::Table",
            "AWS::SNS::Topic",
            "AWS::SQS::Queue",
            "AWS::Scheduler::ScheduleGroup",
            "AWS::Serverless::GraphQLApi",
            "AWS::Timestream::Table",
        ];
        for name in real {
            assert_eq!(misspelt(name, &known_types()), None, "{name}");
        }
        for (name, meant) in [
            ("AWS::DynamoDB::Tabel", "AWS::DynamoDB::Table"),
            ("AWS::Serverless::function", "AWS::Serverless::Function"),
            ("AWS::Serverles::Function", "AWS::Serverless::Function"),
            ("AWS::S3::Buckets", "AWS::S3::Bucket"),
        ] {
            assert_eq!(misspelt(name, &known_types()), Some(meant));
        }
    }
}
