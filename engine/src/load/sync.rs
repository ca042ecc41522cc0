//! Writing the computed ids into a manifest, and nothing else: the rest of a person's file stays byte for byte.

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;

use super::LoadError;
use super::artifact::manifest_text;
use super::confined::{Problem, real_path};
use crate::contract::{Ids, Manifest, Rule, Source, Violation, check_tree, parse_manifest};
use crate::yaml::{self, Map, Node, ParseLimits, Value};

/// What became of a manifest's ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SyncOutcome {
    /// The ids that differ from the computed ones, in the order of the entries.
    pub changes: Vec<IdChange>,
    /// The file was written; never with `check`, and never without a change.
    pub written: bool,
}

/// An id that is not the computed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdChange {
    /// Position in `artifacts`, from 0.
    pub entry: usize,
    /// What stands there.
    pub from: Option<String>,
    /// What belongs there; none for an entry without a source template.
    pub to: Option<String>,
}

/// Fills in the computed id of every entry. With `check` nothing is written, and the outcome says what would be.
///
/// The manifest must satisfy the payload contract in everything but its ids; its payload is not looked at.
pub fn sync_ids(manifest_path: &Path, check: bool) -> Result<SyncOutcome, LoadError> {
    let file = manifest_path.display().to_string();
    let text = manifest_text(manifest_path, &file)?;
    let source = Source::new(&file, &text);
    let root = yaml::parse_all(&text, &ParseLimits::default())
        .map_err(|errors| LoadError::Violations(source.refused(&errors)))?;
    let checked = check_tree(&source, &root, Ids::Recomputed);
    let Some(manifest) = checked.manifest else {
        return Err(LoadError::Violations(checked.violations));
    };
    let found = changes(&root, &manifest);
    let changes: Vec<IdChange> = found.iter().map(|found| found.change.clone()).collect();
    let written = !check && !changes.is_empty();
    if written {
        // Reading what is about to be written must give the same manifest; otherwise nothing is written.
        let edited = apply(&source, &found)
            .filter(|text| parse_manifest(&file, text).is_ok_and(|(read, _)| read == manifest))
            .ok_or_else(|| by_hand(&source, &found))?;
        write(manifest_path, edited.as_bytes())?;
    }
    Ok(SyncOutcome { changes, written })
}

/// A change and the entry it belongs to.
struct Found<'n> {
    change: IdChange,
    node: &'n Node,
    map: &'n Map,
}

/// A piece of the text and what it becomes.
struct Edit {
    range: std::ops::Range<usize>,
    text: String,
}

fn changes<'n>(root: &'n Node, manifest: &Manifest) -> Vec<Found<'n>> {
    let mut changes = Vec::new();
    for (index, (node, entry)) in entry_nodes(root)
        .iter()
        .zip(&manifest.artifacts)
        .enumerate()
    {
        let Value::Map(map) = &node.value else {
            continue;
        };
        let from = map.get("id").and_then(|entry| entry.node.value.text());
        if from == entry.id.as_deref() {
            continue;
        }
        let change = IdChange {
            entry: index,
            from: from.map(str::to_owned),
            to: entry.id.clone(),
        };
        changes.push(Found { change, node, map });
    }
    changes
}

fn entry_nodes(root: &Node) -> &[Node] {
    let artifacts = match &root.value {
        Value::Map(map) => map.get("artifacts").map(|entry| &entry.node.value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => None,
    };
    match artifacts {
        Some(Value::List(items)) => items,
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_),
        )
        | None => &[],
    }
}

/// The id that stands there, as it is written, becomes another.
fn replace(source: &Source<'_>, map: &Map, to: &str) -> Option<Edit> {
    let entry = map.get("id")?;
    if entry.node.value == Value::Null {
        return replace_null(source.text(), source.offset(entry.key_span)?, to);
    }
    let start = source.offset(entry.node.span)?;
    let rest = &source.text()[start..];
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let length = match quote {
        Some(quote) => rest[1..].find(quote)? + 2,
        None => entry.node.value.text()?.len(),
    };
    Some(Edit {
        range: start..start + length,
        text: to.to_owned(),
    })
}

/// An id that is null, written or not, becomes one. Whether the text was what it seems here is
/// found out when the result is read.
fn replace_null(text: &str, key: usize, to: &str) -> Option<Edit> {
    let colon = key + "id:".len();
    let rest = text.get(colon..)?;
    let value = rest.trim_start_matches([' ', '\t']);
    let written = ["~", "null", "Null", "NULL"]
        .into_iter()
        .find(|written| value.starts_with(written));
    let start = colon + rest.len() - value.len();
    Some(match written {
        Some(written) => Edit {
            range: start..start + written.len(),
            text: to.to_owned(),
        },
        None => Edit {
            range: colon..colon,
            text: format!(" {to}"),
        },
    })
}

