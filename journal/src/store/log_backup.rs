//! What a log looked like before it was opened.
//!
//! Opening is not reading only: sled's recovery overwrites whatever follows the last message that it understands, so that with one bit
//! changed in the middle of the log, merely looking at it would take away every event behind that bit. So its files are remembered
//! before they are opened, and put back afterwards: by a reader of a long log, and by an owner that was refused. (Of a short one a reader
//! opens a copy: `private`.) A journal that is damaged
//! stays as it was found.
//!
//! sled notes in a snapshot where the log ended when it was opened last, and recovery reads and writes what was appended since. Of a log of
//! more than [`WHOLE`] bytes these segments are remembered, at most the newest [`REMEMBERED`] bytes of them.
//!
//! Reading is not reading only either: sled writes a page anew that it finds in many pieces, and moves pages out of segments that hold
//! little. What it writes behind the end of the log is remembered. When it fills that and begins another segment, it takes one that is free by
//! then, maybe because of what it moved. The end of before and that segment do not fit together, so that nothing is put back of a log that
//! is whole: as sled left it, it has the same events.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::{Disk, NO_LINK};

/// Most bytes of a log that is remembered as a whole.
pub(crate) const WHOLE: u64 = 8 * 1024 * 1024;
/// Most bytes of a longer log that are remembered: more than one owner ever appends.
pub(crate) const REMEMBERED: u64 = 64 * 1024 * 1024;
/// Bytes of a segment of sled's log.
pub(crate) const SEGMENT: u64 = 512 * 1024;
/// Where the header of a segment says how old it is: the place in the log, as a little-endian number, every bit but the highest inverted.
const SEGMENT_PLACE: std::ops::Range<usize> = 4..12;
/// The bytes that a segment begins with: checksum, place, and how much was durable then.
type SegmentHeader = [u8; 20];
/// How long sled may take to let go of a log that was closed. When it panicked on a damaged one, it may never do so.
const CLOSING: Duration = Duration::from_secs(10);

/// The files of a log as they were. Dropped after the log was closed, it puts them back when that was asked for.
#[derive(Debug)]
pub(crate) struct LogBackup {
    folder: PathBuf,
    /// The small files, whole.
    files: BTreeMap<OsString, SmallFile>,
    /// Pieces of the log, each with its place.
    log: Vec<(u64, Vec<u8>)>,
    /// How the other segments begin, each with its place.
    others: Vec<(u64, SegmentHeader)>,
    /// They are all that recovery writes to.
    complete: bool,
    length: u64,
    put_back: AtomicBool,
    is_damaged: AtomicBool,
}

/// A small file as it was.
#[derive(Debug)]
struct SmallFile {
    bytes: Vec<u8>,
    owner: (u32, u32),
    mode: u32,
}

impl SmallFile {
    fn read(path: &Path) -> io::Result<Self> {
        let is = fs::metadata(path)?;
        Ok(Self {
            bytes: fs::read(path)?,
            owner: (is.uid(), is.gid()),
            mode: is.mode() & 0o7777,
        })
    }

    /// Puts the file back, with the owner and mode that it had; a cut in between leaves it whole or not at all.
    fn put_back(&self, path: &Path) -> io::Result<()> {
        let part = path.with_extension("back");
        let mut file = OpenOptions::new();
        file.write(true).create(true).truncate(true).mode(0o600);
        let file = file.custom_flags(NO_LINK);
        file.open(&part)?.write_all_at(&self.bytes, 0)?;
        if Self::read(&part)?.owner != self.owner {
            lchown(&part, Some(self.owner.0), Some(self.owner.1))?;
        }
        fs::set_permissions(&part, fs::Permissions::from_mode(self.mode))?;
        fs::rename(part, path)
    }
}

