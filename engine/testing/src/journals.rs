//! Deploys that `artifactctl` recorded, to be asserted.

use std::path::{Path, PathBuf};

use engine::run::{DeployJournalError, latest_deploy};
use journal::{EventLog, Journal, ReadError, Reader, StoreError, StreamId, StreamIdError};
use uuid::Uuid;

use crate::events::DeployEvents;

/// A directory of journals, as `artifactctl --journal` names it. It is only read, also while a deploy runs.
///
/// ```no_run
/// use artifactctl_testing::Journals;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let deploy = Journals::open("journal")?.target("shop/dev")?.latest()?;
/// deploy.assert_events("Requested ... CompatChecked[verdict=compatible] ... Applied")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Journals {
    root: PathBuf,
}

/// The journal of one target.
pub struct TargetJournal {
    reader: Reader,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalsError {
    /// The target's name is none.
    #[error(transparent)]
    Target(#[from] StreamIdError),
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is stored cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Events are not what they should be.
    #[error(transparent)]
    Events(#[from] DeployJournalError),
    /// Nothing was deployed.
    #[error("nothing was deployed to `{0}`")]
    Empty(StreamId),
    /// There is no such deploy.
    #[error("`{0}` has no deploy {1}")]
    NoSuchDeploy(StreamId, Uuid),
}

impl Journals {
    /// The journals below a directory.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, JournalsError> {
        let root = root.as_ref().to_owned();
        Journal::targets(&root)?;
        Ok(Self { root })
    }

    /// The targets that have one, sorted.
    pub fn targets(&self) -> Result<Vec<StreamId>, JournalsError> {
        Ok(Journal::targets(&self.root)?)
    }

    /// The journal of a target, `PROJECT/ENV`.
    pub fn target(&self, name: &str) -> Result<TargetJournal, JournalsError> {
        let reader = Journal::read(&self.root, &name.parse()?)?;
        Ok(TargetJournal { reader })
    }
}

impl TargetJournal {
    /// The latest deploy.
    pub fn latest(&self) -> Result<DeployEvents, JournalsError> {
        let empty = || JournalsError::Empty(self.reader.stream().clone());
        let first = latest_deploy(&self.reader)?.ok_or_else(empty)?;
        Ok(DeployEvents::read(&self.reader, first)?)
    }

    /// The ids of its deploys, newest first; at most so many.
    pub fn deploys(&self, limit: usize) -> Result<Vec<Uuid>, JournalsError> {
        let newest = self.reader.latest_deploys(None, limit)?;
        Ok(newest.into_iter().map(|(_, id)| id).collect())
    }

    /// A deploy by its id.
    pub fn deploy(&self, id: Uuid) -> Result<DeployEvents, JournalsError> {
        let absent = || JournalsError::NoSuchDeploy(self.reader.stream().clone(), id);
        let first = self.reader.deploy_start(id)?.ok_or_else(absent)?;
        Ok(DeployEvents::read(&self.reader, first)?)
    }
}
