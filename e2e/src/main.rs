//! The command line around the end-to-end parts: `demo`, `matrix`, `measure`, `crash`, `up`, `dist`, `pictures`,
//! `doctor`.
//!
//! Here: words, and waiting for Ctrl-C. Not here: what the words do.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks: data to stdout, talk to stderr"
)]

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use e2e::dist::{self, Build};
use e2e::engine::{Origin, TestEngine, describe};
use e2e::stack::{RunnerMode, Stack, StackOptions};
use e2e::{crash, demo, matrix, measure, pictures};
use tokio::signal::unix::{SignalKind, signal};

/// Brings up a real engine and a real stack.
#[derive(Debug, Parser)]
#[command(name = "e2e")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the main job: a deploy onto a real stack, a call, a deploy that finds nothing to do, the journal.
    Demo,
    /// Run suites against stacks of every kind, as a file describes them.
    Matrix(matrix::MatrixOptions),
    /// Measure what deploys cost on a real stack, next to building and pushing one after the other; exit 1 beyond a limit.
    Measure {
        /// Functions that are built cold.
        #[arg(long, default_value_t = 20)]
        cold: usize,
        /// Cold deploys, each next to the plain way.
        #[arg(long, default_value_t = 5)]
        pairs: usize,
        /// Functions of the unchanged deploy.
        #[arg(long, default_value_t = 100)]
        unchanged: usize,
    },
    /// Kill deploys at random moments and see each of them through.
    Crash {
        /// How many kills.
        #[arg(long, default_value_t = 200)]
        kills: usize,
        /// Where the random moments begin; another each time when left out.
        #[arg(long)]
        seed: Option<u64>,
        /// How images are made: `auto`, `assemble` or `engine`.
        #[arg(long, default_value = "auto")]
        builder: String,
    },
    /// Bring a stack up, say how to deploy onto it, and wait for Ctrl-C.
    Up {
        /// Release of the stack.
        #[arg(long, default_value = "1.4.2")]
        stack_version: String,
        /// API version of the stack.
        #[arg(long, default_value = "1.0")]
        api_version: String,
        /// Run functions with a service `runtime-node` instead of `agent`.
        #[arg(long)]
        containerd: bool,
        /// Compose project; a unique one when left out.
        #[arg(long)]
        project: Option<String>,
        /// Start an engine even when one runs already.
        #[arg(long)]
        own_engine: bool,
    },
    /// Make what people install: archive, Debian package, image, checksums.
    Dist {
        /// The folder they are put into.
        #[arg(long, default_value = "target/dist")]
        out: std::path::PathBuf,
        /// Make no image, which needs an engine.
        #[arg(long)]
        no_image: bool,
    },
    /// Draw what the programs print on a real stack, into docs/guide/pictures.
    Pictures,
    /// Say which engine is used, and its versions.
    Doctor,
}

type Failure = Box<dyn std::error::Error>;

/// Exit code of a process that was interrupted.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", describe(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Matrix(options) => return run_matrix(&options),
        Command::Demo => demo::run(&obtain()?, |line| eprintln!("{line}"))?,
        Command::Measure {
            cold,
            pairs,
            unchanged,
        } => measured(measure::Sizes {
            cold,
            pairs,
            unchanged,
        })?,
        Command::Crash {
            kills,
            seed,
            builder,
        } => crash(kills, seed, &builder)?,
        Command::Up {
            stack_version,
            api_version,
            containerd,
            project,
            own_engine,
        } => {
            let engine = if own_engine {
                TestEngine::start()?
            } else {
                obtain()?
            };
            let options = StackOptions {
                version: stack_version,
                api_version: Some(api_version),
                mode: if containerd {
                    RunnerMode::Containerd
                } else {
                    RunnerMode::Docker
                },
                project,
                ..StackOptions::default()
            };
            up(&engine, options)?;
        }
        Command::Dist { out, no_image } => {
            let engine = if no_image { None } else { Some(obtain()?) };
            let name = dist::image_name();
            let image_on = engine.as_ref().map(|engine| (engine, name.as_str()));
            let dist = dist::make(Build::Released, &out, image_on, |line| eprintln!("{line}"))?;
            println!("{}", dist.folder.display());
        }
        Command::Pictures => {
            pictures::make(&obtain()?, |line| eprintln!("{line}"))?;
            println!("{}", pictures::folder().display());
        }
        Command::Doctor => doctor()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the matrix and ends with a line that says whether everything passed.
