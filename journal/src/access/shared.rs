//! File systems that several machines can use at a time. On these a lock may be known to one machine only.

use std::path::Path;

/// The name of the file system of a path when it is such a one. A path that is not there yet is on that of the folders above it.
pub(super) fn name_at(path: &Path) -> Option<&'static str> {
    path.ancestors()
        .find_map(|path| rustix::fs::statfs(path).ok())
        .and_then(|found| name_of(u32::try_from(found.f_type & 0xffff_ffff).ok()?))
}

/// By the numbers of `statfs(2)`.
fn name_of(number: u32) -> Option<&'static str> {
    match number {
        0x0000_6969 => Some("NFS"),
        0x0000_517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9p"),
        0x00c3_6400 => Some("Ceph"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x0116_1970 => Some("GFS2"),
        0x7461_636f => Some("OCFS2"),
        0x4750_4653 => Some("GPFS"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x786f_4256 => Some("a VirtualBox share"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nfs(0x6969, Some("NFS"))]
    #[case::cifs(0xff53_4d42, Some("SMB"))]
    #[case::fuse(0x6573_5546, Some("FUSE"))]
    #[case::nine_p(0x0102_1997, Some("9p"))]
    #[case::ext4(0xef53, None)]
    #[case::xfs(0x5846_5342, None)]
    #[case::btrfs(0x9123_683e, None)]
    #[case::overlay(0x794c_7630, None)]
    #[case::tmpfs(0x0102_1994, None)]
    fn a_file_system_that_machines_share_has_a_name(
        #[case] number: u32,
        #[case] name: Option<&str>,
    ) {
        assert_eq!(name_of(number), name);
    }

    #[test]
    fn a_folder_that_is_not_there_is_on_the_file_system_above_it() {
        assert_eq!(name_at(Path::new("/proc/none/at/all")), None);
    }
}