impl LogBackup {
    /// Remembers the files in a folder of sled's; none when there is no log.
    pub(crate) fn take(folder: &Path) -> io::Result<Option<Self>> {
        let log = match File::open(folder.join(LOG)) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = log.metadata()?.len();
        let mut files = BTreeMap::new();
        for name in small_files(folder)? {
            files.insert(name.clone(), SmallFile::read(&folder.join(name))?);
        }
        let places = places(&log, length, recovered(&files))?;
        let most = usize::try_from(REMEMBERED / SEGMENT).unwrap_or(usize::MAX);
        let remembered: BTreeSet<u64> = places.iter().take(most).copied().collect();
        let others = headers(&log, length)?
            .into_iter()
            .filter(|(place, _)| !remembered.contains(place));
        let read = |place: &u64| {
            let piece = SEGMENT.min(length - place);
            let mut bytes = vec![0; usize::try_from(piece).map_err(io::Error::other)?];
            log.read_exact_at(&mut bytes, *place)?;
            Ok((*place, bytes))
        };
        Ok(Some(Self {
            folder: folder.to_owned(),
            files,
            log: places
                .iter()
                .take(most)
                .map(read)
                .collect::<io::Result<_>>()?,
            others: others.collect(),
            complete: places.len() <= most,
            length,
            put_back: AtomicBool::new(false),
            is_damaged: AtomicBool::new(false),
        }))
    }

    /// Asks for the files to be put back once the log is closed, if all that recovery writes to is remembered.
    pub(crate) fn keep_if_complete(&self) {
        if self.complete {
            self.put_back.store(true, Ordering::SeqCst);
        }
    }

    /// Damage was found. The files are put back at once, under sled, which never looks again at what it gave up, in case this process does
    /// not get to its end; and once more when the log is closed.
    pub(crate) fn damaged(&self) {
        self.is_damaged.store(true, Ordering::SeqCst);
        self.put_back.store(true, Ordering::SeqCst);
        // Nobody can be told of a failure here; the damage itself is what is reported.
        drop(self.restore());
    }

