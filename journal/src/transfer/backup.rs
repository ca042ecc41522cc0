//! A backup: the exports of several targets in one compressed file.
//!
//! The text is lines of JSON, as in an export: a first line that names the targets, the lines of each in that order, and a last line
//! with the number and the hash of the lines before it. Its form is described in docs/guide/journal.md. It is written and read in
//! one go, and no more of it is in memory than a line.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::envelope::Head;
use crate::hash::Hash;
use crate::store::EventLog;
use crate::stream::StreamId;
use crate::transfer::export::{ExportError, export_each};
use crate::transfer::import::{CheckedExport, ImportError, LineProblem, Whole};
use crate::transfer::lines::{Item, LineRead, NumberedLines, Section};

/// Version of the form, on the first line.
pub const BACKUP_FORMAT: u16 = 1;
/// Most targets of one backup. A first line is read whole.
const TARGETS_MAX: usize = 65_536;
/// What every gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A backup cannot be read, or is not whole.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something else is in the file.
    #[error("it is no backup: it is not compressed as one")]
    OtherFile,
    /// Its compressed bytes are not those that were written.
    #[error("the backup was cut or changed: {0}")]
    Corrupt(String),
    /// A newer tool wrote it.
    #[error(
        "this is backup format {0}, and this build reads {BACKUP_FORMAT}; use the tool that wrote it"
    )]
    OtherFormat(u16),
    /// A line of it is not what was written, or it cannot be read.
    #[error(transparent)]
    Import(ImportError),
}

impl From<ImportError> for BackupError {
    fn from(error: ImportError) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        // What the compression says of bytes that it did not write; a disk says something else.
        if let ImportError::Io(error) = &error
            && [InvalidData, InvalidInput, UnexpectedEof].contains(&error.kind())
        {
            return Self::Corrupt(error.to_string());
        }
        Self::Import(error)
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        ImportError::from(error).into()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    backup: u16,
    made_at: Timestamp,
    tool: String,
    targets: Vec<StreamId>,
}

/// The format alone, of a first line that another format may have.
#[derive(Deserialize)]
struct FormatOnly {
    backup: u16,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct LastLine {
    lines: u64,
    sha256: Hash,
}

/// A backup that is being written: each target in the order in which they were named.
#[derive(Debug)]
pub struct BackupWriter<W: Write> {
    to: Summed<GzEncoder<W>>,
}

impl<W: Write> BackupWriter<W> {
    /// Begins a backup of these targets.
    pub fn begin(to: W, made_at: Timestamp, tool: &str, targets: &[StreamId]) -> io::Result<Self> {
        if targets.len() > TARGETS_MAX {
            let problem = format!("a backup holds at most {TARGETS_MAX} targets");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let mut to = Summed {
            to: GzEncoder::new(to, Compression::default()),
            sum: Sha256::new(),
            lines: 0,
        };
        to.line(&FirstLine {
            backup: BACKUP_FORMAT,
            made_at,
            tool: tool.to_owned(),
            targets: targets.to_vec(),
        })?;
        Ok(Self { to })
    }

    /// Adds the next target up to its present head, with every document, and shows each event and document. Returns the head.
    pub fn add<F: EventLog + ?Sized>(
        &mut self,
        events: &F,
        each: impl FnMut(Whole<'_>),
    ) -> Result<Head, ExportError> {
        export_each(events, &mut self.to, each)
    }

    /// Ends the backup. Nothing of it is to be believed before.
    pub fn finish(mut self) -> io::Result<W> {
        let last = LastLine {
            lines: self.to.lines,
            sha256: summed(&self.to.sum),
        };
        self.to.line(&last)?;
        self.to.to.finish()
    }
}

/// Counts lines, and hashes them as they are written.
#[derive(Debug)]
struct Summed<W> {
    to: W,
    sum: Sha256,
    lines: u64,
}

impl<W: Write> Summed<W> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.write_all(&serde_json::to_vec(line)?)?;
        self.write_all(b"\n")
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        let bytes = &bytes[..written];
        self.sum.update(bytes);
        self.lines += bytes.split(|byte| *byte == b'\n').skip(1).count() as u64;
        Ok(written)
    }

