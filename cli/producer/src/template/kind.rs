//! The types of resources that become a part of an artifact.

/// A supported type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `AWS::Serverless::Function`.
    ServerlessFunction,
    /// `AWS::Lambda::Function`.
    LambdaFunction,
    /// `AWS::Serverless::LayerVersion`.
    ServerlessLayer,
    /// `AWS::Lambda::LayerVersion`.
    LambdaLayer,
    /// `AWS::Serverless::SimpleTable`.
    SimpleTable,
    /// `AWS::DynamoDB::Table`.
    Table,
    /// `AWS::S3::Bucket`.
    Bucket,
}

impl Kind {
    /// Every supported type.
    pub const ALL: [Self; 7] = [
        Self::ServerlessFunction,
        Self::LambdaFunction,
        Self::ServerlessLayer,
        Self::LambdaLayer,
        Self::SimpleTable,
        Self::Table,
        Self::Bucket,
    ];

    /// The type as templates write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerlessFunction => "AWS::Serverless::Function",
            Self::LambdaFunction => "AWS::Lambda::Function",
            Self::ServerlessLayer => "AWS::Serverless::LayerVersion",
            Self::LambdaLayer => "AWS::Lambda::LayerVersion",
            Self::SimpleTable => "AWS::Serverless::SimpleTable",
            Self::Table => "AWS::DynamoDB::Table",
            Self::Bucket => "AWS::S3::Bucket",
        }
    }

    /// Reads a type; none when it is not a supported one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The property that names the resource in the stack.
    pub fn name_property(self) -> &'static str {
        match self {
            Self::ServerlessFunction | Self::LambdaFunction => "FunctionName",
            Self::ServerlessLayer | Self::LambdaLayer => "LayerName",
            Self::SimpleTable | Self::Table => "TableName",
            Self::Bucket => "BucketName",
        }
    }
}
