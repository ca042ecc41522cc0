//! Which fields an event has, and what may be compared with each: the one list, which a test compares with recorded events.

use super::predicate::Field;
use crate::contract::nearest;
use crate::machine::Event;

/// What a field holds, as far as comparisons go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A version, full or partial.
    Version,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// Texts; a number is compared with how many there are.
    Texts,
    /// Things with fields; a number is compared with how many there are.
    Things,
}

use FieldType::{Flag, Number, Text, Texts, Things, Version, Word};

type Fields = &'static [(&'static str, FieldType)];

const MODES: &[&str] = &["docker", "containerd"];
const POLICIES: &[&str] = &["strict", "lenient"];
const GRADES: &[&str] = &["pass", "note", "warn", "fail"];
const FAILURES: &[&str] = &[
    "payload",
    "incompatible",
    "image",
    "drift",
    "unrestorable",
    "publish",
    "provision",
    "unreachable",
    "interrupted",
    "internal",
];
const SOURCES: &[&str] = &["reused", "built", "promoted"];
const STEPS: &[&str] = &[
    "observe",
    "check",
    "merge",
    "image",
    "publish",
    "tag",
    "provision",
];

/// The fields of each kind's payload, schema 2. `*` stands for any name: a file, a reference, a parameter.
const PAYLOADS: [(&str, Fields); 15] = [
    (
        "Requested",
        &[
            ("artifact", Text),
            ("manifest_path", Text),
            ("manifest", Things),
            ("manifest.project", Text),
            ("manifest.env", Text),
            ("manifest.mode", Word(MODES)),
            ("manifest.runtime_stack", Things),
            ("manifest.runtime_stack.api_version", Version),
            ("manifest.runtime_stack.mode", Word(MODES)),
            ("manifest.runtime_stack.esb_version", Text),
            ("manifest.runtime_stack.requires", Things),
            ("manifest.runtime_stack.requires.*", Text),
            ("manifest.artifacts", Things),
            ("manifest.artifacts.id", Text),
            ("manifest.artifacts.artifact_root", Text),
            ("manifest.artifacts.runtime_config_dir", Text),
            ("manifest.artifacts.bundle_manifest", Text),
            ("manifest.artifacts.required_secret_env", Texts),
            ("manifest.artifacts.source_template", Things),
            ("manifest.artifacts.source_template.path", Text),
            ("manifest.artifacts.source_template.sha256", Text),
            ("manifest.artifacts.source_template.parameters", Things),
            ("manifest.artifacts.source_template.parameters.*", Text),
            ("manifest.generated_at", Text),
            ("manifest.generator", Things),
            ("manifest.generator.name", Text),
            ("manifest.generator.version", Version),
            ("project", Text),
            ("out", Text),
            ("message", Text),
            ("registries", Things),
            ("registries.stack", Text),
            ("registries.host", Text),
            ("registries.esb_tag", Text),
            ("options", Things),
            ("options.compat", Word(POLICIES)),
            ("options.strict_warnings", Flag),
            ("options.no_cache", Flag),
            ("options.accept_digests", Texts),
            ("options.prune", Flag),
            ("options.fail_on_drift", Flag),
            ("options.platform", Text),
            ("options.provision", Things),
            ("options.provision.files", Texts),
            ("options.provision.env_file", Text),
            ("options.provision.project_dir", Text),
            ("options.provision.with_deps", Flag),
            ("options.secret_env", Text),
            ("base", Things),
            ("base.deploy", Text),
            ("base.merged", Number),
            ("base.applied", Flag),
            ("base.images", Text),
            ("rollback_to", Text),
        ],
    ),
    (
        "Observed",
        &[
            ("observation", Things),
            ("observation.project", Text),
            ("observation.engine", Things),
            ("observation.engine.id", Text),
            ("observation.engine.name", Text),
            ("observation.engine.address", Text),
            ("observation.engine.version", Version),
            ("observation.engine.api_version", Version),
            ("observation.engine.platform", Text),
            ("observation.containers", Things),
            ("observation.containers.name", Text),
            ("observation.containers.service", Text),
            ("observation.containers.image", Text),
            ("observation.containers.image_id", Text),
            ("observation.containers.repo_digest", Text),
            ("observation.containers.version", Things),
            ("observation.containers.version.value", Version),
            (
                "observation.containers.version.source",
                Word(&["esb_label", "oci_label", "image_tag"]),
            ),
            ("observation.containers.tag", Text),
            ("observation.containers.api_version", Version),
            ("observation.containers.mode", Text),
            ("observation.api_version", Things),
            ("observation.api_version.value", Version),
            ("observation.api_version.source", Text),
            ("observation.mode", Things),
            ("observation.mode.value", Word(MODES)),
            ("observation.mode.source", Text),
            ("observation.mode.source.*", Text),
            ("observation.gateway_secrets", Texts),
            ("observation.other_projects", Texts),
        ],
    ),
    (
        "CompatChecked",
        &[
            ("verdict", Word(&["compatible", "incompatible"])),
            ("policy", Word(POLICIES)),
            ("strict_warnings", Flag),
            ("findings", Things),
            ("findings.component", Text),
            ("findings.container", Text),
            ("findings.grade", Word(GRADES)),
            ("findings.found", Text),
            ("findings.required", Text),
            ("findings.source", Text),
            ("findings.hint", Text),
        ],
    ),
    (
        "Merged",
        &[
            ("files", Things),
            ("files.*", Text),
            ("ownership", Things),
            ("ownership.document", Text),
            ("ownership.stated", Things),
            ("changes", Things),
            ("changes.added", Texts),
            ("changes.changed", Texts),
            ("changes.taken", Texts),
            ("changes.removed", Texts),
            ("drift", Things),
            ("drift.key", Text),
            ("drift.written", Text),
            ("drift.found", Text),
            ("images", Things),
            ("images.stated", Texts),
            ("images.document", Things),
            ("images.document.digest", Text),
            ("images.document.count", Number),
            ("warnings", Texts),
            ("values", Things),
            ("values.*", Text),
        ],
    ),
    (
        "ImagesKept",
        &[
            ("base", Text),
            ("images", Text),
            ("count", Number),
            ("digest", Text),
            ("pending", Texts),
        ],
    ),
    (
        "ImageBuilt",
        &[
            ("function", Text),
            ("reference", Text),
            ("key", Text),
            ("inputs", Things),
            ("inputs.*", Text),
            ("digest", Text),
            ("bases", Things),
            ("bases.*", Text),
            ("source", Word(SOURCES)),
            ("duration_ms", Number),
            ("assembled", Flag),
            ("prefix", Things),
            ("prefix.key", Text),
            ("prefix.digest", Text),
            ("prefix.source", Word(SOURCES)),
        ],
    ),
    (
        "Applied",
        &[
            ("files", Things),
            ("files.*", Things),
            ("files.*.digest", Text),
            ("files.*.written", Flag),
            ("images", Text),
            ("tags", Things),
            ("tags.*", Text),
            ("rechecked_at", Text),
            ("provision", Things),
            ("provision.exit_code", Number),
            ("provision.output", Texts),
        ],
    ),
    (
        "Failed",
        &[
            ("step", Word(STEPS)),
            ("function", Text),
            ("kind", Word(FAILURES)),
            ("message", Text),
            ("causes", Texts),
            ("hints", Texts),
            ("output", Texts),
            ("retryable", Flag),
        ],
    ),
    (
        "Resumed",
        &[("attempt", Number), ("last_failure", Word(FAILURES))],
    ),
    (
        "Abandoned",
        &[
            ("reason", Text),
            ("reason.superseded", Things),
            ("reason.superseded.by", Text),
            ("note", Text),
        ],
    ),
    (
        "TakenOver",
        &[
            ("holder", Things),
            ("holder.actor", Text),
            ("holder.pid", Number),
            ("holder.host", Text),
            ("holder.boot_id", Text),
            ("holder.since", Text),
            ("holder.deploy", Text),
        ],
    ),
    ("Held", &[("message", Text), ("latest", Number)]),
    ("Released", &[("note", Text)]),
    (
        "DriftFound",
        &[
            ("latest", Number),
            ("in_effect", Text),
            ("files", Texts),
            ("keys", Things),
            ("keys.key", Text),
            ("keys.written", Text),
            ("keys.found", Text),
            ("tags", Things),
            ("tags.function", Text),
            ("tags.reference", Text),
            ("tags.applied", Text),
            ("tags.found", Text),
            ("refused", Things),
            ("refused.component", Text),
            ("refused.container", Text),
            ("refused.grade", Word(GRADES)),
            ("refused.found", Text),
            ("refused.required", Text),
            ("refused.source", Text),
            ("refused.hint", Text),
        ],
    ),
    (
        "Pruned",
        &[
            ("latest", Number),
            ("checkpoint", Things),
            ("checkpoint.sequence", Number),
            ("checkpoint.hash", Text),
            ("events", Number),
            ("deploys", Number),
            ("from", Text),
            ("to", Text),
            ("images", Text),
            ("message", Text),
        ],
    ),
];

