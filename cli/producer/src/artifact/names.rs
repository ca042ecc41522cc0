//! The image of each function: `[registry/]<project>/<environment>/<function>:<tag>`.
//!
//! No two targets share an image: a deploy of one environment would replace the code of another. The project that is taken where
//! none is named holds the environment already, and stands alone.

use std::collections::BTreeMap;

use engine::contract::{Digest, FunctionName};
use engine::image::{Reference, ReferenceError};

/// What all images of an artifact have in common.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// A registry; none leaves it to the deploy.
    pub registry: Option<&'a str>,
    /// The compose project.
    pub project: &'a str,
    /// The environment.
    pub env: &'a str,
    /// The tag.
    pub tag: &'a str,
}

/// The compose project where none is named.
pub fn default_project(env: &str) -> String {
    format!("esb-{env}")
}

/// Names the images of functions. Repositories know no upper case and fewer signs than functions do; names that would fall
/// together get a few digits of a hash.
pub fn image_names<'f>(
    functions: impl Iterator<Item = &'f FunctionName>,
    naming: Naming<'_>,
) -> Result<BTreeMap<FunctionName, String>, ReferenceError> {
    let mut by_repository: BTreeMap<String, Vec<&FunctionName>> = BTreeMap::new();
    for function in functions {
        let same = by_repository
            .entry(repository(function.as_str()))
            .or_default();
        if !same.contains(&function) {
            same.push(function);
        }
    }
    let mut images = BTreeMap::new();
    for (repository, same) in &by_repository {
        for function in same {
            let part = if same.len() == 1 {
                repository.clone()
            } else {
                let digest = Digest::of(function.as_str());
                format!("{repository}-{}", &digest.hex()[..8])
            };
            images.insert((*function).clone(), reference(&part, naming)?);
        }
    }
    Ok(images)
}

fn reference(part: &str, naming: Naming<'_>) -> Result<String, ReferenceError> {
    let registry = naming.registry.map(|registry| format!("{registry}/"));
    let text = format!(
        "{}{}/{part}:{}",
        registry.unwrap_or_default(),
        target(naming),
        naming.tag
    );
    Reference::parse(&text).map(|reference| reference.to_string())
}

/// What the images of one target begin with, and those of no other.
fn target(naming: Naming<'_>) -> String {
    let project = part(naming.project);
    if naming.project == default_project(naming.env) {
        return project;
    }
    format!("{project}/{}", part(naming.env))
}

/// A name as one part of a repository that no other name has: one that cannot stay as it is gets a few digits of its hash.
fn part(name: &str) -> String {
    let part = repository(name);
    if part == name {
        return part;
    }
    let digest = Digest::of(name);
    let digits = &digest.hex()[..8];
    if part.is_empty() {
        return digits.to_owned();
    }
    format!("{part}-{digits}")
}

/// A name as one part of a repository: lower case, signs only alone and between letters or digits.
fn repository(name: &str) -> String {
    let mut part = String::new();
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            part.push(c);
        } else if part.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            part.push(if matches!(c, '.' | '_') { c } else { '-' });
        }
    }
    part.trim_end_matches(['.', '_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn named(functions: &[&str], registry: Option<&str>) -> Vec<String> {
        of_target(functions, registry, "esb-dev", "dev")
    }

    fn of_target(
        functions: &[&str],
        registry: Option<&str>,
        project: &str,
        env: &str,
    ) -> Vec<String> {
        let functions: Vec<FunctionName> = functions
            .iter()
            .map(|name| FunctionName::parse(name).unwrap())
            .collect();
        let naming = Naming {
            registry,
            project,
            env,
            tag: "latest",
        };
        let images = image_names(functions.iter(), naming).unwrap();
        images.into_values().collect()
    }

    #[test]
    fn an_image_is_named_by_target_and_function() {
        assert_eq!(
            named(&["orders", "Hello..World-"], Some("registry:5000")),
            [
                "registry:5000/esb-dev/hello.world:latest",
                "registry:5000/esb-dev/orders:latest"
            ]
        );
        assert_eq!(named(&["a_b"], None), ["esb-dev/a_b:latest"]);
        assert_eq!(
            of_target(&["orders"], None, "shop", "staging"),
            ["shop/staging/orders:latest"]
        );
    }

    #[test]
    fn two_functions_never_share_an_image() {
        assert_eq!(
            named(&["Orders", "orders", "stock"], None),
            [
                "esb-dev/orders-b7e8acdd:latest",
                "esb-dev/orders-1c168adb:latest",
                "esb-dev/stock:latest"
            ]
        );
    }

    #[test]
    fn two_targets_never_share_an_image() {
        let targets = [
            ("shop", "dev"),
            ("shop", "staging"),
            ("shop", "Staging"),
            ("shop", "_"),
            ("Shop", "dev"),
            ("shop-dev", "dev"),
            ("esb-dev", "dev"),
            ("esb-dev", "staging"),
            ("esb-a-b", "b"),
            ("esb-a-b", "a-b"),
        ];
        let images: BTreeSet<String> = targets
            .iter()
            .flat_map(|(project, env)| of_target(&["orders"], None, project, env))
            .collect();
        assert_eq!(images.len(), targets.len(), "{images:#?}");
    }
}
