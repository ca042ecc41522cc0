//! The archive that goes out, read back with another reader.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use rstest::rstest;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tar::EntryType::{Directory, Regular, Symlink};
use tempfile::TempDir;

use super::archive::write;
use super::{Context, ContextError, DOCKERFILE, send};
use crate::contract::Digest;
use crate::image::{InputContent, InputFile};

pub(in crate::docker) fn file(path: &str, text: &str) -> InputFile {
    InputFile {
        path: path.to_owned(),
        mode: 0o644,
        content: InputContent::File {
            digest: Digest::of(text),
            size: text.len() as u64,
        },
    }
}

fn symlink_to(path: &str, target: &str) -> InputFile {
    InputFile {
        path: path.to_owned(),
        mode: 0o777,
        content: InputContent::Symlink {
            target: target.to_owned(),
        },
    }
}

pub(in crate::docker) fn context(root: &Path, files: Vec<InputFile>) -> Context {
    Context {
        root: root.to_owned(),
        dockerfile: "FROM scratch\n".to_owned(),
        files,
    }
}

/// A folder with these files.
pub(in crate::docker) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Everything the engine would get, and how sending ended.
fn archive(context: &Context) -> (Vec<u8>, Result<(), ContextError>) {
    let mut out = Vec::new();
    let ended = write(context, &mut out);
    (out, ended)
}

#[test]
fn the_archive_holds_exactly_the_inputs_with_plain_headers() {
    let folder = folder(&[
        ("functions/a/app.py", "print(1)"),
        ("functions/a/other", "no"),
    ]);
    symlink("app.py", folder.path().join("functions/a/link")).unwrap();
    let long = format!("functions/a/{}", "d/".repeat(100));
    std::fs::create_dir_all(folder.path().join(&long)).unwrap();
    std::fs::write(folder.path().join(&long).join("f"), "deep").unwrap();
    let files = vec![
        InputFile {
            path: "functions/a".to_owned(),
            mode: 0o755,
            content: InputContent::Directory,
        },
        InputFile {
            mode: 0o100_755,
            ..file("functions/a/app.py", "print(1)")
        },
        symlink_to("functions/a/link", "app.py"),
        file(&format!("{long}f"), "deep"),
    ];
    let (bytes, ended) = archive(&context(folder.path(), files));
    ended.unwrap();

    let mut seen = Vec::new();
    let mut reader = tar::Archive::new(bytes.as_slice());
    for entry in reader.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(header.mtime().unwrap(), 0);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let (mode, kind) = (header.mode().unwrap(), header.entry_type());
        let path = entry.path().unwrap().display().to_string();
        let link = entry
            .link_name()
            .unwrap()
            .map(|link| link.display().to_string());
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        seen.push((path, kind, mode, link.unwrap_or(text)));
    }
    let deep = format!("{long}f");
    let expected = [
        (DOCKERFILE, Regular, 0o644, "FROM scratch\n"),
        ("functions/a", Directory, 0o755, ""),
        ("functions/a/app.py", Regular, 0o755, "print(1)"),
        ("functions/a/link", Symlink, 0o777, "app.py"),
        (deep.as_str(), Regular, 0o644, "deep"),
    ];
    let expected =
        expected.map(|(path, kind, mode, text)| (path.to_owned(), kind, mode, text.to_owned()));
    assert_eq!(seen, expected);
}

/// An engine takes the last of two files with one name, and would build the artifact's.
#[rstest]
#[case::by_name(&[".artifactctl.Dockerfile"], ".artifactctl.Dockerfile-1")]
#[case::by_what_it_leaves_out(&[".artifactctl.Dockerfile.dockerignore"], ".artifactctl.Dockerfile-1")]
#[case::as_a_folder(&[".artifactctl.Dockerfile/x"], ".artifactctl.Dockerfile-1")]
#[case::twice(&[".artifactctl.Dockerfile", ".artifactctl.Dockerfile-1"], ".artifactctl.Dockerfile-2")]
#[case::another(&["functions/.artifactctl.Dockerfile"], ".artifactctl.Dockerfile")]
fn no_input_takes_the_place_of_the_dockerfile(#[case] inputs: &[&str], #[case] name: &str) {
    let texts: Vec<_> = inputs.iter().map(|path| (*path, "FROM evil")).collect();
    let folder = folder(&texts);
    let files = texts.iter().map(|(path, text)| file(path, text)).collect();
    let context = context(folder.path(), files);
    assert_eq!(context.dockerfile_name(), name);
    let (bytes, ended) = archive(&context);
    ended.unwrap();
    let mut reader = tar::Archive::new(bytes.as_slice());
    let mut built = reader
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().unwrap().to_str() == Some(name));
    let mut text = String::new();
    built.next().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "FROM scratch\n");
    assert!(built.next().is_none());
}

