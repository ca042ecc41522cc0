//! What strace says that a process did to the files below a folder.
//!
//! Here: its lines, read into calls in the order in which they ended. Not here: what a disk makes of them (`disk`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Every system call that can change a file or a folder, or brings changes to the disk. One of them that is not read
/// below, and concerns the folder, ends the test.
pub(super) const CALLS: &str = "trace=open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,\
    fsync,fdatasync,sync,syncfs,msync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate,truncate,\
    fallocate,link,linkat,symlink,symlinkat,copy_file_range,sendfile,splice,mknod,mknodat";

/// A call that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// A file is there, made by this call or before it.
    Open(PathBuf),
    MakeFolder(PathBuf),
    Write {
        path: PathBuf,
        offset: usize,
        bytes: Vec<u8>,
    },
    SetLength(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    /// Two names that each have what the other had.
    Exchange(PathBuf, PathBuf),
    Remove(PathBuf),
    /// What was done to the file or folder by so many calls is on disk.
    Sync(PathBuf, usize),
    /// The process has said something.
    Say(Vec<u8>),
}

/// Reads a trace (`-f -y -xx`): calls on what is below `root`, and what was written to the file `said`. They come after those of
/// an earlier process.
pub(super) fn read(trace: &str, root: &Path, said: &Path, earlier: Vec<Call>) -> Vec<Call> {
    let mut reading = Reading {
        root,
        said,
        calls: earlier,
        positions: BTreeMap::new(),
    };
    // Calls that other threads have interrupted: their text, and how many calls had ended by then.
    let mut begun: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').expect("a thread and a call");
        let call = call.trim_start();
        let now = reading.calls.len();
        if let Some(begin) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (begin.to_owned(), now));
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            let (begin, since) = begun.remove(thread).expect("it had begun");
            reading.call(&(begin + end), since);
        } else if !call.starts_with(['+', '-']) {
            reading.call(call, now);
        }
    }
    reading.calls
}

struct Reading<'a> {
    root: &'a Path,
    said: &'a Path,
    calls: Vec<Call>,
    /// Where a file is written next by a call that does not say where.
    positions: BTreeMap<PathBuf, usize>,
}

impl Reading<'_> {
    /// Reads one call, such as `pwrite64(5<path>, "bytes", 4, 96) = 4`.
    fn call(&mut self, text: &str, since: usize) {
        let (name, rest) = text.split_once('(').expect("a call");
        let (arguments, result) = rest.rsplit_once(" = ").expect("a result");
        if result.starts_with('-') || result.starts_with('?') {
            return;
        }
        let arguments = arguments.trim_end().strip_suffix(')').expect("an end");
        let arguments: Vec<&str> = arguments.split(", ").collect();
        if name == "write" && descriptor(arguments[0]) == self.said {
            self.calls.push(Call::Say(text_bytes(arguments[1])));
            return;
        }
        let paths = arguments
            .iter()
            .copied()
            .chain([result])
            .filter_map(path_in);
        let paths: Vec<PathBuf> = paths.filter(|path| path.starts_with(self.root)).collect();
        let Some(path) = paths.last().cloned() else {
            return;
        };
        let number = |text: &str| text.parse::<usize>().expect("a number");
        let call = match name {
            // Somebody reads a copy: what is written lies elsewhere.
            "sendfile" if !descriptor(arguments[0]).starts_with(self.root) => return,
            "copy_file_range" if !descriptor(arguments[2]).starts_with(self.root) => return,
            "open" | "openat" | "openat2" | "creat" => {
                self.positions.insert(path.clone(), 0);
                let kept = !text.contains("O_TRUNC") && !text.contains("O_APPEND");
                let fresh = !self.calls.contains(&Call::Open(path.clone()));
                assert!(
                    kept || fresh,
                    "only a new file is opened like this: {name} {}",
                    path.display()
                );
                if !text.contains("O_CREAT") {
                    return;
                }
                Call::Open(path)
            }
            "write" => {
                let bytes = text_bytes(arguments[1]);
                assert_eq!(bytes.len(), number(result), "all of it was written");
                let position = self.positions.entry(path.clone()).or_default();
                let offset = *position;
                *position += bytes.len();
                Call::Write {
                    path,
                    offset,
                    bytes,
                }
            }
            "pwrite64" => {
                let bytes = text_bytes(arguments[1]);
                assert_eq!(bytes.len(), number(result), "all of it was written");
                let offset = number(arguments[3]);
                Call::Write {
                    path,
                    offset,
                    bytes,
                }
            }
            "ftruncate" => Call::SetLength(path, number(arguments[1])),
            "fsync" | "fdatasync" => Call::Sync(path, since),
            "mkdir" | "mkdirat" => Call::MakeFolder(path),
            "rename" | "renameat" | "renameat2" => {
                let [from, to] = paths.as_slice() else {
                    panic!("a rename within the folder: {arguments:?}");
                };
                if text.contains("RENAME_EXCHANGE") {
                    Call::Exchange(from.clone(), to.clone())
                } else {
                    Call::Rename(from.clone(), to.clone())
                }
            }
            "unlinkat" => {
                // A name in a folder that is open, or a path.
                let name = path_of(text_bytes(arguments[1]));
                Call::Remove(descriptor(arguments[0]).join(name))
            }
            "unlink" | "rmdir" => Call::Remove(path),
            other => panic!("the disk does not know `{other}` of {}", path.display()),
        };
        self.calls.push(call);
    }
}

/// The path of an argument: a text, or a descriptor with its path behind it.
fn path_in(argument: &str) -> Option<PathBuf> {
    if argument.starts_with('"') {
        return Some(path_of(text_bytes(argument)));
    }
    argument.contains('<').then(|| descriptor(argument))
}

/// The path behind a descriptor: `5<path>`.
fn descriptor(argument: &str) -> PathBuf {
    let quoted = argument
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    path_of(quoted.map(|(path, _)| hex_bytes(path)).unwrap_or_default())
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

fn text_bytes(argument: &str) -> Vec<u8> {
    let text = argument
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    hex_bytes(text.unwrap_or_else(|| panic!("a whole text: {argument}")))
}

/// `\x2f\x74`.
fn hex_bytes(text: &str) -> Vec<u8> {
    let bytes = text.split("\\x").skip(1);
    bytes
        .map(|byte| u8::from_str_radix(byte, 16).expect("two digits"))
        .collect()
}
