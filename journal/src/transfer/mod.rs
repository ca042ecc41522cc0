//! Export and import: a journal as lines of JSON, one event a line and the head on the last. A backup is several exports in one file.
//!
//! An export is a copy of the same chain: payload bytes are kept exactly, and importing computes the same hashes. Its form is described in
//! docs/guide/journal.md.

mod backup;
mod export;
mod import;
mod line;
mod lines;
mod verify;

pub use backup::{BACKUP_FORMAT, BackupError, BackupReader, BackupWriter};
pub use export::{ExportError, export};
pub use import::{CheckedExport, ImportError, LineProblem, Whole, check, check_each, import};
pub use line::{FORMAT, LINE_MAX, event_line};
pub use verify::verify;

#[cfg(feature = "schema")]
pub use line::line_schemas;

pub(crate) use backup::BackupItem;
pub(crate) use import::Filling;
