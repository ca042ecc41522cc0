//! The one place that asks the disk to keep something, that makes folders, and that says who may use what was made.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

/// Opens no symbolic link: a journal has none, and who put one there chose the file behind it.
pub(crate) const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Asks the disk, and counts how often.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    syncs: AtomicU64,
}

impl Disk {
    /// Makes a file's bytes survive a power cut, and its length; not its times.
    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        file.sync_data()
    }

    /// Has a file's bytes read from the disk when they are read next: what is to be written is written, and the rest forgotten.
    pub(crate) fn drop_cached(&self, file: &File) -> io::Result<()> {
        self.sync(file)?;
        Ok(rustix::fs::fadvise(
            file,
            0,
            None,
            rustix::fs::Advice::DontNeed,
        )?)
    }

    /// Makes the names in a folder survive a power cut.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        File::open(folder)?.sync_all()
    }

    /// Makes a file where there is none, with these bytes, so that it survives a power cut: for this user only, or as
    /// [`inherit_access`] says.
    pub(crate) fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        inherit_access(path)?;
        file.write_all(bytes)?;
        self.sync(&file)?;
        self.sync_folder(path.parent().unwrap_or(Path::new(".")))
    }

    /// Makes a folder with nothing in it, whatever an earlier try has left there.
    pub(crate) fn make_empty(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => self.make_folder(folder),
        }
    }

    /// Moves a folder to a place beside it where there is none. A power cut leaves it there with all of its files, or not at all.
    pub(crate) fn move_whole(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sync_files(from)?;
        fs::rename(from, to)?;
        self.sync_folder(to.parent().unwrap_or(Path::new(".")))
    }

    /// Makes a folder's files survive a power cut, and their names.
    fn sync_files(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.sync_files(&entry.path())?;
            } else {
                self.sync(&File::open(entry.path())?)?;
            }
        }
        self.sync_folder(folder)
    }

    /// How often the disk was asked.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Makes a folder and those above it, so that they survive a power cut: for this user only, or as [`inherit_access`] says.
    pub(crate) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        self.make_folder(parent)?;
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {
                inherit_access(folder)?;
                self.sync_folder(parent)
            }
            // Another process may have made it since.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("`{}` is not a directory", folder.display()),
            )),
            Err(error) => Err(error),
        }
    }
}

/// Both bits say that a folder's group shares what is in it: new names get the group, and its members may add some.
const SHARED: u32 = 0o2020;

/// Says who may use a file or folder that was made in the journal, whatever the umask is.
///
/// It is for its user only (0600, folders 0700), unless the folder that it lies in is shared (set-group-id and writable by the group): then
/// also for that group (0660, folders 2770). What root makes in somebody else's folder is given to that user.
pub(crate) fn inherit_access(path: &Path) -> io::Result<()> {
    // By its descriptor: whatever takes its name meanwhile stays as it is.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let made = file.metadata()?;
    if made.is_symlink() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let parent = fs::metadata(parent)?;
    let shared = parent.mode() & SHARED == SHARED;
    let owner = (parent.uid(), parent.gid());
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    if rustix::process::geteuid().is_root() && (made.uid(), made.gid()) != owner {
        chown(&name, Some(owner.0), Some(owner.1))?;
    }
    let mode = match (shared, made.is_dir()) {
        (false, false) => 0o600,
        (false, true) => 0o700,
        (true, false) => 0o660,
        (true, true) => 0o2770,
    };
    // Another member of the group made it, as it must be; only that user may change it.
    if made.mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(name, fs::Permissions::from_mode(mode))
}

/// The same for all files in a folder, and in those below it.
pub(crate) fn inherit_access_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        inherit_access(&path)?;
        if path.is_dir() {
            inherit_access_below(&path)?;
        }
    }
    Ok(())
}
