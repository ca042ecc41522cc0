//! Deploys as people name them: by the last digits of their id, as many as tell it from its neighbours.

use journal::{EventLog, StoreError};
use uuid::Uuid;

/// Fewest digits of a short id.
const DIGITS_MIN: usize = 4;
/// How many of the newest deploys a short id tells apart. One page of the index: more would cost history.
const NEIGHBOURS: usize = 256;

/// Ids in short, or whole where that is asked for.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// The digits of those that it is told from.
    known: Vec<String>,
    is_long: bool,
}

impl Ids {
    /// Ids of deploys of this target.
    pub(crate) fn of(events: &dyn EventLog, is_long: bool) -> Result<Self, StoreError> {
        if is_long {
            return Ok(Self::long());
        }
        let newest = events.latest_deploys(None, NEIGHBOURS)?;
        Ok(Self::among(newest.into_iter().map(|(_, id)| id)))
    }

    /// Ids in short, told from these.
    pub(crate) fn among(known: impl IntoIterator<Item = Uuid>) -> Self {
        Self {
            known: known.into_iter().map(digits).collect(),
            is_long: false,
        }
    }

    /// Ids in full.
    pub(crate) fn long() -> Self {
        Self {
            known: Vec::new(),
            is_long: true,
        }
    }

    /// One id as it is shown: its last digits, at least four, and more where another deploy ends alike.
    pub(crate) fn shown(&self, id: Uuid) -> String {
        if self.is_long {
            return id.to_string();
        }
        let digits = digits(id);
        let is_unique = |length: &usize| {
            let end = &digits[digits.len() - length..];
            let mut others = self.known.iter().filter(|other| **other != digits);
            !others.any(|other| other.ends_with(end) || other.starts_with(end))
        };
        let length = (DIGITS_MIN..digits.len()).find(is_unique);
        length.map_or_else(
            || id.to_string(),
            |length| digits[digits.len() - length..].to_owned(),
        )
    }
}

fn digits(id: Uuid) -> String {
    id.simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Uuid {
        text.parse().unwrap()
    }

    #[test]
    fn a_short_id_has_as_many_last_digits_as_tell_it_apart() {
        let one = id("019c7a47-0280-7fab-8e54-a60934808fce");
        let alike = id("019c7a47-0281-7fab-8e54-a60934818fce");
        let begins_alike = id("8fce7a47-0281-7fab-8e54-a60934810000");
        let ids = |known: &[Uuid]| Ids::among(known.iter().copied());
        assert_eq!(ids(&[one]).shown(one), "8fce");
        assert_eq!(ids(&[one, alike]).shown(one), "08fce");
        assert_eq!(ids(&[one, begins_alike]).shown(one), "08fce");
        assert_eq!(ids(&[one, one]).shown(one), "8fce");
        assert_eq!(Ids::long().shown(one), one.to_string());
    }
}
