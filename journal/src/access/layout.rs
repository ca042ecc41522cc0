//! Where things are in a target's folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net;

use crate::disk::Disk;
use crate::stream::StreamId;

/// How long a connection to an owner may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The folder of one target.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path, stream: &StreamId) -> Self {
        Self {
            folder: root.join(stream.to_path()),
        }
    }

    /// Makes the folder.
    pub(crate) fn make(&self) -> io::Result<()> {
        Disk::default().make_folder(&self.folder)
    }

    /// Fails when a symbolic link stands in the place of the folder, of the one around it, or of anything in it.
    ///
    /// A journal has no links. Somebody who may write to its folder could have another user, root above all, write to a file of that
    /// user's choosing; sled opens its files by their names. What is opened here is opened without following links all the same.
    pub(crate) fn refuse_links(&self) -> Result<(), (PathBuf, io::Error)> {
        for folder in [self.folder.parent(), Some(&self.folder)]
            .into_iter()
            .flatten()
        {
            if fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
                return Err((folder.to_owned(), Errno::LOOP.into()));
            }
        }
        refuse_links_in(&self.folder)
    }

    /// True when there is a store, or a mark that there was one.
    pub(crate) fn is_there(&self) -> bool {
        self.store().is_dir() || self.mark().exists()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the folder is moved before it is removed: a name that no target has.
    pub(crate) fn removing(&self) -> PathBuf {
        let name = self.folder.file_name().unwrap_or_default();
        let mut removing = std::ffi::OsString::from("~");
        removing.push(name);
        self.folder.with_file_name(removing)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    pub(crate) fn store_lock(&self) -> PathBuf {
        self.folder.join("store.lock")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Where the documents of the store are.
    pub(crate) fn documents(&self) -> PathBuf {
        self.store().join("documents")
    }

    /// Where an import is built before it becomes the store.
    pub(crate) fn importing(&self) -> PathBuf {
        self.folder.join("store.importing")
    }

    /// What says that events were recorded, outside of the store.
    pub(crate) fn mark(&self) -> PathBuf {
        self.folder.join("begun")
    }

    /// Listens on the socket.
    pub(crate) fn bind(&self) -> io::Result<UnixListener> {
        self.by_descriptor(|socket| UnixListener::bind(socket))
    }

    /// Connects to the socket. An owner that is stopped accepts nobody, and after a while the system takes no more connections for it:
    /// that is waited for a bounded time.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        self.by_descriptor(|path| {
            let socket = net::socket_with(
                net::AddressFamily::UNIX,
                net::SocketType::STREAM,
                net::SocketFlags::CLOEXEC,
                None,
            )?;
            let timeout = Some(CONNECT_TIMEOUT);
            net::sockopt::set_socket_timeout(&socket, net::sockopt::Timeout::Send, timeout)?;
            net::connect(&socket, &net::SocketAddrUnix::new(path)?)?;
            Ok(UnixStream::from(socket))
        })
    }

    /// Names the socket through a descriptor of its folder: the address of a socket has room for about 100 bytes, a path has 4096.
    fn by_descriptor<T>(&self, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let folder = File::open(&self.folder)?;
        work(Path::new(&format!(
            "/proc/self/fd/{}/socket",
            folder.as_raw_fd()
        )))
    }
}

/// Fails at the first symbolic link in a folder, or in one below it.
fn refuse_links_in(folder: &Path) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    // One that cannot be read is found when it is used.
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_symlink() {
            return Err((entry.path(), Errno::LOOP.into()));
        }
        if kind.is_dir() {
            refuse_links_in(&entry.path())?;
        }
    }
    Ok(())
}

/// Every target below a root that has a store, or had one; names that no target has are passed over.
pub(crate) fn targets(root: &Path) -> Result<Vec<StreamId>, (PathBuf, io::Error)> {
    let mut found = Vec::new();
    for project in folders(root)? {
        for env in folders(&root.join(&project))? {
            let part = |name: &OsStr| name.to_str().and_then(StreamId::part_from_path);
            let stream = part(&project)
                .zip(part(&env))
                .and_then(|(project, env)| StreamId::new(project, env).ok());
            if let Some(stream) = stream
                && Layout::new(root, &stream).is_there()
            {
                found.push(stream);
            }
        }
    }
    Ok(found)
}

/// The names of the folders in a folder, sorted; none when it is not there.
fn folders(folder: &Path) -> Result<Vec<std::ffi::OsString>, (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    Ok(names)
}