fn run_matrix(options: &matrix::MatrixOptions) -> Result<ExitCode, Failure> {
    let prepared = matrix::prepare(options)?;
    let stop = Arc::new(matrix::Stop::default());
    stop_when_asked(Arc::clone(&stop));
    let engine = obtain()?;
    let report = matrix::run(&prepared, &engine, options, &stop, &|line| {
        eprintln!("{line}");
    })?;
    if options.keep {
        let watchdog = engine.keep()?;
        eprintln!("everything stays; to take it down: kill {watchdog}");
    }
    for entry in &report.entries {
        println!("{entry}");
    }
    println!("logs: {}", report.logs.display());
    println!("{}", report.verdict());
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The first Ctrl-C or SIGTERM ends the run in order, the second at once; what is left then is the watchdog's to remove.
#[expect(
    clippy::exit,
    reason = "stacks in flight are left to the watchdog on purpose"
)]
fn stop_when_asked(stop: Arc<matrix::Stop>) {
    std::thread::spawn(move || {
        if wait_for_interrupt().is_ok() {
            eprintln!("stopping; once more to stop at once");
            stop.request();
        }
        if wait_for_interrupt().is_ok() {
            std::process::exit(INTERRUPTED);
        }
    });
}

fn crash(kills: usize, seed: Option<u64>, builder: &str) -> Result<(), Failure> {
    let seed = seed.unwrap_or_else(crash::seed);
    eprintln!("seed {seed}");
    let engine = obtain()?;
    let bench = crash::Bench::up(&engine, builder)?;
    bench.kill_at_random(kills, seed, |line| eprintln!("{line}"))?;
    println!("{kills} KILLS SURVIVED");
    Ok(())
}

fn measured(sizes: measure::Sizes) -> Result<(), Failure> {
    let figures = measure::run(&obtain()?, sizes, |line| eprintln!("{line}"))?;
    println!("| measured | median | limit | | each |\n|---|---|---|---|---|");
    for figure in &figures {
        let all: Vec<_> = figure.all.iter().map(|one| format!("{one:.2}")).collect();
        println!(
            "| {} | {:.2} | {:.2} | {} | {} |",
            figure.what,
            figure.measured,
            figure.limit,
            if figure.is_met() { "met" } else { "NOT MET" },
            all.join(" ")
        );
    }
    if figures.iter().all(measure::Figure::is_met) {
        Ok(())
    } else {
        Err("not every limit is met".into())
    }
}

fn up(engine: &TestEngine, options: StackOptions) -> Result<(), Failure> {
    eprintln!("starting the stack, version {}", options.version);
    let stack = Stack::up(engine, options)?;
    eprintln!(
        "the stack `{}` is up, gateway at http://127.0.0.1:{}; to deploy onto it:",
        stack.project(),
        stack.gateway_port()
    );
    for (name, value) in stack.reader_env() {
        println!("export {name}={value}");
    }
    eprintln!(
        "then: artifactctl deploy --artifact fixtures/artifact/artifact.yml --compose-project {} --out {}",
        stack.project(),
        stack.config_dir().display()
    );
    eprintln!("docs/guide/tutorial.md goes on from here; Ctrl-C takes the stack down");
    wait_for_interrupt()?;
    eprintln!("taking the stack down");
    Ok(())
}

fn doctor() -> Result<(), Failure> {
    let engine = obtain()?;
    println!("{}", engine.versions()?);
    println!("address {}", engine.docker_host());
    Ok(())
}

fn obtain() -> Result<TestEngine, Failure> {
    eprintln!("looking for a Docker engine");
    let engine = TestEngine::obtain()?;
    match engine.origin() {
        Origin::Found => eprintln!("using the engine at {}", engine.docker_host()),
        Origin::Started => eprintln!("started an engine in {}", engine.folder().display()),
    }
    Ok(engine)
}

fn wait_for_interrupt() -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => interrupted,
                _ = terminate.recv() => Ok(()),
            }
        })
}
