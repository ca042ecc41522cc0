//! Export and import: the same chain on the other side, and every change of a line found before anything is written.

use std::io::Cursor;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, append_each, draft, draft_of, newer_major, newer_minor, stream};
use crate::transfer::{self, ImportError, LineProblem};
use crate::{
    DamageKind, EventLog, Head, MemoryStore, NewEvent, SUPPORTED, SledStore, StoreError, StreamId,
    chain, scan,
};

fn exported(store: &dyn EventLog) -> Vec<u8> {
    let mut lines = Vec::new();
    assert_eq!(
        transfer::export(store, &mut lines).unwrap(),
        store.head().unwrap()
    );
    lines
}

/// Three events of two deploys, one of them with a payload that is no JSON.
fn small() -> MemoryStore {
    let store = MemoryStore::new(stream());
    append_each(&store, &[1, 1]);
    append(&store, vec![draft_of(2, b"\xff\x00 no text".to_vec())]);
    store
}

fn imported(lines: &[u8]) -> Result<Head, ImportError> {
    let store = MemoryStore::new(stream());
    let result = transfer::import(&store, Cursor::new(lines));
    if result.is_err() {
        assert_eq!(store.head().unwrap().sequence, 0, "nothing is written");
    }
    result
}

fn problem(result: Result<Head, ImportError>) -> (u64, LineProblem) {
    match result {
        Err(ImportError::Line { line, problem }) => (line, problem),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::object(br#"{"b":1.50,"a":1e2,"b":1}"#, true)]
#[case::spaces_inside(b"{ \"a\" :\t1 }", true)]
#[case::null(b"null", true)]
#[case::huge_number(b"-0.10000000000000000000000000000001E+0400", true)]
#[case::escapes("\"\\u00e9\\/é\"".as_bytes(), true)]
#[case::space_before(b" {}", false)]
#[case::space_after(b"{} ", false)]
#[case::two_lines(b"{\n}", false)]
#[case::carriage_return(b"{\r}", false)]
#[case::two_values(b"1 2", false)]
#[case::no_json(b"{", false)]
#[case::empty(b"", false)]
#[case::no_text(b"\"\xff\"", false)]
fn a_payload_is_kept_byte_for_byte(#[case] payload: &[u8], #[case] readable: bool) {
    let store = MemoryStore::new(stream());
    append(&store, vec![draft_of(1, payload.to_vec())]);
    let lines = exported(&store);
    let as_it_is = [b",\"payload\":", payload, b"}\n"].concat();
    assert_eq!(
        lines.windows(as_it_is.len()).any(|part| part == as_it_is),
        readable
    );
    let copy = MemoryStore::new(stream());
    transfer::import(&copy, Cursor::new(lines)).unwrap();
    assert_eq!(copy.events(1, 9).unwrap(), store.events(1, 9).unwrap());
}

#[test]
fn a_journal_is_the_same_after_export_and_import() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path(), stream()).unwrap();
    for deploy in 0..120 {
        append(&store, (0..5).map(|_| draft(deploy, "x")).collect());
    }
    append(
        &store,
        vec![
            draft_of(200, vec![b'1'; 100_000]),
            draft_of(200, vec![0; 70_000]),
        ],
    );
    let lines = exported(&store);
    let other = TempDir::new().unwrap();
    let copy = SledStore::open(other.path(), stream()).unwrap();
    let head = transfer::import(&copy, Cursor::new(&lines)).unwrap();
    assert_eq!(head, store.head().unwrap());
    assert!(
        scan(&copy, 1)
            .map(Result::unwrap)
            .eq(scan(&store, 1).map(Result::unwrap))
    );
    assert_eq!(
        copy.latest_deploys(None, 999).unwrap(),
        store.latest_deploys(None, 999).unwrap()
    );
    assert_eq!(chain::verify(&copy, Some(&head)).unwrap().damage, None);
    assert_eq!(exported(&copy), lines);
}

#[test]
fn an_empty_journal_is_exported_as_its_head() {
    let store = MemoryStore::new(stream());
    assert_eq!(imported(&exported(&store)).unwrap(), Head::empty(&stream()));
}

#[test]
fn an_export_can_be_checked_alone() {
    let store = small();
    let checked = transfer::check(Cursor::new(exported(&store))).unwrap();
    assert_eq!((checked.head, checked.deploys), (store.head().unwrap(), 2));
    assert_eq!(checked.stream, stream());
}

#[test]
fn an_export_goes_into_an_empty_target_of_its_name_only() {
    let lines = exported(&small());
    let full = small();
    let refused = transfer::import(&full, Cursor::new(&lines));
    assert!(matches!(
        refused,
        Err(ImportError::NotEmpty { sequence: 3 })
    ));
    let other = MemoryStore::new(StreamId::new("shop", "prod").unwrap());
    let refused = transfer::import(&other, Cursor::new(&lines));
    assert!(matches!(refused, Err(ImportError::OtherStream { found, .. }) if found == stream()));
}

/// Every bit of every byte, one after the other.
#[test]
fn every_changed_bit_of_an_export_is_found() {
    let lines = exported(&small());
    for place in 0..lines.len() {
        for bit in 0..8 {
            let mut harmed = lines.clone();
            harmed[place] ^= 1 << bit;
            let (line, _) = problem(imported(&harmed));
            let of_place = lines[..place].split(|byte| *byte == b'\n').count();
            // A line end that is gone joins two lines; a line that is split is found at its first half.
            assert_eq!(
                line,
                u64::try_from(of_place).unwrap(),
                "byte {place}, bit {bit}"
            );
        }
    }
}

#[test]
fn every_cut_of_an_export_is_found() {
    let lines = exported(&small());
    for length in 0..lines.len() {
        assert!(imported(&lines[..length]).is_err(), "{length} bytes");
    }
}

type Edit = fn(&mut Vec<String>);

#[rstest]
#[case::removed(|lines: &mut Vec<String>| drop(lines.remove(1)), 2)]
#[case::swapped(|lines: &mut Vec<String>| lines.swap(0, 1), 1)]
#[case::duplicated(|lines: &mut Vec<String>| lines.insert(1, lines[1].clone()), 3)]
#[case::empty_line(|lines: &mut Vec<String>| lines.insert(1, String::new()), 2)]
#[case::tail_removed(|lines: &mut Vec<String>| drop(lines.remove(2)), 3)]
#[case::head_removed(|lines: &mut Vec<String>| drop(lines.pop()), 4)]
#[case::second_head(|lines: &mut Vec<String>| lines.push(lines[3].clone()), 5)]
#[case::spaced(|lines: &mut Vec<String>| lines[1] = lines[1].replacen(':', ": ", 1), 2)]
#[case::carriage_return(|lines: &mut Vec<String>| lines[1].push('\r'), 2)]
#[case::other_time(|lines: &mut Vec<String>| lines[1] = lines[1].replace(".123Z", ".123+00:00"), 2)]
#[case::unknown_field(|lines: &mut Vec<String>| lines[1] = lines[1].replacen('{', "{\"x\":1,", 1), 2)]
#[case::twice_a_field(|lines: &mut Vec<String>| lines[1] = lines[1].replace("\"attempt\":1", "\"attempt\":1,\"attempt\":1"), 2)]
#[case::newer_format(|lines: &mut Vec<String>| lines[3] = lines[3].replace("\"format\":1", "\"format\":2"), 4)]
fn an_edited_export_is_refused_with_the_line(#[case] edit: Edit, #[case] expected: u64) {
    let text = String::from_utf8(exported(&small())).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    edit(&mut lines);
    let (line, _) = problem(imported(format!("{}\n", lines.join("\n")).as_bytes()));
    assert_eq!(line, expected);
}

#[test]
fn a_line_beyond_the_bound_is_refused_without_reading_it_all() {
    let long = std::io::BufReader::new(std::io::repeat(b'x'));
    let refused = transfer::check(long);
    assert!(matches!(
        refused,
        Err(ImportError::Line {
            line: 1,
            problem: LineProblem::TooLong
        })
    ));
}

#[test]
fn the_largest_payload_fits_a_line() {
    let store = MemoryStore::new(stream());
    append(&store, vec![draft_of(1, vec![0; crate::PAYLOAD_MAX])]);
    assert_eq!(imported(&exported(&store)).unwrap(), store.head().unwrap());
}

#[test]
fn an_export_of_a_newer_minor_is_not_imported_and_can_be_verified() {
    let schema = newer_minor();
    let newer = MemoryStore::supporting(stream(), schema);
    append(
        &newer,
        vec![
            draft(1, "x"),
            NewEvent {
                schema,
                ..draft(1, "y")
            },
        ],
    );
    let export = exported(&newer);
    let refused = imported(&export).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "line 2: schema {schema} is newer than {SUPPORTED}, the newest that this build can append"
        )
    );
    // It can be read where it is.
    let verified = transfer::verify(Cursor::new(&export), None, |_| ()).unwrap();
    assert_eq!((verified.damage, verified.events), (None, 2));
}

