//! Small streams for tests, with fixed ids and times.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    Damage, EventLog, Holder, Journal, NewEvent, Owned, SUPPORTED, Schema, SledStore, Store,
    StoreError, StoredEvent, StreamId, chain, scan,
};

pub(crate) fn stream() -> StreamId {
    StreamId::new("shop", "dev").unwrap()
}

/// A schema that can be read and not appended to.
pub(crate) fn newer_minor() -> Schema {
    Schema {
        minor: SUPPORTED.minor + 1,
        ..SUPPORTED
    }
}

/// A schema that cannot be read.
pub(crate) fn newer_major() -> Schema {
    Schema {
        major: SUPPORTED.major + 1,
        minor: 0,
    }
}

/// A version 7 UUID with a number in its last bytes.
pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

/// A draft of deploy `deploy`, whose payload says `text`.
pub(crate) fn draft(deploy: u64, text: &str) -> NewEvent {
    draft_of(deploy, format!("{{\"text\":\"{text}\"}}").into_bytes())
}

pub(crate) fn draft_of(deploy: u64, payload: Vec<u8>) -> NewEvent {
    NewEvent {
        event_id: id(1_000_000 + deploy),
        deploy: id(deploy),
        kind: "Requested".to_owned(),
        schema: SUPPORTED,
        recorded_at: Timestamp::from_millisecond(1_780_000_000_123).unwrap(),
        actor: "ada@forge".to_owned(),
        attempt: 1,
        tool: "0.1.0".to_owned(),
        payload,
    }
}

/// Appends drafts after whatever is there.
pub(crate) fn append<S: Store + ?Sized>(store: &S, drafts: Vec<NewEvent>) -> Vec<StoredEvent> {
    store.append(&store.head().unwrap(), drafts).unwrap()
}

/// Appends one event for each deploy that is named.
pub(crate) fn append_each<S: Store + ?Sized>(store: &S, deploys: &[u64]) {
    for (number, deploy) in deploys.iter().enumerate() {
        append(store, vec![draft(*deploy, &format!("event {number}"))]);
    }
}

pub(crate) fn sequences<F: EventLog + ?Sized>(events: &F, from: u64, limit: usize) -> Vec<u64> {
    let page = events.events(from, limit).unwrap();
    page.iter().map(|event| event.header.sequence).collect()
}

/// A holder with a name.
pub(crate) fn holder(actor: &str) -> Holder {
    Holder {
        actor: actor.to_owned(),
        pid: std::process::id(),
        host: "forge".to_owned(),
        boot_id: "b007".to_owned(),
        since: Timestamp::from_millisecond(1_780_000_000_000).unwrap(),
        deploy: Some(id(1)),
    }
}

/// Owns the target below a root.
pub(crate) fn own(root: &TempDir) -> Owned {
    Journal::own(root.path(), &stream(), holder("ada")).unwrap()
}

/// The folder of the target.
pub(crate) fn folder(root: &TempDir) -> PathBuf {
    root.path().join("shop/dev")
}

/// Copies what is on disk while the store is open: what a killed process leaves.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Every file below a folder, with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// Reads a store as somebody does who is no owner: all events, or the damage.
pub(crate) fn look(folder: &Path) -> Result<Vec<StoredEvent>, Damage> {
    let damage = |error| {
        let StoreError::Damaged(damage) = error else {
            panic!("{error:?}");
        };
        damage
    };
    let store = SledStore::open_to_read(folder, stream()).map_err(damage)?;
    match chain::verify(&store, None).map_err(damage)?.damage {
        Some(damage) => Err(damage),
        None => Ok(scan(&store, 1).map(Result::unwrap).collect()),
    }
}
