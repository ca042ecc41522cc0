//! Tables: `AWS::DynamoDB::Table` and `AWS::Serverless::SimpleTable`.

pub(super) mod properties;

use std::collections::{BTreeMap, BTreeSet};

use engine::contract::quoted;
use engine::yaml::Node;

use self::properties::{SIMPLE, TABLE};
use super::fields::Fields;
use crate::intrinsics::Context;
use crate::model::{
    AttributeType, Billing, Index, Keys, Projection, StreamView, Table, Throughput,
};
use crate::report::Read;
use crate::template::{Kind, Resource};

/// Reads an `AWS::DynamoDB::Table`.
pub(super) fn read_table(
    context: &Context<'_>,
    resource: &Resource<'_>,
    properties: &Node,
) -> Read<Table> {
    let own = context.resolver(resource.subject());
    let fields = Fields::open(own, &TABLE, "", properties)?;
    let name = name(&fields, resource, Kind::Table);
    let attributes = attributes(&fields);
    let keys = keys(&fields);
    let billing = billing(&fields);
    let provisioned = match &billing {
        Ok(Billing::Provisioned(_)) => Some(true),
        Ok(Billing::PayPerRequest) => Some(false),
        Err(_) => None,
    };
    let global_indexes = indexes(&fields, "GlobalSecondaryIndexes", provisioned);
    let local_indexes = indexes(&fields, "LocalSecondaryIndexes", None);
    let stream = stream(&fields);
    let table = Table {
        logical_id: context.logical_id(resource.id),
        name: name?,
        attributes: attributes?,
        keys: keys?,
        global_indexes: global_indexes?,
        local_indexes: local_indexes?,
        billing: billing?,
        stream: stream?,
    };
    check_attributes(&fields, &table)?;
    Ok(table)
}

/// Reads an `AWS::Serverless::SimpleTable`.
pub(super) fn read_simple(
    context: &Context<'_>,
    resource: &Resource<'_>,
    properties: &Node,
) -> Read<Table> {
    let own = context.resolver(resource.subject());
    let fields = Fields::open(own, &SIMPLE, "", properties)?;
    let name = name(&fields, resource, Kind::SimpleTable);
    let types = [
        ("String", AttributeType::S),
        ("Number", AttributeType::N),
        ("Binary", AttributeType::B),
    ];
    let (key, key_type) = match fields.child("PrimaryKey")? {
        None => ("id".to_owned(), AttributeType::S),
        Some(primary) => {
            let key = primary.parsed("Name", attribute_name);
            let key_type = primary.choice("Type", &types)?;
            (primary.need("Name", key?)?, primary.need("Type", key_type)?)
        }
    };
    let throughput = throughput(&fields)?;
    Ok(Table {
        logical_id: context.logical_id(resource.id),
        name: name?,
        attributes: BTreeMap::from([(key.clone(), key_type)]),
        keys: Keys {
            hash: key,
            range: None,
        },
        global_indexes: Vec::new(),
        local_indexes: Vec::new(),
        billing: throughput.map_or(Billing::PayPerRequest, Billing::Provisioned),
        stream: None,
    })
}

fn name(fields: &Fields<'_, '_>, resource: &Resource<'_>, kind: Kind) -> Read<String> {
    let name = fields.resource_name(resource, kind)?;
    if is_name(&name) {
        return Ok(name);
    }
    let message = not_a_name("a table's", &name);
    Err(fields.bad("TableName", message))
}

/// Names of tables and indexes.
fn is_name(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn not_a_name(whose: &str, name: &str) -> String {
    format!(
        "{whose} name is made of letters, digits, `.`, `_` and `-`, 3 to 255, which {} is not",
        quoted(name)
    )
}

fn attribute_name(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "an attribute's name has 1 to 255 characters, which {} has not",
        quoted(text)
    ))
}

fn attributes(fields: &Fields<'_, '_>) -> Read<BTreeMap<String, AttributeType>> {
    let types = [
        ("S", AttributeType::S),
        ("N", AttributeType::N),
        ("B", AttributeType::B),
    ];
    let mut found = BTreeMap::new();
    for definition in fields.children("AttributeDefinitions")? {
        let name = definition.parsed("AttributeName", attribute_name);
        let kind = definition.choice("AttributeType", &types)?;
        let name = definition.need("AttributeName", name?)?;
        let kind = definition.need("AttributeType", kind)?;
        if found.insert(name.clone(), kind).is_some() {
            let message = format!("the attribute `{name}` is defined twice");
            return Err(definition.bad("AttributeName", message));
        }
    }
    Ok(found)
}

fn keys(fields: &Fields<'_, '_>) -> Read<Keys> {
    let (mut hash, mut range) = (None, None);
    for key in fields.children("KeySchema")? {
        let name = key.parsed("AttributeName", attribute_name);
        let is_hash = key.choice("KeyType", &[("HASH", true), ("RANGE", false)])?;
        let name = key.need("AttributeName", name?)?;
        let slot = if key.need("KeyType", is_hash)? {
            &mut hash
        } else {
            &mut range
        };
        if slot.replace(name).is_some() {
            return Err(key.bad(
                "KeyType",
                "a key schema has one `HASH` and at most one `RANGE`",
            ));
        }
    }
    match hash {
        Some(hash) => Ok(Keys { hash, range }),
        None if fields.has("KeySchema") => {
            Err(fields.bad("KeySchema", "a key schema has one `HASH`"))
        }
        None => Err(fields.missing("KeySchema")),
    }
}

