//! What is really there, and what becomes of it when a call is carried out.

use std::collections::BTreeMap;

use super::mishap::{Change, fault};
use crate::compat::Observation;
use crate::contract::{Digest, FunctionName};
use crate::machine::{FailureKind, ProvisionResult, PublishedFile};
use crate::run::world::{
    Built, ConfigTexts, Fault, ImageOrder, ImageStatus, ImageTags, Publication, Published,
};

/// What is really there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// What runs.
    pub observation: Observation,
    /// The output directory.
    pub config: ConfigTexts,
    /// The registry: each tag that the stack pulls, with the digest of the image that it names.
    pub registry: BTreeMap<String, Digest>,
    /// The registry: each tag of a content key beside such a tag, with the digest of the image that it names.
    pub keyed: BTreeMap<(String, Digest), Digest>,
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
        /// The tag that is to name it once it is published.
        reference: String,
        /// Its content key.
        key: Digest,
    },
    /// A tag that the stack pulls is moved.
    Tag {
        /// The tag.
        reference: String,
        /// The image that it is to name.
        digest: Digest,
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
            keyed: BTreeMap::new(),
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
            Act::Tag { reference, digest } => drop(self.tag(reference, digest)),
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
            Change::ImageLost(reference) => {
                self.registry.remove(reference);
                self.keyed.retain(|(beside, _), _| beside != reference);
            }
            Change::ImageReplaced(reference) => {
                let keyed = self.keyed.iter_mut();
                for (_, digest) in keyed.filter(|((beside, _), _)| beside == reference) {
                    *digest = Digest::of("an image of a stranger");
                }
            }
            Change::TagMoved(reference) => {
                if let Some(named) = self.registry.get_mut(reference) {
                    *named = Digest::of("an image of somebody else");
                }
            }
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
        ImageStatus {
            inputs: BTreeMap::from([("sources".to_owned(), key.clone())]),
            bases: BTreeMap::new(),
            tags: self.tags(&order.reference, &key),
            needs_builder: None,
            key,
        }
    }

    /// What is behind both tags of an image.
    pub(super) fn tags(&self, reference: &str, key: &Digest) -> ImageTags {
        let keyed = (reference.to_owned(), key.clone());
        ImageTags {
            keyed: self.keyed.get(&keyed).cloned(),
            named: self.registry.get(reference).cloned(),
        }
    }

    /// Whether an image is there by its digest, and what is behind its name.
    pub(super) fn recorded(&self, reference: &str, digest: &Digest) -> ImageTags {
        let mut beside = self.keyed.iter();
        let is_there = beside.any(|((beside, _), found)| beside == reference && found == digest);
        ImageTags {
            keyed: is_there.then(|| digest.clone()),
            named: self.registry.get(reference).cloned(),
        }
    }

    pub(super) fn build(
        &mut self,
        function: &FunctionName,
        reference: &str,
        key: &Digest,
    ) -> Built {
        let digest = Digest::of(format!("image of {key}"));
        let keyed = (reference.to_owned(), key.clone());
        self.keyed.insert(keyed, digest.clone());
        self.builds.push(function.clone());
        self.mutations += 1;
        Built::taken(digest)
    }

    /// An image gets a tag as long as the registry has it.
    pub(super) fn tag(&mut self, reference: &str, digest: &Digest) -> Result<(), Fault> {
        let mut beside = self.keyed.iter();
        if !beside.any(|((beside, _), found)| beside == reference && found == digest) {
            return Err(fault(FailureKind::Image, "the registry has no such image"));
        }
        self.registry.insert(reference.to_owned(), digest.clone());
        self.mutations += 1;
        Ok(())
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