/// The id becomes the first key of the entry.
fn insert(source: &Source<'_>, node: &Node, map: &Map, to: &str) -> Option<Edit> {
    let first = map.values().map(|entry| entry.key_span).min()?;
    let at = source.offset(first)?;
    let flow = source.text()[source.offset(node.span)?..].starts_with('{');
    let text = if flow {
        format!("id: {to}, ")
    } else {
        let indent = usize::try_from(first.column).ok()?.checked_sub(1)?;
        format!(
            "id: {to}{}{}",
            line_break(source.text(), at),
            " ".repeat(indent)
        )
    };
    Some(Edit {
        range: at..at,
        text,
    })
}

/// The id goes, up to the next key of the entry; the last key goes with its line.
fn remove(source: &Source<'_>, map: &Map) -> Option<Edit> {
    let own = map.get("id")?.key_span;
    let start = source.offset(own)?;
    let next = map
        .values()
        .map(|entry| entry.key_span)
        .filter(|span| *span > own)
        .min();
    let range = if let Some(next) = next {
        start..source.offset(next)?
    } else {
        let text = source.text();
        let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[start..].find('\n');
        line..end.map_or(text.len(), |at| start + at + 1)
    };
    Some(Edit {
        range,
        text: String::new(),
    })
}

/// The line break of the line in which a place stands.
fn line_break(text: &str, at: usize) -> &'static str {
    match text[at..].find('\n') {
        Some(end) if text[..at + end].ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// The text with every change made; none when a place cannot be found.
fn apply(source: &Source<'_>, found: &[Found<'_>]) -> Option<String> {
    let mut edits: Vec<Edit> = found
        .iter()
        .map(|found| match &found.change.to {
            Some(to) if found.map.contains_key("id") => replace(source, found.map, to),
            Some(to) => insert(source, found.node, found.map, to),
            None => remove(source, found.map),
        })
        .collect::<Option<_>>()?;
    edits.sort_by_key(|edit| edit.range.start);
    let text = source.text();
    let mut edited = String::with_capacity(text.len() + 64 * edits.len());
    let mut from = 0;
    for edit in edits {
        // Entries that share a text through an alias have overlapping edits.
        edited.push_str(text.get(from..edit.range.start)?);
        edited.push_str(&edit.text);
        from = edit.range.end;
    }
    edited.push_str(text.get(from..)?);
    Some(edited)
}

/// What a person has to write where the text cannot be edited.
fn by_hand(source: &Source<'_>, found: &[Found<'_>]) -> LoadError {
    let violations = found.iter().map(|found| {
        let wanted = match &found.change.to {
            Some(id) => format!("must have the id `{id}`"),
            None => "must have no id".to_owned(),
        };
        Violation::new(
            Rule::IdMismatch,
            source.place(found.node.span),
            format!(
                "`artifacts[{}]` {wanted}, but the text cannot be edited safely",
                found.change.entry
            ),
        )
        .with_hint("write it by hand")
    });
    LoadError::Violations(violations.collect())
}

/// Replaces a file as a whole, or leaves it as it was: temp file beside it, fsync, mode 0644, rename, fsync of the
/// directory. A symlink stays one; what it names is replaced.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let unwritable = |source: io::Error| LoadError::Unwritable {
        path: path.to_owned(),
        source,
    };
    let unreadable = |problem: Problem| LoadError::Unreadable {
        path: path.to_owned(),
        problem,
    };
    let (parent, name) = place(path).map_err(unreadable)?;
    let dir = File::open(&parent).map_err(unwritable)?;
    let temp = format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id());
    let written = replace_file(&dir, &temp, &name, bytes);
    if written.is_err() {
        // The temp file is of no use any more; that it may stay behind does not change the outcome.
        rustix::fs::unlinkat(&dir, &temp, AtFlags::empty()).ok();
    }
    written.map_err(unwritable)
}

/// The real directory and the name of a file that is there, or will be.
fn place(path: &Path) -> Result<(PathBuf, OsString), Problem> {
    let not_a_file = || Problem::NotAFile("a directory");
    let real = if path.symlink_metadata().is_ok() {
        real_path(path)?
    } else {
        let absolute = std::path::absolute(path).map_err(Problem::of)?;
        let name = absolute.file_name().ok_or_else(not_a_file)?;
        real_path(absolute.parent().ok_or_else(not_a_file)?)?.join(name)
    };
    match (real.parent(), real.file_name()) {
        (Some(parent), Some(name)) => Ok((parent.to_owned(), name.to_owned())),
        (None, _) | (_, None) => Err(not_a_file()),
    }
}

fn replace_file(dir: &File, temp: &str, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    // Whatever bears the temporary name is not written through: it may be a FIFO, or a second name of another file.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    rustix::fs::unlinkat(dir, temp, AtFlags::empty()).or_else(|error| {
        if error == Errno::NOENT {
            Ok(())
        } else {
            Err(error)
        }
    })?;
    let mut file = File::from(rustix::fs::openat(dir.as_fd(), temp, flags, mode)?);
    file.write_all(bytes)?;
    // The mode of a fresh file is narrowed by the umask; the contract says 0644.
    rustix::fs::fchmod(&file, mode)?;
    file.sync_all()?;
    rustix::fs::renameat(dir, temp, dir, name)?;
    dir.sync_all()
}