fn throughput(fields: &Fields<'_, '_>) -> Read<Option<Throughput>> {
    let Some(throughput) = fields.child("ProvisionedThroughput")? else {
        return Ok(None);
    };
    let units = |name: &str| {
        let units = throughput.number(name, 1..=u32::MAX)?;
        throughput.need(name, units).map(u64::from)
    };
    let (read, write) = (units("ReadCapacityUnits"), units("WriteCapacityUnits"));
    Ok(Some(Throughput {
        read: read?,
        write: write?,
    }))
}

fn billing(fields: &Fields<'_, '_>) -> Read<Billing> {
    let words = [("PROVISIONED", true), ("PAY_PER_REQUEST", false)];
    let throughput = throughput(fields);
    let provisioned = fields.choice("BillingMode", &words)?.unwrap_or(true);
    match (provisioned, throughput?) {
        (true, Some(throughput)) => Ok(Billing::Provisioned(throughput)),
        (true, None) => Err(fields.missing("ProvisionedThroughput")),
        (false, None) => Ok(Billing::PayPerRequest),
        (false, Some(_)) => Err(unasked(fields)),
    }
}

fn unasked(fields: &Fields<'_, '_>) -> crate::report::Reported {
    let message = "a table with `PAY_PER_REQUEST` has no `ProvisionedThroughput`";
    fields.bad("ProvisionedThroughput", message)
}

/// The indexes of one list. `provisioned` says whether each needs its throughput; none for local ones, which have none.
fn indexes(fields: &Fields<'_, '_>, list: &str, provisioned: Option<bool>) -> Read<Vec<Index>> {
    let is_global = list == "GlobalSecondaryIndexes";
    let mut found: Vec<Index> = Vec::new();
    let mut names = BTreeSet::new();
    for index in fields.children(list)? {
        let name = index.parsed("IndexName", |text| {
            let fits = is_name(text).then(|| text.to_owned());
            fits.ok_or_else(|| not_a_name("an index's", text))
        });
        let keys = keys(&index);
        let projection = projection(&index);
        let throughput = if is_global {
            throughput(&index)
        } else {
            Ok(None)
        };
        let name = index.need("IndexName", name?)?;
        let throughput = match (provisioned, throughput?) {
            (Some(true), None) => return Err(index.missing("ProvisionedThroughput")),
            (Some(false), Some(_)) => return Err(unasked(&index)),
            (_, throughput) => throughput,
        };
        if !names.insert(name.clone()) {
            return Err(index.bad("IndexName", format!("two indexes are called `{name}`")));
        }
        found.push(Index {
            name,
            keys: keys?,
            projection: projection?,
            throughput,
        });
    }
    Ok(found)
}

/// What an index holds, before its attributes are known.
#[derive(Debug, Clone, Copy)]
enum Holds {
    All,
    KeysOnly,
    Include,
}

fn projection(index: &Fields<'_, '_>) -> Read<Projection> {
    let projection = index.child("Projection")?;
    let projection = index.need("Projection", projection)?;
    let words = [
        ("ALL", Holds::All),
        ("KEYS_ONLY", Holds::KeysOnly),
        ("INCLUDE", Holds::Include),
    ];
    let kind = projection.choice("ProjectionType", &words)?;
    let attributes = projection.texts("NonKeyAttributes")?;
    match (projection.need("ProjectionType", kind)?, attributes) {
        (Holds::All, None) => Ok(Projection::All),
        (Holds::KeysOnly, None) => Ok(Projection::KeysOnly),
        (Holds::Include, Some(attributes)) => Ok(Projection::Include(attributes)),
        (Holds::Include, None) => Err(projection.missing("NonKeyAttributes")),
        (Holds::All | Holds::KeysOnly, Some(_)) => {
            Err(projection.bad("NonKeyAttributes", "only `INCLUDE` names attributes"))
        }
    }
}

fn stream(fields: &Fields<'_, '_>) -> Read<Option<StreamView>> {
    let Some(stream) = fields.child("StreamSpecification")? else {
        return Ok(None);
    };
    let words = [
        ("KEYS_ONLY", StreamView::KeysOnly),
        ("NEW_AND_OLD_IMAGES", StreamView::NewAndOldImages),
        ("NEW_IMAGE", StreamView::NewImage),
        ("OLD_IMAGE", StreamView::OldImage),
    ];
    let view = stream.choice("StreamViewType", &words)?;
    stream.need("StreamViewType", view).map(Some)
}

/// Every key is defined, and every definition is of a key: the database refuses anything else.
fn check_attributes(fields: &Fields<'_, '_>, table: &Table) -> Read<()> {
    let indexes = table.global_indexes.iter().chain(&table.local_indexes);
    let schemas = std::iter::once(&table.keys).chain(indexes.map(|index| &index.keys));
    let used: BTreeSet<&String> = schemas
        .flat_map(|keys| std::iter::once(&keys.hash).chain(&keys.range))
        .collect();
    let undefined = used
        .iter()
        .find(|name| !table.attributes.contains_key(**name));
    if let Some(name) = undefined {
        let message = format!("the key {} is not defined", quoted(name));
        return Err(fields.bad("AttributeDefinitions", message));
    }
    let unused = table.attributes.keys().find(|name| !used.contains(name));
    if let Some(name) = unused {
        let message = format!("the attribute {} is no key", quoted(name));
        return Err(fields.bad("AttributeDefinitions", message));
    }
    Ok(())
}
