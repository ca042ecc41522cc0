//! The kernel's lock on an output directory: it ends with the process that holds it, however that ends.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::{Duration, Instant};

use super::PublishError;
use super::directory::Directory;
use crate::contract::quoted;

/// How often a held lock is asked for again.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock (flock) on a directory; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Lock<'d>(&'d Directory);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing the descriptor gives it back as well, should this fail.
        drop(self.0.file.unlock());
    }
}

impl<'d> Lock<'d> {
    /// Takes the lock, and waits at most this long for it.
    pub(super) fn take(directory: &'d Directory, wait: Duration) -> Result<Self, PublishError> {
        let start = Instant::now();
        loop {
            match directory.file.try_lock() {
                Ok(()) => return Ok(Self(directory)),
                Err(TryLockError::WouldBlock) if start.elapsed() < wait => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(PublishError::Busy {
                        path: directory.path().to_owned(),
                        holder: holder(&directory.file),
                        waited_ms: start.elapsed().as_millis(),
                    });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(PublishError::io("lock", directory.path(), error));
                }
            }
        }
    }
}

/// Who holds the lock, as far as the kernel tells: `/proc/locks` names the process and the inode of each lock.
fn holder(directory: &File) -> Option<String> {
    let metadata = directory.metadata().ok()?;
    let device = metadata.dev();
    let inode = format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        metadata.ino()
    );
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| holding_pid(line, &inode))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(match name.trim() {
        "" => format!("process {pid}"),
        name => format!("process {pid}, {}", quoted(name)),
    })
}

/// The process of a line such as `1: FLOCK  ADVISORY  WRITE 2589 fe:00:10010808 0 EOF`; lines of waiting processes have
/// an arrow in front, and a process of another namespace is shown as 0.
fn holding_pid(line: &str, inode: &str) -> Option<u32> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [_, "FLOCK", _, _, pid, at, ..] = words[..] else {
        return None;
    };
    let pid = pid.parse().ok()?;
    (at == inode && pid != 0).then_some(pid)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::holding_pid;

    #[rstest]
    #[case::holds("1: FLOCK  ADVISORY  WRITE 2589 fe:00:10010808 0 EOF", Some(2589))]
    #[case::waits("1: -> FLOCK  ADVISORY  WRITE 2590 fe:00:10010808 0 EOF", None)]
    #[case::other_file("2: FLOCK  ADVISORY  WRITE 2589 fe:00:10010809 0 EOF", None)]
    #[case::other_lock("3: POSIX  ADVISORY  WRITE 2589 fe:00:10010808 0 EOF", None)]
    #[case::other_namespace("4: FLOCK  ADVISORY  WRITE 0 fe:00:10010808 0 EOF", None)]
    #[case::odd("4: FLOCK", None)]
    fn the_holder_of_a_lock_is_read_from_the_kernels_list(
        #[case] line: &str,
        #[case] expected: Option<u32>,
    ) {
        assert_eq!(holding_pid(line, "fe:00:10010808"), expected);
    }
}
