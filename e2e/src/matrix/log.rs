//! The log of one environment.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A file that gets a line as soon as something happens.
pub(crate) struct Log {
    file: Mutex<File>,
    began: Instant,
}

impl Log {
    pub(crate) fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            file: Mutex::new(File::create(path)?),
            began: Instant::now(),
        })
    }

    /// Writes a text with the seconds since the beginning before its first line.
    pub(crate) fn line(&self, text: &str) {
        let seconds = self.began.elapsed().as_secs_f64();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not change the verdict.
        writeln!(file, "{seconds:8.3} {}", text.trim_end()).ok();
    }
}
