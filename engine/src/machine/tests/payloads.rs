//! Events as payloads, of this schema and of others.

use super::*;

#[test]
fn every_event_survives_its_payload() {
    for event in events(2) {
        let payload = encode(&event);
        assert_eq!(decode(event.kind(), SCHEMA, &payload).unwrap(), event);
    }
}

#[test]
fn a_newer_minor_schema_is_read_and_a_newer_major_refused_by_name() {
    let payload = encode(&resumed(2));
    let newer = |major, minor| decode("Resumed", journal::Schema { major, minor }, &payload);
    assert!(newer(2, 9).is_ok());
    let kind_of_newer = decode("Rejoiced", journal::Schema { major: 2, minor: 9 }, b"{}");
    assert!(matches!(kind_of_newer, Err(DecodeError::Newer { .. })));
    assert!(newer(3, 0).unwrap_err().to_string().contains("schema 3.0"));
    assert!(
        matches!(decode("Rejoiced", SCHEMA, b"{}"), Err(DecodeError::UnknownKind(kind)) if kind == "Rejoiced")
    );
    assert!(matches!(
        decode("Resumed", SCHEMA, b"{"),
        Err(DecodeError::Payload { .. })
    ));
}
