//! Writing a journal out. The chain is verified while it is written, so that an export of a damaged journal says so.

use std::io::{self, Write};

use crate::chain::{Damage, DamageKind, Link, pruned};
use crate::envelope::Head;
use crate::store::{EventLog, StoreError, scan_all};
use crate::transfer::import::Whole;
use crate::transfer::line;
use crate::transfer::lines::format_of;

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

/// Writes where the events begin when some were pruned, every event up to the present head, every document, and the head on the last line. Returns the head.
pub fn export<F: EventLog + ?Sized>(events: &F, to: &mut impl Write) -> Result<Head, ExportError> {
    export_each(events, to, |_| {})
}

/// The same, and shows each event and each document that was written, in order.
pub(crate) fn export_each<F: EventLog + ?Sized>(
    events: &F,
    to: &mut impl Write,
    mut each: impl FnMut(Whole<'_>),
) -> Result<Head, ExportError> {
    let head = events.head()?;
    let checkpoint = events.checkpoint()?;
    let is_pruned = pruned(checkpoint).is_some();
    if is_pruned {
        let text = line::checkpoint_line(events.stream(), checkpoint).map_err(io::Error::from)?;
        to.write_all(text.as_bytes())?;
        to.write_all(b"\n")?;
    }
    let mut chain = Link::behind(checkpoint);
    for event in scan_all(events) {
        if chain.head() == head {
            break;
        }
        let event = event?;
        chain.follow(&event.header).map_err(StoreError::from)?;
        let text = line::event_line(&event).map_err(io::Error::from)?;
        to.write_all(text.as_bytes())?;
        to.write_all(b"\n")?;
        each(Whole::Event(&event));
    }
    if chain.head() != head {
        let lost = Damage::at(
            chain.head().sequence.saturating_add(1),
            DamageKind::LostTail(head.sequence),
        );
        return Err(StoreError::from(lost).into());
    }
    let format = format_of(is_pruned, documents(events, to, each)? > 0);
    let text = line::head_line(events.stream(), head, format).map_err(io::Error::from)?;
    to.write_all(text.as_bytes())?;
    to.write_all(b"\n")?;
    to.flush()?;
    Ok(head)
}

/// Writes every document, in the order of their hashes; returns how many.
fn documents<F: EventLog + ?Sized>(
    events: &F,
    to: &mut impl Write,
    mut each: impl FnMut(Whole<'_>),
) -> Result<u64, ExportError> {
    const PAGE: usize = 1024;
    let (mut written, mut after) = (0, None);
    loop {
        let page = events.documents(after.as_ref(), PAGE)?;
        for hash in &page {
            let gone = || StoreError::from(Damage::at(0, DamageKind::Document(*hash)));
            let bytes = events.document(hash)?.ok_or_else(gone)?;
            let text = line::document_line(hash, &bytes).map_err(io::Error::from)?;
            to.write_all(text.as_bytes())?;
            to.write_all(b"\n")?;
            each(Whole::Document(&bytes));
            written += 1;
        }
        match page.last() {
            Some(last) => after = Some(*last),
            None => return Ok(written),
        }
    }
}
