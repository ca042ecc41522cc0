//! The files of Debian packages, as the host has them, as an image.
//!
//! Here: which packages need which, which files they have, and giving those to the engine. Nothing is downloaded: the host is the
//! cache. Not here: which packages (`bases`), installing them (`packages`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{self, CommandError};
use crate::engine::{LABEL_RUN, TestEngine};
use crate::images::ImageError;
use crate::packages;

/// What every image has besides: a shell, and the tools that makers of packages take for granted.
const ALWAYS: [&str; 5] = ["coreutils", "dash", "findutils", "grep", "sed"];
/// Links and folders that no package lists; of the folders what is in them is left out.
const PLACES: [&str; 6] = [
    "/bin",
    "/etc/alternatives",
    "/lib",
    "/lib64",
    "/sbin",
    "/tmp",
];
/// Files that nothing runs.
const LEFT_OUT: [&str; 4] = [
    "/usr/share/doc/",
    "/usr/share/locale/",
    "/usr/share/man/",
    "/usr/share/info/",
];

/// An image in the making.
#[derive(Debug, Default)]
pub(super) struct Rootfs {
    /// Packages, which bring those that they depend on.
    pub(super) packages: Vec<&'static str>,
}

impl Rootfs {
    /// Makes the image `reference` of one layer, with the label of our run.
    pub(super) fn import(&self, engine: &TestEngine, reference: &str) -> Result<(), ImageError> {
        packages::ensure_installed(&self.packages)?;
        let listed = self.paths()?;
        let mut list = tempfile::NamedTempFile::new_in(engine.folder())
            .map_err(|source| failed(engine.folder(), source))?;
        let written = list.write_all((listed.join("\n") + "\n").as_bytes());
        written.map_err(|source| failed(list.path(), source))?;
        let mut pack = Command::new("tar");
        pack.args(["--create", "--directory=/", "--no-recursion"])
            .arg("--files-from")
            .arg(list.path());
        let label = format!("LABEL {LABEL_RUN}={}", engine.run_id());
        let mut import = engine.docker();
        import.args(["import", "--change", &label, "-", reference]);
        piped(pack, import)
    }

    /// The files of the packages and of those that they depend on, without the leading slash.
    fn paths(&self) -> Result<Vec<String>, CommandError> {
        let wanted = self.packages.iter().chain(&ALWAYS).copied();
        let needed = Known::of_host()?.closure(wanted);
        let mut ask = Command::new("dpkg-query");
        let listed = command::run(ask.arg("--listfiles").args(&needed))?;
        let mut paths: BTreeSet<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
        for path in listed.lines().filter(|path| path.starts_with('/')) {
            let is_left_out = LEFT_OUT.iter().any(|folder| path.starts_with(folder));
            let path = Path::new(path);
            if let (false, Some(folder), Some(name)) =
                (is_left_out, path.parent(), path.file_name())
                // `/bin` may be a link, below which an archive has no files; a file may have been removed.
                && let Ok(folder) = folder.canonicalize()
                && folder.join(name).symlink_metadata().is_ok()
            {
                paths.insert(folder.join(name));
            }
        }
        paths.extend(alternatives());
        let paths = paths.iter().filter_map(|path| path.strip_prefix("/").ok());
        let paths = paths.map(|path| path.to_string_lossy().into_owned());
        Ok(paths.filter(|path| !path.is_empty()).collect())
    }
}

/// The links of `/etc/alternatives`, and those of `/usr/bin` to them, which no package lists.
fn alternatives() -> Vec<PathBuf> {
    let list = |folder: &str| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let leads_there = |path: &PathBuf| {
        std::fs::read_link(path).is_ok_and(|to| to.starts_with("/etc/alternatives"))
    };
    let mut found = list("/etc/alternatives");
    found.extend(list("/usr/bin").into_iter().filter(leads_there));
    found
}

