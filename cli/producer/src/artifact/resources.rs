//! `resources.yml` of an artifact: what the provisioner makes, in the words of `CloudFormation`.

use engine::yaml::{self, Fields, Node, Value};

use crate::model::{
    App, AttributeType, Billing, Bucket, Index, Keys, Layer, LifecycleRule, Projection, Table,
    Throughput,
};

/// The text of `resources.yml`; none when the template has no resources.
pub(super) fn resources(app: &App) -> Option<String> {
    let mut top = Fields::default();
    let lists = [
        ("dynamodb", app.tables.iter().map(table).collect()),
        ("s3", app.buckets.iter().map(bucket).collect()),
        ("layers", app.layers.iter().map(layer).collect::<Vec<_>>()),
    ];
    for (name, items) in lists {
        list(&mut top, name, items);
    }
    (!top.is_empty()).then(|| yaml::emit(&top.into()))
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
    if let Some(attribute) = &table.ttl_attribute {
        let mut ttl = Fields::default();
        ttl.text("AttributeName", attribute);
        ttl.boolean("Enabled", true);
        fields.node("TimeToLiveSpecification", ttl.into());
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
    if bucket.versioned {
        let mut versioning = Fields::default();
        versioning.text("Status", "Enabled");
        fields.node("VersioningConfiguration", versioning.into());
    }
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
    if let Some(days) = rule.expiration_days {
        fields.number("ExpirationInDays", days.into());
    }
    fields.optional("ExpirationDate", rule.expiration_date.as_deref());
    let within = |name: &str, days: Option<u32>| {
        days.map(|days| {
            let mut fields = Fields::default();
            fields.number(name, days.into());
            Node::from(fields)
        })
    };
    if let Some(node) = within("NoncurrentDays", rule.noncurrent_days) {
        fields.node("NoncurrentVersionExpiration", node);
    }
    if let Some(node) = within("DaysAfterInitiation", rule.abort_upload_days) {
        fields.node("AbortIncompleteMultipartUpload", node);
    }
    fields.into()
}

fn layer(layer: &Layer) -> Node {
    let mut fields = Fields::default();
    fields.text("Name", layer.name.as_str());
    fields.list("CompatibleRuntimes", &layer.runtimes);
    let architectures: Vec<&str> = layer
        .architectures
        .iter()
        .map(|architecture| architecture.as_str())
        .collect();
    fields.list("CompatibleArchitectures", &architectures);
    fields.into()
}
