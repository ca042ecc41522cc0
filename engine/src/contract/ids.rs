//! Ids of entries and keys of sources: what makes two artifacts the same one.

use std::collections::BTreeMap;

use super::digest::Digest;
use super::manifest::{ArtifactEntry, SourceTemplate};

/// The id of a source template: a slug of its file name, and the first 8 hexadecimal digits of a SHA-256 over its
/// canonical path, its parameters and its digest.
pub fn compute_id(template: &SourceTemplate) -> String {
    let reference = canonical_ref(&template.path);
    let parameters = parameter_text(&template.parameters);
    let sha256 = template.sha256.as_deref().unwrap_or_default().trim();
    let digest = Digest::of(format!("{reference}\n{parameters}\n{sha256}"));
    format!("{}-{}", slug(&reference), &digest.hex()[..8])
}

/// A path, cleaned by its text alone: `\` is `/`, empty and `.` parts go, `..` is resolved where it can be (the parent of
/// `/` is `/`), a leading `/` and the leading `..` of a relative path stay, nothing is `.`. Case stays, and no file system is asked.
pub fn canonical_ref(path: &str) -> String {
    let slashes = path.trim().replace('\\', "/");
    let root = if slashes.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in slashes.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    if parts.is_empty() && root.is_empty() {
        return ".".to_owned();
    }
    format!("{root}{}", parts.join("/"))
}

/// The source of an entry as text: its canonical template path and parameters, or its artifact root when it has no
/// template. Two deploys of the same source have the same text, and two sources never do.
pub fn source_key(entry: &ArtifactEntry) -> String {
    let (kind, path, parameters) = match &entry.source_template {
        Some(template) => ("template", &template.path, Some(&template.parameters)),
        None => ("root", &entry.artifact_root, None),
    };
    let path = canonical_ref(path);
    match parameters {
        Some(parameters) if !parameters.is_empty() => {
            serde_json::json!([kind, path, parameters]).to_string()
        }
        Some(_) | None => serde_json::json!([kind, path]).to_string(),
    }
}

/// `key=value` lines in the order of the keys. A pair that such a line could not carry without doubt is written as U+0000
/// and a JSON array, so that two different sets of parameters never have the same text.
fn parameter_text(parameters: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = parameters
        .iter()
        .map(|(key, value)| {
            if key.contains(['=', '\n']) || value.contains('\n') {
                format!("\0{}", serde_json::json!([key, value]))
            } else {
                format!("{key}={value}")
            }
        })
        .collect();
    lines.join("\n")
}

/// What the id of a template begins with, by its path: the name of its file, made of lower-case letters, digits and single `-`.
pub fn template_slug(path: &str) -> String {
    slug(&canonical_ref(path))
}

fn slug(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut slug = String::new();
    for c in stem.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    match slug.trim_end_matches('-') {
        "" => "template".to_owned(),
        slug => slug.to_owned(),
    }
}

