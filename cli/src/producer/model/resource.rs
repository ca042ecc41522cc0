//! What a template asks for beside functions and layers: tables and buckets.

use std::collections::BTreeMap;

use serde::Serialize;

/// One `DynamoDB` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Table {
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// `TableName`, else the logical id.
    pub(crate) name: String,
    /// Types of the attributes that keys name, by attribute.
    pub(crate) attributes: BTreeMap<String, AttributeType>,
    /// Its own keys.
    pub(crate) keys: Keys,
    /// `GlobalSecondaryIndexes`, in the template's order.
    pub(crate) global_indexes: Vec<Index>,
    /// `LocalSecondaryIndexes`, in the template's order.
    pub(crate) local_indexes: Vec<Index>,
    /// Who pays for reads and writes.
    pub(crate) billing: Billing,
    /// `StreamViewType`; none without a stream.
    pub(crate) stream: Option<StreamView>,
    /// Attribute that holds the time an item ends at; none when items stay.
    pub(crate) ttl_attribute: Option<String>,
}

/// Type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum AttributeType {
    /// A string.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

/// A key schema; both attributes are in [`Table::attributes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Keys {
    /// `HASH`.
    pub(crate) hash: String,
    /// `RANGE`.
    pub(crate) range: Option<String>,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Index {
    /// `IndexName`.
    pub(crate) name: String,
    /// Its keys.
    pub(crate) keys: Keys,
    /// What is copied into it.
    pub(crate) projection: Projection,
    /// Units of a global index of a table with provisioned billing.
    pub(crate) throughput: Option<Throughput>,
}

/// What an index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Projection {
    /// Every attribute.
    All,
    /// Keys only.
    KeysOnly,
    /// Keys and these.
    Include(Vec<String>),
}

/// How a table is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Billing {
    /// `PAY_PER_REQUEST`.
    PayPerRequest,
    /// `PROVISIONED`.
    Provisioned(Throughput),
}

/// `ProvisionedThroughput`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Throughput {
    /// `ReadCapacityUnits`, at least 1.
    pub(crate) read: u64,
    /// `WriteCapacityUnits`, at least 1.
    pub(crate) write: u64,
}

/// What a stream holds of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StreamView {
    KeysOnly,
    NewAndOldImages,
    NewImage,
    OldImage,
}

impl StreamView {
    /// As templates write it.
    pub(crate) fn as_str(self) -> &'static str {
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
pub(crate) struct Bucket {
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// `BucketName`, else the logical id in lower case.
    pub(crate) name: String,
    /// Whether old versions of objects are kept.
    pub(crate) versioned: bool,
    /// `LifecycleConfiguration.Rules`, in the template's order.
    pub(crate) lifecycle: Vec<LifecycleRule>,
}

/// When objects of a bucket end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LifecycleRule {
    /// `Id`.
    pub(crate) id: Option<String>,
    /// `Status`.
    pub(crate) enabled: bool,
    /// Objects whose key begins with it; none means all.
    pub(crate) prefix: Option<String>,
    /// `ExpirationInDays`.
    pub(crate) expiration_days: Option<u32>,
    /// `ExpirationDate`, as written.
    pub(crate) expiration_date: Option<String>,
    /// Days after which an old version ends.
    pub(crate) noncurrent_days: Option<u32>,
    /// Days after which an upload that was begun ends.
    pub(crate) abort_upload_days: Option<u32>,
}
