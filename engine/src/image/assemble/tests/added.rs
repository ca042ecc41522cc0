//! Which files ADD unpacks.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;

use crate::image::assemble::Added;

fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path("x").unwrap();
    header.set_size(0);
    header.set_cksum();
    archive.append(&header, std::io::empty()).unwrap();
    archive.into_inner().unwrap()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[rstest]
#[case::text(b"print(1)\n".to_vec(), Added::Plain)]
#[case::nothing(Vec::new(), Added::Plain)]
#[case::zeros(vec![0; 2048], Added::Plain)]
#[case::large_text(vec![b'x'; 2048], Added::Plain)]
#[case::archive(archive(), Added::Archive)]
#[case::cut_archive(archive()[..511].to_vec(), Added::Plain)]
#[case::wrong_sum([b"y", &archive()[1..]].concat(), Added::Plain)]
#[case::packed_archive(packed(&archive()), Added::Archive)]
#[case::packed_text(packed(b"text"), Added::Plain)]
#[case::damaged(b"\x1f\x8b damaged".to_vec(), Added::Archive)]
#[case::bzip2(b"BZh91AY".to_vec(), Added::Archive)]
#[case::xz(b"\xfd7zXZ\0\0".to_vec(), Added::Archive)]
#[case::zstd(b"\x28\xb5\x2f\xfd\0".to_vec(), Added::Archive)]
fn archives_are_told_from_files(#[case] bytes: Vec<u8>, #[case] expected: Added) {
    assert_eq!(Added::of(bytes.as_slice()).unwrap(), expected);
}