    /// What ends a target does not end a block of the compression.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn summed(sum: &Sha256) -> Hash {
    Hash::from_bytes(sum.clone().finalize().into())
}

type Inflated<R> = BufReader<GzDecoder<BufReader<R>>>;

/// A backup that is being read: its first line has been.
pub struct BackupReader<R: Read> {
    lines: NumberedLines<Inflated<R>>,
    made_at: Timestamp,
    targets: Vec<StreamId>,
    /// How many of them were read.
    ended: usize,
    section: Section,
    sum: Sha256,
}

/// What comes next in a backup.
pub(crate) enum BackupItem {
    /// An event or a document of the present target.
    Item(Item),
    /// Everything of the present target was read.
    End(CheckedExport),
}

impl<R: Read> BackupReader<R> {
    /// Reads the first line.
    pub fn open(from: R) -> Result<Self, BackupError> {
        let mut from = BufReader::with_capacity(64 * 1024, from);
        if !from.fill_buf()?.starts_with(&GZIP) {
            return Err(BackupError::OtherFile);
        }
        let inflated = BufReader::with_capacity(64 * 1024, GzDecoder::new(from));
        let mut lines = NumberedLines::new(inflated);
        let text = lines.next()?;
        let text = text.ok_or_else(|| lines.problem(LineProblem::Cut))?;
        let malformed =
            |error: serde_json::Error| lines.problem(LineProblem::Malformed(error.to_string()));
        let format = serde_json::from_str::<FormatOnly>(&text).map_err(malformed)?;
        if format.backup != BACKUP_FORMAT {
            return Err(BackupError::OtherFormat(format.backup));
        }
        let first: FirstLine = serde_json::from_str(&text).map_err(malformed)?;
        if first.targets.len() > TARGETS_MAX {
            let problem = format!("it names more than {TARGETS_MAX} targets");
            return Err(lines.problem(LineProblem::Malformed(problem)).into());
        }
        let mut reader = Self {
            lines,
            made_at: first.made_at,
            targets: first.targets,
            ended: 0,
            section: Section::default(),
            sum: Sha256::new(),
        };
        reader.add_to_sum(&text);
        Ok(reader)
    }

    /// When the backup was begun.
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// Whose journals it holds, in their order.
    pub fn targets(&self) -> &[StreamId] {
        &self.targets
    }

    /// The next event, document or end of a target; none once the last line was read and the file has ended.
    pub(crate) fn next(&mut self) -> Result<Option<BackupItem>, BackupError> {
        loop {
            if self.ended == self.targets.len() {
                self.read_end()?;
                return Ok(None);
            }
            if let Some(item) = self.read_line()? {
                return Ok(Some(item));
            }
        }
    }

    /// Reads a line of the present target; none when it says where the events begin.
    fn read_line(&mut self) -> Result<Option<BackupItem>, BackupError> {
        let expected = &self.targets[self.ended];
        let Some(text) = self.lines.next()? else {
            return Err(self.lines.problem(LineProblem::Cut).into());
        };
        let read = self.section.read(self.lines.number(), &text);
        let read = read.map_err(|problem| self.lines.problem(problem))?;
        let other = |stream: &StreamId| {
            let problem = LineProblem::OtherStream(stream.clone());
            Err(self.lines.problem(problem).into())
        };
        if let Some(stream) = self.section.stream().filter(|stream| *stream != expected) {
            return other(stream);
        }
        let item = match read {
            LineRead::Checkpoint => None,
            LineRead::Item(item) => Some(BackupItem::Item(item)),
            LineRead::End => {
                let section = std::mem::take(&mut self.section);
                let checked = section.into_checked().expect("its head was read");
                if checked.stream != *expected {
                    return other(&checked.stream);
                }
                self.ended += 1;
                Some(BackupItem::End(checked))
            }
        };
        self.add_to_sum(&text);
        Ok(item)
    }

    /// Reads the last line, and finds nothing behind it.
    fn read_end(&mut self) -> Result<(), BackupError> {
        let before = self.lines.number();
        let Some(text) = self.lines.next()? else {
            return Err(self.lines.problem(LineProblem::Cut).into());
        };
        let expected = LastLine {
            lines: before,
            sha256: summed(&self.sum),
        };
        let last = serde_json::from_str::<LastLine>(&text);
        let last = last.map_err(|error| {
            self.lines
                .problem(LineProblem::Malformed(error.to_string()))
        })?;
        if last != expected {
            let other = "it says other lines than those before it".to_owned();
            return Err(self.lines.problem(LineProblem::Malformed(other)).into());
        }
        if self.lines.next()?.is_some() {
            let behind = "it follows the last line of a backup".to_owned();
            return Err(self.lines.problem(LineProblem::Malformed(behind)).into());
        }
        let compressed = self.lines.get_mut().get_mut().get_mut();
        if compressed.fill_buf()?.is_empty() {
            Ok(())
        } else {
            Err(BackupError::Corrupt("something follows its end".to_owned()))
        }
    }

    fn add_to_sum(&mut self, text: &str) {
        self.sum.update(text.as_bytes());
        self.sum.update(b"\n");
    }
}
