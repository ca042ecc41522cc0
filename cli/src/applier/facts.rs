//! One recorded fact, as `show` and `watch` show it.

use engine::machine;
use journal::Fact;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Type};
use crate::report::words;

/// A fact as JSON output shows it: the whole envelope, and the payload as it is stored.
#[derive(Serialize)]
struct FactLine<'a> {
    #[serde(flatten)]
    header: &'a journal::Header,
    payload: serde_json::Value,
}

/// Writes a fact as a line of JSON.
pub(crate) fn json(fact: &Fact) -> Result<(), Failure> {
    let payload = serde_json::from_slice(&fact.payload).unwrap_or_default();
    let header = &fact.header;
    Output::json(Type::Fact, &FactLine { header, payload })
}

/// A fact in words: its place, its time, and what it says.
pub(crate) fn text(fact: &Fact) -> String {
    let header = &fact.header;
    let time = header.recorded_at.strftime("%Y-%m-%d %H:%M:%S%.3fZ");
    let said = match machine::decode(&header.kind, header.schema, &fact.payload) {
        Ok(event) => words(&event, true).join("\n          "),
        Err(error) => format!("{} ({error})", header.kind),
    };
    format!("{:>6}  {time}  {said}", header.sequence)
}
