//! The files below an artifact root that the sources of a Dockerfile reach, each with its mode and digest.
//!
//! Nothing outside of the root is read, nothing in `runtime-base` is opened, and a symlink is recorded as what it is. Only
//! a symlink that a source names itself is also followed, as COPY does, and only to a place below the root.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Stat};

use super::confined::{Problem, Root, open_regular, real_path};
use super::pattern;
use crate::contract::{Digest, Hasher, RUNTIME_BASE, printable};
use crate::image::{InputContent, InputFile};

/// A source may lead through this many symlinks.
const MAX_LINKS: usize = 40;

/// A source may take this many steps for each input that is allowed.
const STEPS_PER_INPUT: usize = 10;

/// A path may have this many parts.
const MAX_DEPTH: usize = 128;

/// Bounds on the inputs of one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputLimits {
    /// Files, symlinks and directories.
    pub count: usize,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Default for InputLimits {
    /// A Lambda image has at most 10 GiB.
    fn default() -> Self {
        Self {
            count: 100_000,
            bytes: 10 << 30,
        }
    }
}

/// Why the inputs of a function cannot be enumerated.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A file or directory cannot be taken.
    #[error(
        "the build input `{}` of the function `{function}` {problem}",
        printable(path)
    )]
    Unusable {
        /// The function.
        function: String,
        /// Path relative to the artifact root.
        path: String,
        /// Why.
        problem: Problem,
    },
    /// A name is not UTF-8.
    #[error(
        "a build input of the function `{function}` in `{}` has a name that is not UTF-8",
        printable(directory)
    )]
    NotUtf8 {
        /// The function.
        function: String,
        /// The directory it stands in, relative to the artifact root.
        directory: String,
    },
    /// There are too many, they are too large, or nested too deep.
    #[error("the build inputs of the function `{function}` are more than {limit}")]
    TooMuch {
        /// The function.
        function: String,
        /// The bound, in words.
        limit: String,
    },
}

/// The inputs that the sources of a function's Dockerfile reach, sorted by path.
///
/// Sources are those of COPY and ADD: relative to the artifact root (a leading `/` means the same), wildcards per part,
/// directories with all they hold. A source that reaches nothing adds nothing; the build is what refuses it.
pub fn inputs(
    root: &Path,
    function: &str,
    sources: &[String],
) -> Result<Vec<InputFile>, InputError> {
    inputs_within(root, function, sources, InputLimits::default())
}

/// The same, within given bounds.
pub fn inputs_within(
    root: &Path,
    function: &str,
    sources: &[String],
    limits: InputLimits,
) -> Result<Vec<InputFile>, InputError> {
    reached(root, function, sources, limits).map(|reached| reached.files)
}

/// What sources reach.
pub(super) struct Reached {
    /// The inputs, sorted by path.
    pub(super) files: Vec<InputFile>,
    /// The positions of sources without wildcards that lead to nothing, so that a build refuses them.
    pub(super) missing: Vec<usize>,
}

/// The inputs, and what is missing of them.
pub(super) fn reached(
    root: &Path,
    function: &str,
    sources: &[String],
    limits: InputLimits,
) -> Result<Reached, InputError> {
    let opened = real_path(root).and_then(Root::open);
    let root = opened.map_err(|problem| InputError::Unusable {
        function: function.to_owned(),
        path: ".".to_owned(),
        problem,
    })?;
    let mut walk = Walk {
        root: &root,
        function,
        limits,
        bytes: 0,
        steps: 0,
        found: BTreeMap::new(),
        is_missing: false,
    };
    let mut missing = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let parts = source_parts(source);
        let is_wild = parts
            .iter()
            .any(|part| matches!(part, Part::Wild(_) | Part::Below));
        walk.is_missing = false;
        walk.source(String::new(), parts, MAX_LINKS)?;
        if walk.is_missing && !is_wild {
            missing.push(index);
        }
    }
    Ok(Reached {
        files: walk.found.into_values().collect(),
        missing,
    })
}

struct Walk<'a> {
    root: &'a Root,
    function: &'a str,
    limits: InputLimits,
    bytes: u64,
    steps: usize,
    found: BTreeMap<String, InputFile>,
    /// The source that was walked last leads to a name that is not there.
    is_missing: bool,
}

