//! Verifying an export where it is, without importing it.

use std::io::BufRead;

use crate::chain::{Damage, VerifyReport, What};
use crate::envelope::{Fact, Head};
use crate::exchange::import::{Checked, ImportError, Lines};

/// Reads a whole export and finds the first damage. Each fact that is whole is shown to `each`, in order.
///
/// `noted` is a head that somebody wrote down earlier: the chain must pass through it, or an export that was cut and given the head of what is left would
/// pass. An error means that the export could not be read, or is so damaged that it does not say whose facts it holds.
pub fn verify(
    export: impl BufRead,
    noted: Option<&Head>,
    mut each: impl FnMut(&Fact),
) -> Result<VerifyReport, ImportError> {
    let mut lines = Lines::new(export);
    let mut damage = None;
    loop {
        let read = lines.next();
        let here = lines.head();
        if let Some((head, here)) = noted.zip(here)
            && head.sequence == here.sequence
            && head.hash != here.hash
            && damage.is_none()
        {
            damage = Some(Damage::at(here.sequence, What::OtherHead));
        }
        match read {
            Ok(Some(fact)) => each(&fact),
            Ok(None) => break,
            Err(ImportError::Line { line, problem }) if lines.stream().is_some() => {
                // The head that was noted may be of an earlier fact than the bad line.
                damage.get_or_insert(Damage::at(line, What::Line(problem.to_string())));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let facts = lines.head().map_or(0, |head| head.sequence);
    if let Some(noted) = noted.filter(|noted| noted.sequence > facts) {
        let lost = What::LostTail(noted.sequence);
        damage.get_or_insert(Damage::at(facts.saturating_add(1), lost));
    }
    let deploys = lines.deploys() as u64;
    let read = lines.stream().cloned().zip(lines.head());
    let (stream, head) = if let Some(read) = read {
        read
    } else {
        // Only the line that says the head was there.
        let Checked { stream, head, .. } = lines.into_checked()?;
        (stream, head)
    };
    Ok(VerifyReport {
        stream,
        head,
        facts,
        deploys,
        damage,
    })
}
