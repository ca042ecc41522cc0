//! The rules of the store port. Every rule runs against every store.

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{
    append, append_each, draft, draft_of, id, newer_major, newer_minor, sequences, stream,
};
use crate::{
    AppendError, BATCH_EVENTS_MAX, EventLog, Hash, Head, MemoryStore, NewEvent, Overlay,
    PAYLOAD_INLINE_MAX, PAYLOAD_MAX, SledStore, Store, StoredHead, chain, event, scan,
};

/// A rule, and the folder that a store may use while it is checked.
type Rule = fn(&dyn Store);

fn in_memory(rule: Rule) {
    rule(&MemoryStore::new(stream()));
}

fn on_disk(rule: Rule) {
    let folder = TempDir::new().unwrap();
    rule(&SledStore::open(folder.path(), stream()).unwrap());
}

fn over_an_empty_log(rule: Rule) {
    let empty = MemoryStore::new(stream());
    rule(&Overlay::new(&empty).unwrap());
    assert_eq!(empty.head().unwrap().sequence, 0, "the log is as it was");
}

/// Every rule is checked against every store.
#[rstest]
#[case::starts_empty(starts_empty)]
#[case::keeps_what_it_was_given(keeps_what_it_was_given)]
#[case::refuses_a_fork(refuses_a_fork)]
#[case::appends_all_or_nothing(appends_all_or_nothing)]
#[case::pages_in_order(pages_in_order)]
#[case::ends_a_page_by_its_bytes(ends_a_page_by_its_bytes)]
#[case::finds_deploys(finds_deploys)]
#[case::refuses_to_reopen(refuses_to_reopen)]
#[case::refuses_to_reopen_within_a_batch(refuses_to_reopen_within_a_batch)]
#[case::keeps_payloads_of_every_size(keeps_payloads_of_every_size)]
#[case::bounds_every_field(bounds_every_field)]
#[case::bounds_a_batch(bounds_a_batch)]
#[case::refuses_schemas_it_may_not_append(refuses_schemas_it_may_not_append)]
#[case::keeps_documents_by_their_hash(keeps_documents_by_their_hash)]
#[case::crosses_one_byte_of_sequence(crosses_one_byte_of_sequence)]
#[case::crosses_two_bytes_of_sequence(crosses_two_bytes_of_sequence)]
fn a_store(#[case] rule: Rule, #[values(in_memory, on_disk, over_an_empty_log)] store: fn(Rule)) {
    store(rule);
}

fn keeps_documents_by_their_hash(store: &dyn Store) {
    let documents = [
        Vec::new(),
        b"functions: {}\n".to_vec(),
        b"functions: {}\n".repeat(9_000),
        (0..=255).cycle().take(70_000).collect(),
    ];
    let mut hashes = Vec::new();
    for document in &documents {
        assert_eq!(store.document(&Hash::of(document)).unwrap(), None);
        let hash = store.put_document(document).unwrap();
        assert_eq!(hash, Hash::of(document));
        assert_eq!(
            store.put_document(document).unwrap(),
            hash,
            "it is kept once"
        );
        assert_eq!(store.document(&hash).unwrap().as_ref(), Some(document));
        hashes.push(hash);
    }
    hashes.sort_unstable();
    assert_eq!(store.documents(None, 9).unwrap(), hashes);
    assert_eq!(store.documents(None, 2).unwrap(), hashes[..2]);
    assert_eq!(store.documents(Some(&hashes[1]), 9).unwrap(), hashes[2..]);
    let report = chain::verify(store, None).unwrap();
    assert_eq!((report.documents, report.damage), (4, None));
    assert!(matches!(
        store.put_document(&vec![0; PAYLOAD_MAX + 1]),
        Err(AppendError::TooLarge { .. })
    ));
}

fn starts_empty(store: &dyn Store) {
    let empty = Head::empty(&stream());
    assert_eq!(store.head().unwrap(), empty);
    assert_eq!(store.kept_head().unwrap(), StoredHead::Head(empty));
    assert_eq!(store.events(0, 10).unwrap(), []);
    assert_eq!(store.latest_deploys(None, 10).unwrap(), []);
    assert_eq!(store.deploy_start(id(1)).unwrap(), None);
    assert_eq!(chain::verify(store, Some(&empty)).unwrap().damage, None);
}

