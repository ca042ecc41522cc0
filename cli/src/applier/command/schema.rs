//! `schema`: the JSON Schemas of what the programs write for other programs.

use std::process::ExitCode;

use serde::Serialize;

use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::schemas;

/// One thing that has a schema.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SchemaLine {
    /// The type of a JSON line; or the name of what has no type.
    name: &'static str,
    /// The identifier of its schema.
    id: String,
}

/// Prints one schema as it is, or the names of all.
pub(crate) fn run(name: Option<&str>, output: &Output) -> Ended {
    if let Some(name) = name {
        let text = schemas::text(name);
        // The command line takes no other name.
        let text = text.ok_or_else(|| Failure::new(Kind::Internal, "a schema is missing"))?;
        Output::data(text.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    for &name in schemas::NAMES {
        let id = schemas::id(name);
        let line = SchemaLine { name, id };
        output.result(Type::Schema, &line, || name.to_owned())?;
    }
    Ok(ExitCode::SUCCESS)
}
