//! `bundle/manifest.json`: the images and files of an entry, for tools that carry artifacts around.

use std::collections::BTreeMap;
use std::fs;

use engine::contract::{Digest, FunctionName};
use serde::Serialize;

use super::gather::GatherError;
use super::tree::{Tree, TreeFile};
use super::{BUNDLE, Settings};
use crate::model::App;

/// The version of the file; it changes when a field changes its meaning or goes away.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Bundle<'a> {
    version: u32,
    /// The template, as the manifest says it.
    template: &'a str,
    /// The image of each function.
    images: BTreeMap<&'a FunctionName, &'a str>,
    /// SHA-256 of each file; of a link, what it leads to.
    files: BTreeMap<&'a str, File>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum File {
    Sha256(String),
    Link(String),
}

/// Adds the list of everything that is there.
pub(super) fn add(tree: &mut Tree, app: &App, settings: &Settings<'_>) -> Result<(), GatherError> {
    let names = app.functions.iter().map(|function| &function.name);
    let images = names
        .filter_map(|name| Some((name, settings.images.get(name)?.as_str())))
        .collect();
    let files = tree
        .files()
        .map(|(path, piece)| Ok((path, file(piece)?)))
        .collect::<Result<_, GatherError>>()?;
    let bundle = Bundle {
        version: VERSION,
        template: &app.source.path,
        images,
        files,
    };
    let mut text = serde_json::to_string_pretty(&bundle).expect("texts and maps are valid JSON");
    text.push('\n');
    tree.put(BUNDLE, TreeFile::text(text));
    Ok(())
}

fn file(piece: &TreeFile) -> Result<File, GatherError> {
    Ok(match piece {
        TreeFile::Bytes { content, .. } => File::Sha256(Digest::of(content).hex().to_owned()),
        TreeFile::Copy { from, .. } => {
            let content = fs::read(from).map_err(|source| GatherError::Unreadable {
                path: from.clone(),
                source,
            })?;
            File::Sha256(Digest::of(content).hex().to_owned())
        }
        TreeFile::Link(to) => File::Link(to.clone()),
    })
}
