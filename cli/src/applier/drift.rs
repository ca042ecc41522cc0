//! What is there, compared with what was applied.
//!
//! Here: the files of the output directory, and our keys in them. Below: the tags in the registry, and the running stack.

pub(crate) mod stack;
pub(crate) mod tags;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::contract::{Digest, required_secrets};
use engine::machine::State;
use engine::merge::{
    ConfigFile, ConfigTrees, Drift, Key, KeyDifference, differences, standing_values,
};
use engine::publish;
use engine::run::{ConfigTexts, base_merged, configuration_of};
use engine::yaml::ParseLimits;
use journal::EventLog;
use serde::Serialize;

use crate::applier::target;
use crate::failure::{Failure, Kind};

/// How long registries and the engine are waited for, all of a command together: what the journal knows is not kept back for longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// The same for whoever relies on the answer: an exit code, or a record.
pub(crate) const VERDICT_PATIENCE: Duration = Duration::from_secs(30);

/// What stands in the output directory and is not what was applied.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DriftedFiles {
    /// The files.
    #[serde(rename = "drift", serialize_with = "names")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(crate) files: Vec<ConfigFile>,
    /// How our keys in them differ, without secrets. What others wrote is no key of ours, so a file may differ without one.
    pub(crate) key_drift: BTreeMap<Key, KeyDifference>,
    /// Why the keys could not be compared.
    pub(crate) keys_unknown: Option<String>,
    /// The keys by digest.
    #[serde(skip)]
    pub(crate) digests: Vec<Drift>,
}

fn names<S: serde::Serializer>(files: &[ConfigFile], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(files.iter().map(|file| file.file_name()))
}

impl DriftedFiles {
    /// Compares the output directory with what was applied. Only an applied deploy says what it should hold.
    pub(crate) fn of(events: &dyn EventLog, state: &State) -> Result<Self, Failure> {
        let deploy = state.deploy.as_ref();
        let applied = deploy.and_then(|deploy| Some((deploy, deploy.stage.applied()?)));
        let Some((deploy, applied)) = applied else {
            return Ok(Self::default());
        };
        let out = &deploy.request.out;
        let current = standing(out)?;
        let is_other = |file: &ConfigFile, applied: &Digest| {
            current.get(file).map(Digest::of).as_ref() != Some(applied)
        };
        let files = applied.files.iter();
        let files = files.filter(|(file, published)| is_other(file, &published.digest));
        let mut drifted = Self {
            files: files.map(|(file, _)| *file).collect(),
            ..Self::default()
        };
        if !drifted.files.is_empty() {
            match trees(out, current) {
                Ok(trees) => drifted.compare_keys(events, state, &trees)?,
                Err(unread) => drifted.keys_unknown = Some(unread.sentence()),
            }
        }
        Ok(drifted)
    }

    fn compare_keys(
        &mut self,
        events: &dyn EventLog,
        state: &State,
        trees: &ConfigTrees,
    ) -> Result<(), Failure> {
        let failed = |error| target::deploy_journal_failure(&error);
        let merged = state.base().map(|base| base_merged(events, &base));
        let merged = merged.transpose().map_err(failed)?.flatten();
        let (Some(merged), Some(deploy)) = (merged, &state.deploy) else {
            return Ok(());
        };
        let applied = configuration_of(events, &merged).map_err(failed)?;
        let secrets = required_secrets(&deploy.request.manifest);
        let stands = standing_values(trees, &applied, &secrets);
        self.key_drift = differences(&applied, &stands);
        let drift = |key: &Key| Drift {
            key: key.clone(),
            written: applied[key].digest.clone(),
            found: stands.get(key).map(|found| found.digest.clone()),
        };
        self.digests = self.key_drift.keys().map(drift).collect();
        Ok(())
    }
}

/// The files that stand in an output directory.
pub(crate) fn standing(out: &str) -> Result<ConfigTexts, Failure> {
    publish::current(Path::new(out)).map_err(|error| Failure::of(Kind::Publish, &error))
}

/// The same as trees.
pub(crate) fn trees(out: &str, standing: ConfigTexts) -> Result<ConfigTrees, Failure> {
    let trees = ConfigTrees::parse(out, standing, &ParseLimits::default());
    trees.map_err(|violations| {
        let places = violations.iter().take(3);
        Failure {
            causes: places
                .map(|found| format!("{}: {}", found.place, found.message))
                .collect(),
            ..Failure::new(Kind::Publish, format!("the files in `{out}` do not read"))
        }
    })
}
