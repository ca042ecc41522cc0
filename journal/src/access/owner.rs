//! The owner of a target: it holds the lock, has the store open and answers readers for its whole life.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::access::imported;
use crate::access::layout::Layout;
use crate::access::lock::{Holder, Lock, StoreLock};
use crate::access::server::Server;
use crate::access::{OwnError, RemoveError};
use crate::disk::{Disk, inherit_access};
use crate::envelope::Head;
use crate::store::{EventLog, Mark, SledStore, Store, StoreError};
use crate::stream::StreamId;

/// How long an owner waits for a reader to let go of the store.
const STORE_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// A target that this process owns. Dropping it closes the store and lets go, cleanly.
#[derive(Debug)]
pub struct Owned {
    // In the order in which they are let go.
    _server: Server,
    store: Arc<SledStore>,
    seat: OwnershipGuard,
    lost: Vec<Holder>,
}

impl Owned {
    pub(crate) fn own(root: &Path, stream: &StreamId, holder: Holder) -> Result<Self, OwnError> {
        let (seat, lost) = OwnershipGuard::take(root, stream, holder)?;
        let mark = Mark::at(seat.layout.mark());
        if seat.lock.is_doubtful() {
            // What an owner wrote whose sync failed may be in memory and not on the disk; so may what one wrote that was killed.
            SledStore::drop_cached(&seat.layout.store())?;
        }
        // Opening writes too, and its sync can be the one that fails.
        let mut store = SledStore::open_marked(&seat.layout.store(), stream.clone(), mark)
            .inspect_err(|error| {
                if matches!(error, StoreError::Io { .. }) {
                    seat.lock.set_unsynced(true);
                }
            })?;
        let path = seat.layout.lock();
        let identity = seat.lock.identity();
        store.require(identity.map_err(|source| OwnError::Io { path, source })?);
        let store = Arc::new(store);
        let server = seat.serve(Arc::clone(&store))?;
        Ok(Self {
            _server: server,
            store,
            seat,
            lost,
        })
    }

    /// The store.
    pub fn store(&self) -> &SledStore {
        &self.store
    }

    /// Checks that the lock and the store at the target's paths are the ones that this process has open.
    ///
    /// They are not when somebody moved, removed or replaced the journal: another process can own the target then, and nobody will find
    /// what is recorded here. An append checks the same. Whoever changes something outside checks first, and again before it says
    /// that it succeeded.
    pub fn still_owns(&self) -> Result<(), OwnError> {
        Ok(self.store.check_identity()?)
    }

    /// The owner before this one, when it ended without letting go: killed, crashed, or the power went.
    ///
    /// The kernel let go of its lock, so it is dead. It is handed on to the next owner until [`Owned::settle`].
    pub fn previous(&self) -> Option<&Holder> {
        self.lost.last()
    }

    /// Every owner that ended without letting go and whose end has not been recorded, the first to end first.
    pub fn lost(&self) -> &[Holder] {
        &self.lost
    }

    /// The ends of the owners before this one have been recorded; the next owner is not told of them again.
    pub fn settle(&self) {
        self.seat.lock.settle();
    }

    /// The sequence of the last event that came with an import; 0 when none did.
    pub fn imported_until(&self) -> Result<u64, OwnError> {
        let path = self.seat.layout.store();
        imported::until(&path).map_err(|source| OwnError::Io { path, source })
    }

    /// Tells others which deploy is run.
    pub fn set_deploy(&self, deploy: Uuid) -> Result<(), OwnError> {
        let path = self.seat.layout.lock();
        self.seat
            .lock
            .set_deploy(deploy)
            .map_err(|source| OwnError::Io { path, source })
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.seat.lock.set_unsynced(self.store.has_failed());
    }
}

