//! A disk that fails a sync and loses what was to be written. Linux counts the pages as written then, so that whoever reads them
//! sees what no disk has.
//!
//! The disk is real: a file system on a loop device, in a file in memory in which some blocks of the log have no room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use e2e::command;
use e2e::packages;
use e2e::proxy::{FaultEffect, InjectedFault, Proxy};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use super::{Bench, TestEngine, run};
use crate::disk::fill;
use crate::process::{Ran, Running};
use crate::refusal::Mount;

/// Bytes of a block of the file system.
const BLOCK: usize = 4096;
/// Bytes of the file system. Its own journal takes a good part of them.
const DISK: usize = 16 << 20;
/// KiB of the memory that the file system lies in.
const MEMORY: u32 = 17 << 10;
/// The question that a deploy asks after its first events, and before its others.
const LOOK: &str = "GET /containers/json";
const LIMIT: Duration = Duration::from_secs(20);

fn system(program: &str, words: &[&str]) -> String {
    command::run(Command::new(program).args(words)).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test is text")
}

/// A block device over a file.
struct Loop(String);

impl Loop {
    fn over(image: &Path) -> Self {
        let found = system("losetup", &["--find", "--show", text(image)]);
        let device = Self(found.trim().to_owned());
        // A request of several blocks, of which the first has room, succeeds: what follows is lost without a word.
        let name = device.0.trim_start_matches("/dev/");
        let most = format!("/sys/block/{name}/queue/max_sectors_kb");
        fs::write(most, (BLOCK >> 10).to_string()).unwrap();
        device
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It ends when nothing uses it any more.
        command::run(Command::new("losetup").args(["--detach", &self.0])).ok();
    }
}

/// A bench whose journal lies on a disk of its own.
struct Fragile {
    bench: Bench,
    proxy: Proxy,
    // In the order in which they end.
    mounted: Option<(Mount, Loop)>,
    _memory: Mount,
    folder: TempDir,
}

impl Fragile {
    fn new() -> Self {
        let bench = Bench::new(0);
        let folder = tempfile::tempdir_in(TestEngine::shared().folder()).unwrap();
        let memory = Mount::memory(folder.path(), MEMORY);
        let image = folder.path().join("disk");
        fs::write(&image, vec![0; DISK]).unwrap();
        let at_once = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
        let block = BLOCK.to_string();
        system(
            "mkfs.ext4",
            &["-q", "-F", "-b", &block, "-E", at_once, text(&image)],
        );
        // It leaves holes, and every block but some of the log shall have room.
        let whole = fs::read(&image).unwrap();
        fs::remove_file(&image).unwrap();
        fs::write(&image, whole).unwrap();
        let device = Loop::over(&image);
        let mounted = Mount::device(&device.0, &bench.root());
        let socket = TestEngine::shared().socket();
        Self {
            proxy: Proxy::start(socket, bench.folder.path()).unwrap(),
            bench,
            mounted: Some((mounted, device)),
            _memory: memory,
            folder,
        }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// From here on nothing can be written to the blocks of the log that hold nothing yet.
    fn break_blocks(&self) {
        let (log, image) = (
            self.bench.journal().join("unplugged/dev/store/sled/db"),
            self.image(),
        );
        system("sync", &["--file-system", text(&log)]);
        let content = fs::read(&log).unwrap();
        let holds = |block: &[u8]| block.iter().any(|byte| *byte != 0);
        let first_free = 1 + content
            .chunks(BLOCK)
            .rposition(holds)
            .expect("it has events");
        let extents = system("filefrag", &["-v", text(&log)]);
        let mut broken = 0;
        for line in extents.lines() {
            // Number: first and last block in the log: first and last block on the disk: …
            let fields: Vec<&str> = line.split(':').collect();
            let range = |field: usize| {
                let (first, last) = fields.get(field)?.split_once("..")?;
                let number = |text: &str| text.trim().parse::<usize>().ok();
                Some((number(first)?, number(last)?))
            };
            let (Some((first, last)), Some((place, _))) = (range(1), range(2)) else {
                continue;
            };
            let from = first.max(first_free);
            if from > last {
                continue;
            }
            let offset = ((place + from - first) * BLOCK).to_string();
            let length = ((last - from + 1) * BLOCK).to_string();
            let hole = ["--punch-hole", "--offset", &offset, "--length", &length];
            system("fallocate", &[hole.as_slice(), &[text(&image)]].concat());
            broken += 1;
        }
        assert!(broken > 0, "the log has no block to break:\n{extents}");
        fill(&self.filler());
    }

    /// The disk has all of its blocks again. What was lost stays lost.
    fn mend(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// A command; under strace when it is to keep the pages that it wants to drop.
    fn command(&self, words: &[String], keeps_pages: bool) -> Command {
        let mut command = if keeps_pages {
            let mut traced = self.bench.command(&packages::strace().unwrap(), &[]);
            let inject = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fadvise64"];
            traced
                .args(inject)
                .args(["-e", "inject=fadvise64:retval=0"]);
            traced.arg(&self.bench.program).args(words);
            traced
        } else {
            self.bench.command(&self.bench.program, words)
        };
        command.env("DOCKER_HOST", self.proxy.docker_host());
        command
    }

    fn deploy(&self, keeps_pages: bool) -> Ran {
        run(&mut self.command(&self.bench.deploy(), keeps_pages))
    }

    fn run(&self, word: &str) -> Ran {
        run(&mut self.command(&[word.to_owned()], false))
    }

    /// The power goes, and comes again: there is what is on the disk at this moment.
    fn cut(&mut self) {
        let left = self.bench.path("left");
        fs::copy(self.image(), &left).unwrap();
        self.mounted = None;
        let device = Loop::over(&left);
        self.mounted = Some((Mount::device(&device.0, &self.bench.root()), device));
    }
}

/// The owner that comes after a failed sync reads from the disk. One that reads what the system has kept in memory (the second case)
/// appends behind a hole, which shows that this disk loses something.
#[rstest]
#[case::as_it_is(false)]
#[case::with_pages_that_are_kept(true)]
fn what_a_failed_sync_has_lost_is_not_built_upon(#[case] keeps_pages: bool) {
    let mut disk = Fragile::new();
    disk.deploy(false).ended(4);
    disk.proxy.inject(InjectedFault {
        endpoint: LOOK.to_owned(),
        skip: 0,
        effect: FaultEffect::Hold,
    });
    disk.proxy.clear();
    let struck = Running::start(&mut disk.command(&disk.bench.deploy(), false));
    assert!(disk.proxy.wait_for(LOOK, LIMIT));
    disk.break_blocks();
    disk.proxy.release();
    let struck = struck.wait().ended(9);
    struck.said("hint: free some space where the journal is");
    disk.mend();

    let on = disk.deploy(keeps_pages).ended(4);
    let known = disk.run("export").ended(0).stdout;
    disk.cut();
    let verified = disk.run("verify");
    if keeps_pages {
        assert_eq!(
            verified.code,
            Some(8),
            "the disk has lost nothing: {verified:?}"
        );
        return;
    }
    verified.ended(0);
    assert_eq!(disk.run("export").ended(0).stdout, known);
    let lines = known
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kept: Vec<Value> = lines.collect();
    for told in [struck.objects("event"), on.objects("event")].concat() {
        let same = |event: &Value| {
            let mut fields = ["sequence", "kind", "payload"].into_iter();
            fields.all(|field| event[field] == told[field])
        };
        assert!(
            kept.iter().any(same),
            "an acknowledged event is gone: {told}"
        );
    }
    disk.deploy(false).ended(4);
    disk.run("verify").ended(0);
}
