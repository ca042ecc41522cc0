//! `esb deploy`: makes an artifact for the stack that runs, and applies it as `artifactctl deploy` would.

use engine::contract::Mode;

use crate::applier::args::{Deploy, Request};
use crate::applier::command::apply;
use crate::applier::prepare;
use crate::args::Global;
use crate::esb::args::MakeAndDeploy;
use crate::esb::generate::say;
use crate::esb::make::make;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::program::Ended;
use crate::report::talk;

/// Makes and deploys.
pub(super) fn run(global: &Global, args: &MakeAndDeploy, output: &Output) -> Ended {
    let made = make(&args.making, mode(args)?)?;
    say(&made);
    made.publish()?;
    let request = Request {
        artifact: made.manifest_path.clone(),
        applying: args.applying.clone(),
    };
    let deploy = Deploy {
        request,
        acting: args.acting.clone(),
        dry_run: args.dry_run,
    };
    apply(global, &deploy, output)
}

/// The mode to ask for: what the stack is seen to do, else what was asked for. Either way it is what the artifact asks: the
/// check of the deploy looks for itself, and records what it sees.
fn mode(args: &MakeAndDeploy) -> Result<Mode, Failure> {
    let asked = args.making.mode.map(Mode::from);
    let project = args
        .applying
        .compose_project
        .clone()
        .or_else(|| args.making.project.clone())
        .unwrap_or_else(|| format!("esb-{}", args.making.env));
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::of(Kind::Internal, &error))?;
    let seen = match runtime.block_on(prepare::look(&project, prepare::limits()?)) {
        Ok(observation) => observation.mode.map(|fact| fact.value),
        Err(fault) => {
            talk(&format!(
                "warning: the stack cannot be seen ({}): its mode is taken to be the one asked for",
                fault.message
            ));
            None
        }
    };
    match (seen, asked) {
        (Some(seen), Some(asked)) if seen != asked => {
            talk(&format!(
                "warning: `--mode {asked}` was asked for, but the stack runs functions with {seen}: the artifact is made for that"
            ));
            Ok(seen)
        }
        (Some(seen), _) => Ok(seen),
        (None, asked) => Ok(asked.unwrap_or(Mode::Docker)),
    }
}
