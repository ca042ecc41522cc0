//! Journals that were pruned: whatever stood before, the next deploy and a rollback end as they would have.

use std::collections::BTreeSet;

use jiff::Timestamp;
use journal::{EventLog, MemoryStore, Store, scan, scan_all};
use rstest::rstest;

use super::faulty_store::FixedStamp;
use super::inputs::{DeployInput, OnDisk, name, truth};
use super::rig::{Disturbance, Target, applied, author};
use crate::contract::Digest;
use crate::machine::{Command, PrunedImages, Refusal, Requested};
use crate::run::deploy_journal::{DeployJournal, DeployJournalError, latest_state, typed};
use crate::run::documents::document_bytes;
use crate::run::simulated::Mishap;
use crate::run::{KeepRule, PrunePlan, Replay, StreamFold, deploy_record, prune_plan};

fn keeping(deploys: u64) -> KeepRule {
    KeepRule {
        deploys: Some(deploys),
        since: None,
    }
}

/// Prunes a journal in memory, as the store on disk is pruned. None when nothing goes.
fn prune(store: &MemoryStore, keep: KeepRule) -> Option<(MemoryStore, PrunePlan)> {
    let plan = prune_plan(store, keep).unwrap()?;
    let pruned = MemoryStore::new(store.stream().clone());
    pruned.begin_behind(&plan.checkpoint).unwrap();
    let fork = store.fork();
    let stamp = FixedStamp::after(&plan.head);
    let journal = DeployJournal::open(&fork, &stamp, author("person")).unwrap();
    let images = plan.images_document();
    let said = plan.said(images.as_ref().map(Digest::of), Some("why".to_owned()));
    let event = journal.drafted(Command::Prune(said)).unwrap();
    for stored in scan(store, plan.checkpoint.sequence + 1) {
        let stored = stored.unwrap();
        let header = stored.header;
        let draft = journal::NewEvent {
            event_id: header.event_id,
            deploy: header.deploy,
            kind: header.kind,
            schema: header.schema,
            recorded_at: header.recorded_at,
            actor: header.actor,
            attempt: header.attempt,
            tool: header.tool,
            payload: stored.payload,
        };
        pruned.append(&pruned.head().unwrap(), vec![draft]).unwrap();
    }
    assert_eq!(pruned.head().unwrap(), plan.head);
    for hash in &plan.documents {
        let bytes = store.document(hash).unwrap().expect("it is kept");
        pruned.put_document(&bytes).unwrap();
    }
    if let Some(bytes) = images {
        pruned.put_document(&bytes).unwrap();
    }
    pruned.append(&plan.head, vec![event]).unwrap();
    Some((pruned, plan))
}

/// It folds from where it begins, this build decides as it says, and every document is there.
fn is_whole(store: &MemoryStore) {
    let (mut fold, mut replay) = (StreamFold::default(), Replay::default());
    for event in scan_all(store) {
        let event = event.unwrap();
        fold.add(&event).unwrap();
        assert_eq!(replay.add(&event).unwrap(), None);
    }
    for digest in fold.named_documents() {
        if let Some(bytes) = document_bytes(store, &digest).unwrap() {
            fold.add_document(&bytes).unwrap();
        }
    }
    fold.end().unwrap();
    assert_eq!(journal::chain::verify(store, None).unwrap().damage, None);
}

/// Deploys that change something, that change nothing, that fail before and after they may have published, and that are superseded.
fn past(mishap: Option<(usize, Mishap)>) -> (OnDisk, Target) {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    target.settle(&disk.input());
    target.truth.sources.insert(name("a"), "edited".to_owned());
    disk.write(&["a", "c"]);
    target.settle(&disk.input());
    target.truth.sources.insert(name("a"), "again".to_owned());
    let disturbances: Vec<Disturbance> = mishap
        .into_iter()
        .map(|(at, mishap)| Disturbance::Call(at, mishap))
        .collect();
    target.run(&disk.input(), &disturbances);
    disk.write(&["a", "d"]);
    (disk, target)
}

/// What a deploy leaves, without what tells one journal from another.
fn left(target: &Target, before: u64) -> (Vec<String>, String) {
    let kinds = scan(&target.store, before + 1).map(|event| event.unwrap().header.kind);
    let truth = (
        &target.truth.config,
        &target.truth.registry,
        &target.truth.builds,
    );
    (kinds.collect(), format!("{truth:?}"))
}

