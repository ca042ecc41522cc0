//! The payload contract: is this artifact complete and well formed, so that it can be applied?
//!
//! Pure: texts and trees in, models and violations out. Not here: reading files (`load`), what the stack can take (`compat`).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod digest;
mod env_file;
mod expression;
mod fields;
mod ids;
mod manifest;
mod nearest;
mod payload;
mod read;
mod render;
mod rule;
mod schedule;
mod secrets;
mod source;
mod text;
mod values;
mod violation;
mod words;
mod write;

pub use digest::{Digest, Hasher};
pub use env_file::Lookup;
pub use expression::schedule_expression;
pub use ids::{canonical_ref, compute_id, is_id, source_key, template_slug};
pub use manifest::{
    ApiVersion, ArtifactEntry, FunctionName, Generator, Manifest, Mode, RuntimeStack,
    SourceTemplate,
};
pub use nearest::{did_you_mean, misspelt, nearest};
pub use payload::{
    FunctionImage, Shape, check_functions, check_resources, check_routing, image_conflict,
};
pub use read::{
    CheckedManifest, Ids, PayloadPaths, check_manifest, check_manifest_with, check_tree,
    parse_manifest,
};
pub use render::{render, render_violations};
pub use rule::Rule;
pub use secrets::{
    EnvText, Presence, SecretFile, SecretNames, SecretValues, check_secrets, env_line,
    may_name_a_secret, parse_secret_env, required_secrets, secret_values,
};
#[cfg(feature = "docker")]
pub(crate) use source::is_shown;
pub use source::{Source, printable, printable_lines, quoted};
pub use text::{RUNTIME_BASE, target_name};
pub use violation::{Place, Unknown, Violation, Warning};
pub use write::{manifest_text, with_ids};
