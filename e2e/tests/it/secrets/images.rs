//! Canaries in images: whoever may pull one sees its configuration, its history and its layers.

use std::collections::BTreeSet;
use std::io::Read;

use e2e::command;
use e2e::engine::TestEngine;

/// The functions of the demo artifact.
const FUNCTIONS: [&str; 4] = ["orders-list", "orders-place", "stock-audit", "stock-count"];
/// Bytes of a file in an image that is not searched: a program of the base.
const LARGE: u64 = 4 << 20;

/// The small files of an image as the engine gives it away: its configuration and history, its manifest, and its layers but those
/// with the programs of the base. By their names.
pub(crate) fn small_files(reference: &str) -> Vec<(String, Vec<u8>)> {
    let docker = || TestEngine::shared().docker();
    command::run(docker().args(["pull", "--quiet", reference])).unwrap();
    let saved = command::output(docker().args(["save", reference])).unwrap();
    assert!(saved.status.success(), "{saved:?}");
    let mut archive = tar::Archive::new(saved.stdout.as_slice());
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if entry.size() < LARGE {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.push((format!("{name} of {reference}"), bytes));
        }
    }
    assert!(
        files
            .iter()
            .any(|(name, _)| name.contains("layer.tar") || name.contains("blobs/"))
    );
    files
}

/// The same of every image that was pushed into a repository of the registry at a port.
pub(super) fn pushed(port: u16, repository: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for function in FUNCTIONS {
        let name = format!("{repository}/{function}");
        let tags = e2e::registry::tags(port, &name).unwrap();
        // Its own tag and its key's are of one image.
        let images: BTreeSet<String> = tags.into_values().collect();
        for digest in images {
            files.extend(small_files(&format!("127.0.0.1:{port}/{name}@{digest}")));
        }
    }
    files
}