fn ends_alike(target: &Target, pruned: &MemoryStore, input: &DeployInput) {
    let (mut whole, mut short) = (target.clone(), target.clone());
    short.store = pruned.fork();
    let before = [&whole, &short].map(|one| one.store.head().unwrap().sequence);
    assert!(applied(&whole.run(input, &[])));
    assert!(applied(&short.run(input, &[])));
    assert_eq!(left(&short, before[1]), left(&whole, before[0]));
    is_whole(&short.store);
}

#[rstest]
#[case::undisturbed(None)]
#[case::before_it_published(Some((2, Mishap::Refused)))]
#[case::while_it_built(Some((4, Mishap::ReplyLost)))]
#[case::while_it_published(Some((6, Mishap::ReplyLost)))]
#[case::killed_while_it_published(Some((6, Mishap::KilledAfter)))]
fn the_next_deploy_and_the_next_rollback_end_as_without_a_prune(
    #[case] mishap: Option<(usize, Mishap)>,
) {
    let (disk, target) = past(mishap);
    if latest_state(&target.store).unwrap().unfinished().is_some() {
        let stamp = FixedStamp::after(&target.store.head().unwrap());
        let mut journal = DeployJournal::open(&target.store, &stamp, author("person")).unwrap();
        let reason = crate::machine::AbandonReason::GivenUp;
        let give_up = Command::Abandon { reason, note: None };
        journal.record(vec![give_up]).unwrap();
    }
    let all = scan_all(&target.store).count() as u64;
    let mut checkpoints = BTreeSet::new();
    for deploys in 0..6 {
        let Some((pruned, plan)) = prune(&target.store, keeping(deploys)) else {
            continue;
        };
        checkpoints.insert(plan.checkpoint.sequence);
        assert_eq!(plan.events + plan.kept_events, all);
        assert!(plan.kept_deploys >= deploys);
        is_whole(&pruned);
        let state = latest_state(&target.store).unwrap();
        assert_eq!(latest_state(&pruned).unwrap(), state);
        ends_alike(&target, &pruned, &disk.input());
        // Every deploy that is kept can be gone back to.
        for (first, _) in pruned.latest_deploys(None, 9).unwrap() {
            match deploy_record(&pruned, first).unwrap() {
                Some(record) if record.is_applied => {
                    let back_to = Requested {
                        base: None,
                        rollback_to: Some(record.deploy),
                        ..record.request
                    };
                    let back = DeployInput {
                        back_to: Some(back_to),
                        ..disk.input()
                    };
                    ends_alike(&target, &pruned, &back);
                }
                Some(_) | None => {}
            }
        }
        // And once more.
        let mut on = target.clone();
        on.store = pruned;
        on.settle(&disk.input());
        on.settle(&disk.input());
        let (again, second) = prune(&on.store, keeping(1)).unwrap();
        assert!(second.checkpoint.sequence > plan.checkpoint.sequence);
        is_whole(&again);
    }
    assert!(checkpoints.len() > 1, "{checkpoints:?}");
}

#[test]
fn a_deploy_that_may_have_published_keeps_what_it_builds_upon() {
    let (_, target) = past(Some((6, Mishap::ReplyLost)));
    let stamp = FixedStamp::after(&target.store.head().unwrap());
    let mut journal = DeployJournal::open(&target.store, &stamp, author("person")).unwrap();
    let reason = crate::machine::AbandonReason::GivenUp;
    let give_up = Command::Abandon { reason, note: None };
    journal.record(vec![give_up]).unwrap();
    let deploys = target.store.latest_deploys(None, 9).unwrap();
    let plan = prune_plan(&target.store, keeping(1)).unwrap().unwrap();
    assert_eq!(plan.checkpoint.sequence, deploys[1].0 - 1, "{deploys:?}");
    assert_eq!((plan.deploys, plan.kept_deploys), (2, 2));
}

#[test]
fn what_is_young_enough_is_kept_with_all_behind_it() {
    let (_, target) = past(None);
    let deploys = target.store.latest_deploys(None, 9).unwrap();
    let at = |sequence: u64| -> Timestamp {
        let event = journal::event(&target.store, sequence).unwrap().unwrap();
        event.header.recorded_at
    };
    let plan = |since, deploys| {
        let keep = KeepRule {
            since: Some(since),
            deploys,
        };
        prune_plan(&target.store, keep).unwrap()
    };
    // The last event of a deploy says how old it is.
    let last = deploys[0].0 - 1;
    assert_eq!(plan(at(last), None).unwrap().kept_deploys, 2);
    let later = at(last) + jiff::SignedDuration::from_millis(1);
    assert_eq!(plan(later, None).unwrap().kept_deploys, 1);
    assert_eq!(plan(later, Some(3)).unwrap().kept_deploys, 3);
    assert_eq!(plan(at(1), None), None, "all of it is young");
    let none = prune_plan(&target.store, KeepRule::default()).unwrap();
    assert_eq!(none.unwrap().kept_deploys, 1, "the latest one is needed");
    let empty = MemoryStore::new(target.store.stream().clone());
    assert_eq!(prune_plan(&empty, keeping(1)).unwrap(), None);
}

