use std::io::{Cursor, Write};

use rstest::rstest;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

/// An archive of these files and links.
fn archive(entries: &[(&str, &[u8])], links: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for (name, content) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    for (name, to) in links {
        zip.add_symlink(*name, *to, options).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn unpacked(bytes: &[u8]) -> Result<Tree, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("code.zip");
    std::fs::write(&path, bytes).unwrap();
    Archives::default()
        .unpacked(&path)
        .map_err(|error| crate::artifact::sentence(&error))
}

/// The same bytes with one text in the place of another that is as long.
fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut count = 0;
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            count += 1;
        }
    }
    assert!(count > 0, "it stands there");
    bytes
}

#[rstest]
#[case::up("../x")]
#[case::up_later("a/../../x")]
#[case::up_and_back("a/../x")]
#[case::absolute("/etc/cron.d/x")]
#[case::backslashes("..\\x")]
#[case::absolute_backslash("\\x")]
#[case::drive("c:\\x")]
#[case::drive_relative("c:x")]
#[case::no_name("a\0b")]
fn an_entry_that_leads_out_is_refused(#[case] name: &str) {
    // The writer tidies names up, so that the bad one is put in afterwards.
    let good = "n".repeat(name.len());
    let bytes = replaced(
        archive(&[(&good, b"x"), ("fine", b"y")], &[]),
        good.as_bytes(),
        name.as_bytes(),
    );
    let problem = unpacked(&bytes).unwrap_err();
    let name = name.escape_debug();
    assert_eq!(
        problem,
        format!("the entry `{name}` leads out of the archive")
    );
}

#[rstest]
#[case::up("link", "../x")]
#[case::absolute("link", "/etc/passwd")]
#[case::up_behind_a_name("a/link", "b/../../../x")]
#[case::too_far("a/link", "../../x")]
fn a_link_that_leads_out_is_refused(#[case] name: &str, #[case] to: &str) {
    let problem = unpacked(&archive(&[("x", b"")], &[(name, to)])).unwrap_err();
    assert_eq!(
        problem,
        format!("the entry `{name}` leads out of the archive")
    );
}

#[test]
fn a_link_with_an_endless_target_is_refused() {
    let to = "x/".repeat(3000);
    let problem = unpacked(&archive(&[], &[("link", &to)])).unwrap_err();
    assert_eq!(problem, "the entry `link` leads out of the archive");
}

#[rstest]
#[case::below_a_file(&["a", "a/b"], &[])]
#[case::below_a_link(&["a/b"], &["a"])]
fn nothing_is_written_through_a_file_or_a_link(#[case] files: &[&str], #[case] links: &[&str]) {
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, &b"x"[..])).collect();
    let links: Vec<(&str, &str)> = links.iter().map(|name| (*name, "elsewhere")).collect();
    let problem = unpacked(&archive(&files, &links)).unwrap_err();
    assert_eq!(problem, "the entry `a` is both a file and a folder");
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let bytes = archive(&[("one.py", b"good"), ("two.py", b"evil")], &[]);
    let problem = unpacked(&replaced(bytes, b"two.py", b"one.py")).unwrap_err();
    assert_eq!(problem, "it has 2 entries of which some have one name");
}

#[rstest]
#[case::slashes("a//b")]
#[case::dot("./a/b")]
#[case::backslash("a\\b")]
fn two_spellings_of_one_path_are_refused(#[case] other: &str) {
    let place = "n".repeat(other.len());
    let bytes = archive(&[("a/b", b"good"), (&place, b"evil")], &[]);
    let problem = unpacked(&replaced(bytes, place.as_bytes(), other.as_bytes())).unwrap_err();
    assert_eq!(problem, "two entries are named `a/b`");
}

#[test]
fn an_encrypted_entry_is_named() {
    let mut bytes = archive(&[("secret.py", b"x")], &[]);
    // The lowest bit of the flags of both headers.
    let central = bytes.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    bytes[6] |= 1;
    bytes[central + 8] |= 1;
    assert_eq!(
        unpacked(&bytes).unwrap_err(),
        "its entry `secret.py` is encrypted"
    );
}

#[test]
fn a_pipe_or_a_device_is_named() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("pipe", SimpleFileOptions::default())
        .unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    let central = bytes.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    // The upper half of the external attributes is the mode.
    bytes[central + 40..central + 42].copy_from_slice(&0o010_644_u16.to_le_bytes());
    assert_eq!(
        unpacked(&bytes).unwrap_err(),
        "its entry `pipe` is neither a file nor a folder"
    );
}

