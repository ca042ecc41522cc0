//! Verification finds every kind of damage, and names the first bad event.

use proptest::prelude::*;
use rstest::rstest;

use super::rig::{append, append_each, draft, draft_of, id, newer_major, stream};
use crate::store::memory::State;
use crate::{
    Damage, DamageKind, EventLog, Head, MemoryStore, NewEvent, StoreError, StoredHead, StreamId,
    chain,
};

/// Five events of two deploys.
fn small() -> MemoryStore {
    let store = MemoryStore::new(stream());
    append_each(&store, &[1, 1, 1, 2, 2]);
    store
}

/// Events that were sealed by somebody else and put into the same places.
fn forged() -> MemoryStore {
    let store = MemoryStore::new(stream());
    for deploy in [1, 1, 1, 2, 2] {
        append(&store, vec![draft(deploy, "forged")]);
    }
    store
}

fn copy_record(from: &MemoryStore, state: &mut State, at: u64) {
    let record = from.write().records[&at].clone();
    state.records.insert(at, record);
}

fn other_stream() -> MemoryStore {
    let store = MemoryStore::new(StreamId::new("shop", "prod").unwrap());
    append_each(&store, &[1, 1, 1]);
    store
}

type Harm = fn(&mut State);

#[rstest]
#[case::removed(|state: &mut State| drop(state.records.remove(&3)), 3, DamageKind::Missing)]
#[case::first_removed(|state: &mut State| drop(state.records.remove(&1)), 1, DamageKind::Missing)]
#[case::swapped(|state: &mut State| {
    let (two, three) = (state.records[&2].clone(), state.records[&3].clone());
    state.records.insert(2, three);
    state.records.insert(3, two);
}, 2, DamageKind::OtherEvent(3))]
#[case::duplicated(|state: &mut State| drop(state.records.insert(4, state.records[&3].clone())), 4, DamageKind::OtherEvent(3))]
#[case::inserted(|state: &mut State| {
    for sequence in (3..=5).rev() {
        let record = state.records[&sequence].clone();
        state.records.insert(sequence + 1, record);
    }
}, 4, DamageKind::OtherEvent(3))]
#[case::appended(|state: &mut State| {
    // Somebody moved the end of a stream on without touching the head that is kept apart.
    state.records.pop_last();
}, 5, DamageKind::LostTail(5))]
#[case::truncated_record(|state: &mut State| { state.records.get_mut(&2).unwrap().pop(); }, 2, DamageKind::PayloadChanged)]
#[case::emptied_record(|state: &mut State| state.records.get_mut(&2).unwrap().clear(), 2, DamageKind::Unreadable("the layout".to_owned()))]
#[case::replaced(|state: &mut State| copy_record(&forged(), state, 3), 3, DamageKind::Unlinked)]
#[case::replaced_end(|state: &mut State| copy_record(&forged(), state, 5), 5, DamageKind::Unlinked)]
#[case::replaced_first(|state: &mut State| copy_record(&forged(), state, 1), 2, DamageKind::Unlinked)]
#[case::other_stream(|state: &mut State| copy_record(&other_stream(), state, 2), 2, DamageKind::OtherStream(StreamId::new("shop", "prod").unwrap()))]
#[case::kept_head_leads(|state: &mut State| state.kept = StoredHead::Head(Head { sequence: 9, ..state.tip.head }), 6, DamageKind::LostTail(9))]
#[case::kept_head_differs(|state: &mut State| state.kept = StoredHead::Head(Head { sequence: 4, ..state.tip.head }), 4, DamageKind::OtherHead)]
#[case::kept_head_missing(|state: &mut State| state.kept = StoredHead::Missing, 5, DamageKind::KeptHeadMissing)]
#[case::kept_head_damaged(|state: &mut State| state.kept = StoredHead::Damaged, 5, DamageKind::KeptHeadDamaged)]
#[case::index_empty(|state: &mut State| state.starts.clear(), 1, DamageKind::Index)]
#[case::index_lacks_a_deploy(|state: &mut State| { state.starts.remove(&4); }, 4, DamageKind::Index)]
#[case::index_invents_a_deploy(|state: &mut State| { state.starts.insert(2, id(9)); }, 5, DamageKind::Index)]
#[case::index_lost_a_deploy(|state: &mut State| { state.by_deploy.remove(&id(2)); }, 4, DamageKind::Index)]
fn damage_is_found_and_named(#[case] harm: Harm, #[case] sequence: u64, #[case] what: DamageKind) {
    let store = small();
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
    harm(&mut store.write());
    let found = chain::verify(&store, None).unwrap().damage;
    assert_eq!(found, Some(Damage { sequence, what }));
}

