//! What is really there, and what becomes of it when a call is carried out.

use std::collections::BTreeMap;

use super::mishap::{Change, fault};
use crate::compat::Observation;
use crate::contract::{Digest, FunctionName};
use crate::machine::{FailureKind, ProvisionResult, PublishedFile};
use crate::run::world::{
    Built, ConfigTexts, Fault, ImageOrder, ImageStatus, Publication, Published,
};

/// What is really there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// What runs.
    pub observation: Observation,
    /// The output directory.
    pub config: ConfigTexts,
    /// The registry: reference to the key and digest of the image it names.
    pub registry: BTreeMap<String, (Digest, Digest)>,
    /// What each function's sources hold; an edit changes its content key.
    pub sources: BTreeMap<FunctionName, String>,
    /// Builds that were done, in order.
    pub builds: Vec<FunctionName>,
    /// Calls that changed something.
    pub mutations: usize,
    /// Provisioner runs that were done.
    pub provisions: usize,
    /// What a dead process asked for and is done all the same, each with the number of calls it still takes.
    pub under_way: Vec<(usize, Act)>,
}

/// A call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// An image is built and pushed.
    Build {
        /// The function.
        function: FunctionName,
        /// The tag that will name it.
        reference: String,
        /// Its content key.
        key: Digest,
    },
    /// Files are put into the output directory.
    Publish(Publication),
    /// The provisioner runs.
    Provision,
}

impl Truth {
    /// A stack that runs, an empty output directory, an empty registry.
    pub fn new(observation: Observation) -> Self {
        Self {
            observation,
            config: ConfigTexts::new(),
            registry: BTreeMap::new(),
            sources: BTreeMap::new(),
            builds: Vec::new(),
            mutations: 0,
            provisions: 0,
            under_way: Vec::new(),
        }
    }

    /// Carries a call out, whoever asked for it.
    pub fn carry_out(&mut self, act: &Act) {
        match act {
            Act::Build {
                function,
                reference,
                key,
            } => drop(self.build(function, reference, key)),
            Act::Publish(publication) => drop(self.publish(publication)),
            Act::Provision => drop(self.provision()),
        }
    }

    /// Somebody else changes the world.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Version(version) => {
                for container in &mut self.observation.containers {
                    if let Some(observed) = &mut container.version {
                        version.clone_into(&mut observed.value);
                    }
                }
            }
            Change::ImageLost(reference) => drop(self.registry.remove(reference)),
            Change::Edited(file, from, to) => {
                if let Some(text) = self.config.get_mut(&file) {
                    *text = text.replace(from, to);
                }
            }
        }
    }

    /// One more call is made: what has been under way for long enough is done.
    pub(super) fn pass(&mut self) {
        let mut due = Vec::new();
        self.under_way.retain_mut(|(calls, act)| {
            let over = *calls == 0;
            if over {
                due.push(act.clone());
            } else {
                *calls -= 1;
            }
            !over
        });
        for act in due {
            self.carry_out(&act);
        }
    }

    /// The content key of a function is that of what its sources hold, and of nothing else.
    pub(super) fn look_up(&self, order: &ImageOrder) -> ImageStatus {
        let key = Digest::of(self.sources.get(&order.function).map_or("", String::as_str));
        let known = self.registry.get(&order.reference);
        let present = known.filter(|(known, _)| *known == key);
        ImageStatus {
            inputs: BTreeMap::from([("sources".to_owned(), key.clone())]),
            bases: BTreeMap::new(),
            present: present.map(|(_, digest)| digest.clone()),
            key,
        }
    }

    pub(super) fn build(
        &mut self,
        function: &FunctionName,
        reference: &str,
        key: &Digest,
    ) -> Built {
        let digest = Digest::of(format!("image of {key}"));
        let image = (key.clone(), digest.clone());
        self.registry.insert(reference.to_owned(), image);
        self.builds.push(function.clone());
        self.mutations += 1;
        Built { digest }
    }

    pub(super) fn publish(&mut self, publication: &Publication) -> Result<Published, Fault> {
        for (file, text) in &publication.files {
            let found = self.config.get(file);
            let standing = publication.standing.get(file);
            if found != Some(text) && found.map(Digest::of).as_ref() != standing {
                return Err(fault(
                    FailureKind::Publish,
                    "a file was changed since the merge",
                ));
            }
        }
        let files = publication.files.iter().map(|(file, text)| {
            let written = self.config.get(file) != Some(text);
            self.mutations += usize::from(written);
            self.config.insert(*file, text.clone());
            let digest = Digest::of(text);
            (*file, PublishedFile { digest, written })
        });
        Ok(files.collect())
    }

    pub(super) fn provision(&mut self) -> ProvisionResult {
        self.provisions += 1;
        self.mutations += 1;
        ProvisionResult {
            exit_code: 0,
            output: Vec::new(),
        }
    }
}
