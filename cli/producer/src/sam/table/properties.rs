//! The properties of tables.

use crate::sam::property::{Properties, left_out, no_effect, read};

const ACCESS: &str = "the stack asks nobody for permission";
const LIMITS: &str = "the table has no limits of its own";
const REPORTS: &str = "nothing is measured";

/// `AWS::DynamoDB::Table`.
pub(in crate::sam) const TABLE: Properties = Properties {
    of: "AWS::DynamoDB::Table",
    open: false,
    list: &[
        read(
            "AttributeDefinitions",
            "those of keys, each of them and no others",
        ),
        read("AttributeDefinitions.AttributeName", "required"),
        read(
            "AttributeDefinitions.AttributeType",
            "`S`, `N` or `B`; required",
        ),
        read(
            "BillingMode",
            "`PROVISIONED` (without it) or `PAY_PER_REQUEST`",
        ),
        no_effect("ContributorInsightsSpecification", REPORTS),
        no_effect("DeletionProtectionEnabled", "a deploy removes no table"),
        read("GlobalSecondaryIndexes", ""),
        no_effect(
            "GlobalSecondaryIndexes.ContributorInsightsSpecification",
            REPORTS,
        ),
        read("GlobalSecondaryIndexes.IndexName", "required"),
        read("GlobalSecondaryIndexes.KeySchema", "required"),
        read("GlobalSecondaryIndexes.KeySchema.AttributeName", "required"),
        read(
            "GlobalSecondaryIndexes.KeySchema.KeyType",
            "`HASH` or `RANGE`; required",
        ),
        no_effect("GlobalSecondaryIndexes.OnDemandThroughput", LIMITS),
        read("GlobalSecondaryIndexes.Projection", "required"),
        read(
            "GlobalSecondaryIndexes.Projection.NonKeyAttributes",
            "with `INCLUDE`",
        ),
        read(
            "GlobalSecondaryIndexes.Projection.ProjectionType",
            "`ALL`, `KEYS_ONLY` or `INCLUDE`",
        ),
        read(
            "GlobalSecondaryIndexes.ProvisionedThroughput",
            "required with `PROVISIONED`",
        ),
        read(
            "GlobalSecondaryIndexes.ProvisionedThroughput.ReadCapacityUnits",
            "required",
        ),
        read(
            "GlobalSecondaryIndexes.ProvisionedThroughput.WriteCapacityUnits",
            "required",
        ),
        no_effect("GlobalSecondaryIndexes.WarmThroughput", LIMITS),
        left_out("ImportSourceSpecification", "the table begins empty"),
        read("KeySchema", "required"),
        read("KeySchema.AttributeName", "required"),
        read("KeySchema.KeyType", "`HASH` or `RANGE`; required"),
        left_out("KinesisStreamSpecification", "there is no Kinesis"),
        read("LocalSecondaryIndexes", ""),
        read("LocalSecondaryIndexes.IndexName", "required"),
        read("LocalSecondaryIndexes.KeySchema", "required"),
        read("LocalSecondaryIndexes.KeySchema.AttributeName", "required"),
        read(
            "LocalSecondaryIndexes.KeySchema.KeyType",
            "`HASH` or `RANGE`; required",
        ),
        read("LocalSecondaryIndexes.Projection", "required"),
        read(
            "LocalSecondaryIndexes.Projection.NonKeyAttributes",
            "with `INCLUDE`",
        ),
        read(
            "LocalSecondaryIndexes.Projection.ProjectionType",
            "`ALL`, `KEYS_ONLY` or `INCLUDE`",
        ),
        no_effect("OnDemandThroughput", LIMITS),
        no_effect("PointInTimeRecoverySpecification", "nothing is backed up"),
        read("ProvisionedThroughput", "required with `PROVISIONED`"),
        read("ProvisionedThroughput.ReadCapacityUnits", "required"),
        read("ProvisionedThroughput.WriteCapacityUnits", "required"),
        no_effect("ResourcePolicy", ACCESS),
        no_effect("SSESpecification", "items are not encrypted"),
        read("StreamSpecification", ""),
        no_effect("StreamSpecification.ResourcePolicy", ACCESS),
        read("StreamSpecification.StreamViewType", "required"),
        no_effect("TableClass", "there is one class of storage"),
        read(
            "TableName",
            "its name in the stack; the logical id without it",
        ),
        no_effect("Tags", "tags are not kept"),
        left_out(
            "TimeToLiveSpecification",
            "the provisioner makes tables whose items stay",
        ),
        no_effect("WarmThroughput", LIMITS),
    ],
};

/// `AWS::Serverless::SimpleTable`.
pub(in crate::sam) const SIMPLE: Properties = Properties {
    of: "AWS::Serverless::SimpleTable",
    open: false,
    list: &[
        no_effect("PointInTimeRecoverySpecification", "nothing is backed up"),
        read("PrimaryKey", "a text `id` without it"),
        read("PrimaryKey.Name", "required"),
        read(
            "PrimaryKey.Type",
            "`String`, `Number` or `Binary`; required",
        ),
        read("ProvisionedThroughput", "pay per request without it"),
        read("ProvisionedThroughput.ReadCapacityUnits", "required"),
        read("ProvisionedThroughput.WriteCapacityUnits", "required"),
        no_effect("SSESpecification", "items are not encrypted"),
        read(
            "TableName",
            "its name in the stack; the logical id without it",
        ),
        no_effect("Tags", "tags are not kept"),
    ],
};
