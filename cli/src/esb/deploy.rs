//! `esb deploy`: makes an artifact for the stack that runs, and applies it as `artifactctl deploy` would.

use engine::compat::Observation;
use engine::contract::{FunctionName, Mode};

use crate::applier::args::{Deploy, Request};
use crate::applier::command::apply;
use crate::applier::prepare;
use crate::args::Global;
use crate::esb::args::MakeAndDeploy;
use crate::esb::findings::say;
use crate::esb::make::make;
use crate::esb::sam_build::with_built_templates;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::process_limits;
use crate::program::Ended;
use crate::report::talk;
use producer::artifact::default_project;

/// Makes and deploys.
pub(super) fn run(global: &Global, args: &MakeAndDeploy, output: &Output) -> Ended {
    let seen = look(args)?;
    let making = with_built_templates(&args.making, args.building)?;
    let made = make(
        &making,
        mode(args.making.mode.map(Mode::from), seen.as_ref())?,
    )
    .map_err(|not_made| not_made.said(global.verbose))?;
    say(&made.warnings, global.verbose);
    made.check_warnings(args.applying.strict_warnings)?;
    if let Some(seen) = &seen {
        let asked = args.applying.platform.as_deref();
        let platform = asked.unwrap_or(&seen.engine.platform);
        if let Some(warning) = other_architecture(&made.arm64, platform) {
            talk(&warning);
        }
    }
    made.publish()?;
    let request = Request {
        allow_unknown: args.making.allow_unknown,
        artifact: made.manifest_path.clone(),
        applying: args.applying.clone(),
    };
    let deploy = Deploy {
        message: None,
        request,
        acting: args.acting.clone(),
        supersede: args.supersede,
        on_failure: args.on_failure,
        dry_run: args.dry_run,
        plan_file: None,
    };
    apply(global, &deploy, output)
}

/// What runs; none when it cannot be seen. The check of the deploy looks for itself, and records what it sees.
fn look(args: &MakeAndDeploy) -> Result<Option<Observation>, Failure> {
    let project = args
        .applying
        .compose_project
        .clone()
        .or_else(|| args.making.project.clone())
        .unwrap_or_else(|| default_project(&args.making.env));
    let runtime = process_limits::runtime()?;
    match runtime.block_on(prepare::look(&project, prepare::limits()?)) {
        Ok(observation) => Ok(Some(observation)),
        Err(fault) => {
            talk(&format!(
                "warning: the stack cannot be seen ({}): its mode is taken to be the one asked for",
                fault.message
            ));
            Ok(None)
        }
    }
}

/// The mode to ask for: what the stack is seen to do, else what was asked for. Either way it is what the artifact asks, never
/// what was observed.
fn mode(asked: Option<Mode>, seen: Option<&Observation>) -> Result<Mode, Failure> {
    let Some((project, seen)) = seen.and_then(|seen| Some((&seen.project, seen.mode.as_ref()?)))
    else {
        return Ok(asked.unwrap_or(Mode::Docker));
    };
    match asked {
        Some(asked) if asked != seen.value => Err(Failure::new(
            Kind::Incompatible,
            format!(
                "`--mode {asked}` was asked for, but the stack `{project}` runs functions with {} (read from {}); nothing was changed",
                seen.value,
                seen.source.words()
            ),
        )
        .hint("leave `--mode` out: the artifact is made for the stack that runs")
        .hint("or name another stack with `--compose-project`")),
        Some(_) | None => Ok(seen.value),
    }
}

/// Which functions are for another processor than their images are built for, in words.
fn other_architecture(arm64: &[FunctionName], platform: &str) -> Option<String> {
    if arm64.is_empty() || platform.starts_with("linux/arm64") {
        return None;
    }
    let names: Vec<String> = arm64.iter().map(|name| format!("`{name}`")).collect();
    Some(format!(
        "warning: the templates make {} for arm64, and images are built for {platform}: name another with `--platform linux/arm64`",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use engine::compat::{ModeSource, Observed};
    use engine::machine::sample;

    use super::*;

    fn seen(mode: Option<Mode>) -> Observation {
        Observation {
            project: "esb-dev".to_owned(),
            engine: sample::engine(),
            containers: Vec::new(),
            api_version: None,
            mode: mode.map(|value| Observed {
                value,
                source: ModeSource::Agent,
            }),
            gateway_secrets: None,
            other_projects: Vec::new(),
        }
    }

    #[test]
    fn the_mode_is_what_is_seen_then_what_is_asked_for() {
        let (docker, containerd) = (Mode::Docker, Mode::Containerd);
        for asked in [None, Some(containerd)] {
            let given = mode(asked, Some(&seen(Some(containerd)))).ok();
            assert_eq!(given, Some(containerd));
        }
        for unseen in [None, Some(&seen(None))] {
            assert_eq!(mode(Some(containerd), unseen).ok(), Some(containerd));
            assert_eq!(mode(None, unseen).ok(), Some(docker));
        }
    }

    #[test]
    fn another_mode_than_the_stack_has_is_refused() {
        let refused = mode(Some(Mode::Containerd), Some(&seen(Some(Mode::Docker)))).unwrap_err();
        assert_eq!(refused.kind, Kind::Incompatible);
        assert_eq!(
            refused.message,
            "`--mode containerd` was asked for, but the stack `esb-dev` runs functions with docker (read from running service agent); nothing was changed"
        );
    }

    #[test]
    fn functions_for_another_processor_are_named() {
        let arm = [FunctionName::parse("arm").unwrap()];
        let said = other_architecture(&arm, "linux/amd64").unwrap();
        assert!(said.contains("make `arm` for arm64, and images are built for linux/amd64"));
        assert_eq!(other_architecture(&arm, "linux/arm64"), None);
        assert_eq!(other_architecture(&[], "linux/amd64"), None);
    }
}