#[test]
fn equal_files_are_equal_streams() {
    let (one, two) = (folder(&[("a", "x")]), folder(&[("a", "x")]));
    let (first, _) = archive(&context(one.path(), vec![file("a", "x")]));
    let (second, _) = archive(&context(two.path(), vec![file("a", "x")]));
    assert_eq!(first, second);
}

#[rstest]
#[case::other_text("abc", "abd")]
#[case::longer("abc", "abcd")]
#[case::shorter("abc", "ab")]
#[case::emptied("abc", "")]
fn a_file_that_changed_ends_the_stream_before_the_archive_does(
    #[case] hashed: &str,
    #[case] found: &str,
) {
    let folder = folder(&[("a", found)]);
    let (bytes, ended) = archive(&context(folder.path(), vec![file("a", hashed)]));
    let message = ended.unwrap_err().to_string();
    assert!(
        message.ends_with("/a` changed while it was deployed"),
        "{message}"
    );
    // A complete archive ends in two empty blocks; without them no engine takes it for one.
    assert!(!bytes.ends_with(&[0; 1024]));
}

#[test]
fn a_link_that_points_elsewhere_is_a_change() {
    let folder = folder(&[]);
    symlink("b", folder.path().join("a")).unwrap();
    let (_, ended) = archive(&context(folder.path(), vec![symlink_to("a", "c")]));
    assert!(
        matches!(ended, Err(ContextError::Changed { .. })),
        "{ended:?}"
    );
}

#[test]
fn a_file_that_became_a_link_is_a_change() {
    let folder = folder(&[("b", "x")]);
    symlink("b", folder.path().join("a")).unwrap();
    let (_, ended) = archive(&context(folder.path(), vec![file("a", "x")]));
    assert!(
        matches!(ended, Err(ContextError::Changed { .. })),
        "{ended:?}"
    );
}

#[test]
fn a_file_that_is_gone_is_a_change_of_its_name() {
    let folder = folder(&[]);
    let (_, ended) = archive(&context(folder.path(), vec![file("go\nne", "x")]));
    let message = ended.unwrap_err().to_string();
    assert!(
        message.ends_with(r"/go\nne` changed while it was deployed"),
        "{message}"
    );
}

/// What was hashed is not there any more: in its place, or in the place of a folder above it, something stands that must
/// not be opened, since opening it waits for ever, reads for ever, or leads out of the root.
#[rstest]
#[case::fifo(|root: &Path| fifo(&root.join("d/f")), &[])]
#[case::link_out(|root: &Path| symlink("/dev/zero", root.join("d/f")).unwrap(), &[])]
#[case::folder_that_is_a_link(|root: &Path| { std::fs::rename(root.join("d"), root.join("e")).unwrap(); symlink("e", root.join("d")).unwrap(); }, &["f"])]
#[case::folder_in_place_of_a_file(|root: &Path| std::fs::create_dir(root.join("d/f")).unwrap(), &[])]
fn what_was_put_in_the_place_of_an_input_is_not_opened(
    #[case] swap: fn(&Path),
    #[case] stays: &[&str],
) {
    let folder = folder(&[("d/f", "x")]);
    if stays.is_empty() {
        std::fs::remove_file(folder.path().join("d/f")).unwrap();
    }
    swap(folder.path());
    let (_, ended) = archive(&context(folder.path(), vec![file("d/f", "x")]));
    assert!(
        matches!(ended, Err(ContextError::Changed { .. })),
        "{ended:?}"
    );
}

fn fifo(path: &Path) {
    let (kind, mode) = (FileType::Fifo, Mode::from_raw_mode(0o600));
    mknodat(CWD, path, kind, mode, 0).unwrap();
}

#[tokio::test]
async fn a_body_delivers_the_archive() {
    let text = "x".repeat(1 << 20);
    let folder = folder(&[("a", &text)]);
    let context = context(folder.path(), vec![file("a", &text)]);
    let (bytes, _) = archive(&context);
    let (body, sent) = send(context);
    assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
    sent.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_broken_context_breaks_the_body() {
    let folder = folder(&[("a", "other")]);
    let (body, sent) = send(context(folder.path(), vec![file("a", "hashed")]));
    assert!(body.collect().await.is_err());
    assert!(matches!(
        sent.await.unwrap(),
        Err(ContextError::Changed { .. })
    ));
}

#[tokio::test]
async fn an_engine_that_stops_reading_ends_the_sender() {
    let text = "x".repeat(8 << 20);
    let folder = folder(&[("a", &text)]);
    let (body, sent) = send(context(folder.path(), vec![file("a", &text)]));
    let mut pieces = body.into_data_stream();
    pieces.next().await.unwrap().unwrap();
    drop(pieces);
    assert!(matches!(sent.await.unwrap(), Err(ContextError::Unheard(_))));
}