#[test]
fn a_whole_journal_that_was_replaced_is_found_by_a_noted_head() {
    let noted = small().head().unwrap();
    let forged = forged();
    assert_eq!(chain::verify(&forged, None).unwrap().damage, None);
    let found = chain::verify(&forged, Some(&noted)).unwrap().damage;
    assert_eq!(
        found,
        Some(Damage {
            sequence: 5,
            what: DamageKind::OtherHead
        })
    );
}

#[test]
fn a_head_that_was_noted_earlier_is_passed_on_the_way() {
    let store = small();
    let noted = store.head().unwrap();
    append_each(&store, &[3, 3]);
    assert_eq!(chain::verify(&store, Some(&noted)).unwrap().damage, None);
    let other = Head {
        hash: Head::empty(&stream()).hash,
        ..noted
    };
    let found = chain::verify(&store, Some(&other)).unwrap().damage;
    assert_eq!(
        found,
        Some(Damage {
            sequence: 5,
            what: DamageKind::OtherHead
        })
    );
}

#[test]
fn a_head_that_was_noted_later_shows_the_lost_tail() {
    let noted = Head {
        sequence: 8,
        hash: Head::empty(&stream()).hash,
    };
    let found = chain::verify(&small(), Some(&noted)).unwrap().damage;
    assert_eq!(
        found,
        Some(Damage {
            sequence: 6,
            what: DamageKind::LostTail(8)
        })
    );
}

#[test]
fn a_deploy_whose_events_are_not_together_is_found() {
    let store = small();
    // A writer without the rule appends to a deploy that had ended.
    store.write().tip.last = Some((id(1), crate::SUPPORTED));
    append(&store, vec![draft(1, "reopened")]);
    let found = chain::verify(&store, None).unwrap().damage;
    assert_eq!(
        found,
        Some(Damage {
            sequence: 6,
            what: DamageKind::Reopened(1)
        })
    );
}

#[rstest]
#[case::missing(|state: &mut State| state.payloads.clear(), DamageKind::PayloadMissing)]
#[case::changed(|state: &mut State| state.payloads.values_mut().for_each(|payload| payload[70_000] ^= 1), DamageKind::PayloadChanged)]
fn a_large_payload_is_checked(#[case] harm: Harm, #[case] what: DamageKind) {
    let store = small();
    append(&store, vec![draft_of(2, vec![1; 100_000])]);
    harm(&mut store.write());
    let found = chain::verify(&store, None).unwrap().damage;
    assert_eq!(found, Some(Damage { sequence: 6, what }));
}

#[test]
fn a_newer_major_is_refused_and_not_called_damage() {
    let schema = newer_major();
    let newer = MemoryStore::supporting(stream(), schema);
    append(&newer, vec![draft(1, "readable")]);
    append(
        &newer,
        vec![NewEvent {
            schema,
            ..draft(1, "not readable")
        }],
    );
    let store = newer.seen_by(crate::SUPPORTED);
    assert!(matches!(
        chain::verify(&store, None),
        Err(StoreError::Newer { sequence: 2, .. })
    ));
}

/// Every bit of every stored byte, one after the other.
#[test]
fn every_changed_bit_of_a_stored_journal_is_found() {
    let store = small();
    let records = store.write().records.clone();
    for (sequence, record) in records {
        for place in 0..record.len() {
            for bit in 0..8 {
                let mut harmed = record.clone();
                harmed[place] ^= 1 << bit;
                store.write().records.insert(sequence, harmed);
                let found = match chain::verify(&store, None) {
                    Ok(report) => report.damage.map(|damage| damage.sequence),
                    Err(error) => panic!("{error}"),
                };
                assert_eq!(found, Some(sequence), "byte {place}, bit {bit}");
            }
        }
        store.write().records.insert(sequence, record);
    }
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
}

proptest! {
    #[test]
    fn bytes_that_are_no_record_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), known in any::<bool>()) {
        let mut record = bytes;
        if let (true, Some(first)) = (known, record.first_mut()) {
            *first = crate::record::LAYOUT;
        }
        prop_assert!(crate::record::decode(&record).is_err());
    }

    #[test]
    fn a_record_reads_back_as_it_was_written(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        attempt in any::<u32>(),
        actor in "[^\\p{Cc}]{1,60}",
    ) {
        let given = NewEvent { actor, attempt, ..draft_of(1, payload) };
        let event = crate::record::seal(&stream(), &Head::empty(&stream()), given);
        let record = crate::record::decode(&crate::record::encode(&event)).unwrap();
        prop_assert_eq!(record.header, event.header);
        prop_assert_eq!(record.payload, Some(event.payload));
    }
}
