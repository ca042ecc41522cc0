//! The values of our keys: kept by each merge as documents, and read again, of any deploy.

use std::collections::BTreeMap;

use journal::EventLog;

use super::deploy_journal::{DeployJournal, DeployJournalError};
use super::documents::document;
use super::preparation::{BaseMerge, Merge};
use crate::contract::{Digest, required_secrets};
use crate::machine::{Deploy, Merged, Owners};
use crate::merge::{
    ConfigFile, KeptBefore, KeptValue, KeptValues, OwnedConfiguration, OwnedValue, Ownership,
    kept_values,
};

/// Keeps the values that a merge publishes, durably, so that its event can name them: the digest of the document of each file.
///
/// A deploy that leaves every value as its base left it names the documents of the base.
pub(super) fn keep_values(
    journal: &DeployJournal<'_>,
    deploy: &Deploy,
    base: &BaseMerge,
    merge: &mut Merge,
) -> Result<BTreeMap<ConfigFile, Digest>, DeployJournalError> {
    let Owners::Stated(ownership) = &merge.merged.ownership else {
        return Ok(BTreeMap::new());
    };
    let standing = &base.ownership;
    if standing.applied && !base.values.is_empty() && standing.ownership == *ownership {
        return Ok(base.values.clone());
    }
    let request = &deploy.request;
    let mut before = KeptBefore {
        deploy: request.base.as_ref().map(|base| base.deploy),
        files: BTreeMap::new(),
    };
    for (file, digest) in &base.values {
        let values = document(journal.events(), digest)?;
        before.files.insert(*file, values);
    }
    let kept = kept_values(
        std::mem::take(&mut merge.trees),
        ownership,
        standing,
        &before,
        deploy.id,
        &required_secrets(&request.manifest),
    );
    let mut digests = BTreeMap::new();
    for (file, values) in kept {
        let name = format!("values of {}", file.file_name());
        if let Some(digest) = journal.keep(&name, &values, base.values.get(&file))? {
            digests.insert(file, digest);
        }
    }
    Ok(digests)
}

/// The keys that are ours once this merge is published, with their values.
pub fn configuration_of(
    events: &(impl EventLog + ?Sized),
    merged: &Merged,
) -> Result<OwnedConfiguration, DeployJournalError> {
    let ownership: Ownership = match &merged.ownership {
        Owners::Stated(ownership) => ownership.clone(),
        Owners::Document(digest) => document(events, digest)?,
    };
    let mut values = BTreeMap::new();
    for digest in merged.values.values() {
        let kept: KeptValues = document(events, digest)?;
        values.extend(kept.keys);
    }
    let mut configuration = OwnedConfiguration::new();
    for (source, keys) in ownership.sources {
        for (key, digest) in keys {
            let value = values.remove(&key);
            let value = value.filter(|value: &KeptValue| value.may_be(&digest));
            let owned = OwnedValue {
                source: source.clone(),
                digest,
                value,
            };
            configuration.insert(key, owned);
        }
    }
    Ok(configuration)
}
