//! A store on top of a log: it shows both, appends to itself alone, and does not see what others append to the log.

use super::rig::{append, append_each, draft, id, sequences, stream};
use crate::{AppendError, EventLog, Hash, MemoryStore, Overlay, Store, chain, event, scan};

/// A log in which deploys 1 and 2 were recorded, with a document.
fn log() -> MemoryStore {
    let log = MemoryStore::new(stream());
    append_each(&log, &[1, 1, 2]);
    log.put_document(b"below").unwrap();
    log
}

#[test]
fn what_is_appended_follows_the_log_and_is_not_in_it() {
    let log = log();
    let head = log.head().unwrap();
    let overlay = Overlay::new(&log).unwrap();
    assert_eq!(overlay.head().unwrap(), head);
    append_each(&overlay, &[2, 3, 3]);
    assert_eq!(sequences(&overlay, 0, 9), [1, 2, 3]);
    assert_eq!(sequences(&overlay, 3, 9), [3]);
    assert_eq!(sequences(&overlay, 4, 9), [4, 5, 6]);
    assert_eq!(sequences(&overlay, 7, 9), [0; 0]);
    assert_eq!(scan(&overlay, 1).map(Result::unwrap).count(), 6);
    let report = chain::verify(&overlay, Some(&head)).unwrap();
    assert_eq!(
        (
            report.events,
            report.deploys,
            report.documents,
            report.damage
        ),
        (6, 3, 1, None)
    );
    assert_eq!(log.head().unwrap(), head);
}

#[test]
fn deploys_of_both_are_found_the_newest_first() {
    let log = log();
    let overlay = Overlay::new(&log).unwrap();
    append_each(&overlay, &[2, 9, 4]);
    let all = [(6, id(4)), (5, id(9)), (3, id(2)), (1, id(1))];
    assert_eq!(overlay.latest_deploys(None, 10).unwrap(), all);
    assert_eq!(overlay.latest_deploys(None, 3).unwrap(), all[..3]);
    assert_eq!(overlay.latest_deploys(None, 1).unwrap(), all[..1]);
    assert_eq!(overlay.latest_deploys(Some(5), 10).unwrap(), all[2..]);
    assert_eq!(overlay.latest_deploys(Some(3), 10).unwrap(), all[3..]);
    assert_eq!(overlay.deploy_start(id(1)).unwrap(), Some(1));
    assert_eq!(overlay.deploy_start(id(9)).unwrap(), Some(5));
    assert_eq!(overlay.deploy_start(id(8)).unwrap(), None);
    // A deploy that ended below cannot go on above.
    let refused = overlay.append(&overlay.head().unwrap(), vec![draft(1, "again")]);
    assert!(matches!(
        refused,
        Err(AppendError::Reopened { deploy, first: 1 }) if deploy == id(1)
    ));
}

#[test]
fn documents_of_both_are_found_each_once() {
    let log = log();
    let overlay = Overlay::new(&log).unwrap();
    let above = overlay.put_document(b"above").unwrap();
    let below = overlay.put_document(b"below").unwrap();
    let mut both = [above, below];
    both.sort_unstable();
    assert_eq!(overlay.documents(None, 9).unwrap(), both);
    assert_eq!(overlay.documents(None, 1).unwrap(), both[..1]);
    assert_eq!(overlay.documents(Some(&both[0]), 9).unwrap(), both[1..]);
    let read = |hash: &Hash| overlay.document(hash).unwrap();
    assert_eq!(read(&above), Some(b"above".to_vec()));
    assert_eq!(read(&below), Some(b"below".to_vec()));
    assert_eq!(log.document(&above).unwrap(), None);
}

/// A reader's log grows while it is read: the owner of the target goes on.
#[test]
fn what_others_append_to_the_log_meanwhile_is_not_seen() {
    let log = log();
    let overlay = Overlay::new(&log).unwrap();
    append_each(&log, &[2, 7]);
    assert_eq!(sequences(&overlay, 1, 9), [1, 2, 3]);
    assert_eq!(overlay.latest_deploys(None, 1).unwrap(), [(3, id(2))]);
    assert_eq!(overlay.deploy_start(id(7)).unwrap(), None);
    let appended = append(&overlay, vec![draft(7, "ours")]);
    assert_eq!(event(&overlay, 4).unwrap().as_ref(), Some(&appended[0]));
    assert_eq!(overlay.deploy_start(id(7)).unwrap(), Some(4));
}
