//! What a command prints, read while it runs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

use crate::docker::redact::{Line, Lines};

/// Memory that one output of a command is written into.
///
/// Not a pipe: a pipe breaks when this process is killed, and Compose dies of that wherever it is, and leaves a container that it has made
/// and not started. As it is it comes to its end, and takes its container away.
pub(super) struct Output {
    memory: File,
    /// Up to where it has been read.
    place: u64,
    /// The line whose end has not been read.
    begun: Lines,
}

impl Output {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            memory: memfd_create("output", MemfdFlags::CLOEXEC)?.into(),
            place: 0,
            begun: Lines::default(),
        })
    }

    /// The end to write to.
    pub(super) fn writer(&self) -> io::Result<Stdio> {
        Ok(self.memory.try_clone()?.into())
    }

    /// Hands over the lines that have been written since the last time.
    pub(super) fn read(&mut self, line: &mut impl FnMut(Line)) -> io::Result<()> {
        let before = self.place;
        let mut buffer = [0; 8192];
        loop {
            let read = self.memory.read_at(&mut buffer, self.place)?;
            if read == 0 {
                break;
            }
            self.place += read as u64;
            self.begun.read(&buffer[..read], &mut *line);
        }
        if self.place > before {
            // What has been read takes no room any more.
            let freed = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&self.memory, freed, 0, self.place)?;
        }
        Ok(())
    }

    /// Hands over the last line, which may have no end.
    pub(super) fn end(&mut self, line: &mut impl FnMut(Line)) {
        self.begun.end(false, line);
    }
}
