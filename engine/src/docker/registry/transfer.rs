//! Blobs on their way: fetched, mounted from another repository, uploaded, whatever the registry stumbles over meanwhile.
//!
//! Here: the order of requests, and where to go on after one that failed. Not here: the requests themselves (`blobs`).

use std::future::Future;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::StatusCode;
use tokio::time::timeout;

use super::blob::{Blob, Payload, Progress, Spool};
use super::blobs::{Begun, Upload};
use super::client::Client;
use super::error::RegistryError;
use super::manifest::Manifest;
use super::refusal::BLOB_UNKNOWN;
use super::{Call, Ended, Registry, target};
use crate::contract::Digest;
use crate::docker::fault;
use crate::image::Reference;
use crate::machine::FailureKind;
use crate::run::Fault;

/// The largest blob that is sent in one request, and the size of the chunks of a larger one.
pub(super) const CHUNK: u64 = 16 << 20;

/// How often an upload that the registry forgot is begun anew.
const RESTARTS: usize = 2;

/// What became of a blob that another repository has.
#[derive(Debug)]
pub(in crate::docker) enum Mount {
    /// The repository has it.
    Mounted,
    /// The registry wants its bytes; it may have begun an upload for them.
    Refused(Option<Upload>),
}

/// What became of a manifest that was written.
#[derive(Debug)]
pub(in crate::docker) enum Written {
    /// The registry has it.
    Done,
    /// The repository lacks blobs that the manifest names.
    Lacking {
        /// Those that the registry names.
        missing: Vec<Digest>,
        /// What it makes of the deploy when nothing can be done about it.
        fault: Fault,
    },
}

impl Registry {
    /// Whether the repository of a reference has a blob.
    pub(in crate::docker) async fn has_blob(
        &self,
        repository: &Reference,
        digest: &Digest,
    ) -> Result<bool, Fault> {
        let what = format!("ask the registry for `{}@{digest}`", repository.name());
        let (host, target) = target(repository);
        let access = self.reach(&what, host).await?;
        let client = access.client();
        let call = Call::question(&what, host, &access);
        let ask = || client.has_blob(&target.repository, digest);
        self.repeat(&call, ask).await
    }

    /// Reads a blob that has this many bytes. What comes is what the digest says.
    pub(in crate::docker) async fn fetch_blob(
        &self,
        repository: &Reference,
        digest: &Digest,
        size: u64,
    ) -> Result<Blob, Fault> {
        let what = format!("read `{}@{digest}` from the registry", repository.name());
        let (host, target) = target(repository);
        let access = self.reach(&what, host).await?;
        let (client, progress) = (access.client(), Progress::default());
        let call = Call::transfer(&what, host, &access, &progress);
        let spool = tokio::sync::Mutex::new(Spool::default());
        let ask = || async {
            // Only one attempt is under way at a time.
            let mut spool = spool.lock().await;
            let have = spool.size();
            let mut download = client.read_blob(&target.repository, digest, have).await?;
            if download.from != have {
                *spool = Spool::default();
            }
            while let Some(piece) = download.next().await? {
                progress.add(piece.len() as u64);
                if spool.size() + piece.len() as u64 > size {
                    return Err(RegistryError::Unusable("more of a blob than it has"));
                }
                if let Err(error) = spool.write_all(&piece) {
                    return Ok(Err(error));
                }
            }
            if spool.size() < size {
                return Err(RegistryError::Unusable("less of a blob than it has"));
            }
            Ok(Ok(()))
        };
        self.within_transfer(&what, host, async {
            let kept = self.repeat(&call, ask).await?;
            kept.map_err(|error| not_kept(&what, &error))
        })
        .await?;
        let blob = spool.into_inner().finish();
        if blob.digest != *digest {
            let error = RegistryError::Unusable("a blob that is not what its digest says");
            return Err(fault::registry(host, &what, &error));
        }
        Ok(blob)
    }

    /// Has a repository get a blob from another one of the same registry, without its bytes.
    pub(in crate::docker) async fn mount_blob(
        &self,
        repository: &Reference,
        digest: &Digest,
        from: &Reference,
    ) -> Result<Mount, Fault> {
        let what = format!("mount `{}@{digest}` in `{repository}`", from.name());
        let (host, to) = target(repository);
        let source = target(from).1;
        let access = self.reach(&what, host).await?;
        let client = access.client();
        let call = Call::question(&what, host, &access);
        let mount = Some((source.repository.as_str(), digest));
        let ask = || client.begin_upload(&to.repository, mount);
        match self.try_repeat(&call, ask).await {
            Ok(Begun::Mounted) => Ok(Mount::Mounted),
            Ok(Begun::Upload(upload)) => Ok(Mount::Refused(Some(upload))),
            // It may do without mounts, or let us read only one of the two.
            Err(Ended::Error(RegistryError::Refused { status, .. }))
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                Ok(Mount::Refused(None))
            }
            Err(ended) => Err(self.fault(&call, ended)),
        }
    }

    /// Uploads a blob to the repository of a reference. `begun` is an upload that waits for it.
    pub(in crate::docker) async fn push_blob(
        &self,
        repository: &Reference,
        blob: &Blob,
        begun: Option<Upload>,
        progress: &Arc<Progress>,
    ) -> Result<(), Fault> {
        let what = format!("push `{}` to `{}`", blob.digest, repository.name());
        let (host, target) = target(repository);
        let access = self.reach(&what, host).await?;
        let sending = Sending {
            registry: self,
            client: access.client(),
            question: Call::question(&what, host, &access),
            transfer: Call::transfer(&what, host, &access, progress),
            repository: &target.repository,
            blob,
            progress,
        };
        let send = async {
            let (mut begun, mut restarts) = (begun, RESTARTS);
            loop {
                let ended = match sending.send(begun.take()).await {
                    Ok(()) => return Ok(()),
                    Err(ended) => ended,
                };
                if restarts == 0 || !is_forgotten(&ended) {
                    return Err(self.fault(&sending.transfer, ended));
                }
                restarts -= 1;
                if self.has_blob(repository, &blob.digest).await? {
                    return Ok(());
                }
            }
        };
        self.within_transfer(&what, host, send).await
    }

    /// Writes the manifest of an image under the tag of a reference, when the repository has all that it names.
    pub(in crate::docker) async fn put_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Written, Fault> {
        let what = format!("write the manifest of `{reference}` to the registry");
        let (host, target) = target(reference);
        let access = self.reach(&what, host).await?;
        let call = Call::question(&what, host, &access);
        // Writing the same manifest again is harmless: it may have arrived although its answer did not.
        let write = || access.client().write(&target, manifest);
        match self.try_repeat(&call, write).await {
            Ok(()) => Ok(Written::Done),
            Err(Ended::Error(error)) if error.has_code(&BLOB_UNKNOWN) => {
                let missing = error.missing().to_vec();
                let fault = self.fault(&call, Ended::Error(error));
                Ok(Written::Lacking { missing, fault })
            }
            Err(ended) => Err(self.fault(&call, ended)),
        }
    }

    /// Ends what takes longer than any transfer may.
    async fn within_transfer<T>(
        &self,
        what: &str,
        host: &str,
        transfer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let whole = self.limits.transfer;
        timeout(whole, transfer).await.unwrap_or_else(|_| {
            let kind = FailureKind::Unreachable;
            Err(fault::unfinished(what, "transfer", whole, kind, Some(host)))
        })
    }
}