fn keeps_what_it_was_given(store: &dyn Store) {
    // Bytes that no JSON writer would give back.
    let payload = b" {\"b\":1.50,\"a\":1e2,  \"b\":1}\n".to_vec();
    let given = draft_of(7, payload.clone());
    let events = append(store, vec![given.clone()]);
    let read = store.events(1, 10).unwrap();
    assert_eq!(read, events);
    let header = &read[0].header;
    let back = NewEvent {
        event_id: header.event_id,
        deploy: header.deploy,
        kind: header.kind.clone(),
        schema: header.schema,
        recorded_at: header.recorded_at,
        actor: header.actor.clone(),
        attempt: header.attempt,
        tool: header.tool.clone(),
        payload: read[0].payload.clone(),
    };
    assert_eq!(back, given);
    assert_eq!(header.previous, Head::empty(&stream()).hash);
    assert_eq!(header.payload_hash, Hash::of(&payload));
    assert_eq!(store.head().unwrap(), header.head());
    assert_eq!(store.kept_head().unwrap(), StoredHead::Head(header.head()));
    assert_eq!(event(store, 1).unwrap().as_ref(), Some(&read[0]));
    assert_eq!(event(store, 0).unwrap(), None);
    assert_eq!(event(store, 2).unwrap(), None);
}

fn refuses_a_fork(store: &dyn Store) {
    let empty = store.head().unwrap();
    append(store, vec![draft(1, "first")]);
    let head = store.head().unwrap();
    let refused = store.append(&empty, vec![draft(1, "second")]);
    assert!(matches!(
        refused,
        Err(AppendError::Conflict { expected, found }) if expected == empty && found == head
    ));
    let same_place = Head {
        sequence: 1,
        hash: empty.hash,
    };
    let refused = store.append(&same_place, vec![draft(1, "second")]);
    assert!(matches!(refused, Err(AppendError::Conflict { .. })));
    assert_eq!(store.head().unwrap(), head);
}

fn appends_all_or_nothing(store: &dyn Store) {
    let head = store.head().unwrap();
    let mut bad = draft(1, "bad");
    bad.kind = String::new();
    let refused = store.append(&head, vec![draft(1, "good"), bad]);
    assert!(matches!(
        refused,
        Err(AppendError::Field { field: "kind", .. })
    ));
    assert!(matches!(
        store.append(&head, Vec::new()),
        Err(AppendError::Empty)
    ));
    assert_eq!(store.head().unwrap(), head);
    assert_eq!(store.events(1, 10).unwrap(), []);
    assert_eq!(store.deploy_start(id(1)).unwrap(), None);
}

fn pages_in_order(store: &dyn Store) {
    append(store, (0..20).map(|n| draft(1, &n.to_string())).collect());
    assert_eq!(sequences(store, 0, 3), [1, 2, 3]);
    assert_eq!(sequences(store, 3, 3), [3, 4, 5]);
    assert_eq!(sequences(store, 19, 9), [19, 20]);
    assert_eq!(sequences(store, 21, 9), [0; 0]);
    assert_eq!(sequences(store, u64::MAX, 9), [0; 0]);
    assert_eq!(sequences(store, 1, 0), [0; 0]);
}

fn ends_a_page_by_its_bytes(store: &dyn Store) {
    for n in 0..4 {
        append(store, vec![draft_of(1, vec![n; 3 * 1024 * 1024])]);
    }
    assert_eq!(sequences(store, 1, 100), [1, 2]);
    let all: Vec<u64> = scan(store, 1)
        .map(|event| event.unwrap().header.sequence)
        .collect();
    assert_eq!(all, [1, 2, 3, 4]);
}

fn finds_deploys(store: &dyn Store) {
    // Ids do not sort as deploys begin.
    append_each(store, &[5, 5, 2, 9, 9, 9, 1]);
    assert_eq!(store.deploy_start(id(5)).unwrap(), Some(1));
    assert_eq!(store.deploy_start(id(9)).unwrap(), Some(4));
    assert_eq!(store.deploy_start(id(3)).unwrap(), None);
    let all = [(7, id(1)), (4, id(9)), (3, id(2)), (1, id(5))];
    assert_eq!(store.latest_deploys(None, 10).unwrap(), all);
    assert_eq!(store.latest_deploys(None, 2).unwrap(), all[..2]);
    assert_eq!(store.latest_deploys(Some(4), 1).unwrap(), all[2..3]);
    assert_eq!(store.latest_deploys(Some(1), 10).unwrap(), []);
    assert_eq!(store.latest_deploys(Some(0), 10).unwrap(), []);
}

fn refuses_to_reopen(store: &dyn Store) {
    append_each(store, &[1, 1, 2]);
    let head = store.head().unwrap();
    let refused = store.append(&head, vec![draft(1, "again")]);
    assert!(matches!(
        refused,
        Err(AppendError::Reopened { deploy, first: 1 }) if deploy == id(1)
    ));
    append(store, vec![draft(2, "more"), draft(3, "next")]);
    assert_eq!(store.latest_deploys(None, 1).unwrap(), [(5, id(3))]);
}

