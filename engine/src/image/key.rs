//! Content keys: what an image is made of, as one digest.
//!
//! Here: the algorithm and its version, the tag, the named parts that explain a rebuild. Not here: reading the files
//! (`docker`). Decision record 0004 says what is in a key and what is not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::proxy::is_predefined;
use crate::contract::Digest;

#[cfg(test)]
mod tests;

/// The version of the algorithm. Any change of what is hashed, or how, is a new version.
const VERSION: &str = "1";
/// Separates these hashes from every other use of SHA-256.
const DOMAIN: &str = "artifactctl image content key";
/// How many files are named one by one.
const MAX_FILES: usize = 64;
/// How large the named parts may become, as JSON, in bytes; the fact that carries them stays below 16 KiB.
const MAX_INPUTS: usize = 12 * 1024;

/// One entry of a build's context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputFile {
    /// Path relative to the artifact root, with forward slashes.
    pub path: String,
    /// Permission bits as the build sees them: 0o755 or 0o644.
    pub mode: u32,
    /// What it is.
    pub content: InputContent,
}

/// What an entry of a build's context is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputContent {
    /// A file.
    File {
        /// Digest of its bytes.
        digest: Digest,
        /// Number of its bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// What it says, not resolved.
        target: String,
    },
    /// A folder.
    Directory,
}

/// What goes into a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyInputs<'a> {
    /// The Dockerfile, as rewritten.
    pub dockerfile: &'a str,
    /// The files that its instructions reach, in any order.
    pub files: &'a [InputFile],
    /// Build arguments; the predefined proxy arguments do not count.
    pub build_args: &'a BTreeMap<String, String>,
    /// The platform, `os/arch[/variant]`.
    pub platform: &'a str,
    /// The digest of each external image, by reference as rewritten.
    pub bases: &'a BTreeMap<String, Digest>,
}

/// A key and what it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentKey {
    /// The key.
    pub key: Digest,
    /// Its parts: `algorithm`, `dockerfile`, `platform`, `file PATH`, `base REFERENCE`, `arg NAME`. Where there are many,
    /// files are folded into `files FOLDER`, then arguments into `args`, then images into `bases`.
    pub inputs: BTreeMap<String, Digest>,
}

/// The key of an image.
pub fn content_key(inputs: &KeyInputs<'_>) -> ContentKey {
    let files = parts(
        inputs
            .files
            .iter()
            .map(|file| (file.path.clone(), file_digest(file))),
    );
    let args = parts(
        inputs
            .build_args
            .iter()
            .filter(|(name, _)| !is_predefined(name))
            .map(|(name, value)| (name.clone(), hash(&["arg", name, value]))),
    );
    let bases = parts(
        inputs
            .bases
            .iter()
            .map(|(name, digest)| (name.clone(), digest.clone())),
    );
    let single = BTreeMap::from([
        ("algorithm".to_owned(), hash(&["algorithm", VERSION])),
        ("dockerfile".to_owned(), Digest::of(inputs.dockerfile)),
        ("platform".to_owned(), hash(&["platform", inputs.platform])),
    ]);
    let whole = [fold(&single), fold(&files), fold(&args), fold(&bases)];
    let [single_digest, files_digest, args_digest, bases_digest] = &whole;
    let key = hash(&[
        VERSION,
        "parts",
        single_digest.as_str(),
        "files",
        files_digest.as_str(),
        "args",
        args_digest.as_str(),
        "bases",
        bases_digest.as_str(),
    ]);
    ContentKey {
        key,
        inputs: named(&single, &files, &args, &bases),
    }
}

/// The tag under which an image with this key stands in the registry: the version of the algorithm, and 40 digits of the key.
pub fn key_tag(key: &Digest) -> String {
    format!("key{VERSION}-{}", &key.hex()[..40])
}

/// Parts by name; two of one name become one part of both.
fn parts(all: impl Iterator<Item = (String, Digest)>) -> BTreeMap<String, Digest> {
    let mut grouped: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
    for (name, digest) in all {
        grouped.entry(name).or_default().push(digest);
    }
    let joined = |mut digests: Vec<Digest>| {
        digests.sort();
        digests.dedup();
        match <[Digest; 1]>::try_from(digests) {
            Ok([digest]) => digest,
            Err(digests) => {
                let texts: Vec<&str> = digests.iter().map(Digest::as_str).collect();
                hash(&texts)
            }
        }
    };
    grouped
        .into_iter()
        .map(|(name, digests)| (name, joined(digests)))
        .collect()
}

