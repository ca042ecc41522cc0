//! Verifying an export where it is, without importing it.

use std::io::BufRead;

use crate::chain::{Damage, DamageKind, VerifyReport};
use crate::envelope::Head;
use crate::transfer::import::{CheckedExport, ImportError, Whole};
use crate::transfer::lines::Lines;

/// Reads a whole export and finds the first damage. Each event and each document that is whole is shown to `each`, in order.
///
/// `noted` is a head that somebody wrote down earlier: the chain must pass through it, or an export that was cut and given the head of what is left would
/// pass. An error means that the export could not be read, or is so damaged that it does not say whose events it holds.
pub fn verify(
    export: impl BufRead,
    noted: Option<&Head>,
    mut each: impl FnMut(Whole<'_>),
) -> Result<VerifyReport, ImportError> {
    let mut lines = Lines::new(export);
    let mut damage = None;
    loop {
        let read = lines.next();
        let here = lines.section.head();
        if let Some((head, here)) = noted.zip(here)
            && head.sequence == here.sequence
            && head.hash != here.hash
            && damage.is_none()
        {
            damage = Some(Damage::at(here.sequence, DamageKind::OtherHead));
        }
        match read {
            Ok(Some(item)) => each(Whole::of(&item)),
            Ok(None) => break,
            Err(ImportError::Line { line, problem }) if lines.section.stream().is_some() => {
                // The head that was noted may be of an earlier event than the bad line.
                damage.get_or_insert(Damage::at(line, DamageKind::Line(problem.to_string())));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let events = lines.section.head().map_or(0, |head| head.sequence);
    if let Some(noted) = noted.filter(|noted| noted.sequence > events) {
        let lost = DamageKind::LostTail(noted.sequence);
        damage.get_or_insert(Damage::at(events.saturating_add(1), lost));
    }
    let (deploys, documents) = (lines.section.deploys() as u64, lines.section.documents());
    let read = lines.section.stream().cloned().zip(lines.section.head());
    let (stream, head) = if let Some(read) = read {
        read
    } else {
        // Only the line that says the head was there.
        let CheckedExport { stream, head, .. } = lines.into_checked()?;
        (stream, head)
    };
    Ok(VerifyReport {
        stream,
        head,
        events,
        deploys,
        documents,
        damage,
    })
}