/// One blob that is being sent.
struct Sending<'a> {
    registry: &'a Registry,
    client: &'a Client,
    question: Call<'a>,
    transfer: Call<'a>,
    repository: &'a str,
    blob: &'a Blob,
    progress: &'a Arc<Progress>,
}

impl Sending<'_> {
    /// Sends the blob once, from its beginning.
    async fn send(&self, begun: Option<Upload>) -> Result<(), Ended> {
        let mut upload = match begun {
            Some(upload) => upload,
            None => self.begin().await?,
        };
        if self.blob.size > CHUNK {
            upload = match self.chunks(upload).await {
                Ok(upload) => upload,
                Err(Ended::Error(error)) if refuses_chunks(&error) => self.begin().await?,
                Err(ended) => return Err(ended),
            };
        }
        self.end(upload).await
    }

    async fn begin(&self) -> Result<Upload, Ended> {
        let begin = || begin(self.client, self.repository);
        self.registry.try_repeat(&self.question, begin).await
    }

    /// Sends all of a blob in chunks. After one that failed the registry says where to go on.
    async fn chunks(&self, mut upload: Upload) -> Result<Upload, Ended> {
        let size = self.blob.size;
        while upload.taken < size {
            let again = AtomicBool::new(false);
            let ask = || async {
                let at = if again.swap(true, Ordering::Relaxed) {
                    self.client.upload_status(self.repository, &upload).await?
                } else {
                    upload.clone()
                };
                if at.taken >= size {
                    return Ok(at);
                }
                let length = CHUNK.max(at.chunk_least).min(size - at.taken);
                let chunk = self.part(at.taken, at.taken + length);
                self.client
                    .send_chunk(self.repository, &at, length, chunk)
                    .await
            };
            upload = self.registry.try_repeat(&self.transfer, ask).await?;
        }
        Ok(upload)
    }

    /// Sends what is left of a blob, and its digest. The answer may be lost, so that it is looked for before it is sent again.
    async fn end(&self, upload: Upload) -> Result<(), Ended> {
        let again = AtomicBool::new(false);
        let ask = || async {
            let mut upload = upload.clone();
            if again.swap(true, Ordering::Relaxed) {
                let digest = &self.blob.digest;
                if self.client.has_blob(self.repository, digest).await? {
                    return Ok(());
                }
                if upload.taken == 0 {
                    upload = begin(self.client, self.repository).await?;
                }
            }
            let rest = self.part(upload.taken, self.blob.size);
            self.client
                .end_upload(self.repository, &upload, self.blob, rest)
                .await
        };
        self.registry.try_repeat(&self.transfer, ask).await
    }

    fn part(&self, from: u64, to: u64) -> Payload {
        if from >= to {
            return Payload::EMPTY;
        }
        Payload::Part(self.blob.part(from..to, self.progress))
    }
}

async fn begin(client: &Client, repository: &str) -> Result<Upload, RegistryError> {
    match client.begin_upload(repository, None).await? {
        Begun::Upload(upload) => Ok(upload),
        Begun::Mounted => Err(RegistryError::Unusable("a mount that nobody asked for")),
    }
}

/// Does the registry say that it takes a blob in one request only?
fn refuses_chunks(error: &RegistryError) -> bool {
    let status = error.status().map(|status| status.as_u16());
    matches!(status, Some(400 | 405 | 411 | 415 | 501))
}

/// Does the registry no longer know the upload, or is it elsewhere than we are?
fn is_forgotten(ended: &Ended) -> bool {
    let Ended::Error(error) = ended else {
        return false;
    };
    let status = error.status().map(|status| status.as_u16());
    matches!(status, Some(404 | 416)) || error.has_code(&["BLOB_UPLOAD_UNKNOWN"])
}

fn not_kept(what: &str, error: &io::Error) -> Fault {
    let hint = "free space for temporary files, or name another folder with `TMPDIR`";
    fault::plain(
        FailureKind::Image,
        format!("cannot {what}"),
        Some(hint.to_owned()),
    )
    .because([format!("a temporary file cannot be written: {error}")])
    .retryable()
}
