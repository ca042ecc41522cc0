//! The bases and the context of all cases.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

use ::engine::contract::Digest;
use ::engine::image::assemble::{
    BaseImage, BaseLayer, FileTree, ImageConfiguration, LayerIndex, ManifestFormat,
};
use ::engine::image::{InputContent, InputFile, Reference};
use e2e::engine::LABEL_RUN;
use serde_json::{Value, json};
use tar::EntryType;

use super::engine::Api;

/// The files of the bases: kind, path, mode, user, group, and text or target.
const BASE: [(char, &str, u32, u64, u64, &str); 26] = [
    ('d', "abs", 0o755, 0, 0, ""),
    ('l', "bin", 0o777, 0, 0, "usr/bin"),
    ('l', "dangling", 0o777, 0, 0, "/nowhere/deep"),
    ('d', "etc", 0o755, 0, 0, ""),
    (
        'f',
        "etc/group",
        0o644,
        0,
        0,
        "root:x:0:\nweb:x:33:\napp:x:1001:\n",
    ),
    (
        'f',
        "etc/passwd",
        0o644,
        0,
        0,
        "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n",
    ),
    ('f', "file", 0o640, 3, 4, "a file\n"),
    ('l', "link-to-file", 0o777, 0, 0, "file"),
    ('l', "link-to-srv", 0o777, 0, 0, "/srv"),
    ('l', "loop", 0o777, 0, 0, "loop"),
    ('d', "odd", 0o1733, 7, 8, ""),
    ('f', "odd/setuid", 0o4755, 7, 8, "s"),
    ('d', "setgid", 0o2755, 0, 33, ""),
    ('d', "späce d", 0o755, 0, 0, ""),
    ('f', "späce d/x", 0o644, 0, 0, "x"),
    ('d', "srv", 0o750, 5, 6, ""),
    ('f', "srv/one", 0o600, 5, 6, "1"),
    ('d', "srv/sub", 0o711, 10, 11, ""),
    ('f', "srv/sub/two", 0o644, 10, 11, "2"),
    ('l', "srv/up", 0o777, 5, 6, "../../../file"),
    ('d', "usr", 0o755, 0, 0, ""),
    ('d', "usr/bin", 0o755, 0, 0, ""),
    ('f', "usr/bin/tool", 0o755, 0, 0, "tool"),
    ('h', "usr/bin/tool-again", 0o755, 0, 0, "usr/bin/tool"),
    ('d', "usr/lib", 0o700, 0, 0, ""),
    ('l', "lib", 0o777, 0, 0, "usr/lib"),
];

/// The bases that are made of these files, by their names in Dockerfiles, and what each sets.
const BASES: [(&str, &[&str]); 3] = [
    (
        "@base",
        &[
            "ENV PATH=/usr/bin",
            "ENV A=1",
            "ENV E=",
            "CMD [\"base\", \"command\"]",
            "WORKDIR /srv",
            "LABEL base=yes over=below",
            "EXPOSE 1/tcp",
            "VOLUME /data",
        ],
    ),
    (
        "@plain",
        &["USER app", "ENTRYPOINT [\"/e\", \"x\"]", "CMD [\"c\"]"],
    ),
    ("@onbuild", &["ONBUILD RUN never"]),
];
/// A base of two layers, of which the second removes and replaces files of the first.
const LAYERED: &str = "@layers";
const ABOVE: [(char, &str, u32, u64, u64, &str); 10] = [
    ('d', "file", 0o711, 1, 2, ""),
    ('f', "file/below", 0o644, 1, 2, "below\n"),
    ('d', "odd", 0o700, 9, 9, ""),
    ('f', "odd/.wh..wh..opq", 0o644, 0, 0, ""),
    ('f', "odd/fresh", 0o644, 0, 0, "fresh\n"),
    ('d', "srv", 0o700, 5, 5, ""),
    ('f', "srv/.wh.one", 0o644, 0, 0, ""),
    ('f', "srv/.wh.sub", 0o644, 0, 0, ""),
    ('f', "usr/bin/tool-again", 0o500, 9, 9, "above\n"),
    ('h', "tool", 0o500, 9, 9, "usr/bin/tool-again"),
];