/// The packages of the host.
struct Known {
    /// The packages that each depends on, in groups of which one is enough.
    depends: BTreeMap<String, Vec<Vec<String>>>,
    /// Which package stands for a name that is none.
    provided: BTreeMap<String, String>,
}

impl Known {
    fn of_host() -> Result<Self, CommandError> {
        let format = "${Package}\t${db:Status-Status}\t${Pre-Depends},${Depends}\t${Provides}\n";
        let mut ask = Command::new("dpkg-query");
        let listed = command::run(ask.args(["--show", "--showformat", format]))?;
        Ok(Self::read(&listed))
    }

    fn read(listed: &str) -> Self {
        let mut known = Self {
            depends: BTreeMap::new(),
            provided: BTreeMap::new(),
        };
        for line in listed.lines() {
            let mut parts = line.split('\t');
            let mut part = || parts.next().unwrap_or_default();
            let (package, status, depends, provides) = (part(), part(), part(), part());
            if status != "installed" {
                continue;
            }
            let groups = depends.split(',').map(|group| {
                let names = group.split('|').map(name);
                names.filter(|name| !name.is_empty()).collect()
            });
            known.depends.insert(package.to_owned(), groups.collect());
            for provided in provides.split(',').map(name) {
                known.provided.insert(provided, package.to_owned());
            }
        }
        known
    }

    /// These packages, and those that they need.
    fn closure<'a>(&self, wanted: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let mut waiting: Vec<String> = wanted.map(str::to_owned).collect();
        let mut found = BTreeSet::new();
        while let Some(package) = waiting.pop() {
            let groups = self.depends.get(&package).into_iter().flatten();
            if !found.insert(package.clone()) {
                continue;
            }
            for group in groups {
                let one = group.iter().find_map(|name| self.installed(name));
                waiting.extend(one.map(str::to_owned));
            }
        }
        found
    }

    fn installed<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        if self.depends.contains_key(name) {
            return Some(name);
        }
        self.provided.get(name).map(String::as_str)
    }
}

/// The name in `libc6:any (>= 2.34)`.
fn name(dependency: &str) -> String {
    let ends = |c: char| c == '(' || c == ':' || c.is_whitespace();
    let name = dependency.trim().split(ends).next();
    name.unwrap_or_default().to_owned()
}

/// Runs two programs, the second with what the first writes.
fn piped(mut first: Command, mut second: Command) -> Result<(), ImageError> {
    let start = |source| CommandError::Start {
        program: "tar".to_owned(),
        source,
    };
    let mut writing = first.stdout(Stdio::piped()).spawn().map_err(start)?;
    if let Some(output) = writing.stdout.take() {
        second.stdin(output);
    }
    let read = second.output().map_err(start)?;
    let wrote = writing.wait().map_err(start)?;
    let statuses = [(&first, wrote), (&second, read.status)];
    match statuses.iter().find(|(_, status)| !status.success()) {
        None => Ok(()),
        Some((command, status)) => Err(ImageError::Command(CommandError::Failed {
            command: command.get_program().to_string_lossy().into_owned(),
            status: *status,
            output: String::from_utf8_lossy(&read.stderr).into_owned(),
        })),
    }
}

fn failed(path: &Path, source: std::io::Error) -> ImageError {
    ImageError::Context {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_brings_what_it_depends_on_by_any_of_its_names() {
        let known = Known::read(
            "ruby\tinstalled\t,ruby3.1:any (>= 3.1), missing | libruby\t\n\
             ruby3.1\tinstalled\tlibc6 (>= 2.34),\t\n\
             libruby3.1\tinstalled\t,\tlibruby (= 3.1)\n\
             libc6\tinstalled\t,\t\n\
             removed\tconfig-files\t,\t\n\
             other\tinstalled\t,libc6\t\n",
        );
        let found = known.closure(["ruby"].into_iter());
        let expected = ["libc6", "libruby3.1", "ruby", "ruby3.1"];
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }
}
