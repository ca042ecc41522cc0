//! A plan in a file: what was approved, and what it was made upon, so that its deploy does that or nothing.
//!
//! Here: the file, and what of the world has moved since. What a plan is and shows: `command::plan`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use engine::contract::{Digest, printable};
use engine::machine::Requested;
use engine::run::Plan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::applier::args::{Builder, OutArgs};
use crate::failure::{Failure, Kind};
use crate::report::short;

/// What the first field of the file says.
const TYPE: &str = "saved_plan";
/// The version of the file that this build writes, and the newest that it reads.
const VERSION: u32 = 1;
/// The largest file that is read, in bytes: a plan of a thousand functions has some two million.
const SIZE_MAX: u64 = 64 << 20;

/// The file.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Envelope {
    /// What the file is.
    r#type: String,
    /// The version of the file.
    version: u32,
    /// Of the bytes of `saved`: whoever edits the file by hand has approved nothing.
    digest: Digest,
    /// The plan.
    saved: Box<RawValue>,
}

/// The same of any version, to tell a newer file from one that is no plan.
#[derive(Deserialize)]
struct AnyVersion {
    r#type: String,
    version: u32,
}

/// A plan that was saved.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SavedPlan {
    /// When the plan was made.
    pub(crate) made_at: Timestamp,
    /// Who made it.
    pub(crate) made_by: String,
    /// The program that made it, with its version.
    pub(crate) tool: String,
    /// The target, `PROJECT/ENV`.
    pub(crate) target: String,
    /// The head of the journal, `SEQUENCE:HASH`.
    pub(crate) head: String,
    /// What is asked for: the artifact's digest, paths, options.
    pub(crate) request: Requested,
    /// What makes images.
    pub(crate) builder: Builder,
    /// What was agreed to about the output directory.
    pub(crate) out_args: OutArgs,
    /// What is done, and what it was made upon.
    pub(crate) plan: Plan,
}

impl SavedPlan {
    /// Writes the file as a whole or not at all, for its owner's eyes.
    pub(crate) fn write(&self, file: &Path) -> Result<(), Failure> {
        let saved = serde_json::value::to_raw_value(self).expect("a plan is JSON");
        let envelope = Envelope {
            r#type: TYPE.to_owned(),
            version: VERSION,
            digest: Digest::of(saved.get()),
            saved,
        };
        let mut text = serde_json::to_vec(&envelope).expect("a plan is JSON");
        text.push(b'\n');
        write(file, &text).map_err(|error| {
            let message = format!(
                "cannot save the plan as `{}`",
                printable(&file.display().to_string())
            );
            Failure {
                causes: vec![error.to_string()],
                ..Failure::new(Kind::Usage, message)
            }
        })
    }

    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let name = printable(&file.display().to_string());
        let refused = |kind: Kind, why: &str| {
            Failure::new(kind, format!("`{name}` {why}"))
                .hint("`artifactctl plan --save FILE` saves a plan")
        };
        let text = read(file).map_err(|error| Failure {
            causes: vec![error.to_string()],
            ..refused(Kind::Usage, "cannot be read")
        })?;
        let unread = |error: &serde_json::Error| {
            let why = if error.is_eof() && text.starts_with("{\"type\":\"saved_plan\"") {
                "is cut short"
            } else {
                "is no saved plan"
            };
            refused(Kind::Usage, why)
        };
        let any: AnyVersion = serde_json::from_str(&text).map_err(|error| unread(&error))?;
        if any.r#type != TYPE {
            return Err(refused(Kind::Usage, "is no saved plan"));
        }
        if any.version > VERSION {
            let why = format!(
                "was saved by a newer artifactctl: it has version {}, and this one reads {VERSION}",
                any.version
            );
            return Err(refused(Kind::Usage, &why).hint("update artifactctl"));
        }
        let envelope: Envelope = serde_json::from_str(&text).map_err(|error| unread(&error))?;
        if envelope.digest != Digest::of(envelope.saved.get()) {
            return Err(refused(Kind::Refused, "was changed after it was saved"));
        }
        serde_json::from_str(envelope.saved.get()).map_err(|error| Failure {
            causes: vec![error.to_string()],
            ..refused(Kind::Usage, "was saved by another version of artifactctl")
        })
    }

    /// Fails with everything that is not as it was when the plan was made. `artifact` is the digest of what would be deployed, `now` what
    /// its deploy would do today or why there would be none; nothing where the artifact is another one.
    pub(crate) fn must_hold(
        &self,
        artifact: &Digest,
        head: &str,
        now: Option<&Result<Plan, Failure>>,
    ) -> Result<(), Failure> {
        let mut moved = Vec::new();
        let planned = &self.request.artifact;
        if artifact != planned {
            moved.push(format!(
                "the artifact `{}` is {}, and {} was planned",
                printable(&self.request.manifest_path),
                short(artifact.hex()),
                short(planned.hex())
            ));
        }
        if head != self.head {
            let sequence = |head: &str| head.split(':').next().unwrap_or_default().to_owned();
            moved.push(format!(
                "the journal of `{}` went on: event {} is its last, and was {}",
                self.target,
                sequence(head),
                sequence(&self.head)
            ));
        }
        match now {
            None => {}
            Some(Err(failure)) => {
                moved.push(format!("its deploy would fail: {}", failure.sentence()));
            }
            Some(Ok(now)) => {
                moved.extend(self.plan.moved(now, &self.request.out));
                // Where nothing that it was made upon has moved, another version of this program may still decide otherwise.
                if moved.is_empty() && !self.plan.does_the_same(now) {
                    moved.push(format!(
                        "{} made the plan, and this program would do something else",
                        self.tool
                    ));
                }
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        Err(Failure {
            causes: moved,
            ..Failure::new(
                Kind::Refused,
                "what the plan was made upon is not as it was; nothing was changed",
            )
        }
        .hint("plan again with `artifactctl plan --save FILE`"))
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(SIZE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The file is made beside its place, readable by its owner only, and moved there when it is on disk.
fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    };
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(text)?;
    fresh.as_file().sync_all()?;
    fresh.persist(file)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::empty("", "is no saved plan")]
    #[case::other("{\"type\":\"plan\",\"version\":1}", "is no saved plan")]
    #[case::no_json("plan", "is no saved plan")]
    #[case::cut("{\"type\":\"saved_plan\",\"version\":1,\"dig", "is cut short")]
    #[case::newer(
        "{\"type\":\"saved_plan\",\"version\":2,\"all\":\"new\"}",
        "newer artifactctl"
    )]
    #[case::changed(
        "{\"type\":\"saved_plan\",\"version\":1,\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"saved\":{}}",
        "was changed after it was saved"
    )]
    fn a_file_that_is_no_plan_is_refused_for_its_reason(#[case] text: &str, #[case] why: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan");
        std::fs::write(&file, text).unwrap();
        let refused = SavedPlan::read(&file).err().unwrap();
        assert!(refused.message.contains(why), "{refused:?}");
    }
}
