//! `resources.yml` of an artifact: what the provisioner makes. A table is what boto3's `create_table` takes, a bucket what the
//! provisioner reads of one.

use engine::yaml::{self, Fields, Node, Value};

use crate::model::{
    App, AttributeType, Billing, Bucket, Index, Keys, LifecycleRule, Projection, Table, Throughput,
};

/// The text of `resources.yml`; none when the template has no tables and no buckets.
pub(super) fn resources(app: &App) -> Option<String> {
    let mut lists = Fields::default();
    list(
        &mut lists,
        "dynamodb",
        app.tables.iter().map(table).collect(),
    );
    list(&mut lists, "s3", app.buckets.iter().map(bucket).collect());
    if lists.is_empty() {
        return None;
    }
    let mut top = Fields::default();
    top.node("resources", lists.into());
    Some(yaml::emit(&top.into()))
}

/// A list; an empty one is left out.
fn list(fields: &mut Fields, name: &str, items: Vec<Node>) {
    if !items.is_empty() {
        fields.node(name, Value::List(items).into());
    }
}

fn table(table: &Table) -> Node {
    let mut fields = Fields::default();
    fields.text("TableName", &table.name);
    let attributes = table.attributes.iter().map(|(name, kind)| {
        let mut fields = Fields::default();
        fields.text("AttributeName", name);
        fields.text(
            "AttributeType",
            match kind {
                AttributeType::S => "S",
                AttributeType::N => "N",
                AttributeType::B => "B",
            },
        );
        fields.into()
    });
    list(&mut fields, "AttributeDefinitions", attributes.collect());
    list(&mut fields, "KeySchema", keys(&table.keys));
    let indexes = |indexes: &[Index]| indexes.iter().map(index).collect();
    list(
        &mut fields,
        "GlobalSecondaryIndexes",
        indexes(&table.global_indexes),
    );
    list(
        &mut fields,
        "LocalSecondaryIndexes",
        indexes(&table.local_indexes),
    );
    match table.billing {
        Billing::PayPerRequest => fields.text("BillingMode", "PAY_PER_REQUEST"),
        Billing::Provisioned(units) => {
            fields.text("BillingMode", "PROVISIONED");
            fields.node("ProvisionedThroughput", throughput(units));
        }
    }
    if let Some(view) = table.stream {
        let mut stream = Fields::default();
        stream.boolean("StreamEnabled", true);
        stream.text("StreamViewType", view.as_str());
        fields.node("StreamSpecification", stream.into());
    }
    fields.into()
}

fn keys(keys: &Keys) -> Vec<Node> {
    let key = |name: &str, kind: &str| {
        let mut fields = Fields::default();
        fields.text("AttributeName", name);
        fields.text("KeyType", kind);
        Node::from(fields)
    };
    let hash = key(&keys.hash, "HASH");
    let range = keys.range.as_ref().map(|range| key(range, "RANGE"));
    std::iter::once(hash).chain(range).collect()
}

fn index(index: &Index) -> Node {
    let mut fields = Fields::default();
    fields.text("IndexName", &index.name);
    list(&mut fields, "KeySchema", keys(&index.keys));
    let mut projection = Fields::default();
    match &index.projection {
        Projection::All => projection.text("ProjectionType", "ALL"),
        Projection::KeysOnly => projection.text("ProjectionType", "KEYS_ONLY"),
        Projection::Include(names) => {
            projection.text("ProjectionType", "INCLUDE");
            projection.list("NonKeyAttributes", names);
        }
    }
    fields.node("Projection", projection.into());
    if let Some(units) = index.throughput {
        fields.node("ProvisionedThroughput", throughput(units));
    }
    fields.into()
}

fn throughput(units: Throughput) -> Node {
    let mut fields = Fields::default();
    fields.number("ReadCapacityUnits", units.read);
    fields.number("WriteCapacityUnits", units.write);
    fields.into()
}

fn bucket(bucket: &Bucket) -> Node {
    let mut fields = Fields::default();
    fields.text("BucketName", &bucket.name);
    if !bucket.lifecycle.is_empty() {
        let mut lifecycle = Fields::default();
        let rules = bucket.lifecycle.iter().map(rule).collect();
        list(&mut lifecycle, "Rules", rules);
        fields.node("LifecycleConfiguration", lifecycle.into());
    }
    fields.into()
}

fn rule(rule: &LifecycleRule) -> Node {
    let mut fields = Fields::default();
    fields.optional("Id", rule.id.as_deref());
    fields.text("Status", if rule.enabled { "Enabled" } else { "Disabled" });
    fields.optional("Prefix", rule.prefix.as_deref());
    fields.number("ExpirationInDays", rule.expiration_days.into());
    fields.into()
}
