//! Writing a journal out. The chain is verified while it is written, so that an export of a damaged journal says so.

use std::io::{self, Write};

use crate::chain::{Damage, Link, What};
use crate::envelope::Head;
use crate::exchange::line;
use crate::store::{Facts, StoreError, scan};

/// A journal cannot be written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output refused.
    #[error("cannot write the export")]
    Io(#[from] io::Error),
}

/// Writes every fact up to the present head, and the head on the last line. Returns the head.
pub fn export<F: Facts + ?Sized>(facts: &F, to: &mut impl Write) -> Result<Head, ExportError> {
    let head = facts.head()?;
    let mut chain = Link::first(facts.stream());
    for fact in scan(facts, 1) {
        if chain.head() == head {
            break;
        }
        let fact = fact?;
        chain.follow(&fact.header).map_err(StoreError::from)?;
        let text = line::fact_line(&fact).map_err(io::Error::from)?;
        to.write_all(text.as_bytes())?;
        to.write_all(b"\n")?;
    }
    if chain.head() != head {
        let lost = Damage::at(
            chain.head().sequence.saturating_add(1),
            What::LostTail(head.sequence),
        );
        return Err(StoreError::from(lost).into());
    }
    let text = line::head_line(facts.stream(), head).map_err(io::Error::from)?;
    to.write_all(text.as_bytes())?;
    to.write_all(b"\n")?;
    to.flush()?;
    Ok(head)
}