    fn restore(&self) -> io::Result<()> {
        let log = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.folder.join(LOG))?;
        if !self.is_damaged.load(Ordering::SeqCst) && self.has_moved(&log) {
            return self.give_back(&log);
        }
        for (place, bytes) in &self.log {
            let mut present = vec![0; bytes.len()];
            if log.read_exact_at(&mut present, *place).is_err() || present != *bytes {
                log.write_all_at(bytes, *place)?;
            }
        }
        if log.metadata()?.len() != self.length {
            log.set_len(self.length)?;
        }
        for (name, file) in &self.files {
            let path = self.folder.join(name);
            if fs::read(&path).ok().as_ref() != Some(&file.bytes) {
                file.put_back(&path)?;
            }
        }
        for name in small_files(&self.folder)? {
            if !self.files.contains_key(&name) {
                fs::remove_file(self.folder.join(name))?;
            }
        }
        Disk::default().sync(&log)
    }

    /// Segments that are not remembered were filled anew, or cut off. With zeros sled overwrites, when it opens a log, what holds nothing.
    fn has_moved(&self, log: &File) -> bool {
        self.others.iter().any(|(place, header)| {
            let mut present = SegmentHeader::default();
            let read = log.read_exact_at(&mut present, *place);
            read.is_err() || (present != *header && present != SegmentHeader::default())
        })
    }

    /// Gives the small files to whoever owns the log, with the mode that they had.
    fn give_back(&self, log: &File) -> io::Result<()> {
        let owner = log.metadata()?;
        let mode = self.files.values().map(|file| file.mode).next();
        for name in small_files(&self.folder)? {
            let path = self.folder.join(name);
            let is = fs::symlink_metadata(&path)?;
            if (is.uid(), is.gid()) != (owner.uid(), owner.gid()) {
                lchown(&path, Some(owner.uid()), Some(owner.gid()))?;
            }
            let mode = mode.unwrap_or(owner.mode() & 0o7777);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

impl Drop for LogBackup {
    fn drop(&mut self) {
        if !self.put_back.load(Ordering::SeqCst) {
            return;
        }
        let Ok(log) = File::open(self.folder.join(LOG)) else {
            return;
        };
        let asked = Instant::now();
        // sled's last thread has let go when its lock can be taken, and nobody else opens the log meanwhile.
        while log.try_lock().is_err() {
            if asked.elapsed() > CLOSING {
                // Of a log that was left open in here nobody else is the owner, and its threads have nothing left to do.
                if self.is_damaged.load(Ordering::SeqCst) && is_open_elsewhere_in_here(&log) {
                    break;
                }
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        drop(self.restore());
    }
}

/// This process has the same file open once more.
fn is_open_elsewhere_in_here(log: &File) -> bool {
    let identity = |is: fs::Metadata| (is.dev(), is.ino());
    let Ok(this) = log.metadata().map(identity) else {
        return false;
    };
    let Ok(open) = fs::read_dir("/proc/self/fd") else {
        return false;
    };
    let same = |path: PathBuf| fs::metadata(path).is_ok_and(|is| identity(is) == this);
    let open = open.flatten().filter(|entry| same(entry.path()));
    open.count() > 1
}

/// The file in a folder of sled's that does not have its checksum, which is its last four bytes; else the log, whose checksums are inside.
pub(crate) fn suspect(folder: &Path) -> PathBuf {
    let broken = |name: &OsString| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        let (body, sum) = bytes.split_at(bytes.len().saturating_sub(4));
        // Between a snapshot and its checksum stands its length, which the checksum does not cover.
        let covered = match name.to_str() {
            Some("conf") => body,
            _ => body.split_at(body.len().saturating_sub(8)).0,
        };
        crc32fast::hash(covered).to_le_bytes() != sum
    };
    let names = small_files(folder).unwrap_or_default();
    let name = names.into_iter().find(broken);
    folder.join(name.unwrap_or_else(|| LOG.into()))
}

/// The name of sled's log.
pub(crate) const LOG: &str = "db";

/// The names of the other files, sorted; there are no others in folders below.
pub(crate) fn small_files(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name() != LOG {
            names.push(entry.file_name());
        }
    }
    names.sort();
    Ok(names)
}

/// Where the log ended when sled opened it last, as the name of its snapshot says; 0 without one.
fn recovered(files: &BTreeMap<OsString, SmallFile>) -> u64 {
    let newest = files.keys().rev().find_map(|name| {
        let place = name.to_str()?.strip_prefix("snap.")?;
        u64::from_str_radix(place, 16).ok()
    });
    newest.unwrap_or(0)
}

/// The segments of the log in its file that recovery writes to, newest first; all of a short one.
fn places(log: &File, length: u64, recovered: u64) -> io::Result<Vec<u64>> {
    if length <= WHOLE {
        let step = usize::try_from(SEGMENT).map_err(io::Error::other)?;
        return Ok((0..length).step_by(step).collect());
    }
    let mut segments = Vec::new();
    for (place, header) in headers(log, length)? {
        let place_in_log = header[SEGMENT_PLACE]
            .try_into()
            .map_or(0, u64::from_le_bytes);
        let place_in_log = place_in_log ^ (u64::MAX >> 1);
        // A header that is damaged does not say how old its segment is.
        if place_in_log.saturating_add(SEGMENT) > recovered || place_in_log % SEGMENT != 0 {
            segments.push((place_in_log, place));
        }
    }
    segments.sort_unstable();
    Ok(segments.into_iter().rev().map(|(_, place)| place).collect())
}

/// How each segment of the log begins, with its place in the file. A last one that is too short to begin is left out.
fn headers(log: &File, length: u64) -> io::Result<Vec<(u64, SegmentHeader)>> {
    let step = usize::try_from(SEGMENT).map_err(io::Error::other)?;
    let headers = (0..length).step_by(step).filter_map(|place| {
        let mut header = SegmentHeader::default();
        let read = log.read_exact_at(&mut header, place);
        read.is_ok().then_some((place, header))
    });
    Ok(headers.collect())
}
