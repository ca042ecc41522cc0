//! One recorded event, as `show` and `watch` show it.

use engine::machine;
use journal::StoredEvent;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::output::{Output, Type, stored};
use crate::report::words;

/// An event as JSON output shows it: the whole envelope, and the payload as it is stored.
#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(flatten)]
    header: &'a journal::Header,
    payload: &'a RawValue,
}

/// Writes an event as a line of JSON.
pub(crate) fn json(event: &StoredEvent) -> Result<(), Failure> {
    let payload = stored(&event.payload);
    let header = &event.header;
    Output::json(Type::Event, &EventLine { header, payload })
}

/// An event in words: its place, its time, and what it says.
pub(crate) fn text(event: &StoredEvent) -> String {
    let header = &event.header;
    let time = header.recorded_at.strftime("%Y-%m-%d %H:%M:%S%.3fZ");
    let said = match machine::decode(&header.kind, header.schema, &event.payload) {
        Ok(event) => words(&event, true).join("\n          "),
        Err(error) => format!("{} ({error})", header.kind),
    };
    format!("{:>6}  {time}  {said}", header.sequence)
}
