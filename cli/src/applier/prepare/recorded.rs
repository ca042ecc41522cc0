//! From a request that the journal recorded to everything a run needs.

use std::path::Path;

use engine::contract::{SecretValues, Unknown, required_secrets};
use engine::image::Registries;
use engine::load;
use engine::machine::{RegistryNames, Requested};
use journal::StreamId;

use super::{Needed, Prepared, limits, load_failure, names, prepare};
use crate::args::RegistryArgs;
use crate::failure::{Failure, Kind};
use crate::report;

/// The same from a recorded request. The artifact must still be the one that was asked for.
pub(crate) fn recorded(
    recorded: &Requested,
    registries: &RegistryArgs,
) -> Result<Prepared, Failure> {
    if recorded.rollback_to.is_some() {
        return back_to(recorded.clone(), registries);
    }
    let give_up = || match StreamId::new(&recorded.project, &recorded.manifest.env) {
        Ok(target) => format!("give the deploy up with `artifactctl abandon {target}`"),
        Err(_) => "give the deploy up with `artifactctl abandon`".to_owned(),
    };
    let prepared = again(recorded, registries).map_err(|failure| {
        // A violation has its own hints.
        if failure.kind == Kind::Payload && failure.violations.is_empty() {
            failure.hint(format!(
                "put the artifact back as it was asked for, or {}",
                give_up()
            ))
        } else {
            failure
        }
    })?;
    if prepared.request.artifact != recorded.artifact {
        return Err(Failure::new(
            Kind::Refused,
            format!(
                "the artifact `{}` has changed since the deploy was asked for",
                recorded.manifest_path
            ),
        )
        .hint(format!(
            "deploy it as it is with `artifactctl deploy --artifact {} --out {}`, or {}",
            recorded.manifest_path,
            recorded.out,
            give_up()
        )));
    }
    Ok(prepared)
}

/// The same request of the artifact as it is by now. Whether it is the one that was accepted says its digest.
pub(crate) fn again(recorded: &Requested, registries: &RegistryArgs) -> Result<Prepared, Failure> {
    prepare(
        Path::new(&recorded.manifest_path),
        Path::new(&recorded.out),
        Some(&recorded.project),
        recorded.options.clone(),
        names_of(recorded, registries)?,
        Needed::Apply,
        Unknown::Kept,
    )
}

/// A request that goes back to an earlier deploy: what it needs is in the journal, and in the registry.
///
/// Nothing is built, and functions get their secrets from the gateway, whose names the check compares. So no secret is asked for; those
/// that are at hand are kept out of what the provisioner prints.
pub(crate) fn back_to(request: Requested, registries: &RegistryArgs) -> Result<Prepared, Failure> {
    let names = names_of(&request, registries)?;
    let required = required_secrets(&request.manifest);
    let environment = |name: &str| std::env::var(name).ok();
    let mut secrets = SecretValues::default();
    let call = request.options.provision.as_ref();
    let files = [
        request.options.secret_env.as_deref(),
        call.and_then(|call| call.env_file.as_deref()),
    ];
    for file in files.into_iter().flatten().map(Path::new) {
        if file.exists() {
            let values = load::secrets_among(file, &required, &environment);
            secrets = secrets.and(values.map_err(|error| load_failure(&error))?);
        }
    }
    let target = StreamId::new(&request.project, &request.manifest.env)
        .map_err(|error| Failure::of(Kind::Payload, &error))?;
    Ok(Prepared {
        artifact: None,
        registries: Registries {
            container: names.stack.clone(),
            host: names.host.clone(),
        },
        request: Requested {
            registries: Some(names),
            ..request
        },
        target,
        limits: limits()?,
        secrets,
    })
}

/// The names of the registry that a deploy was asked for with; those of here where it does not say.
fn names_of(recorded: &Requested, registries: &RegistryArgs) -> Result<RegistryNames, Failure> {
    let here = names(&registries.registries()?);
    Ok(match &recorded.registries {
        Some(recorded) => recorded_names(recorded, &here),
        None => here,
    })
}

/// The names that a deploy was asked for with. Says so when those of the environment are others.
fn recorded_names(recorded: &RegistryNames, environment: &RegistryNames) -> RegistryNames {
    let names = [
        ("CONTAINER_REGISTRY", &recorded.stack, &environment.stack),
        ("HOST_REGISTRY_ADDR", &recorded.host, &environment.host),
        ("ESB_TAG", &recorded.esb_tag, &environment.esb_tag),
    ];
    let shown = |name: &Option<String>| {
        name.as_ref()
            .map_or("unset".to_owned(), |name| format!("`{name}`"))
    };
    for (variable, recorded, here) in names {
        if recorded != here {
            report::talk(&format!(
                "warning: `{variable}` is {} here; the deploy was asked for with {}, which is used",
                shown(here),
                shown(recorded)
            ));
        }
    }
    recorded.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_recorded_are_used() {
        let named = |host: &str, tag: Option<&str>| RegistryNames {
            stack: Some("registry:5000".to_owned()),
            host: Some(host.to_owned()),
            esb_tag: tag.map(str::to_owned),
        };
        let recorded = named("127.0.0.1:5010", Some("v1.4.2"));
        assert_eq!(
            recorded_names(&recorded, &named("elsewhere:5000", None)),
            recorded
        );
    }
}
