//! A manifest as text: what the engine writes when it makes one.
//!
//! Here: ids are computed, keys are in the order of the contract's example. Not here: editing a person's file (`load`).

use super::ids::compute_id;
use super::manifest::{ArtifactEntry, Generator, Manifest, RuntimeStack, SourceTemplate};
use crate::yaml::{self, Fields, Node, Value};

/// The manifest with the id of every entry computed; an entry without a source template has none.
pub fn with_ids(mut manifest: Manifest) -> Manifest {
    for entry in &mut manifest.artifacts {
        entry.id = entry.source_template.as_ref().map(compute_id);
    }
    manifest
}

/// The text of a manifest, its ids computed. Reading it gives the same manifest; the same manifest gives the same bytes.
pub fn manifest_text(manifest: &Manifest) -> String {
    let manifest = with_ids(manifest.clone());
    let mut top = Fields::default();
    top.text("schema_version", "1");
    top.text("project", &manifest.project);
    top.text("env", &manifest.env);
    top.text("mode", &manifest.mode.to_string());
    if let Some(stack) = &manifest.runtime_stack {
        top.node("runtime_stack", runtime_stack(stack));
    }
    let entries = manifest.artifacts.iter().map(entry).collect();
    top.node("artifacts", Value::List(entries).into());
    top.optional("generated_at", manifest.generated_at.as_deref());
    if let Some(generator) = &manifest.generator {
        top.node("generator", generated_by(generator));
    }
    yaml::emit(&top.into())
}

fn runtime_stack(stack: &RuntimeStack) -> Node {
    let mut fields = Fields::default();
    fields.text("api_version", &stack.api_version.to_string());
    fields.text("mode", &stack.mode.to_string());
    fields.optional("esb_version", stack.esb_version.as_deref());
    let ranges = stack.requires.iter();
    fields.texts(
        "requires",
        &ranges
            .map(|(service, range)| (service.clone(), range.to_string()))
            .collect(),
    );
    fields.into()
}

fn entry(entry: &ArtifactEntry) -> Node {
    let mut fields = Fields::default();
    fields.optional("id", entry.id.as_deref());
    fields.text("artifact_root", &entry.artifact_root);
    fields.text("runtime_config_dir", &entry.runtime_config_dir);
    fields.optional("bundle_manifest", entry.bundle_manifest.as_deref());
    fields.list("required_secret_env", &entry.required_secret_env);
    if let Some(template) = &entry.source_template {
        fields.node("source_template", source_template(template));
    }
    fields.into()
}

fn source_template(template: &SourceTemplate) -> Node {
    let mut fields = Fields::default();
    fields.text("path", &template.path);
    fields.optional("sha256", template.sha256.as_deref());
    fields.texts("parameters", &template.parameters);
    fields.into()
}

fn generated_by(generator: &Generator) -> Node {
    let mut fields = Fields::default();
    fields.text("name", &generator.name);
    fields.optional("version", generator.version.as_deref());
    fields.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::contract::{ApiVersion, Mode, parse_manifest};

    fn manifest() -> Manifest {
        Manifest {
            project: "esb-dev".to_owned(),
            env: "1e3".to_owned(),
            mode: Mode::Containerd,
            runtime_stack: Some(RuntimeStack {
                api_version: ApiVersion {
                    major: 1,
                    minor: 10,
                },
                mode: Mode::Containerd,
                esb_version: Some("1.10".to_owned()),
                requires: BTreeMap::from([(
                    "gateway".to_owned(),
                    semver::VersionReq::parse(">=1.4, <2").unwrap(),
                )]),
            }),
            artifacts: vec![
                ArtifactEntry {
                    id: None,
                    artifact_root: "on".to_owned(),
                    runtime_config_dir: "config".to_owned(),
                    bundle_manifest: Some("bundle/manifest.json".to_owned()),
                    required_secret_env: vec!["AUTH_PASS".to_owned()],
                    source_template: Some(SourceTemplate {
                        path: "shop/orders.yaml".to_owned(),
                        sha256: Some("a".repeat(64)),
                        parameters: BTreeMap::from([
                            ("Stage".to_owned(), "yes".to_owned()),
                            ("Text".to_owned(), "a: b\n# c".to_owned()),
                        ]),
                    }),
                },
                ArtifactEntry {
                    id: Some("left-over-00000000".to_owned()),
                    artifact_root: "../by-hand".to_owned(),
                    runtime_config_dir: "config".to_owned(),
                    bundle_manifest: None,
                    required_secret_env: Vec::new(),
                    source_template: None,
                },
            ],
            generated_at: None,
            generator: Some(Generator {
                name: "esb".to_owned(),
                version: Some("0.1.0".to_owned()),
            }),
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same_manifest() {
        let written = manifest_text(&manifest());
        let (read, warnings) = parse_manifest("artifact.yml", &written).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(read, with_ids(manifest()));
        assert_eq!(manifest_text(&read), written);
    }

    #[test]
    fn ids_are_computed_and_never_taken_over() {
        let ids: Vec<Option<String>> = with_ids(manifest())
            .artifacts
            .into_iter()
            .map(|entry| entry.id)
            .collect();
        let template = manifest().artifacts[0].source_template.clone().unwrap();
        assert_eq!(ids, [Some(compute_id(&template)), None]);
    }
}