#[test]
fn a_bomb_is_stopped_at_the_limit_whatever_it_claims() {
    const MAX: u64 = 4 << 20;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bomb", SimpleFileOptions::default())
        .unwrap();
    zip.write_all(&vec![0; (MAX + 1).try_into().unwrap()])
        .unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    assert!(bytes.len() < 8 << 10, "it is small: {}", bytes.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("code.zip");
    // As it is, and claiming to be small.
    for _ in 0..2 {
        std::fs::write(&path, &bytes).unwrap();
        let problem = unpack(&path, MAX).unwrap_err();
        assert!(matches!(problem, ArchiveError::TooLarge), "{problem:?}");
        assert!(unpack(&path, MAX + 1).is_ok());
        let central = bytes.windows(4).position(|at| at == b"PK\x01\x02");
        let size = central.unwrap() + 24;
        bytes[size..size + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
}

#[test]
fn all_archives_of_a_run_have_one_limit_and_each_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let archives = Archives::default();
    archives.left.set(10);
    let path = |name: &str| folder.path().join(name);
    for name in ["one.zip", "two.zip"] {
        std::fs::write(path(name), archive(&[("x", b"seven b")], &[])).unwrap();
    }
    for _ in 0..3 {
        archives.unpacked(&path("one.zip")).unwrap();
    }
    let problem = archives.unpacked(&path("two.zip")).unwrap_err();
    assert!(matches!(problem, ArchiveError::TooLargeTogether));
}

#[test]
fn too_many_entries_are_refused_before_any_is_read() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for number in 0..=MAX_ENTRIES {
        zip.start_file(format!("{number}"), options).unwrap();
    }
    // So many also need the large form of a directory.
    let bytes = zip.finish().unwrap().into_inner();
    assert_eq!(
        unpacked(&bytes).unwrap_err(),
        "it has more than 100000 entries"
    );
}

/// Names are parsed with the list, so that a list which says that it is long is not read.
#[test]
fn a_long_list_of_entries_is_refused_before_it_is_parsed() {
    let mut bytes = archive(&[("x", b"y")], &[]);
    let end = bytes
        .windows(4)
        .rposition(|at| at == b"PK\x05\x06")
        .unwrap();
    let length = u32::try_from(MAX_DIRECTORY + 1).unwrap();
    bytes[end + 12..end + 16].copy_from_slice(&length.to_le_bytes());
    assert_eq!(
        unpacked(&bytes).unwrap_err(),
        "its list of entries has more than 32 MiB"
    );
    // The number of entries is one too.
    let mut bytes = archive(&[("x", b"y")], &[]);
    bytes[end + 10..end + 12].copy_from_slice(&[0xff, 0xfe]);
    let entries = bytes.clone();
    assert_eq!(
        directory::announced(Cursor::new(entries)).unwrap().entries,
        0xfeff
    );
}

#[rstest]
#[case::owner(0o100, true)]
#[case::group(0o010, true)]
#[case::others(0o001, true)]
#[case::nobody(0, false)]
fn an_entry_that_anybody_may_execute_is_executable(#[case] bit: u32, #[case] executable: bool) {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o600 | bit);
    zip.start_file("run", options).unwrap();
    let tree = unpacked(&zip.finish().unwrap().into_inner()).unwrap();
    let expected = TreeFile::text("");
    let expected = if executable {
        expected.executable()
    } else {
        expected
    };
    assert_eq!(tree.get("run"), Some(&expected));
}

#[test]
fn the_large_form_of_an_archive_is_read() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("app.py", SimpleFileOptions::default().large_file(true))
        .unwrap();
    zip.write_all(b"pass").unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(
        bytes.windows(2).any(|at| at == [1, 0]),
        "has a large header"
    );
    let tree = unpacked(&bytes).unwrap();
    assert_eq!(tree.get("app.py"), Some(&TreeFile::text("pass")));
}

/// Cut off anywhere, or with any byte changed, an archive is refused or gives other files: it never ends the program.
#[test]
fn a_damaged_archive_never_gives_a_part_of_itself() {
    let whole = archive(&[("app.py", b"pass"), ("data/x.txt", b"data")], &[]);
    let tree = unpacked(&whole).unwrap();
    for length in 0..whole.len() {
        let problem = unpacked(&whole[..length]).unwrap_err();
        assert!(
            problem.starts_with("it is no zip archive that this tool reads: "),
            "{length}: {problem}"
        );
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        if let Ok(other) = unpacked(&changed) {
            // Names and modes have no checksum; contents do.
            for (_, piece) in other.files() {
                assert!(
                    tree.files().any(|(_, good)| same_content(good, piece)),
                    "{at}"
                );
            }
        }
    }
}

fn same_content(left: &TreeFile, right: &TreeFile) -> bool {
    match (left, right) {
        (TreeFile::Bytes { content: left, .. }, TreeFile::Bytes { content: right, .. }) => {
            left == right
        }
        (TreeFile::Link(_), _) | (_, TreeFile::Link(_)) => true,
        (TreeFile::Copy { .. }, _) | (_, TreeFile::Copy { .. }) => false,
    }
}