impl Walk<'_> {
    /// Takes what the rest of a source reaches from a directory. `rest` is a stack: its last part comes first.
    fn source(
        &mut self,
        mut dir: String,
        mut rest: Vec<Part>,
        mut links: usize,
    ) -> Result<(), InputError> {
        loop {
            self.step(&dir)?;
            let name = match rest.pop() {
                None | Some(Part::Below) => return self.tree(&dir),
                Some(Part::Up) if dir.is_empty() => return Ok(()),
                Some(Part::Up) => {
                    dir = dir.rsplit_once('/').map_or("", |(up, _)| up).to_owned();
                    continue;
                }
                Some(Part::Wild(pattern)) => return self.wild(&dir, &pattern, &rest, links),
                Some(Part::Name(name)) => name,
            };
            let path = join(&dir, &name);
            if is_runtime_base(&path) {
                return Ok(());
            }
            let parent = self.open_dir(&dir)?;
            let stat = match stat(&parent, &name) {
                Ok(stat) => stat,
                Err(Problem::Missing) => {
                    self.is_missing = true;
                    return Ok(());
                }
                Err(problem) => return Err(self.unusable(&path, problem)),
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => dir = path,
                FileType::Symlink => {
                    let target = self.symlink(&path, &name, &parent)?;
                    links = links
                        .checked_sub(1)
                        .ok_or_else(|| self.unusable(&path, Problem::SymlinkLoop))?;
                    if target.starts_with('/') {
                        return Ok(());
                    }
                    rest.extend(target_parts(&target));
                }
                FileType::RegularFile
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown
                    if rest.is_empty() =>
                {
                    return self.take(&dir, &name, &parent, &stat);
                }
                FileType::RegularFile
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => return Ok(()),
            }
        }
    }

    fn wild(
        &mut self,
        dir: &str,
        pattern: &str,
        rest: &[Part],
        links: usize,
    ) -> Result<(), InputError> {
        for name in self.names(dir)? {
            if pattern::matches(pattern, &name) {
                let mut rest = rest.to_vec();
                rest.push(Part::Name(name));
                self.source(dir.to_owned(), rest, links)?;
            }
        }
        Ok(())
    }

    /// Counts a step, since symlinks can make a source reach the same places over and over.
    fn step(&mut self, dir: &str) -> Result<(), InputError> {
        self.steps += 1;
        if self.steps > self.limits.count.saturating_mul(STEPS_PER_INPUT) {
            return Err(self.too_much(format!("{} files", self.limits.count)));
        }
        if dir.split('/').count() > MAX_DEPTH {
            return Err(self.too_much(format!("{MAX_DEPTH} directories deep")));
        }
        Ok(())
    }

    /// Takes a directory with all it holds. Symlinks in it are recorded and not followed.
    fn tree(&mut self, dir: &str) -> Result<(), InputError> {
        self.step(dir)?;
        if !dir.is_empty() {
            self.record(dir, 0o755, InputContent::Directory)?;
        }
        let parent = self.open_dir(dir)?;
        for name in self.names(dir)? {
            let path = join(dir, &name);
            if is_runtime_base(&path) {
                continue;
            }
            let stat = stat(&parent, &name).map_err(|problem| self.unusable(&path, problem))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.tree(&path)?,
                FileType::Symlink => {
                    self.symlink(&path, &name, &parent)?;
                }
                FileType::RegularFile
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => self.take(dir, &name, &parent, &stat)?,
            }
        }
        Ok(())
    }

    /// Takes one regular file; anything special is refused.
    fn take(
        &mut self,
        dir: &str,
        name: &str,
        parent: &OwnedFd,
        stat: &Stat,
    ) -> Result<(), InputError> {
        let path = join(dir, name);
        if self.found.contains_key(&path) {
            return Ok(());
        }
        let left = self.limits.bytes.saturating_sub(self.bytes);
        // What is too large is not read first; what grows meanwhile is found while it is.
        if u64::try_from(stat.st_size).is_ok_and(|size| size > left) {
            return Err(self.too_much(format!("{} bytes", self.limits.bytes)));
        }
        let hashed =
            open_regular(parent.as_fd(), OsStr::new(name)).and_then(|file| hash(file, left));
        let (digest, size) = match hashed {
            Ok(hashed) => hashed,
            Err(Problem::TooLarge(_)) => {
                return Err(self.too_much(format!("{} bytes", self.limits.bytes)));
            }
            Err(problem) => return Err(self.unusable(&path, problem)),
        };
        self.bytes += size;
        let mode = if stat.st_mode & 0o100 == 0 {
            0o644
        } else {
            0o755
        };
        self.record(&path, mode, InputContent::File { digest, size })
    }

    fn symlink(&mut self, path: &str, name: &str, parent: &OwnedFd) -> Result<String, InputError> {
        let target = rustix::fs::readlinkat(parent, name, Vec::new())
            .map_err(|error| self.unusable(path, Problem::of(error)))?;
        let target = target.into_string().map_err(|_| self.not_utf8(path))?;
        let content = InputContent::Symlink {
            target: target.clone(),
        };
        self.record(path, 0o777, content)?;
        Ok(target)
    }

    fn record(&mut self, path: &str, mode: u32, content: InputContent) -> Result<(), InputError> {
        if self.found.len() >= self.limits.count && !self.found.contains_key(path) {
            return Err(self.too_much(format!("{} files", self.limits.count)));
        }
        let file = InputFile {
            path: path.to_owned(),
            mode,
            content,
        };
        self.found.insert(path.to_owned(), file);
        Ok(())
    }

    /// The names in a directory, sorted.
    fn names(&self, dir: &str) -> Result<Vec<String>, InputError> {
        let opened = self.open_dir(dir)?;
        let entries =
            Dir::read_from(&opened).map_err(|error| self.unusable(dir, Problem::of(error)))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.unusable(dir, Problem::of(error)))?;
            let name = entry.file_name().to_str().map_err(|_| self.not_utf8(dir))?;
            if matches!(name, "." | "..") {
                continue;
            }
            if names.len() >= self.limits.count {
                return Err(self.too_much(format!("{} files", self.limits.count)));
            }
            names.push(name.to_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open_dir(&self, dir: &str) -> Result<OwnedFd, InputError> {
        self.root
            .open_dir(Path::new(dir))
            .map_err(|problem| self.unusable(dir, problem))
    }

    fn unusable(&self, path: &str, problem: Problem) -> InputError {
        InputError::Unusable {
            function: self.function.to_owned(),
            path: if path.is_empty() { "." } else { path }.to_owned(),
            problem,
        }
    }

    fn not_utf8(&self, directory: &str) -> InputError {
        InputError::NotUtf8 {
            function: self.function.to_owned(),
            directory: directory.to_owned(),
        }
    }

    fn too_much(&self, limit: String) -> InputError {
        InputError::TooMuch {
            function: self.function.to_owned(),
            limit,
        }
    }
}