/// Fields of every event's envelope.
const ENVELOPE: Fields = &[("actor", Text), ("attempt", Number)];

/// What can be asked of a service by its name, as `gateway.version`, and where a container says it.
const SERVICE: [(&str, &[&str], FieldType); 6] = [
    ("version", &["version", "value"], Version),
    ("image", &["image"], Text),
    ("tag", &["tag"], Text),
    ("name", &["name"], Text),
    ("api_version", &["api_version"], Version),
    ("mode", &["mode"], Text),
];

/// The payload's fields of a kind.
pub(super) fn of_kind(kind: &str) -> Fields {
    let found = PAYLOADS.iter().find(|(known, _)| *known == kind);
    found.map_or(&[], |(_, fields)| fields)
}

/// Says whether a path is one of the list: each `*` is any name.
pub(super) fn fits(listed: &str, path: &[String]) -> bool {
    let parts: Vec<&str> = listed.split('.').collect();
    parts.len() == path.len()
        && parts
            .iter()
            .zip(path)
            .all(|(part, segment)| *part == "*" || part == segment)
}

/// The field that a path names in events of a kind, or of any kind.
pub(super) fn resolve(kind: Option<&str>, path: &[String]) -> Option<(Field, FieldType)> {
    let in_list = |fields: Fields| {
        let mut listed = fields.iter();
        listed
            .find(|(listed, _)| fits(listed, path))
            .map(|(_, of)| *of)
    };
    if let Some(of) = kind.map(of_kind).and_then(in_list) {
        return Some((Field::Payload(path.to_vec()), of));
    }
    match (kind, path) {
        (Some("ImageBuilt"), [name]) if name == "reused" => Some((Field::Reused, Flag)),
        (Some("Observed"), [service, what]) => {
            let (_, inside, of) = SERVICE.iter().find(|(name, ..)| name == what)?;
            let service = service.clone();
            Some((Field::Service { service, inside }, *of))
        }
        (_, [name]) if name == "actor" => Some((Field::Actor, Text)),
        (_, [name]) if name == "attempt" => Some((Field::Attempt, Number)),
        (None | Some(_), _) => None,
    }
}

/// The field of a kind whose path is most like this one.
pub(super) fn nearest_to(kind: Option<&str>, path: &str) -> Option<&'static str> {
    let payload = kind.map_or(&[][..], of_kind);
    let derived = (kind == Some("ImageBuilt")).then_some("reused");
    let service = (kind == Some("Observed")).then_some("gateway.version");
    let names = payload.iter().chain(ENVELOPE).map(|(name, _)| *name);
    nearest(path, names.chain(derived).chain(service))
}

/// The kind of this name.
pub(super) fn kind_named(name: &str) -> Option<&'static str> {
    Event::KINDS.into_iter().find(|kind| *kind == name)
}
