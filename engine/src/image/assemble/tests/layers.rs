//! Layers: reading them into a tree, and writing them.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::contract::Digest;
use crate::image::assemble::{
    ContentSource, FileContent, FileTree, LayerIndex, NewEntry, NewLayer, NodeKind, TreeNode,
};

/// Every file of the context is these bytes.
struct Same(&'static [u8]);

impl ContentSource for Same {
    fn open(&mut self, content: &FileContent) -> io::Result<Box<dyn Read + '_>> {
        Ok(match content {
            FileContent::Inline(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            FileContent::Context { .. } | FileContent::Layer { .. } => Box::new(self.0),
        })
    }
}

fn entry(path: &str, mode: u32, kind: NodeKind) -> NewEntry {
    NewEntry {
        path: path.to_owned(),
        node: TreeNode {
            kind,
            mode,
            uid: 7,
            gid: 3_000_000,
            xattrs: BTreeMap::new(),
        },
    }
}

fn inline(text: &str) -> NodeKind {
    NodeKind::File {
        size: text.len() as u64,
        content: FileContent::Inline(text.as_bytes().to_vec()),
    }
}

fn layer(entries: Vec<NewEntry>) -> NewLayer {
    NewLayer { entries, epoch: 0 }
}

/// The layer as its bytes unpacked, and as an index.
fn written(layer: &NewLayer) -> (Vec<u8>, LayerIndex) {
    let mut packed = Vec::new();
    let written = layer.write(&mut Same(b""), &mut packed).unwrap();
    assert_eq!(written.size, packed.len() as u64);
    assert_eq!(written.digest, Digest::of(&packed));
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_slice())
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(written.diff_id, Digest::of(&bytes));
    let index = LayerIndex::read(bytes.as_slice()).unwrap();
    (bytes, index)
}

fn tree(layers: &[&LayerIndex]) -> FileTree {
    let mut tree = FileTree::default();
    for (number, index) in layers.iter().enumerate() {
        tree.apply_layer(&Digest::of(number.to_string()), index);
    }
    tree
}

fn paths(tree: &FileTree) -> Vec<&str> {
    tree.paths().collect()
}

#[test]
fn what_is_written_is_read_again() {
    let folder = "d".repeat(120);
    let long = format!("{folder}/f");
    let target = "t".repeat(130);
    let link = NodeKind::Symlink {
        target: target.clone(),
    };
    let mut attributed = entry("x", 0o4755, inline("x"));
    let xattrs = [("user.a".to_owned(), vec![0, b'\n', b'=', 255])];
    attributed.node.xattrs = xattrs.into_iter().collect();
    let entries = vec![
        entry("a", 0o1777, NodeKind::Directory),
        entry("a/ü", 0o600, inline("text")),
        entry(&long, 0o644, inline("deep")),
        entry("l", 0o777, link),
        attributed,
    ];
    let (bytes, index) = written(&layer(entries.clone()));
    let tree = tree(&[&index]);
    assert_eq!(
        paths(&tree),
        ["a", "a/ü", folder.as_str(), long.as_str(), "l", "x"]
    );
    for NewEntry { path, node } in &entries {
        let found = tree.get(path).unwrap();
        assert_eq!(
            (found.mode, found.uid, found.gid),
            (node.mode, 7, 3_000_000),
            "{path}"
        );
        assert_eq!(found.xattrs, node.xattrs, "{path}");
    }
    assert_eq!(tree.get("l").unwrap().kind, NodeKind::Symlink { target });
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        assert_eq!(entry.unwrap().header().mtime().unwrap(), 0);
    }
}

/// The bytes are part of what a registry knows an image by: another compressor is another image.
#[test]
fn the_bytes_of_a_layer_are_frozen() {
    let numbers: Vec<String> = (0..5000).map(|line| (line * line).to_string()).collect();
    let text = numbers.join(" ");
    let layer = layer(vec![entry("f", 0o644, inline(&text))]);
    let written = layer.write(&mut Same(b""), &mut io::sink()).unwrap();
    assert_eq!(
        written.digest.as_str(),
        "sha256:6a9f9eb7e1a1fa19d9358028e2992b735611840081c977a3c61ed39317b9c8eb"
    );
}

