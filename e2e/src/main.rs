//! The command line around the end-to-end parts: `demo`, `measure`, `crash`, `up`, `doctor`.
//!
//! Here: words, and waiting for Ctrl-C. Not here: what the words do.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks: data to stdout, talk to stderr"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::engine::{Engine, Origin, describe};
use e2e::stack::{Mode, Stack, StackOptions};
use e2e::{crash, demo, measure};

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
    /// Say which engine is used, and its versions.
    Doctor,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", describe(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo => Ok(demo::run(&obtain()?, |line| eprintln!("{line}"))?),
        Command::Measure {
            cold,
            pairs,
            unchanged,
        } => measured(measure::Sizes {
            cold,
            pairs,
            unchanged,
        }),
        Command::Crash { kills, seed } => crash(kills, seed),
        Command::Up {
            stack_version,
            api_version,
            containerd,
            project,
            own_engine,
        } => {
            let engine = if own_engine {
                Engine::start()?
            } else {
                obtain()?
            };
            let options = StackOptions {
                version: stack_version,
                api_version: Some(api_version),
                mode: if containerd {
                    Mode::Containerd
                } else {
                    Mode::Docker
                },
                project,
                ..StackOptions::default()
            };
            up(&engine, options)
        }
        Command::Doctor => doctor(),
    }
}

fn crash(kills: usize, seed: Option<u64>) -> Result<(), Failure> {
    let seed = seed.unwrap_or_else(crash::seed);
    eprintln!("seed {seed}");
    let engine = obtain()?;
    let bench = crash::Bench::up(&engine)?;
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

fn up(engine: &Engine, options: StackOptions) -> Result<(), Failure> {
    eprintln!("starting the stack, version {}", options.version);
    let stack = Stack::up(engine, options)?;
    eprintln!(
        "the stack `{}` is up, gateway at http://127.0.0.1:{}; to deploy onto it:",
        stack.project(),
        stack.gateway_port()
    );
    for (name, value) in stack.deploy_env() {
        println!("export {name}={value}");
    }
    println!(
        "artifactctl deploy --artifact fixtures/artifact/artifact.yml --compose-project {} --out {}",
        stack.project(),
        stack.config_dir().display()
    );
    eprintln!("Ctrl-C takes it down");
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

fn obtain() -> Result<Engine, Failure> {
    eprintln!("looking for a Docker engine");
    let engine = Engine::obtain()?;
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
        .block_on(tokio::signal::ctrl_c())
}
