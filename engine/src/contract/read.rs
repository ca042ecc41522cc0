//! From the text of `artifact.yml` to a manifest, or to everything that is wrong with it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::fields::Reader;
use super::ids;
use super::manifest::{ArtifactEntry, Generator, Manifest, Mode, RuntimeStack, SourceTemplate};
use super::rule::Rule;
use super::source::{Source, quoted};
use super::text;
use super::violation::{Place, Unknown, Violation, Warning};
use crate::yaml::{self, Map, Node, Span};

const MANIFEST_KEYS: &[&str] = &[
    "schema_version",
    "project",
    "env",
    "mode",
    "runtime_stack",
    "artifacts",
    "generated_at",
    "generator",
    "merge_policy",
];
const STACK_KEYS: &[&str] = &["api_version", "mode", "esb_version", "requires"];
const ENTRY_KEYS: &[&str] = &[
    "id",
    "artifact_root",
    "runtime_config_dir",
    "bundle_manifest",
    "required_secret_env",
    "source_template",
];
const TEMPLATE_KEYS: &[&str] = &["path", "sha256", "parameters"];
const GENERATOR_KEYS: &[&str] = &["name", "version"];

/// Whether the ids that stand in the manifest must be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// They must be valid and equal to the computed ones.
    Checked,
    /// They are about to be written, so what stands there does not count.
    Recomputed,
}

/// What a manifest says, and everything that is wrong with it.
#[derive(Debug, Clone)]
pub struct CheckedManifest {
    /// The manifest; none when there is a violation.
    pub manifest: Option<Manifest>,
    /// What is wrong, in the order of the text.
    pub violations: Vec<Violation>,
    /// What is odd, in the order of the text.
    pub warnings: Vec<Warning>,
    /// The entries whose paths could be read, in order; their files can be checked even when the manifest is refused.
    pub payloads: Vec<PayloadPaths>,
}

/// Where one entry keeps its files.
#[derive(Debug, Clone)]
pub struct PayloadPaths {
    /// Position in `artifacts`, from 0.
    pub index: usize,
    /// The artifact root, as written.
    pub artifact_root: String,
    /// Where it is written.
    pub root_place: Place,
    /// The configuration directory, as written.
    pub runtime_config_dir: String,
    /// Where it is written.
    pub config_place: Place,
}

/// Reads a manifest; the error is every violation, in the order of the text.
pub fn parse_manifest(file: &str, text: &str) -> Result<(Manifest, Vec<Warning>), Vec<Violation>> {
    let checked = check_manifest(&Source::new(file, text), Ids::Checked);
    match checked.manifest {
        Some(manifest) => Ok((manifest, checked.warnings)),
        None => Err(checked.violations),
    }
}

/// Reads a manifest as far as it goes.
pub fn check_manifest(source: &Source<'_>, ids: Ids) -> CheckedManifest {
    check_manifest_with(source, ids, Unknown::Refused)
}

/// The same, with a say about keys that look like misspellings.
pub fn check_manifest_with(source: &Source<'_>, ids: Ids, unknown: Unknown) -> CheckedManifest {
    match yaml::parse_all(source.text(), &yaml::ParseLimits::default()) {
        Ok(root) => check(source, &root, ids, unknown),
        Err(errors) => CheckedManifest {
            manifest: None,
            violations: source.refused(&errors),
            warnings: Vec::new(),
            payloads: Vec::new(),
        },
    }
}

/// Reads a manifest whose tree is there already.
pub fn check_tree(source: &Source<'_>, root: &Node, ids: Ids) -> CheckedManifest {
    check(source, root, ids, Unknown::Refused)
}

fn check(source: &Source<'_>, root: &Node, ids: Ids, unknown: Unknown) -> CheckedManifest {
    let mut reading = Reading {
        reader: Reader::new(source),
        ids,
        payloads: Vec::new(),
        seen_ids: BTreeMap::new(),
        seen_sources: BTreeMap::new(),
    };
    let manifest = reading.manifest(root);
    let mut violations = reading.reader.violations;
    violations.sort_by_key(|violation| (violation.place.line, violation.place.column));
    let mut warnings = reading.reader.warnings;
    unknown.sort(&mut violations, &mut warnings);
    warnings.sort_by_key(|warning| (warning.place.line, warning.place.column));
    CheckedManifest {
        manifest: manifest.filter(|_| violations.is_empty()),
        violations,
        warnings,
        payloads: reading.payloads,
    }
}

struct Reading<'s> {
    reader: Reader<'s>,
    ids: Ids,
    payloads: Vec<PayloadPaths>,
    seen_ids: BTreeMap<String, usize>,
    seen_sources: BTreeMap<String, usize>,
}

