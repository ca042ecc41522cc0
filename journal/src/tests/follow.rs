//! Following: every event once, in order, through owners that come, end and are killed.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::rig::{append, append_each, draft, folder, own, stream};
use crate::{Follower, Journal};

fn follower(root: &Path, from: u64) -> Follower {
    Follower::new(Journal::read(root, &stream()).unwrap(), from)
}

/// Polls until an event has been seen.
fn until(follower: &mut Follower, last: u64) -> Vec<u64> {
    let (begun, mut seen) = (Instant::now(), Vec::new());
    while seen.last() != Some(&last) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{seen:?}");
        let events = follower.poll().unwrap();
        seen.extend(events.iter().map(|event| event.header.sequence));
        thread::sleep(Duration::from_millis(5));
    }
    seen
}

#[test]
fn every_event_is_seen_once_through_changes_of_owner() {
    let root = TempDir::new().unwrap();
    let first = own(&root);
    append_each(first.store(), &[1, 1]);
    let mut follower = follower(root.path(), 2);
    assert_eq!(until(&mut follower, 2), [2]);
    append_each(first.store(), &[1]);
    assert_eq!(until(&mut follower, 3), [3]);
    drop(first);
    assert!(follower.poll().unwrap().is_empty());
    let second = own(&root);
    append(second.store(), (0..250).map(|_| draft(2, "x")).collect());
    append(second.store(), (0..60).map(|_| draft(2, "y")).collect());
    let seen = until(&mut follower, 313);
    assert!(seen.into_iter().eq(4..=313));
}

/// Waiting asks nobody: the owner answers only when there is news.
#[test]
fn a_follower_that_waits_does_not_ask_the_owner() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    let mut follower = follower(root.path(), 1);
    assert_eq!(until(&mut follower, 1), [1]);
    // Once more when the head has stayed as it is for a while.
    thread::sleep(Duration::from_millis(1_100));
    assert!(follower.poll().unwrap().is_empty());
    // Without its socket the owner could not answer.
    std::fs::remove_file(folder(&root).join("socket")).unwrap();
    for _ in 0..200 {
        assert!(follower.poll().unwrap().is_empty());
    }
}

/// The head is written after its event: who was killed in between left an event that the head does not know.
#[test]
fn a_event_that_the_head_does_not_know_is_seen_a_moment_later() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    let head = folder(&root).join("store/head");
    let lagging = std::fs::read(&head).unwrap();
    let mut follower = follower(root.path(), 1);
    assert_eq!(until(&mut follower, 1), [1]);
    append_each(owned.store(), &[1]);
    std::fs::write(&head, lagging).unwrap();
    assert_eq!(until(&mut follower, 2), [2]);
}