#[test]
fn a_file_of_another_size_than_it_had_ends_the_layer() {
    for (size, message) in [(2, "larger"), (4, "")] {
        let context = FileContent::Context {
            path: "f".to_owned(),
            digest: Digest::of("abc"),
        };
        let file = NodeKind::File {
            size,
            content: context,
        };
        let layer = layer(vec![entry("f", 0o644, file)]);
        let error = layer.write(&mut Same(b"abc"), &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn layers_are_folded_one_over_the_other() {
    let below = written(&layer(vec![
        entry("a", 0o755, NodeKind::Directory),
        entry("a/gone", 0o644, inline("")),
        entry("a/stays", 0o644, inline("")),
        entry("b", 0o755, NodeKind::Directory),
        entry("b/hidden", 0o644, inline("")),
        entry("c", 0o755, NodeKind::Directory),
        entry("c/below", 0o644, inline("")),
        entry("etc/passwd", 0o644, inline("below")),
    ]));
    let above = written(&layer(vec![
        entry("a/.wh.gone", 0o644, inline("")),
        entry("b/new", 0o644, inline("")),
        entry("b/.wh..wh..opq", 0o644, inline("")),
        entry("c", 0o644, inline("")),
        entry("etc/passwd", 0o644, inline("above")),
        entry("etc/group", 0o644, inline("group")),
    ]));
    let tree = tree(&[&below.1, &above.1]);
    let expected = [
        "a",
        "a/stays",
        "b",
        "b/new",
        "c",
        "etc",
        "etc/group",
        "etc/passwd",
    ];
    assert_eq!(paths(&tree), expected);
    assert_eq!(
        (tree.passwd(), tree.group()),
        (Some("above"), Some("group"))
    );
}

/// Some tools leave out the folders above their files; what unpacks a layer makes them.
#[test]
fn folders_that_no_layer_names_are_there() {
    let below = written(&layer(vec![
        entry("b", 0o700, NodeKind::Directory),
        entry("c", 0o644, inline("")),
    ]));
    let above = written(&layer(vec![
        entry("a/deep/f", 0o644, inline("")),
        entry("b/f", 0o644, inline("")),
        entry("c/f", 0o644, inline("")),
    ]));
    let tree = tree(&[&below.1, &above.1]);
    let expected = ["a", "a/deep", "a/deep/f", "b", "b/f", "c", "c/f"];
    assert_eq!(paths(&tree), expected);
    let modes = ["a", "a/deep", "b", "c"].map(|path| tree.get(path).unwrap().mode);
    assert_eq!(modes, [0o755, 0o755, 0o700, 0o755]);
}

#[test]
fn an_index_is_kept_and_damage_is_seen() {
    let (_, index) = written(&layer(vec![entry("etc/passwd", 0o644, inline("x"))]));
    let mut kept = index.encode();
    assert_eq!(LayerIndex::decode(&kept), Some(index));
    kept.truncate(kept.len() - 9);
    assert_eq!(LayerIndex::decode(&kept), None);
}

/// An archive may say that what extends a header is as large as it likes.
#[test]
fn what_extends_a_header_is_bounded() {
    let mut header = tar::Header::new_ustar();
    header.set_path("x").unwrap();
    for kind in [
        tar::EntryType::XHeader,
        tar::EntryType::GNULongName,
        tar::EntryType::GNULongLink,
    ] {
        header.set_entry_type(kind);
        header.set_size(1 << 40);
        header.set_cksum();
        let endless = header.as_bytes().chain(io::repeat(b'x'));
        let error = LayerIndex::read(endless).unwrap_err();
        let expected = "the layer has a member whose name or attributes are too long";
        assert_eq!(error.to_string(), expected);
    }
}

#[rstest::rstest]
#[case::no_length(b"x path=a\n")]
#[case::too_long(b"99 path=a\n")]
#[case::too_short(b"3 path=a\n")]
#[case::shorter_than_its_length(b"1 path=a\n")]
#[case::no_line_feed(b"9 path=ab")]
#[case::no_value(b"7 path\n")]
#[case::no_number(b"9 uid=xy\n")]
fn a_malformed_extension_is_an_error(#[case] records: &[u8]) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path("x").unwrap();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(records.len() as u64);
    header.set_cksum();
    archive.append(&header, records).unwrap();
    let error = LayerIndex::read(archive.into_inner().unwrap().as_slice()).unwrap_err();
    assert!(error.to_string().starts_with("the layer has a"), "{error}");
}

/// Long names as GNU's archives have them.
#[test]
fn long_names_of_two_kinds_are_read() {
    let long = "n".repeat(300);
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_link(&mut header, &long, &long).unwrap();
    let index = LayerIndex::read(archive.into_inner().unwrap().as_slice()).unwrap();
    let kind = NodeKind::Symlink {
        target: long.clone(),
    };
    assert_eq!(tree(&[&index]).get(&long).unwrap().kind, kind);
}

/// Whatever copies a folder goes as deep as its names do.
#[rstest::rstest]
#[case::long("n".repeat(4097), "t".to_owned())]
#[case::deep("d/".repeat(256) + "n", "t".to_owned())]
#[case::long_target("n".to_owned(), "t".repeat(4097))]
fn names_are_bounded(#[case] path: String, #[case] target: String) {
    let link = NodeKind::Symlink { target };
    let layer = layer(vec![entry(&path, 0o777, link)]);
    let mut packed = Vec::new();
    layer.write(&mut Same(b""), &mut packed).unwrap();
    let error = LayerIndex::read(GzDecoder::new(packed.as_slice())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the layer has a name that is too long or too deep"
    );
}