#[test]
fn images_that_no_kept_event_names_are_listed_until_they_are_forgotten() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let mut made = Vec::new();
    for edit in 0..12 {
        target
            .truth
            .sources
            .insert(name("a"), format!("edit {edit}"));
        target.settle(&disk.input());
        made.push(target.truth.registry["registry:5000/a:latest"].clone());
    }
    let (pruned, plan) = prune(&target.store, keeping(1)).unwrap();
    let listed = |plan: &PrunePlan| -> BTreeSet<Digest> {
        let images = &plan.images.repositories["registry:5000/a"];
        assert!(images.values().all(|keys| keys.len() == 1));
        images.keys().cloned().collect()
    };
    // What the last deploy and the one before it have in effect is not listed.
    let expected: BTreeSet<Digest> = made[..10].iter().cloned().collect();
    assert_eq!(listed(&plan), expected);
    // Each of both remembers eight images before its own.
    assert_eq!(plan.unnamed_images, 2);
    let (before, named) = crate::run::pruned_images(&pruned).unwrap();
    assert_eq!(before, plan.images);
    assert!(made[2..].iter().all(|digest| named.contains(digest)));
    assert!(made[..2].iter().all(|digest| !named.contains(digest)));
    // What was listed is listed again when the event that lists it goes.
    target.store = pruned;
    target.truth.sources.insert(name("a"), "edit 12".to_owned());
    target.settle(&disk.input());
    let (_, plan) = prune(&target.store, keeping(1)).unwrap();
    let expected: BTreeSet<Digest> = made[..11].iter().cloned().collect();
    assert_eq!(listed(&plan), expected);
    assert_eq!((plan.images.count(), plan.unnamed_images), (11, 3));
    assert_ne!(plan.images, PrunedImages::default());
}

#[test]
fn nothing_is_pruned_in_the_middle_of_a_deploy() {
    let (disk, mut target) = past(None);
    target.run(&disk.input(), &[Disturbance::Call(2, Mishap::KilledBefore)]);
    let plan = prune_plan(&target.store, keeping(1)).unwrap().unwrap();
    let stamp = FixedStamp::after(&plan.head);
    let journal = DeployJournal::open(&target.store, &stamp, author("person")).unwrap();
    let refused = journal.drafted(Command::Prune(plan.said(None, None)));
    assert!(matches!(
        refused,
        Err(DeployJournalError::Refused(Refusal::Unfinished { .. }))
    ));
}

#[test]
fn a_journal_that_begins_where_nothing_says_so_does_not_fold() {
    let (_, target) = past(None);
    let (pruned, plan) = prune(&target.store, keeping(2)).unwrap();
    let end = |unsigned: &dyn Fn(&mut crate::machine::Pruned) -> bool| {
        let mut fold = StreamFold::default();
        for stored in scan_all(&pruned) {
            let mut stored = stored.unwrap();
            if let crate::machine::Event::Pruned(mut said) = typed(&stored).unwrap().event {
                if unsigned(&mut said) {
                    continue;
                }
                stored.payload = crate::machine::encode(&crate::machine::Event::Pruned(said));
            }
            fold.add(&stored).unwrap();
        }
        for digest in fold.named_documents() {
            fold.add_document(&document_bytes(&pruned, &digest).unwrap().unwrap())
                .unwrap();
        }
        fold.end()
    };
    assert!(end(&|_| false).is_ok());
    let harms: [&dyn Fn(&mut crate::machine::Pruned) -> bool; 3] = [
        &|_| true,
        &|said| {
            said.checkpoint.sequence -= 1;
            false
        },
        &|said| {
            said.checkpoint.hash = journal::Hash::of(b"other");
            false
        },
    ];
    for harm in harms {
        let refused = end(harm).unwrap_err();
        assert!(
            matches!(refused, DeployJournalError::Unsigned { sequence } if sequence == plan.checkpoint.sequence),
            "{refused:?}"
        );
    }
}
