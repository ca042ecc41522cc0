//! Standard output is data, standard error is talk.
//!
//! Names and texts of others are a part of both. People get them printable: no line of ours moves a terminal.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::contract::printable_lines;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::args::Format;
use crate::failure::{Failure, Kind};
use crate::page::{Page, is_coloured};

/// The version of the JSON that commands write; it changes when a field changes its meaning or goes away.
pub(crate) const JSON_VERSION: u32 = 1;

/// What a line of JSON is. `docs/guide/cli.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Type {
    Event,
    Document,
    Applied,
    Failed,
    Plan,
    Deploy,
    Status,
    Hold,
    Drift,
    Prune,
    Diff,
    Field,
    Stack,
    Lock,
    Verified,
    Assertion,
    Replayed,
    Abandoned,
    Imported,
    Posted,
    Removed,
    Pruned,
    PrunedImage,
    BackedUp,
    Restored,
    Diagnosis,
    Stats,
    Valid,
    Synced,
    Provisioned,
    Generated,
    Config,
    Initialized,
    Validated,
    Difference,
    Schema,
    Error,
}

#[cfg(test)]
impl Type {
    /// Every type.
    pub(crate) const ALL: [Self; 37] = [
        Self::Event,
        Self::Document,
        Self::Applied,
        Self::Failed,
        Self::Plan,
        Self::Deploy,
        Self::Status,
        Self::Hold,
        Self::Drift,
        Self::Prune,
        Self::Diff,
        Self::Field,
        Self::Stack,
        Self::Lock,
        Self::Verified,
        Self::Assertion,
        Self::Replayed,
        Self::Abandoned,
        Self::Imported,
        Self::Posted,
        Self::Removed,
        Self::Pruned,
        Self::PrunedImage,
        Self::BackedUp,
        Self::Restored,
        Self::Diagnosis,
        Self::Stats,
        Self::Valid,
        Self::Synced,
        Self::Provisioned,
        Self::Generated,
        Self::Config,
        Self::Initialized,
        Self::Validated,
        Self::Difference,
        Self::Schema,
        Self::Error,
    ];