/// A text that has the form of an id: a slug, `-`, 8 hexadecimal digits.
pub fn is_id(text: &str) -> bool {
    let Some((slug, hash)) = text.rsplit_once('-') else {
        return false;
    };
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    hash.len() == 8 && hash.bytes().all(hex) && slug.split('-').all(word)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn template(path: &str, parameters: &[(&str, &str)], sha256: Option<&str>) -> SourceTemplate {
        SourceTemplate {
            path: path.to_owned(),
            sha256: sha256.map(str::to_owned),
            parameters: parameters
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    fn entry(root: &str, source_template: Option<SourceTemplate>) -> ArtifactEntry {
        ArtifactEntry {
            id: None,
            artifact_root: root.to_owned(),
            runtime_config_dir: "config".to_owned(),
            bundle_manifest: None,
            required_secret_env: Vec::new(),
            source_template,
        }
    }

    const SHOP: &[(&str, &str)] = &[("Stage", "dev"), ("Region", "eu-1")];

    #[rstest]
    #[case("shop/orders.yaml", SHOP, Some("abc"), "orders-db8ba0c1")]
    #[case("./shop//sub/../orders.yaml", SHOP, Some(" abc\n"), "orders-db8ba0c1")]
    #[case("shop\\orders.yaml", SHOP, Some("abc"), "orders-db8ba0c1")]
    #[case(" shop/orders.yaml ", SHOP, Some("abc"), "orders-db8ba0c1")]
    #[case("Shop/Orders.YAML", &[], None, "orders-7899d5ce")]
    #[case(
        "my__app..v2/Über Template (final).yml",
        &[],
        None,
        "ber-template-final-0f63983f"
    )]
    #[case("a/b/", &[], None, "b-4f32152e")]
    #[case(".yaml", &[], None, "template-b456bd9f")]
    #[case("../up/t.yaml", &[], Some(""), "t-0c16a2e2")]
    #[case("/../t.yaml", &[], None, "t-ccba6313")]
    fn an_id_is_slug_and_hash(
        #[case] path: &str,
        #[case] parameters: &[(&str, &str)],
        #[case] sha256: Option<&str>,
        #[case] id: &str,
    ) {
        let computed = compute_id(&template(path, parameters, sha256));

        assert_eq!(computed, id);
        assert!(is_id(&computed));
    }

    #[rstest]
    #[case("", ".")]
    #[case("./", ".")]
    #[case("a/..", ".")]
    #[case("/", "/")]
    #[case("/a/..", "/")]
    #[case("/../../a", "/a")]
    #[case("../../a/../b", "../../b")]
    #[case("a/../../x", "../x")]
    #[case("A\\b/", "A/b")]
    fn a_path_is_cleaned_by_its_text(#[case] path: &str, #[case] clean: &str) {
        assert_eq!(canonical_ref(path), clean);
        assert_eq!(canonical_ref(clean), clean);
    }

    #[rstest]
    #[case(&[("a", "1\nb=2")], &[("a", "1"), ("b", "2")])]
    #[case(&[("a=b", "c")], &[("a", "b=c")])]
    #[case(&[("a\nb", "c")], &[("a", ""), ("b", "c")])]
    #[case(&[("a=b", "c")], &[("[\"a=b\",\"c\"]", "")])]
    fn different_parameters_never_share_an_id(
        #[case] one: &[(&str, &str)],
        #[case] other: &[(&str, &str)],
    ) {
        assert_ne!(
            compute_id(&template("t.yaml", one, None)),
            compute_id(&template("t.yaml", other, None))
        );
    }

    #[test]
    fn a_doubtful_pair_is_written_as_json_behind_nul() {
        let parameters =
            template("", &[("a=b", "c"), ("k", "x\ny"), ("z", "1=2")], None).parameters;

        assert_eq!(
            parameter_text(&parameters),
            "\0[\"a=b\",\"c\"]\n\0[\"k\",\"x\\ny\"]\nz=1=2"
        );
    }

    #[rstest]
    #[case("orders-db8ba0c1", true)]
    #[case("a-b-0-db8ba0c1", true)]
    #[case("db8ba0c1", false)]
    #[case("-db8ba0c1", false)]
    #[case("a--db8ba0c1", false)]
    #[case("Orders-db8ba0c1", false)]
    #[case("orders-db8ba0c", false)]
    #[case("orders-DB8BA0C1", false)]
    #[case("../x-db8ba0c1", false)]
    fn an_id_has_a_form(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(is_id(text), fits);
    }

    #[test]
    fn a_source_is_its_template_and_parameters_or_its_root() {
        let source = |path, parameters| {
            source_key(&entry("../svc-a", Some(template(path, parameters, None))))
        };

        assert_eq!(
            source("./shop//orders.yaml", SHOP),
            r#"["template","shop/orders.yaml",{"Region":"eu-1","Stage":"dev"}]"#
        );
        assert_eq!(source("t.yaml", &[]), r#"["template","t.yaml"]"#);
        assert_eq!(
            source_key(&entry("../svc-a/", None)),
            r#"["root","../svc-a"]"#
        );
    }

    #[test]
    fn a_source_does_not_depend_on_the_digest_of_its_template() {
        let with = |sha256| source_key(&entry("r", Some(template("t.yaml", &[], sha256))));

        assert_eq!(with(None), with(Some("abc")));
    }
}