/// The context: path, mode, and text; a target behind `->`; a folder ends with `/`.
const CONTEXT: [(&str, u32, &str); 24] = [
    ("a.py", 0o644, "print('a')\n"),
    ("b.txt", 0o644, "b\n"),
    ("d/deep/er/f.py", 0o644, "f\n"),
    ("d/deep/g.txt", 0o755, "g\n"),
    ("d/h.py", 0o644, "h\n"),
    ("d/inside", 0o777, "-> deep/g.txt"),
    ("d/[x].py", 0o644, "brackets\n"),
    ("empty.txt", 0o644, ""),
    ("empty/", 0o755, ""),
    ("link", 0o777, "-> d/h.py"),
    ("link-to-d", 0o777, "-> d"),
    ("link-to-nothing", 0o777, "-> nothing/there"),
    ("run.sh", 0o755, "#!/bin/sh\n"),
    ("sp ace/x y.txt", 0o644, "blank\n"),
    ("tree/bin/t", 0o755, "t\n"),
    ("tree/etc/passwd", 0o644, "new:x:5000:5001::/:/\n"),
    ("tree/odd/", 0o755, ""),
    ("tree/odd/in", 0o644, "in\n"),
    ("tree/srv/one", 0o644, "new one\n"),
    ("tree/srv/sub/three", 0o644, "3\n"),
    ("tree2/etc/new", 0o644, "new\n"),
    ("tree2/odd/in", 0o644, "in\n"),
    ("tree2/usr/bin/tool", 0o755, "new tool\n"),
    ("ümlaut.txt", 0o644, "u\n"),
];

/// What the build of every case is given.
const ARGUMENTS: [(&str, &str); 2] = [
    ("GIVEN", "given value"),
    ("HTTP_PROXY", "http://proxy.example:1"),
];

pub(super) struct Sample {
    /// The images behind the names of bases in Dockerfiles.
    names: Vec<(&'static str, String)>,
    pub(super) bases: BTreeMap<Reference, BaseImage>,
    /// The bytes of the bases' files, by layer and path.
    pub(super) base_files: BTreeMap<(Digest, String), Vec<u8>>,
}

impl Sample {
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Sample> = OnceLock::new();
        SHARED.get_or_init(|| Self::make(Api::shared()))
    }

    fn make(api: &Api) -> Self {
        let mut sample = Self {
            names: Vec::new(),
            bases: BTreeMap::new(),
            base_files: BTreeMap::new(),
        };
        for (name, settings) in BASES {
            let reference = api.name("1", &name[1..]);
            let place = reference.replace(':', "&tag=");
            api.import(&place, settings, &layer(&BASE)).unwrap();
            sample.read(api, name, reference);
        }
        let reference = api.name("1", &LAYERED[1..]);
        api.load(&layered(api.run(), &reference)).unwrap();
        sample.read(api, LAYERED, reference);
        sample
    }

    /// Reads a base that the engine has.
    fn read(&mut self, api: &Api, name: &'static str, reference: String) {
        let saved = files(&api.save(&reference).unwrap());
        let manifest: Value = serde_json::from_slice(&saved["manifest.json"]).unwrap();
        let configuration = saved[manifest[0]["Config"].as_str().unwrap()].as_slice();
        let configuration: ImageConfiguration = serde_json::from_slice(configuration).unwrap();
        let mut tree = FileTree::default();
        let mut layers = Vec::new();
        for path in manifest[0]["Layers"].as_array().unwrap() {
            let bytes = saved[path.as_str().unwrap()].as_slice();
            let digest = Digest::of(bytes);
            tree.apply_layer(&digest, &LayerIndex::read(bytes).unwrap());
            let files = files(bytes).into_iter();
            self.base_files
                .extend(files.map(|(path, bytes)| ((digest.clone(), path), bytes)));
            layers.push(digest);
        }
        let base = BaseImage {
            configuration,
            layers: layers.iter().map(base_layer).collect(),
            tree,
            format: ManifestFormat::Docker,
        };
        self.bases
            .insert(Reference::parse(&reference).unwrap(), base);
        self.names.push((name, reference));
    }

    /// A case's Dockerfile, with the images that it names.
    pub(super) fn dockerfile(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(text.to_owned(), |text, (name, reference)| {
            text.replace(name, reference)
        })
    }

