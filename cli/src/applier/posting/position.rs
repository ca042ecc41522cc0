//! Up to which event a receiver has those of a target: a small file, replaced after each request that the receiver has taken.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use engine::contract::Digest;
use journal::{Head, StreamId};
use serde::{Deserialize, Serialize};

use crate::applier::formats::EventFormat;
use crate::applier::target;
use crate::applier::whole_file::WholeFile;
use crate::failure::{Failure, Kind};

/// The version of the file's form.
const VERSION: u32 = 1;

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    version: u32,
    target: StreamId,
    head: Head,
}

/// The position of one receiver.
pub(super) struct Position {
    path: PathBuf,
    stream: StreamId,
    head: Option<Head>,
}

impl Position {
    /// Reads the file that was named, or the one of this journal, target, receiver and format below the state directory.
    pub(super) fn open(
        named: Option<&Path>,
        root: &Path,
        stream: &StreamId,
        url: &str,
        format: EventFormat,
    ) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => usual(root, stream, url, format)?,
        };
        let head = read(&path, stream)?;
        Ok(Self {
            path,
            stream: stream.clone(),
            head,
        })
    }

    /// The last event that the receiver has; none when it has none.
    pub(super) fn head(&self) -> Option<Head> {
        self.head
    }

    /// Notes that the receiver has all events up to a head.
    pub(super) fn note(&mut self, head: Head) -> Result<(), Failure> {
        let noted = Noted {
            version: VERSION,
            target: self.stream.clone(),
            head,
        };
        let text =
            serde_json::to_vec(&noted).map_err(|error| Failure::of(Kind::Internal, &error))?;
        let file = WholeFile {
            path: &self.path,
            what: "position",
            hint: "name another file with `--position FILE`; the receiver may get events twice",
            replaces: true,
        };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| file.failed(&error))?;
        }
        file.write(|out| out.write_all(&text).map_err(|error| file.failed(&error)))?;
        self.head = Some(head);
        Ok(())
    }

    /// The journal is not the one whose events were sent.
    pub(super) fn of_another_history(&self) -> Failure {
        let path = self.path.display();
        let message = format!(
            "`{path}` says that the receiver has events of another history of `{}`",
            self.stream
        );
        Failure::new(Kind::Refused, message).hint(format!(
            "remove `{path}`, or name another file with `--position FILE`, to send this history from its first event"
        ))
    }
}

fn read(path: &Path, stream: &StreamId) -> Result<Option<Head>, Failure> {
    let unusable = |why: String| {
        let mut failure = Failure::new(
            Kind::Usage,
            format!("`{}` is no position of a receiver", path.display()),
        );
        failure.causes.push(why);
        failure.hint("name another file with `--position FILE`")
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.to_string())),
    };
    let noted: Noted =
        serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
    if noted.version != VERSION {
        return Err(unusable(format!("it has version {}", noted.version)));
    }
    if noted.target != *stream {
        return Err(unusable(format!("it is of the target `{}`", noted.target)));
    }
    Ok(Some(noted.head))
}

/// The URL may be a secret, so it is in the name by a digest only.
fn usual(
    root: &Path,
    stream: &StreamId,
    url: &str,
    format: EventFormat,
) -> Result<PathBuf, Failure> {
    let state = target::state().ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            "there is no place to note what the receiver has got",
        )
        .hint("name a file with `--position FILE`, or set `HOME` or `XDG_STATE_HOME`")
    })?;
    let format = format.to_possible_value();
    let format = format.as_ref().map_or("", |value| value.get_name());
    let root = root.to_string_lossy();
    let digest = Digest::of([&root, stream.to_string().as_str(), url, format].join("\n"));
    Ok(state.join(format!("posted/{}.json", &digest.hex()[..32])))
}
