//! What is there, compared with what was applied.
//!
//! Here: the files of the output directory, and our keys in them. Below: the tags in the registry, and the running stack.

pub(crate) mod stack;
pub(crate) mod tags;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::contract::{Digest, required_secrets};
use engine::machine::{Applied, Requested, State};
use engine::merge::{
    ConfigFile, ConfigTrees, Drift, Key, KeyDifference, differences, standing_values,
};
use engine::publish;
use engine::run::{ConfigTexts, base_merged, configuration_of, latest_state, typed};
use engine::yaml::ParseLimits;
use journal::{EventLog, Journal, StreamId};
use serde::Serialize;

use crate::applier::{output_dir, target};
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
    /// Where the files are, and what stands in their place.
    #[serde(skip)]
    out: String,
    #[serde(skip)]
    standing: BTreeMap<ConfigFile, Digest>,
}

fn names<S: serde::Serializer>(files: &[ConfigFile], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(files.iter().map(|file| file.file_name()))
}

impl DriftedFiles {
    /// Compares the output directory with what is in effect. Where a later deploy may have written some of it, nobody knows what it
    /// should hold.
    pub(crate) fn of(events: &dyn EventLog, state: &State) -> Result<Self, Failure> {
        let Some((request, applied)) = in_effect(events, state)? else {
            return Ok(Self::default());
        };
        let out = &request.out;
        let current = standing(out)?;
        let is_other = |file: &ConfigFile, applied: &Digest| {
            current.get(file).map(Digest::of).as_ref() != Some(applied)
        };
        let files = applied.files.iter();
        let files = files.filter(|(file, published)| is_other(file, &published.digest));
        let mut drifted = Self {
            files: files.map(|(file, _)| *file).collect(),
            out: out.clone(),
            standing: current
                .iter()
                .map(|(file, text)| (*file, Digest::of(text)))
                .collect(),
            ..Self::default()
        };
        if !drifted.files.is_empty() {
            match trees(out, current) {
                Ok(trees) => drifted.compare_keys(events, state, &request, &trees)?,
                Err(unread) => drifted.keys_unknown = Some(unread.sentence()),
            }
        }
        Ok(drifted)
    }

    /// Leaves out what stands as another target of this journal left it, when no key of ours differs: both publish into one directory,
    /// and the other one was the last.
    pub(crate) fn leave_to_others(
        &mut self,
        root: &Path,
        target: &StreamId,
    ) -> Result<(), Failure> {
        if self.files.is_empty() || !self.key_drift.is_empty() || self.keys_unknown.is_some() {
            return Ok(());
        }
        let out = output_dir::real(Path::new(&self.out));
        let targets = Journal::targets(root).map_err(|error| target::read_failure(&error))?;
        for other in targets.iter().filter(|other| *other != target) {
            // A journal that cannot be read explains nothing: what differs stays.
            let Ok(Some((request, applied))) = left_by(root, other) else {
                continue;
            };
            if output_dir::real(Path::new(&request.out)) == out {
                let is_theirs = |file: &ConfigFile| {
                    let theirs = applied.files.get(file).map(|file| &file.digest);
                    theirs.is_some() && theirs == self.standing.get(file)
                };
                self.files.retain(|file| !is_theirs(file));
            }
        }
        Ok(())
    }

    fn compare_keys(
        &mut self,
        events: &dyn EventLog,
        state: &State,
        request: &Requested,
        trees: &ConfigTrees,
    ) -> Result<(), Failure> {
        let failed = |error| target::deploy_journal_failure(&error);
        let merged = state.base().map(|base| base_merged(events, &base));
        let merged = merged.transpose().map_err(failed)?.flatten();
        let Some(merged) = merged else {
            return Ok(());
        };
        let applied = configuration_of(events, &merged).map_err(failed)?;
        let secrets = required_secrets(&request.manifest);
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

/// What another target has in effect.
fn left_by(root: &Path, target: &StreamId) -> Result<Option<(Requested, Applied)>, Failure> {
    let reader = target::reader(root, target)?;
    let state = latest_state(&reader).map_err(|error| target::deploy_journal_failure(&error))?;
    in_effect(&reader, &state)
}

/// The deploy that is in effect: what it asked for, and what it left. None where nothing is in effect, or a later deploy may have
/// published some of its files.
fn in_effect(
    events: &dyn EventLog,
    state: &State,
) -> Result<Option<(Requested, Applied)>, Failure> {
    let Some(base) = state.base().filter(|base| base.applied) else {
        return Ok(None);
    };
    let Some(request) = output_dir::base_request(events, state)? else {
        return Ok(None);
    };
    for stored in journal::scan(events, base.merged) {
        let stored = stored.map_err(|error| target::store_failure(&error))?;
        if stored.header.deploy != base.deploy {
            break;
        }
        let event = typed(&stored).map_err(|error| target::deploy_journal_failure(&error))?;
        if let Some(applied) = event.event.as_applied() {
            return Ok(Some((request, applied.clone())));
        }
    }
    Ok(None)
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