impl Reading<'_> {
    fn manifest(&mut self, root: &Node) -> Option<Manifest> {
        let map = self.reader.map(root, "the manifest")?;
        let owner = ("the manifest", root.span);
        let reader = &mut self.reader;
        reader.known_keys(map, "the manifest", MANIFEST_KEYS);
        reader.required_text(map, owner, "schema_version", text::schema_version);
        let project = reader.required_text(map, owner, "project", text::target_name);
        let env = reader.required_text(map, owner, "env", text::target_name);
        let mode = reader.required_text(map, owner, "mode", text::mode);
        let generated_at = reader.optional_text(map, "generated_at", text::timestamp);
        reader.optional_text(map, "merge_policy", text::merge_policy);
        let runtime_stack =
            Reader::optional(map, "runtime_stack").and_then(|node| self.runtime_stack(node, mode));
        let generator = Reader::optional(map, "generator").and_then(|node| self.generator(node));
        let artifacts = self
            .reader
            .required(map, owner, "artifacts")
            .and_then(|node| self.artifacts(node));
        Some(Manifest {
            project: project?,
            env: env?,
            mode: mode?,
            runtime_stack,
            artifacts: artifacts?,
            generated_at,
            generator,
        })
    }

    fn runtime_stack(&mut self, node: &Node, manifest_mode: Option<Mode>) -> Option<RuntimeStack> {
        let reader = &mut self.reader;
        let map = reader.map(node, "`runtime_stack`")?;
        let owner = ("`runtime_stack`", node.span);
        reader.known_keys(map, "`runtime_stack`", STACK_KEYS);
        let api_version = reader.required_text(map, owner, "api_version", text::api_version);
        let mode = reader.required_text(map, owner, "mode", text::mode);
        if let (Some(asked), Some(own)) = (mode, manifest_mode)
            && asked != own
        {
            reader.violation(
                Rule::ModeMismatch,
                map["mode"].node.span,
                format!("`runtime_stack.mode` is `{asked}`, but the manifest's `mode` is `{own}`"),
            );
        }
        let esb_version = reader.optional_text(map, "esb_version", text::esb_version);
        let requires = Reader::optional(map, "requires")
            .map(|node| self.requires(node))
            .unwrap_or_default();
        Some(RuntimeStack {
            api_version: api_version?,
            mode: mode?,
            esb_version,
            requires,
        })
    }

    fn requires(&mut self, node: &Node) -> BTreeMap<String, semver::VersionReq> {
        let reader = &mut self.reader;
        let Some(map) = reader.map(node, "`requires`") else {
            return BTreeMap::new();
        };
        let mut requires = BTreeMap::new();
        for (service, entry) in map {
            if let Err((rule, message)) = text::name(service) {
                reader.violation(rule, entry.key_span, format!("a service's name {message}"));
                continue;
            }
            let range = reader.scalar(&entry.node, &format!("the range of `{service}`"));
            match range.map(|field| (field.span, text::range(field.text))) {
                Some((_, Ok(range))) => {
                    requires.insert(service.clone(), range);
                }
                Some((span, Err((rule, message)))) => {
                    reader.violation(rule, span, format!("the range of `{service}` {message}"));
                }
                None => {}
            }
        }
        requires
    }

    fn generator(&mut self, node: &Node) -> Option<Generator> {
        let reader = &mut self.reader;
        let map = reader.map(node, "`generator`")?;
        reader.known_keys(map, "`generator`", GENERATOR_KEYS);
        let name = reader.required_text(map, ("`generator`", node.span), "name", text::line);
        let version = reader.optional_text(map, "version", text::line);
        Some(Generator {
            name: name?,
            version,
        })
    }

    fn artifacts(&mut self, node: &Node) -> Option<Vec<ArtifactEntry>> {
        let items = self.reader.list(node, "`artifacts`")?;
        if items.is_empty() {
            self.reader.violation(
                Rule::NoArtifacts,
                node.span,
                "`artifacts` must have at least one entry",
            );
        }
        let entries: Vec<Option<ArtifactEntry>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.entry(index, item))
            .collect();
        entries.into_iter().collect()
    }

    fn entry(&mut self, index: usize, node: &Node) -> Option<ArtifactEntry> {
        let what = format!("`artifacts[{index}]`");
        let owner = (what.as_str(), node.span);
        let map = self.reader.map(node, &what)?;
        let reader = &mut self.reader;
        reader.known_keys(map, &what, ENTRY_KEYS);
        let artifact_root = reader.required_text(map, owner, "artifact_root", text::root_path);
        let config_dir = reader.required_text(map, owner, "runtime_config_dir", text::inner_path);
        let bundle_manifest = reader.optional_text(map, "bundle_manifest", text::inner_path);
        let required_secret_env = Reader::optional(map, "required_secret_env")
            .map(|node| self.secret_names(node))
            .unwrap_or_default();
        if let (Some(artifact_root), Some(runtime_config_dir)) = (&artifact_root, &config_dir) {
            let place = |key: &str| self.reader.source.place(map[key].node.span);
            self.payloads.push(PayloadPaths {
                index,
                artifact_root: artifact_root.clone(),
                root_place: place("artifact_root"),
                runtime_config_dir: runtime_config_dir.clone(),
                config_place: place("runtime_config_dir"),
            });
        }
        let template = Reader::optional(map, "source_template");
        let source_template = template.and_then(|node| self.source_template(node));
        if template.is_some() && source_template.is_none() {
            return None;
        }
        let id = source_template.as_ref().map(ids::compute_id);
        self.id(index, map, node.span, id.as_deref());
        let entry = ArtifactEntry {
            id,
            artifact_root: artifact_root?,
            runtime_config_dir: config_dir?,
            bundle_manifest,
            required_secret_env,
            source_template,
        };
        self.source_is_new(index, &entry, node.span);
        Some(entry)
    }

    /// Checks the id that stands in an entry against the computed one, and that no entry before has the same.
    fn id(&mut self, index: usize, map: &Map, span: Span, computed: Option<&str>) {
        let reader = &mut self.reader;
        let written = Reader::optional(map, "id").filter(|_| self.ids == Ids::Checked);
        let written = written.and_then(|node| reader.scalar(node, "`id`"));
        if let Some(field) = written {
            let place = reader.source.place(field.span);
            let shown = quoted(field.text);
            let hint = format!(
                "run `artifactctl manifest sync-ids --artifact {}`",
                place.file
            );
            match computed {
                None => reader.push(
                    Violation::new(
                        Rule::IdWithoutTemplate,
                        place,
                        format!("`id` is {shown}, but an entry without `source_template` has none"),
                    )
                    .with_hint(hint),
                ),
                Some(computed) if !ids::is_id(field.text) => reader.push(
                    Violation::new(
                        Rule::BadId,
                        place,
                        format!("`id` is no id: {shown}; the computed id is `{computed}`"),
                    )
                    .with_hint(hint),
                ),
                Some(computed) if computed != field.text => reader.push(
                    Violation::new(
                        Rule::IdMismatch,
                        place,
                        format!("`id` is {shown}, but the computed id is `{computed}`"),
                    )
                    .with_hint(hint),
                ),
                Some(_) => {}
            }
        }
        let Some(computed) = computed else { return };
        if let Some(first) = self.seen_ids.insert(computed.to_owned(), index) {
            reader.violation(
                Rule::DuplicateId,
                written.map_or(span, |field| field.span),
                format!(
                    "`artifacts[{index}]` and `artifacts[{first}]` have the same id `{computed}`: one source template, one set of parameters"
                ),
            );
        }
    }

    fn source_is_new(&mut self, index: usize, entry: &ArtifactEntry, span: Span) {
        if let Some(first) = self.seen_sources.insert(ids::source_key(entry), index) {
            self.reader.warning(
                Rule::DuplicateSource,
                span,
                format!(
                    "`artifacts[{index}]` and `artifacts[{first}]` come from the same source and own the same keys"
                ),
            );
        }
    }

    fn secret_names(&mut self, node: &Node) -> Vec<String> {
        let reader = &mut self.reader;
        let Some(items) = reader.list(node, "`required_secret_env`") else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for item in items {
            let Some(field) = reader.scalar(item, "a name in `required_secret_env`") else {
                continue;
            };
            match text::secret_name(field.text) {
                Ok(name) => names.push(name),
                Err((rule, message)) => {
                    let place = reader.source.place(field.span).without_excerpt();
                    reader.push(Violation::new(
                        rule,
                        place,
                        format!("`required_secret_env` {message}"),
                    ));
                }
            }
        }
        names
    }

    fn source_template(&mut self, node: &Node) -> Option<SourceTemplate> {
        let reader = &mut self.reader;
        let map = reader.map(node, "`source_template`")?;
        let owner = ("`source_template`", node.span);
        reader.known_keys(map, "`source_template`", TEMPLATE_KEYS);
        let path = reader.required_text(map, owner, "path", text::template_path);
        let before = reader.violations.len();
        let sha256 = reader.optional_text(map, "sha256", text::sha256);
        let parameters = Reader::optional(map, "parameters")
            .map(|node| self.parameters(node))
            .unwrap_or_default();
        if self.reader.violations.len() > before {
            return None;
        }
        Some(SourceTemplate {
            path: path?,
            sha256: sha256.flatten(),
            parameters,
        })
    }

    fn parameters(&mut self, node: &Node) -> BTreeMap<String, String> {
        let reader = &mut self.reader;
        let Some(map) = reader.map(node, "`parameters`") else {
            return BTreeMap::new();
        };
        let mut parameters = BTreeMap::new();
        for (key, entry) in map {
            let value = match &entry.node.value {
                yaml::Value::Null => Some(""),
                yaml::Value::Bool(_)
                | yaml::Value::Number(_)
                | yaml::Value::String(_)
                | yaml::Value::List(_)
                | yaml::Value::Map(_) => reader
                    .scalar(&entry.node, &format!("the parameter {}", quoted(key)))
                    .map(|field| field.text),
            };
            if let Some(value) = value {
                parameters.insert(key.clone(), value.to_owned());
            }
        }
        parameters
    }
}