fn refuses_to_reopen_within_a_batch(store: &dyn Store) {
    let head = store.head().unwrap();
    let drafts = vec![draft(1, "a"), draft(2, "b"), draft(1, "c")];
    let refused = store.append(&head, drafts);
    assert!(matches!(
        refused,
        Err(AppendError::Reopened { first: 1, .. })
    ));
    assert_eq!(store.head().unwrap(), head);
}

fn keeps_payloads_of_every_size(store: &dyn Store) {
    let sizes = [
        0,
        1,
        4095,
        4096,
        PAYLOAD_INLINE_MAX,
        PAYLOAD_INLINE_MAX + 1,
        PAYLOAD_MAX,
    ];
    for size in sizes {
        append(store, vec![draft_of(1, vec![b'x'; size])]);
    }
    let kept: Vec<usize> = scan(store, 1)
        .map(|event| event.unwrap().payload.len())
        .collect();
    assert_eq!(kept, sizes);
    let head = store.head().unwrap();
    let refused = store.append(&head, vec![draft_of(1, vec![b'x'; PAYLOAD_MAX + 1])]);
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })));
    assert_eq!(chain::verify(store, Some(&head)).unwrap().damage, None);
}

fn bounds_every_field(store: &dyn Store) {
    let head = store.head().unwrap();
    let long: [fn(&mut NewEvent); 5] = [
        |draft| draft.kind = "k".repeat(65),
        |draft| draft.actor = "a".repeat(257),
        |draft| draft.tool = "t".repeat(65),
        |draft| draft.actor = String::new(),
        |draft| draft.tool = "1\n2".to_owned(),
    ];
    for change in long {
        let mut draft = draft(1, "x");
        change(&mut draft);
        let refused = store.append(&head, vec![draft]);
        assert!(matches!(refused, Err(AppendError::Field { .. })));
    }
}

fn bounds_a_batch(store: &dyn Store) {
    let head = store.head().unwrap();
    let many = (0..=BATCH_EVENTS_MAX).map(|_| draft(1, "x")).collect();
    let refused = store.append(&head, many);
    assert!(matches!(
        refused,
        Err(AppendError::BatchTooLarge { events: 257, .. })
    ));
    let large = (0..4)
        .map(|_| draft_of(1, vec![0; PAYLOAD_INLINE_MAX]))
        .collect();
    let refused = store.append(&head, large);
    assert!(matches!(
        refused,
        Err(AppendError::BatchTooLarge { events: 4, .. })
    ));
    append(
        store,
        (0..3)
            .map(|_| draft_of(1, vec![0; PAYLOAD_INLINE_MAX]))
            .collect(),
    );
}

fn refuses_schemas_it_may_not_append(store: &dyn Store) {
    let head = store.head().unwrap();
    for schema in [newer_minor(), newer_major()] {
        let refused = store.append(
            &head,
            vec![NewEvent {
                schema,
                ..draft(1, "x")
            }],
        );
        assert!(matches!(refused, Err(AppendError::Schema { .. })));
    }
}

fn crosses_one_byte_of_sequence(store: &dyn Store) {
    crosses(store, 255);
}

fn crosses_two_bytes_of_sequence(store: &dyn Store) {
    crosses(store, 65_535);
}

/// The order of keys, of the index and of the head holds where a sequence grows by a byte.
fn crosses(store: &dyn Store, last: u64) {
    let mut missing = usize::try_from(last).unwrap();
    while missing > 0 {
        let now = missing.min(BATCH_EVENTS_MAX);
        append(store, (0..now).map(|_| draft(1, "x")).collect());
        missing -= now;
    }
    assert_eq!(store.head().unwrap().sequence, last);
    append_each(store, &[2, 3]);
    assert_eq!(store.head().unwrap().sequence, last + 2);
    assert_eq!(
        sequences(store, last - 1, 9),
        [last - 1, last, last + 1, last + 2]
    );
    let deploys = [(last + 2, id(3)), (last + 1, id(2)), (1, id(1))];
    assert_eq!(store.latest_deploys(None, 9).unwrap(), deploys);
    assert_eq!(
        store.latest_deploys(Some(last + 1), 9).unwrap(),
        deploys[2..]
    );
    let report = chain::verify(store, None).unwrap();
    assert_eq!(
        (report.events, report.deploys, report.damage),
        (last + 2, 3, None)
    );
}
