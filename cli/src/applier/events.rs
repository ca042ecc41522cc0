//! One recorded event, as `show` and `watch` show it.

use engine::contract::printable;
use engine::machine;
use journal::StoredEvent;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::output::{Output, Type, stored};
use crate::page::{Line, Tone};
use crate::report::{Detail, words};

/// An event as JSON output shows it: the whole envelope, and the payload as it is stored.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct EventLine<'a> {
    #[serde(flatten)]
    header: &'a journal::Header,
    /// What the event carries: the fields of its kind.
    payload: &'a RawValue,
}

/// Writes an event as a line of JSON.
pub(crate) fn json(event: &StoredEvent) -> Result<(), Failure> {
    let payload = stored(&event.payload);
    let header = &event.header;
    Output::json(Type::Event, &EventLine { header, payload })
}

/// Columns before what an event says.
pub(crate) const INDENT: usize = 22;

/// An event in lines, below the head of its attempt: its place, its time of day, and what it says.
pub(crate) fn lines(event: &StoredEvent, detail: Detail) -> Vec<Line> {
    let header = &event.header;
    let time = header.recorded_at.strftime("%H:%M:%S%.3f").to_string();
    let said = match machine::decode(&header.kind, header.schema, &event.payload) {
        Ok(event) => words(&event, detail),
        Err(error) => vec![format!("{} ({error})", header.kind)],
    };
    let mut lines = Vec::new();
    for (at, text) in said.iter().enumerate() {
        lines.push(if at == 0 {
            Line::default()
                .and(Tone::Dim, format!("{:>6}  {time}  ", header.sequence))
                .and(Tone::Plain, text)
        } else {
            Line::new(format!("{:>INDENT$}{text}", ""))
        });
    }
    lines
}

/// An event in words: its place, its time, and what it says.
pub(crate) fn text(event: &StoredEvent) -> String {
    let header = &event.header;
    let time = header.recorded_at.strftime("%Y-%m-%d %H:%M:%S%.3fZ");
    let said = match machine::decode(&header.kind, header.schema, &event.payload) {
        Ok(event) => {
            let lines = words(&event, Detail::Full);
            let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
            lines.join("\n          ")
        }
        Err(error) => format!("{} ({error})", header.kind),
    };
    format!("{:>6}  {time}  {said}", header.sequence)
}