#[test]
fn an_export_of_a_newer_major_is_not_read() {
    let schema = newer_major();
    let newer = MemoryStore::supporting(stream(), schema);
    append(
        &newer,
        vec![NewEvent {
            schema,
            ..draft(1, "x")
        }],
    );
    let refused = transfer::check(Cursor::new(exported(&newer))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "line 1: schema {schema} is newer than {SUPPORTED}, the newest that this build reads; use the tool that wrote it"
        )
    );
}

#[test]
fn an_export_with_a_reopened_deploy_is_refused() {
    let store = small();
    store.write().tip.last = Some((super::rig::id(1), SUPPORTED));
    append(&store, vec![draft(1, "reopened")]);
    let (line, problem) = problem(imported(&exported(&store)));
    assert_eq!(
        (line, problem),
        (4, LineProblem::Reopened(super::rig::id(1)))
    );
}

#[test]
fn a_damaged_journal_is_not_exported() {
    let store = small();
    store.write().records.remove(&2);
    let refused = transfer::export(&store, &mut Vec::new());
    assert!(matches!(
        refused,
        Err(transfer::ExportError::Store(StoreError::Damaged(damage)))
            if damage.sequence == 2 && damage.what == DamageKind::Missing
    ));
}

/// A file that says something else when it is read again.
struct Moving {
    readings: Vec<Vec<u8>>,
    present: Cursor<Vec<u8>>,
}

impl std::io::Read for Moving {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.present.read(buffer)
    }
}

impl std::io::BufRead for Moving {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.present.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.present.consume(amount);
    }
}

impl std::io::Seek for Moving {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        if to == std::io::SeekFrom::Start(0) {
            self.present = Cursor::new(self.readings.pop().unwrap());
        }
        self.present.seek(to)
    }
}

#[test]
fn an_export_that_changes_while_it_is_read_is_noticed() {
    let shorter = MemoryStore::new(stream());
    append_each(&shorter, &[1, 1]);
    let moving = Moving {
        readings: vec![exported(&shorter)],
        present: Cursor::new(exported(&small())),
    };
    let refused = transfer::import(&MemoryStore::new(stream()), moving);
    assert!(matches!(refused, Err(ImportError::Changed)));
}