fn stat(dir: &OwnedFd, name: &str) -> Result<Stat, Problem> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Problem::of)
}

/// The digest and size of a file, read in pieces; more than `left` bytes is a problem.
fn hash(file: std::fs::File, left: u64) -> Result<(Digest, u64), Problem> {
    let mut hasher = Hasher::default();
    let mut size = 0_u64;
    let mut piece = vec![0_u8; 64 << 10];
    let mut file = file;
    loop {
        let read = file.read(&mut piece).map_err(Problem::Unreadable)?;
        if read == 0 {
            return Ok((hasher.finish(), size));
        }
        size += read as u64;
        if size > left {
            return Err(Problem::TooLarge(left));
        }
        hasher.update(&piece[..read]);
    }
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// One part of a source.
#[derive(Debug, Clone)]
enum Part {
    /// This name.
    Name(String),
    /// Every name that matches.
    Wild(String),
    /// Everything from here on.
    Below,
    /// The directory above.
    Up,
}

/// The parts of a source, the last one first. It is cleaned by its text, and `..` stops at the root, as in a build.
fn source_parts(source: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            "**" => parts.push(Part::Below),
            _ if pattern::is_wild(part) => parts.push(Part::Wild(part.to_owned())),
            _ => parts.push(Part::Name(part.to_owned())),
        }
    }
    parts.reverse();
    parts
}

/// The parts of a symlink's target, the last one first. Nothing in it is a wildcard, and `..` is followed where it stands.
fn target_parts(target: &str) -> impl Iterator<Item = Part> {
    target.rsplit('/').filter_map(|part| match part {
        "" | "." => None,
        ".." => Some(Part::Up),
        _ => Some(Part::Name(part.to_owned())),
    })
}

fn is_runtime_base(path: &str) -> bool {
    path.split('/').next() == Some(RUNTIME_BASE)
}