    /// Which commands write it, and what it says, as the documentation has it.
    #[expect(clippy::too_many_lines, reason = "a table, with a row for each type")]
    pub(crate) fn documented(self) -> (&'static str, &'static str) {
        match self {
            Self::Event => (
                "`deploy`, `resume` as it happens; `show`, `watch`",
                "one event: `sequence`, `deploy`, `kind`, `payload`; from `show` and `watch` the whole envelope",
            ),
            Self::Document => (
                "`show --documents`",
                "a document that an event names: `digest`, `content` as it is stored",
            ),
            Self::Applied => (
                "`deploy`, `resume`",
                "the end: `target`, `deploy`, `attempt`, `head`, `superseded`, `applied` (files, provisioner), `changes` (keys), `images` (functions with another one), `built`, `healed` (drift that was put right: `keys`, `tags`)",
            ),
            Self::Failed => (
                "`deploy`, `resume`",
                "the end of an attempt that failed: `target`, `deploy`, `attempt`, `head`, `superseded`; an `error` follows",
            ),
            Self::Plan => (
                "`plan`, `deploy --dry-run`",
                "`observation`, `verdict`, `findings`, `configuration`, `values` (of each changed key its fields, before and after), `images`, `output` (what stands in the output directory, by digest), `written` (files), and of a plan that was saved `saved` (`target`, `made_by`, `made_at`, `head`, `artifact`)",
            ),
            Self::Deploy => (
                "`history`",
                "one deploy: `actors` who, `artifact` and `entries` what, `requested_at` and `last_at` when, `target` where, `stack` and `engine` against which versions, `status` how it stands, `changes` its keys, `applied_at`",
            ),
            Self::Status => (
                "`status`",
                "one target: `deploy`, `status`, `stage`, `attempts`, `actor`, `requested_at`, `error`, `in_effect` (the deploy that was applied last), `out`, `drift` (files), `key_drift` (of each key of ours that stands otherwise `change`, `is_kept`, `fields`), `keys_unknown` (why keys could not be compared), `tag_drift` (tags that name another image than was applied, or none), `tags_unknown`, `stack` (versions that `changed` since the check, checks that would be `refused` today, `unknown`; none where nothing is in effect), `recorded` (with `--record`: the id of the recorded drift), `holder` (the process that deploys), `hold` (the person who holds it), `head`; those of the latest deploy are left out where there was none",
            ),
            Self::Hold => (
                "`history`",
                "a hold of a target that had no unfinished deploy: `hold` its id, `actor`, `message`, `held_at`, `released_at`, `released_by`, `note`",
            ),
            Self::Drift => (
                "`history`",
                "drift that was recorded: `drift` its id, `sequence`, `actor`, `found_at`, `in_effect` (the deploy that was compared), `files`, `keys`, `tags`, `refused` (checks that the running stack fails)",
            ),
            Self::Prune => (
                "`history`",
                "a prune: `prune` its id, `sequence`, `actor`, `pruned_at`, `until` (the last event that went), `events` and `deploys` that went, `from` and `to` (when they were recorded), `images` (the document of the images that went), `message`",
            ),
            Self::Diff => (
                "`diff`",
                "`target`, `from` and `to` (deploys; no `to` is the present), `is_same`, `request`, `stack` (fields, before and after), `configuration` (of each key that differs `change`, `is_kept`, `fields`), `images` (digests before and after, and `because`)",
            ),
            Self::Field => (
                "`blame`",
                "one field of a key: `target`, `key`, `field`, `value`, `deploy` (that changed it last; null when that was before values were kept), `actor`, `requested_at`",
            ),
            Self::Stack => (
                "`stacks`",
                "versions that were seen without others between: `target`, `services`, `engine`, `first_seen`, `last_seen`, `deploys`",
            ),
            Self::Lock => (
                "`lock hold`, `lock release`, `lock status`",
                "one target: `target`, `state` (free, on_hold, held by a process), `hold`, `holder`, `head`",
            ),
            Self::Verified => (
                "`verify`",
                "one journal: `stream`, `head`, `checkpoint` (the last event that was pruned; left out where nothing was), `events`, `deploys`, `damage`, `illegal`, `unread`",
            ),
            Self::Assertion => (
                "`assert`",
                "one pattern: `deploy`, `name` (of one in a file), `pattern`, `events`, `holds`, `mismatch` (`index`, `found`, `expected`, `reasons`, `whole`)",
            ),
            Self::Replayed => (
                "`replay`",
                "one journal: `stream`, `events`, `deploys`, `unread`, `divergence` (`sequence`, `deploy`, `recorded`, `decided`)",
            ),
            Self::Abandoned => ("`abandon`", "`target`, `deploy`, `head`"),
            Self::Imported => ("`import`", "`target`, `events`, `head`"),
            Self::Posted => (
                "`export --post`",
                "`target`, `receiver` (its URL without the query), `events` (how many were sent), `sequence` (of the last)",
            ),
            Self::Removed => ("`journal remove`", "`target`, `events`, `head`"),
            Self::Pruned => (
                "`journal prune`",
                "`target`, `checkpoint` (the last event that goes, with its hash; null when nothing goes), `events`, `deploys`, `documents` and `images` (how many go, or are not named any more), `from`, `to`, `kept_events`, `kept_deploys`, `kept_documents`, `head`, `dry_run`",
            ),
            Self::PrunedImage => (
                "`journal prune --images`",
                "one image: `target`, `image` (repository and digest), `how` (`deleted`; `absent`: the registry does not have it; `tagged`: it stays, for `tag` names it), `tag`, `dry_run`",
            ),
            Self::BackedUp => (
                "`journal backup`, unless it writes to standard output",
                "`file`, `bytes`, `made_at`, `targets`: of each `target`, `events`, `head`",
            ),
            Self::Restored => (
                "`journal restore`",
                "one target: `target`, `how` (`created`; `completed`: its beginning was here; `present`: all was here; `longer`: it goes on behind the backup; `pruned`: what the backup holds was pruned here), `events`, `head` (both of the backup), `had` (the last event that was here), `unfinished` (the deploy that is), `dry_run`",
            ),
            Self::Diagnosis => (
                "`journal doctor`",
                "one thing that was found: `target` (none when it is about the whole journal), `kind` (as of an error; null when it keeps nothing from going on), `cause`, `next`",
            ),
            Self::Stats => (
                "`journal stats`",
                "one journal: `target`, `events`, `pruned` (how many events before them), `deploys`, `event_bytes`, `documents`, `document_bytes` (compressed, each document once), `disk_bytes`, `since`, `last_at`, `unfinished` (the deploy that is)",
            ),
            Self::Valid => (
                "`manifest validate`",
                "`manifest`, `entries`, `functions`, `warnings`",
            ),
            Self::Synced => ("`manifest sync-ids`", "`changes`, `written`"),
            Self::Provisioned => ("`provision`", "`exit_code`, `output`"),
            Self::Generated => (
                "`esb artifact generate`",
                "`manifest`, `output`, `entries` (their ids), `functions`, `current`, `written` (not when it was there already), `report` (what was left out or is odd), with `--check` `differences`",
            ),
            Self::Config => (
                "`config`",
                "`project_file`, `settings`: of each `key`, `value`, `origin` (flag, environment, file, default), `at` (the flag, the variable, file and line)",
            ),
            Self::Initialized => (
                "`init`",
                "`project_file`, `settings` (the keys that got a value), `missing` (what a deploy still needs)",
            ),
            Self::Validated => (
                "`esb validate`",
                "`templates`, `functions`, `routes`, `tables`, `buckets`, `warnings` (how many), `report` (what is left out or odd)",
            ),
            Self::Difference => (
                "`esb diff`",
                "`output`, `current`, `differences`: of each `path`, `how`, and of configuration the lines as `diff`",
            ),
            Self::Schema => (
                "`schema` without a name",
                "one thing that has a JSON Schema: `name`, `id` (of the schema)",
            ),
            Self::Error => (
                "every command that fails",
                "`exit_code`, `kind`, `message`, and where there are some `causes`, `output`, `hints`, and `rollback` (of `deploy --rollback-on-failure`: `to`, `deploy`, `applied`, `message`)",
            ),
        }
    }
}

