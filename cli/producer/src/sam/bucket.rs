//! Buckets: `AWS::S3::Bucket`.

use engine::contract::quoted;
use engine::yaml::Node;

use super::fields::Fields;
use super::property::{Properties, left_out, no_effect, read};
use crate::intrinsics::Context;
use crate::model::{Bucket, LifecycleRule};
use crate::report::{Level, Read, TemplateRule};
use crate::template::{Kind, Resource};

const ACCESS: &str = "the stack asks nobody for permission";
const WHOLE_RULE: &str = "without it the rule would end more objects, so the rule is left out";
const IN_DAYS: &str = "the provisioner knows `ExpirationInDays` only";
const CLASSES: &str = "there is one class of storage";
const REPORTS: &str = "nothing is measured";

/// `AWS::S3::Bucket`.
pub(super) const PROPERTIES: Properties = Properties {
    of: "AWS::S3::Bucket",
    open: false,
    list: &[
        no_effect("AbacStatus", ACCESS),
        no_effect("AccelerateConfiguration", "the bucket is near"),
        no_effect("AccessControl", ACCESS),
        no_effect("AnalyticsConfigurations", REPORTS),
        no_effect("BucketEncryption", "objects are not encrypted"),
        read(
            "BucketName",
            "its name in the stack; the logical id in lower case without it",
        ),
        left_out("CorsConfiguration", "browsers are not served"),
        no_effect("IntelligentTieringConfigurations", CLASSES),
        left_out("InventoryConfigurations", REPORTS),
        read("LifecycleConfiguration", ""),
        read("LifecycleConfiguration.Rules", "in the template's order"),
        left_out(
            "LifecycleConfiguration.Rules.AbortIncompleteMultipartUpload",
            IN_DAYS,
        ),
        left_out("LifecycleConfiguration.Rules.ExpirationDate", IN_DAYS),
        read("LifecycleConfiguration.Rules.ExpirationInDays", ""),
        left_out(
            "LifecycleConfiguration.Rules.ExpiredObjectDeleteMarker",
            "delete markers stay",
        ),
        read("LifecycleConfiguration.Rules.Id", ""),
        left_out(
            "LifecycleConfiguration.Rules.NoncurrentVersionExpiration",
            IN_DAYS,
        ),
        left_out(
            "LifecycleConfiguration.Rules.NoncurrentVersionExpirationInDays",
            IN_DAYS,
        ),
        no_effect(
            "LifecycleConfiguration.Rules.NoncurrentVersionTransition",
            CLASSES,
        ),
        no_effect(
            "LifecycleConfiguration.Rules.NoncurrentVersionTransitions",
            CLASSES,
        ),
        left_out(
            "LifecycleConfiguration.Rules.ObjectSizeGreaterThan",
            WHOLE_RULE,
        ),
        left_out(
            "LifecycleConfiguration.Rules.ObjectSizeLessThan",
            WHOLE_RULE,
        ),
        read("LifecycleConfiguration.Rules.Prefix", ""),
        read(
            "LifecycleConfiguration.Rules.Status",
            "`Enabled` or `Disabled`; required",
        ),
        left_out("LifecycleConfiguration.Rules.TagFilters", WHOLE_RULE),
        no_effect("LifecycleConfiguration.Rules.Transition", CLASSES),
        no_effect("LifecycleConfiguration.Rules.Transitions", CLASSES),
        no_effect(
            "LifecycleConfiguration.TransitionDefaultMinimumObjectSize",
            CLASSES,
        ),
        no_effect("LoggingConfiguration", "logs are the stack's"),
        left_out("MetadataConfiguration", REPORTS),
        left_out("MetadataTableConfiguration", REPORTS),
        no_effect("MetricsConfigurations", REPORTS),
        left_out(
            "NotificationConfiguration",
            "nothing is told of new objects",
        ),
        left_out("ObjectLockConfiguration", "objects are not locked"),
        left_out("ObjectLockEnabled", "objects are not locked"),
        no_effect("OwnershipControls", ACCESS),
        no_effect("PublicAccessBlockConfiguration", ACCESS),
        left_out("ReplicationConfiguration", "there is one copy"),
        no_effect("Tags", "tags are not kept"),
        left_out(
            "VersioningConfiguration",
            "the provisioner makes buckets without versions",
        ),
        left_out("WebsiteConfiguration", "browsers are not served"),
    ],
};

/// Properties that narrow a rule: a rule without them would end what it should not.
const NARROWING: [&str; 3] = ["ObjectSizeGreaterThan", "ObjectSizeLessThan", "TagFilters"];

/// Reads one bucket.
pub(super) fn read_bucket(
    context: &Context<'_>,
    resource: &Resource<'_>,
    properties: &Node,
) -> Read<Bucket> {
    let own = context.resolver(resource.subject());
    let fields = Fields::open(own, &PROPERTIES, "", properties)?;
    let name = fields.resource_name(resource, Kind::Bucket);
    let lifecycle = lifecycle(&fields);
    let name = name?;
    if !is_name(&name) {
        let message = format!(
            "a bucket's name is made of lower-case letters, digits, `.` and `-`, 3 to 63, which {} is not",
            quoted(&name)
        );
        return Err(fields.bad("BucketName", message));
    }
    Ok(Bucket {
        logical_id: context.logical_id(resource.id),
        name,
        lifecycle: lifecycle?,
    })
}

fn is_name(name: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|b| is_inner(b) || matches!(b, b'.' | b'-'))
        && name.bytes().next().is_some_and(is_inner)
        && name.bytes().next_back().is_some_and(is_inner)
        && !name.contains("..")
}

fn lifecycle(fields: &Fields<'_, '_>) -> Read<Vec<LifecycleRule>> {
    let Some(configuration) = fields.child("LifecycleConfiguration")? else {
        return Ok(Vec::new());
    };
    let rules = configuration.children("Rules")?;
    let read: Vec<Read<Option<LifecycleRule>>> = rules.iter().map(rule).collect();
    read.into_iter().filter_map(Result::transpose).collect()
}

/// One rule; none for a rule that could not be narrowed as the template says.
fn rule(rule: &Fields<'_, '_>) -> Read<Option<LifecycleRule>> {
    let enabled = rule.choice("Status", &[("Enabled", true), ("Disabled", false)]);
    let id = rule.text("Id");
    let prefix = rule.text("Prefix");
    let expiration_days = rule.number("ExpirationInDays", 1..=u32::MAX);
    if NARROWING.iter().any(|name| rule.has(name)) {
        return Ok(None);
    }
    let (id, prefix) = (id?, prefix?);
    let enabled = rule.need("Status", enabled?)?;
    let Some(expiration_days) = expiration_days? else {
        let own = rule.own();
        let message = "the rule is left out: it ends nothing after `ExpirationInDays`";
        let (level, rule_name) = (Level::Warning, TemplateRule::PropertyLeftOut);
        own.findings()
            .note(level, rule_name, &own.subject, rule.span, message, None);
        return Ok(None);
    };
    Ok(Some(LifecycleRule {
        id,
        enabled,
        prefix: prefix.filter(|prefix| !prefix.is_empty()),
        expiration_days,
    }))
}