fn file_digest(file: &InputFile) -> Digest {
    let mode = format!("{:o}", file.mode);
    match &file.content {
        InputContent::File { digest, size } => {
            hash(&["file", &mode, digest.as_str(), &size.to_string()])
        }
        InputContent::Symlink { target } => hash(&["symlink", &mode, target]),
        InputContent::Directory => hash(&["directory", &mode]),
    }
}

/// Hashes texts so that no two lists of them give the same bytes: each is preceded by its length.
fn hash(texts: &[&str]) -> Digest {
    let mut bytes = Vec::new();
    for text in std::iter::once(&DOMAIN).chain(texts) {
        let length = u64::try_from(text.len()).expect("a length in memory fits 64 bits");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    Digest::of(bytes)
}

/// One digest for named parts.
fn fold<'a>(parts: impl IntoIterator<Item = (&'a String, &'a Digest)>) -> Digest {
    let texts: Vec<&str> = parts
        .into_iter()
        .flat_map(|(name, digest)| [name.as_str(), digest.as_str()])
        .collect();
    hash(&texts)
}

/// The parts that are kept with the key, folded until they are small enough.
fn named(
    single: &BTreeMap<String, Digest>,
    files: &BTreeMap<String, Digest>,
    args: &BTreeMap<String, Digest>,
    bases: &BTreeMap<String, Digest>,
) -> BTreeMap<String, Digest> {
    let prefixed = |prefix: &str, parts: &BTreeMap<String, Digest>| -> Parts {
        let named = parts
            .iter()
            .map(|(name, digest)| (format!("{prefix} {name}"), digest.clone()));
        named.collect()
    };
    let join = |groups: [&Parts; 3]| -> Parts {
        let mut all = single.clone();
        all.extend(
            groups
                .into_iter()
                .flatten()
                .map(|(name, digest)| (name.clone(), digest.clone())),
        );
        all
    };
    let (args_named, bases_named) = (prefixed("arg", args), prefixed("base", bases));
    let every_file = prefixed("file", files);
    if files.len() <= MAX_FILES {
        let all = join([&every_file, &args_named, &bases_named]);
        if size(&all) <= MAX_INPUTS {
            return all;
        }
    }
    let deepest = files
        .keys()
        .map(|path| folder(path, usize::MAX).split('/').count())
        .max();
    let mut folders = Parts::new();
    for depth in (0..=deepest.unwrap_or(0)).rev() {
        folders = by_folder(files, depth);
        let all = join([&folders, &args_named, &bases_named]);
        if folders.len() <= MAX_FILES && size(&all) <= MAX_INPUTS {
            return all;
        }
    }
    let args_folded = Parts::from([("args".to_owned(), fold(args))]);
    let all = join([&folders, &args_folded, &bases_named]);
    if size(&all) <= MAX_INPUTS {
        return all;
    }
    let bases_folded = Parts::from([("bases".to_owned(), fold(bases))]);
    join([&folders, &args_folded, &bases_folded])
}

type Parts = BTreeMap<String, Digest>;

/// Files folded by the first `depth` parts of their folders.
fn by_folder(files: &Parts, depth: usize) -> Parts {
    let mut groups: BTreeMap<&str, Vec<(&String, &Digest)>> = BTreeMap::new();
    for (path, digest) in files {
        groups
            .entry(folder(path, depth))
            .or_default()
            .push((path, digest));
    }
    let folded = groups
        .into_iter()
        .map(|(name, files)| (format!("files {name}"), fold(files)));
    folded.collect()
}

/// The folder of a path, cut to so many parts; `.` for the root.
fn folder(path: &str, depth: usize) -> &str {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let end = match depth.checked_sub(1) {
        None => 0,
        Some(skipped) => parent
            .match_indices('/')
            .nth(skipped)
            .map_or(parent.len(), |(index, _)| index),
    };
    if end == 0 { "." } else { &parent[..end] }
}

/// The size of parts as the journal writes them.
fn size(parts: &Parts) -> usize {
    serde_json::to_string(parts).map_or(usize::MAX, |text| text.len())
}
