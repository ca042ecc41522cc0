//! Cases of Dockerfiles as data.

mod images;
mod properties;
mod sources;

use super::*;

/// The registry of the tests under both names, and an observed version.
fn rewritten(text: &str) -> Result<Rewritten, DockerfileError> {
    let registries = registries();
    let context = RewriteContext {
        registries: &registries,
        stack_version: Some("1.4.2"),
        esb_tag: Some("edge"),
    };
    rewrite(text, &context)
}

fn registries() -> Registries {
    Registries {
        container: Some("registry:5010".to_owned()),
        host: Some("127.0.0.1:5010".to_owned()),
    }
}

fn texts(references: &[Reference]) -> Vec<String> {
    references.iter().map(ToString::to_string).collect()
}