/// Removes the journal of a target that ends with this head.
///
/// The folder gets a name that no target has, and is removed under it: a cut in the middle leaves the whole journal or none, and what
/// is left of it goes with the next removal of the same target.
pub(crate) fn remove(
    root: &Path,
    stream: &StreamId,
    holder: Holder,
    expected: &Head,
) -> Result<(), RemoveError> {
    let (seat, _) = OwnershipGuard::take(root, stream, holder)?;
    let store = SledStore::open_marked(
        &seat.layout.store(),
        stream.clone(),
        Mark::at(seat.layout.mark()),
    )
    .map_err(OwnError::from)?;
    let found = store.head().map_err(OwnError::from)?;
    drop(store);
    if found != *expected {
        return Err(RemoveError::Changed {
            sequence: found.sequence,
        });
    }
    let (folder, removing) = (seat.layout.folder().to_owned(), seat.layout.removing());
    let parent = folder.parent().unwrap_or(root).to_owned();
    let refused = |path: &Path| {
        let path = path.to_owned();
        |source| OwnError::Io { path, source }
    };
    remove_folder(&removing).map_err(refused(&removing))?;
    fs::rename(&folder, &removing).map_err(refused(&folder))?;
    Disk::default()
        .sync_folder(&parent)
        .map_err(refused(&parent))?;
    drop(seat);
    remove_folder(&removing).map_err(refused(&removing))?;
    // The folder of a project without targets goes as well; one that has others stays.
    drop(fs::remove_dir(&parent));
    Ok(())
}

/// Removes a folder, where there is one.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The place of an owner: nobody else has the store open, and readers can see that there is an owner.
#[derive(Debug)]
pub(super) struct OwnershipGuard {
    // In the order in which they are let go: the lock is the last, for the next owner makes a socket of its own.
    socket: Socket,
    _store_lock: StoreLock,
    lock: Lock,
    pub(super) layout: Layout,
}

impl OwnershipGuard {
    pub(super) fn take(
        root: &Path,
        stream: &StreamId,
        holder: Holder,
    ) -> Result<(Self, Vec<Holder>), OwnError> {
        let layout = Layout::new(root, stream);
        let refused = |(path, source)| OwnError::Io { path, source };
        // Before the folder is made, so that none is made behind a link, and in it.
        layout.refuse_links().map_err(refused)?;
        layout.make().map_err(|source| OwnError::Io {
            path: layout.folder().to_owned(),
            source,
        })?;
        let (lock, lost) = Lock::take(&layout.lock(), holder)?;
        // The socket comes before the store lock: a reader that has the store open sees it, and leaves.
        let socket = Socket::bind(&layout)?;
        let path = layout.store_lock();
        let store_lock = match StoreLock::enter(&path, STORE_LOCK_TIMEOUT) {
            Ok(Some(store_lock)) => store_lock,
            Ok(None) => return Err(OwnError::Busy { path }),
            Err(source) => return Err(OwnError::Io { path, source }),
        };
        let seat = Self {
            socket,
            _store_lock: store_lock,
            lock,
            layout,
        };
        Ok((seat, lost))
    }
}

impl OwnershipGuard {
    /// Answers readers from a store.
    pub(super) fn serve(&self, store: Arc<SledStore>) -> Result<Server, OwnError> {
        let listener = self.socket.listener.try_clone();
        let listener = listener.map_err(self.socket.failed())?;
        Server::start(listener, store).map_err(self.socket.failed())
    }

    /// An owner before this one may have left in memory what is not on the disk.
    pub(super) fn is_doubtful(&self) -> bool {
        self.lock.is_doubtful()
    }
}

/// The owner's socket. It is removed with its owner; a killed owner's is replaced by the next.
#[derive(Debug)]
struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the socket's file.
    file: (u64, u64),
}

impl Socket {
    fn bind(layout: &Layout) -> Result<Self, OwnError> {
        let path = layout.socket();
        let bound = match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => layout.bind(),
        };
        let restricted = bound.and_then(|listener| {
            inherit_access(&path)?;
            Ok((listener, file_at(&path)?))
        });
        match restricted {
            Ok((listener, file)) => Ok(Self {
                listener,
                path,
                file,
            }),
            Err(source) => Err(OwnError::Io { path, source }),
        }
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> OwnError + use<> {
        let path = self.path.clone();
        |source| OwnError::Io { path, source }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // When the journal was moved away, another owner's socket may be at this path.
        if file_at(&self.path).is_ok_and(|found| found == self.file) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Device and number of the file at a path.
fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
