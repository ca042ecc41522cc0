//! Attributes of resources that the stack has not, as far as they are known: of the types that templates refer to most.

/// What `Fn::GetAtt` knows of each type, with what the cloud knew earlier.
const KNOWN: [(&str, &[&str]); 18] = [
    ("AWS::ApiGateway::RestApi", &["RestApiId", "RootResourceId"]),
    (
        "AWS::ApiGatewayV2::Api",
        &["ApiEndpoint", "ApiId", "ExecuteApiArn"],
    ),
    (
        "AWS::Cognito::UserPool",
        &["Arn", "ProviderName", "ProviderURL", "UserPoolId"],
    ),
    (
        "AWS::Cognito::UserPoolClient",
        &["ClientId", "ClientSecret", "Name"],
    ),
    (
        "AWS::DynamoDB::GlobalTable",
        &["Arn", "StreamArn", "TableId"],
    ),
    ("AWS::Events::EventBus", &["Arn", "Name", "Policy"]),
    ("AWS::Events::Rule", &["Arn", "RuleName"]),
    ("AWS::IAM::Role", &["Arn", "RoleId"]),
    ("AWS::KMS::Key", &["Arn", "KeyId"]),
    (
        "AWS::Kinesis::Stream",
        &["Arn", "StreamId", "WarmThroughputObject"],
    ),
    ("AWS::KinesisFirehose::DeliveryStream", &["Arn"]),
    ("AWS::Logs::LogGroup", &["Arn", "LogGroupName"]),
    ("AWS::SNS::Topic", &["TopicArn", "TopicName"]),
    ("AWS::SQS::Queue", &["Arn", "QueueName", "QueueUrl"]),
    ("AWS::SSM::Parameter", &["Arn", "Type", "Value"]),
    ("AWS::SecretsManager::Secret", &["Arn", "Id", "Name"]),
    (
        "AWS::Serverless::StateMachine",
        &["Arn", "Name", "StateMachineRevisionId"],
    ),
    (
        "AWS::StepFunctions::StateMachine",
        &["Arn", "Name", "StateMachineRevisionId"],
    ),
];

/// The attributes of a type of which they are known, where the attribute is none of them.
pub(super) fn lacks(type_name: &str, attribute: &str) -> Option<&'static [&'static str]> {
    let (_, known) = KNOWN.iter().find(|(name, _)| *name == type_name)?;
    let first = attribute.split('.').next().unwrap_or(attribute);
    (!known.contains(&first)).then_some(known)
}
