//! Assembling an image of the sample, as an archive that the engine loads; and what an image is seen to be.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use ::engine::contract::Digest;
use ::engine::image::assemble::{
    Added, Assembled, AssemblyInputs, ContentSource, FileContent, assemble as assembled,
};
use ::engine::image::{InputFile, NotAssembled, recipe};
use e2e::engine::LABEL_RUN;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::engine::{Api, Builder};
use super::sample::Sample;

/// An image in the making, with the text of its Dockerfile.
pub(super) struct Made {
    assembled: Assembled,
    dockerfile: String,
}

/// Assembles a Dockerfile over the sample's base and context.
pub(super) fn assemble(sample: &Sample, dockerfile: &str) -> Result<Made, NotAssembled> {
    let recipe = recipe(
        &sample.dockerfile(dockerfile),
        &Sample::arguments(),
        "linux/amd64",
    )?;
    let added = |file: &InputFile| {
        let bytes = sample.bytes(&file.path, dockerfile);
        Added::of(bytes.as_slice()).map_err(|error| error.to_string())
    };
    let inputs = AssemblyInputs {
        bases: &sample.bases,
        files: &sample.inputs(dockerfile),
        added: &added,
        epoch: 0,
    };
    Ok(Made {
        assembled: assembled(&recipe, &inputs)?,
        dockerfile: dockerfile.to_owned(),
    })
}

/// The bytes of the sample's files.
struct Content<'a> {
    sample: &'a Sample,
    dockerfile: &'a str,
}

impl ContentSource for Content<'_> {
    fn open(&mut self, content: &FileContent) -> io::Result<Box<dyn Read + '_>> {
        Ok(match content {
            FileContent::Context { path, .. } => {
                Box::new(io::Cursor::new(self.sample.bytes(path, self.dockerfile)))
            }
            FileContent::Layer { layer, path } => {
                let place = (Digest::clone(layer), path.clone());
                Box::new(self.sample.base_files[&place].as_slice())
            }
            FileContent::Inline(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        })
    }
}

/// The archive of an image that the engine loads. Of the base it names what the engine has.
pub(super) fn archive(sample: &Sample, made: Made, run: &str, name: &str) -> Vec<u8> {
    let mut assembled = made.assembled;
    let labels = &mut assembled.configuration.config.labels;
    labels.insert(LABEL_RUN.to_owned(), run.to_owned());
    let mut content = Content {
        sample,
        dockerfile: &made.dockerfile,
    };
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes).unwrap();
    };
    let base = assembled.base_layers.iter();
    let mut layers: Vec<String> = base
        .map(|layer| format!("{}.tar", layer.digest.hex()))
        .collect();
    let mut written = Vec::new();
    for layer in &assembled.layers {
        let mut packed = Vec::new();
        let done = layer.write(&mut content, &mut packed).unwrap();
        let mut bytes = Vec::new();
        GzDecoder::new(packed.as_slice())
            .read_to_end(&mut bytes)
            .unwrap();
        let path = format!("{}.tar", done.diff_id.hex());
        add(&path, &bytes);
        layers.push(path);
        written.push(done);
    }
    let finished = assembled.finish(&written);
    let configuration = format!("{}.json", finished.configuration_digest.hex());
    add(&configuration, &finished.configuration);
    let manifest = json!([{ "Config": configuration, "RepoTags": [name], "Layers": layers }]);
    add("manifest.json", manifest.to_string().as_bytes());
    archive.into_inner().unwrap()
}

/// What a container of an image has.
pub(super) struct Seen {
    /// One line for each file, and one for each setting.
    lines: BTreeSet<String>,
}

impl Seen {
    /// Looks at an image, and removes it.
    pub(super) fn of(api: &Api, name: &str) -> Result<Self, String> {
        let mut lines = BTreeSet::new();
        let shown = api.inspect(name)?;
        for key in ["Architecture", "Os", "Author"] {
            lines.insert(format!("{key}: {}", shown[key]));
        }
        let settings = shown["Config"]
            .as_object()
            .ok_or("the image has no settings")?;
        for (key, value) in settings {
            if *value != Value::Null {
                lines.insert(format!("{key}: {value}"));
            }
        }
        lines.extend(files_of(&api.export(name)?));
        api.remove(name)?;
        Ok(Self { lines })
    }

    /// Lines that only what a builder made has, `-`, and that only the other has, `+`.
    pub(super) fn differences(&self, builder: Builder, other: &Self) -> Vec<String> {
        let only = |these: &BTreeSet<String>, those: &BTreeSet<String>, sign: char| {
            let lines = these.difference(those).filter(|line| builder.says(line));
            let lines = lines.map(|line| format!("  {builder:?} {sign} {line}"));
            lines.collect::<Vec<_>>()
        };
        let mut lines = only(&self.lines, &other.lines, '-');
        lines.extend(only(&other.lines, &self.lines, '+'));
        lines
    }
}

impl Builder {
    /// Whether this setting is compared. The classic builder notes the image of the step before, says nothing of the working
    /// directory of nothing, and not that a command is not to be escaped, which is for Windows.
    fn says(self, line: &str) -> bool {
        let unsaid = [
            "Image: ",
            "ArgsEscaped: ",
            "WorkingDir: \"\"",
            "WorkingDir: \"/\"",
        ];
        self == Self::BuildKit || !unsaid.iter().any(|unsaid| line.starts_with(unsaid))
    }
}

/// One line for each file of an archive. A hard link is the file that it is a name of: builders keep hard links, and assembled
/// images do not.
fn files_of(archive: &[u8]) -> Vec<String> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let link = entry.link_name_bytes().unwrap_or_default().into_owned();
        let link = String::from_utf8_lossy(&link).into_owned();
        let kind = header.entry_type();
        if kind == tar::EntryType::Link {
            let file = seen[&link].clone();
            seen.insert(path, file);
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let mode = header.mode().unwrap() & 0o7777;
        let digest = Digest::of(&bytes);
        seen.insert(
            path,
            format!("{kind:?} {mode:o} {uid}:{gid} {link} {digest}"),
        );
    }
    let lines = seen.iter();
    lines
        .map(|(path, what)| format!("/{path} {what}"))
        .collect()
}
