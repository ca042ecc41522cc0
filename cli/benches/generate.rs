//! What making an artifact of 1,000 functions costs, as a whole process with a warm cache, next to `cp -r` of the same code.
//!
//! Two projects: every function has a folder of its own, or a hundred functions share each of ten. `esb` and `cp` take turns in one run,
//! on one disk. Every round has a folder of its own, and nothing is removed before all are done: ext4 without a journal passes over each
//! inode that was freed in the last minutes when it looks for a new one, so that a benchmark that cleans up after each round measures its
//! own cleaning (ten times the time was seen). What replaces an artifact, and so frees inodes, comes last.
//! On such a disk a run that follows another within minutes is slow for the same reason, and `cp` with it: `TMPDIR=/dev/shm` measures in memory.
//!
//! It prints a table for each project, and ends with 1 when a median or the memory is not below its limit.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

const FUNCTIONS: usize = 1000;
const FILES_OF_A_FUNCTION: usize = 4;
const SHARED_FOLDERS: usize = 10;
const ROUNDS: usize = 5;
/// What a median may be: of a run that writes, and of one that finds everything as it is.
const LIMIT: Duration = Duration::from_secs(1);
const UNCHANGED_LIMIT: Duration = Duration::from_millis(150);
/// What a process may hold in memory at most, in MiB.
const MEMORY_LIMIT: i64 = 64;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    let mut fits = true;
    for (what, folders) in [
        ("a folder each", FUNCTIONS),
        ("ten folders for all", SHARED_FOLDERS),
    ] {
        fits &= measure(what, folders)?;
    }
    // Of all children that have ended, in KiB: `esb` is the largest.
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() >> 10;
    println!("\nmost memory of a process: {memory} MiB; limit: {MEMORY_LIMIT} MiB");
    fits &= memory < MEMORY_LIMIT;
    Ok(if fits {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Measures one project, and tells whether it keeps the limits.
fn measure(what: &str, folders: usize) -> Outcome<bool> {
    let work = tempfile::tempdir()?;
    prepare(work.path(), folders)?;
    let esb = |round: usize, more: &[&str]| -> Outcome<Duration> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_esb"));
        command.args(["artifact", "generate", "--template", "template.yaml"]);
        let output = format!("round-{round}/artifact");
        timed(command.args(["--output", &output]).args(more), work.path())
    };
    let mut rows = [
        ("esb, nothing there yet", Vec::new()),
        ("cp -r of that artifact", Vec::new()),
        ("esb, unchanged", Vec::new()),
        ("esb --check", Vec::new()),
        ("esb, in place of an artifact", Vec::new()),
    ];
    // The first round warms the cache.
    for round in 0..=ROUNDS {
        fs::create_dir(work.path().join(format!("round-{round}")))?;
        let generated = esb(round, &[])?;
        let mut copy = Command::new("cp");
        let (from, to) = (
            format!("round-{round}/artifact"),
            format!("round-{round}/copy"),
        );
        copy.args(["-r", &from, &to]);
        let times = [
            generated,
            timed(&mut copy, work.path())?,
            esb(round, &[])?,
            esb(round, &["--check"])?,
        ];
        if round > 0 {
            rows.iter_mut()
                .zip(times)
                .for_each(|(row, time)| row.1.push(time));
        }
    }
    for round in 1..=ROUNDS {
        rows[4].1.push(esb(round, &["--tag", "next"])?);
    }
    println!("\n| {FUNCTIONS} functions, {what} | median | least | most |\n|---|---|---|---|");
    for (what, times) in &mut rows {
        times.sort();
        let [least, median, most] = [0, ROUNDS / 2, ROUNDS - 1].map(|at| times[at]);
        println!("| {what} | {median:.1?} | {least:.1?} | {most:.1?} |");
    }
    let [fresh, plain, unchanged, ..] = rows.map(|(_, times)| times[ROUNDS / 2]);
    let ratio = fresh.as_secs_f64() / plain.as_secs_f64();
    println!("\nratio to `cp -r`: {ratio:.2}; limits: {LIMIT:?}, unchanged {UNCHANGED_LIMIT:?}");
    Ok(fresh < LIMIT && unchanged < UNCHANGED_LIMIT)
}

/// Runs a command that must succeed.
fn timed(command: &mut Command, folder: &Path) -> Outcome<Duration> {
    let begin = Instant::now();
    let output = command.current_dir(folder).output()?;
    let took = begin.elapsed();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(took)
}

/// A template as large projects have it: defaults in `Globals`, a table for every ten functions, a route for each.
fn prepare(folder: &Path, folders: usize) -> Outcome {
    let mut text = "Parameters:
  Stage: {Type: String, Default: dev}
Globals:
  Function:
    Runtime: python3.12
    Handler: app.handler
    Environment: {Variables: {STAGE: !Ref Stage}}
Resources:
"
    .to_owned();
    for number in 0..FUNCTIONS {
        let (table, code) = (number / 10, number % folders);
        text += &format!(
            "  Fn{number}:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code/{code}
      Environment: {{Variables: {{TABLE: !Ref Table{table}, ARN: !Sub '${{Table{table}.Arn}}/{number}'}}}}
      Events: {{Get: {{Type: Api, Properties: {{Path: '/{number}/{{id}}', Method: ANY}}}}}}
"
        );
        if number % 10 == 0 {
            text += &format!("  Table{table}: {{Type: AWS::Serverless::SimpleTable}}\n");
        }
    }
    for number in 0..folders {
        let code = folder.join(format!("code/{number}"));
        fs::create_dir_all(&code)?;
        fs::write(
            code.join("app.py"),
            "def handler(event, context):\n    return {}\n",
        )?;
        for file in 1..FILES_OF_A_FUNCTION {
            let lines = format!("# {number} {file}\n").repeat(200);
            fs::write(code.join(format!("module{file}.py")), lines)?;
        }
    }
    Ok(fs::write(folder.join("template.yaml"), text)?)
}
