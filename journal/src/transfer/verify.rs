//! Verifying an export where it is, without importing it.

use std::io::BufRead;

use crate::chain::{Damage, DamageKind, VerifyReport};
use crate::envelope::Head;
use crate::store::StoreError;
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
    let mut checkpoint = None;
    loop {
        let read = lines.next();
        let here = lines.section.head();
        checkpoint = checkpoint.or(lines.section.checkpoint());
        let skipped = checkpoint.map_or(0, |head| head.sequence.saturating_sub(1));
        if let (Some(noted), Some(head)) = (noted, checkpoint)
            && noted.sequence < head.sequence
            && let Some(stream) = lines.section.stream()
        {
            return Err(ImportError::from(StoreError::Pruned {
                stream: stream.clone(),
                sequence: noted.sequence,
                until: head.sequence,
            }));
        }
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
                damage.get_or_insert(Damage::at(
                    line.saturating_add(skipped),
                    DamageKind::Line(problem.to_string()),
                ));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let last = lines.section.head().map_or(0, |head| head.sequence);
    if let Some(noted) = noted.filter(|noted| noted.sequence > last) {
        let lost = DamageKind::LostTail(noted.sequence);
        damage.get_or_insert(Damage::at(last.saturating_add(1), lost));
    }
    let events = lines.section.events();
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
        checkpoint,
        events,
        deploys,
        documents,
        damage,
    })
}
