//! The JSON Schemas of what the programs write for other programs, as the files of `docs/schemas` have them.
//!
//! The programs carry the files and nothing that makes them: `schemas/made.rs` makes them from the types, in tests alone.

#[cfg(test)]
mod made;

use crate::output::JSON_VERSION;

/// Names the schemas, and takes each from its file.
macro_rules! schemas {
    ($($name:literal,)+) => {
        /// The names of the schemas.
        pub(crate) const NAMES: &[&str] = &[$($name,)+];

        /// The schema of this name: the text of its file.
        pub(crate) fn text(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../docs/schemas/", $name, ".json"))),)+
                _ => None,
            }
        }
    };
}

// The types of JSON lines in their order, then what has no type.
schemas! {
    "event",
    "document",
    "applied",
    "failed",
    "plan",
    "deploy",
    "status",
    "hold",
    "drift",
    "prune",
    "diff",
    "field",
    "stack",
    "lock",
    "verified",
    "assertion",
    "replayed",
    "abandoned",
    "imported",
    "posted",
    "removed",
    "pruned",
    "pruned_image",
    "backed_up",
    "restored",
    "diagnosis",
    "stats",
    "valid",
    "synced",
    "provisioned",
    "generated",
    "config",
    "initialized",
    "validated",
    "difference",
    "schema",
    "error",
    "export_line",
    "saved_plan",
}

/// The identifier of a schema. Its version is that of all JSON lines.
pub(crate) fn id(name: &str) -> String {
    format!("urn:artifactctl:schema:{JSON_VERSION}:{name}")
}
