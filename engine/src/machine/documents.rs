//! Documents that events name by digest: what is the same for many deploys and too large for each event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::payload::ImageBuilt;
use crate::contract::{Digest, FunctionName, Hasher};
use crate::merge::{KeptValues, Ownership};

/// A document of the journal as JSON: the same value has always the same bytes, and so the same digest.
pub trait Document: Sized {
    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// The document of these bytes.
    fn from_bytes(bytes: &[u8]) -> serde_json::Result<Self>;
}

impl Document for Images {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("images have names as keys")
    }

    fn from_bytes(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

impl Document for Ownership {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("owners have texts as keys")
    }

    fn from_bytes(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

impl Document for KeptValues {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("values have texts as keys")
    }

    fn from_bytes(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

/// All images that are in effect: what the next deploy compares with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Images {
    /// Each by its function.
    pub images: BTreeMap<FunctionName, ImageRecord>,
    /// Images of functions that are not deployed any more, the function that went last first; at most 256.
    pub former: Vec<FormerFunction>,
}

/// A function that is not deployed any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerFunction {
    /// The function.
    pub function: FunctionName,
    /// Its images, the newest first.
    pub images: Vec<EarlierImage>,
}

/// How many functions that are not deployed any more are remembered.
const FORMER_MAX: usize = 256;

impl Images {
    /// Images that were in effect, and what is remembered, go on to be remembered by those that are in effect after them.
    pub fn remember(&mut self, before: &Self) {
        let mut former = Vec::new();
        for (function, image) in &before.images {
            if let Some(record) = self.images.get_mut(function) {
                for one in image.all() {
                    record.remember(&one.key, &one.digest);
                }
            } else {
                former.push((function, image.all()));
            }
        }
        for FormerFunction { function, images } in &before.former {
            match self.images.get_mut(function) {
                Some(record) => {
                    for one in images {
                        record.remember(&one.key, &one.digest);
                    }
                }
                None => former.push((function, images.clone())),
            }
        }
        for (function, images) in former {
            let is_known = self.former.iter().any(|known| known.function == *function);
            if !is_known && self.former.len() < FORMER_MAX {
                let function = function.clone();
                self.former.push(FormerFunction { function, images });
            }
        }
    }

    /// The digests of every image that is in effect or remembered.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        let earlier = self.images.values().flat_map(ImageRecord::all);
        let former = self.former.iter().flat_map(|former| former.images.clone());
        earlier.chain(former).map(|image| image.digest)
    }

    /// The digest that was recorded last for a function under a key.
    pub fn digest_of(&self, function: &FunctionName, key: &Digest) -> Option<&Digest> {
        if let Some(image) = self.images.get(function) {
            return image.digest_of(key);
        }
        let mut former = self
            .former
            .iter()
            .filter(|former| former.function == *function);
        let images = former.next()?.images.iter();
        images
            .filter(|one| one.key == *key)
            .map(|one| &one.digest)
            .next()
    }

    /// How many images of these functions there are, and the digest over their names and digests.
    pub fn kept<'a>(&self, kept: impl IntoIterator<Item = &'a FunctionName>) -> (u64, Digest) {
        let (mut count, mut hasher) = (0, Hasher::default());
        for function in kept {
            if let Some(image) = self.images.get(function) {
                count += 1;
                hasher.part(function.as_str(), image.digest.as_str().as_bytes());
            }
        }
        (count, hasher.finish())
    }
}

/// One image as it is in effect, and as the registry had it when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The reference the stack pulls.
    pub reference: String,
    /// The content key.
    pub key: Digest,
    /// What went into the key, part by part.
    pub inputs: BTreeMap<String, Digest>,
    /// The manifest digest in the registry.
    pub digest: Digest,
    /// The digest of each base, by reference.
    pub bases: BTreeMap<String, Digest>,
    /// The deploy that recorded it: its `ImageBuilt` event says where the image came from.
    pub deploy: Uuid,
    /// The image of its first instructions, where it was assembled over one, then images of this function before this one, the
    /// newest first; at most eight.
    pub earlier: Vec<EarlierImage>,
}

/// An image that a function had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierImage {
    /// Its content key.
    pub key: Digest,
    /// Its manifest digest.
    pub digest: Digest,
}

/// How many images of a function before the present one are remembered. What went back further counts as another machine's.
const EARLIER_MAX: usize = 8;

impl ImageRecord {
    /// What an event says of an image that a deploy recorded.
    pub fn of(image: &ImageBuilt, deploy: Uuid) -> Self {
        let mut record = Self {
            reference: image.reference.clone(),
            key: image.key.clone(),
            inputs: image.inputs.clone(),
            digest: image.digest.clone(),
            bases: image.bases.clone(),
            deploy,
            earlier: Vec::new(),
        };
        record.remember_built(image);
        record
    }

    /// Remembers an image that an event says was built, and that of its first instructions.
    pub fn remember_built(&mut self, image: &ImageBuilt) {
        self.remember(&image.key, &image.digest);
        if let Some(prefix) = &image.prefix {
            self.remember(&prefix.key, &prefix.digest);
        }
    }

    /// This image and those before it, the newest first.
    fn all(&self) -> Vec<EarlierImage> {
        let this = EarlierImage {
            key: self.key.clone(),
            digest: self.digest.clone(),
        };
        std::iter::once(this)
            .chain(self.earlier.iter().cloned())
            .collect()
    }

    /// Remembers an image that the function had, or was built for it, before. Of one key the first that is remembered counts.
    pub fn remember(&mut self, key: &Digest, digest: &Digest) {
        let is_known = self.digest_of(key).is_some();
        if !is_known && self.earlier.len() < EARLIER_MAX {
            self.earlier.push(EarlierImage {
                key: key.clone(),
                digest: digest.clone(),
            });
        }
    }

    /// The digest that was recorded last under a key.
    pub fn digest_of(&self, key: &Digest) -> Option<&Digest> {
        if self.key == *key {
            return Some(&self.digest);
        }
        let mut earlier = self.earlier.iter();
        earlier.find(|one| one.key == *key).map(|one| &one.digest)
    }
}
