//! What a template asks for beside functions and layers: tables and buckets.

use std::collections::BTreeMap;

use serde::Serialize;

/// One `DynamoDB` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its name in the template.
    pub logical_id: String,
    /// `TableName`, else the logical id.
    pub name: String,
    /// Types of the attributes that keys name, by attribute.
    pub attributes: BTreeMap<String, AttributeType>,
    /// Its own keys.
    pub keys: Keys,
    /// `GlobalSecondaryIndexes`, in the template's order.
    pub global_indexes: Vec<Index>,
    /// `LocalSecondaryIndexes`, in the template's order.
    pub local_indexes: Vec<Index>,
    /// Who pays for reads and writes.
    pub billing: Billing,
    /// `StreamViewType`; none without a stream.
    pub stream: Option<StreamView>,
}

/// Type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum AttributeType {
    /// A string.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

/// A key schema; both attributes are in [`Table::attributes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// `HASH`.
    pub hash: String,
    /// `RANGE`.
    pub range: Option<String>,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Index {
    /// `IndexName`.
    pub name: String,
    /// Its keys.
    pub keys: Keys,
    /// What is copied into it.
    pub projection: Projection,
    /// Units of a global index of a table with provisioned billing.
    pub throughput: Option<Throughput>,
}

/// What an index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Projection {
    /// Every attribute.
    All,
    /// Keys only.
    KeysOnly,
    /// Keys and these.
    Include(Vec<String>),
}

/// How a table is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Billing {
    /// `PAY_PER_REQUEST`.
    PayPerRequest,
    /// `PROVISIONED`.
    Provisioned(Throughput),
}

/// `ProvisionedThroughput`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Throughput {
    /// `ReadCapacityUnits`, at least 1.
    pub read: u64,
    /// `WriteCapacityUnits`, at least 1.
    pub write: u64,
}

/// What a stream holds of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamView {
    /// The keys of the item.
    KeysOnly,
    /// The item before and after.
    NewAndOldImages,
    /// The item after.
    NewImage,
    /// The item before.
    OldImage,
}

impl StreamView {
    /// As templates write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
        }
    }
}

/// One S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Its name in the template.
    pub logical_id: String,
    /// `BucketName`, else the logical id in lower case.
    pub name: String,
    /// `LifecycleConfiguration.Rules`, in the template's order.
    pub lifecycle: Vec<LifecycleRule>,
}

/// When objects of a bucket end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LifecycleRule {
    /// `Id`.
    pub id: Option<String>,
    /// `Status`.
    pub enabled: bool,
    /// Objects whose key begins with it; none means all.
    pub prefix: Option<String>,
    /// `ExpirationInDays`.
    pub expiration_days: u32,
}