    /// The build arguments.
    pub(super) fn arguments() -> BTreeMap<String, String> {
        ARGUMENTS
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// The archive from which a builder builds, with the Dockerfile. Owners, modes and times are those that the tool sends.
    pub(super) fn context(&self, dockerfile: &str) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, mode, text) in CONTEXT {
            let path = path.trim_end_matches('/');
            let kind = kind_of(path, text);
            let text = text.strip_prefix("-> ").unwrap_or(text);
            append(&mut archive, kind, path, mode, (0, 0), text);
        }
        let dockerfile = self.dockerfile(dockerfile);
        append(
            &mut archive,
            EntryType::Regular,
            "Dockerfile",
            0o644,
            (0, 0),
            &dockerfile,
        );
        archive.into_inner().unwrap()
    }

    /// The same files as an index.
    pub(super) fn inputs(&self, dockerfile: &str) -> Vec<InputFile> {
        let dockerfile = self.dockerfile(dockerfile);
        let files = CONTEXT.iter().copied();
        let files = files.chain([("Dockerfile", 0o644, dockerfile.as_str())]);
        let input = |(path, mode, text): (&str, u32, &str)| {
            let path = path.trim_end_matches('/').to_owned();
            let content = if kind_of(&path, text) == EntryType::Directory {
                InputContent::Directory
            } else if let Some(target) = text.strip_prefix("-> ") {
                InputContent::Symlink {
                    target: target.to_owned(),
                }
            } else {
                InputContent::File {
                    digest: Digest::of(text),
                    size: text.len() as u64,
                }
            };
            InputFile {
                path,
                mode,
                content,
            }
        };
        let mut inputs: Vec<InputFile> = files.map(input).collect();
        inputs.sort();
        inputs
    }

    /// The bytes of a file of the context.
    pub(super) fn bytes(&self, path: &str, dockerfile: &str) -> Vec<u8> {
        if path == "Dockerfile" {
            return self.dockerfile(dockerfile).into_bytes();
        }
        let found = CONTEXT.iter().find(|(known, _, _)| *known == path);
        found.expect("a file of the context").2.as_bytes().to_vec()
    }
}

fn kind_of(path: &str, text: &str) -> EntryType {
    let is_folder = CONTEXT
        .iter()
        .any(|(known, _, _)| known.strip_suffix('/') == Some(path));
    if is_folder {
        EntryType::Directory
    } else if text.starts_with("-> ") {
        EntryType::Symlink
    } else {
        EntryType::Regular
    }
}

fn base_layer(digest: &Digest) -> BaseLayer {
    BaseLayer {
        digest: digest.clone(),
        diff_id: digest.clone(),
        size: 0,
        media_type: ManifestFormat::Docker.layer().to_owned(),
    }
}

/// An archive of files as the tables above have them.
fn layer(files: &[(char, &str, u32, u64, u64, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, path, mode, uid, gid, text) in files {
        let kind = match kind {
            'd' => EntryType::Directory,
            'l' => EntryType::Symlink,
            'h' => EntryType::Link,
            _ => EntryType::Regular,
        };
        append(&mut archive, kind, path, *mode, (*uid, *gid), text);
    }
    archive.into_inner().unwrap()
}

/// The base of two layers, as the engine loads it.
fn layered(run: &str, reference: &str) -> Vec<u8> {
    let layers = [("below.tar", layer(&BASE)), ("above.tar", layer(&ABOVE))];
    let configuration = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Labels": { LABEL_RUN: run } },
        "rootfs": { "type": "layers", "diff_ids": layers.each_ref().map(|(_, bytes)| Digest::of(bytes)) },
    });
    let paths = layers.each_ref().map(|(path, _)| *path);
    let manifest =
        json!([{ "Config": "configuration.json", "RepoTags": [reference], "Layers": paths }]);
    let mut archive = tar::Builder::new(Vec::new());
    let texts = [
        ("configuration.json", configuration),
        ("manifest.json", manifest),
    ];
    for (path, text) in texts {
        append(
            &mut archive,
            EntryType::Regular,
            path,
            0o644,
            (0, 0),
            &text.to_string(),
        );
    }
    for (path, bytes) in layers {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        archive
            .append_data(&mut header, path, bytes.as_slice())
            .unwrap();
    }
    archive.into_inner().unwrap()
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    kind: EntryType,
    path: &str,
    mode: u32,
    (uid, gid): (u64, u64),
    text: &str,
) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(0);
    header.set_size(0);
    if matches!(kind, EntryType::Symlink | EntryType::Link) {
        archive.append_link(&mut header, path, text).unwrap();
    } else {
        header.set_size(text.len() as u64);
        archive
            .append_data(&mut header, path, text.as_bytes())
            .unwrap();
    }
}

/// The files of an archive, by path.
pub(super) fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    files
}