/// Where results go.
pub(crate) struct Output {
    format: Format,
    is_quiet: bool,
}

/// One line of JSON output.
#[derive(Serialize)]
struct Line<T: Serialize> {
    version: u32,
    r#type: Type,
    #[serde(flatten)]
    body: T,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            is_quiet: false,
        }
    }

    /// The same for whoever wants to hear of nothing but the result, or of everything.
    pub(crate) fn quiet(self, is_quiet: bool) -> Self {
        Self { is_quiet, ..self }
    }

    /// What is being done is not to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.format == Format::Markdown
    }

    /// Writes a result: its text for people, or its JSON under a type.
    pub(crate) fn result(
        &self,
        kind: Type,
        body: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text | Format::Markdown => Self::text(&text()),
            Format::Json => Self::json(kind, body),
        }
    }

    /// The same with text that has tones.
    pub(crate) fn shown(
        &self,
        kind: Type,
        body: &impl Serialize,
        page: impl FnOnce() -> Page,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text | Format::Markdown => Self::page(&page()),
            Format::Json => Self::json(kind, body),
        }
    }

    /// Writes a page.
    pub(crate) fn page(page: &Page) -> Result<(), Failure> {
        write(page.render(is_coloured(&io::stdout())).as_bytes())
    }

    /// Writes one line of JSON, whatever the format is.
    pub(crate) fn json(kind: Type, body: &impl Serialize) -> Result<(), Failure> {
        let line = Line {
            version: JSON_VERSION,
            r#type: kind,
            body,
        };
        let mut bytes =
            serde_json::to_vec(&line).map_err(|error| Failure::of(Kind::Internal, &error))?;
        bytes.push(b'\n');
        write(&bytes)
    }

    /// Writes one line of a format that is read by programs, as it is.
    pub(crate) fn data(line: &str) -> Result<(), Failure> {
        write(format!("{line}\n").as_bytes())
    }

    /// True when nobody reads any more: a command without an end of its own ends then.
    pub(crate) fn is_closed() -> bool {
        CLOSED.load(Ordering::Relaxed)
    }

    /// Writes text, with a newline at its end.
    pub(crate) fn text(text: &str) -> Result<(), Failure> {
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        let text = printable_lines(text);
        write(format!("{text}{newline}").as_bytes())
    }

    /// Reports a failure: words on standard error, and in JSON an object on standard output too.
    pub(crate) fn failed(&self, failure: &Failure) -> ExitCode {
        let failure = &failure.clone().without_credentials();
        if self.is_json() {
            #[derive(Serialize)]
            struct Body<'a> {
                exit_code: u8,
                #[serde(flatten)]
                failure: &'a Failure,
            }
            // A reader that has gone away does not change how the command ended.
            let _ = Self::json(
                Type::Error,
                &Body {
                    exit_code: failure.kind.code(),
                    failure,
                },
            );
        }
        let mut text = format!("error: {}\n", indented(&failure.message));
        for cause in &failure.causes {
            text.push_str(&format!("  cause: {}\n", below(cause)));
        }
        for line in &failure.output {
            text.push_str(&format!("  | {line}\n"));
        }
        if let Some(after) = &failure.rollback {
            text.push_str(&format!("  rollback: {}\n", below(&after.message)));
        }
        // A violation shows its own hint below its source line.
        for hint in failure
            .hints
            .iter()
            .filter(|hint| !failure.message.contains(*hint))
        {
            text.push_str(&format!("  hint: {}\n", below(hint)));
        }
        let _ = io::stderr().write_all(printable_lines(&text).as_bytes());
        ExitCode::from(failure.kind.code())
    }
}

/// A payload byte for byte, as a part of a line of JSON. What is no JSON in one line is shown as `null`.
pub(crate) fn stored(payload: &[u8]) -> &RawValue {
    let one_line = (!payload.contains(&b'\n')).then_some(payload);
    one_line
        .and_then(|payload| serde_json::from_slice(payload).ok())
        .unwrap_or(RawValue::NULL)
}

/// The text with every line but the first moved in; an empty line stays empty.
fn indented(text: &str) -> String {
    text.trim_end()
        .replace('\n', "\n  ")
        .replace("\n  \n", "\n\n")
}

/// The same for a text that has a mark of its own: no line of it looks like another mark.
fn below(text: &str) -> String {
    indented(text).replace("\n  ", "\n    ")
}

/// Nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// A reader that closed the pipe has read enough: that ends the command, and is no failure of it.
fn write(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let mut failure = Failure::new(Kind::Unreachable, "cannot write to standard output");
            failure.causes.push(error.to_string());
            Err(failure.hint("see where standard output goes; what was done stays done"))
        }
        Ok(()) => Ok(()),
        Err(_) => {
            CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
    }
}
