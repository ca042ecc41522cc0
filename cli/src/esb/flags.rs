//! Flags of the form `NAME=VALUE`, and what they mean.

use std::collections::BTreeMap;

use engine::contract::{ApiVersion, FunctionName, Mode, RuntimeStack};
use engine::image::Reference;

use crate::esb::args::Making;
use crate::failure::{Failure, Kind};
use producer::artifact::default_project;
use producer::model::{App, Family, is_env_name};
use producer::report::did_you_mean;
use producer::sam::LayerInstead;

/// The word that leaves a layer out.
const DROP: &str = "drop";

/// The flags of a run, read.
pub(super) struct Flags {
    pub(super) project: String,
    pub(super) runtime_stack: RuntimeStack,
    pub(super) bases: BTreeMap<String, String>,
    pub(super) build_images: BTreeMap<String, String>,
    pub(super) image_uris: BTreeMap<String, String>,
    pub(super) image_runtimes: BTreeMap<String, Family>,
    pub(super) layers: BTreeMap<String, LayerInstead>,
    pub(super) secret_names: BTreeMap<String, String>,
}

fn usage(message: String) -> Failure {
    Failure::new(Kind::Usage, message)
}

/// Reads the flags.
pub(super) fn read(making: &Making, mode: Mode) -> Result<Flags, Failure> {
    let api_version = ApiVersion::parse(&making.api_version).ok_or_else(|| {
        usage(format!(
            "`--api-version {}` is not MAJOR or MAJOR.MINOR",
            making.api_version
        ))
    })?;
    let requires = pairs("--require", &making.require)?
        .into_iter()
        .map(|(service, range)| {
            let parsed = semver_range(&range).ok_or_else(|| {
                usage(format!(
                    "`--require {service}={range}`: `{range}` is no range of versions"
                ))
                .hint("write a range such as `^1.4` or `>=1.4, <2`")
            })?;
            Ok((service, parsed))
        })
        .collect::<Result<_, Failure>>()?;
    let image_runtimes = pairs("--image-runtime", &making.image_runtime)?
        .into_iter()
        .map(|(function, runtime)| Ok((function, family(&runtime)?)))
        .collect::<Result<_, Failure>>()?;
    Ok(Flags {
        project: making
            .project
            .clone()
            .unwrap_or_else(|| default_project(&making.env)),
        runtime_stack: RuntimeStack {
            api_version,
            mode,
            esb_version: making.esb_version.clone(),
            requires,
        },
        bases: images("--base", &making.base)?,
        build_images: images("--build-image", &making.build_image)?,
        image_uris: images("--image-uri", &making.image_uri)?,
        image_runtimes,
        layers: layers(&making.layer)?,
        secret_names: secret_names(&making.secret_name)?,
    })
}

/// What stands in the place of layers. A flag's path is relative to the current folder, a template's to its own.
fn layers(given: &[String]) -> Result<BTreeMap<String, LayerInstead>, Failure> {
    let mut layers = BTreeMap::new();
    for (name, text) in pairs("--layer", given)? {
        let text = if text == DROP {
            text
        } else {
            let path = std::path::absolute(&text).unwrap_or_else(|_| text.into());
            path.display().to_string()
        };
        let instead = LayerInstead::parse(&text)
            .map_err(|message| usage(format!("`--layer {name}=…`: {message}")))?;
        layers.insert(name, instead);
    }
    Ok(layers)
}

/// The names that the gateway's variables have, by dynamic reference. A secret's name may hold `=`, a variable's may not.
fn secret_names(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut names = BTreeMap::new();
    for text in given {
        let Some((reference, name)) = text.rsplit_once('=') else {
            return Err(usage(format!(
                "`--secret-name {text}` is not of the form REFERENCE=NAME"
            )));
        };
        let reference = reference.strip_prefix("resolve:").unwrap_or(reference);
        if !is_env_name(name) {
            return Err(usage(format!(
                "`--secret-name {reference}=…`: what stands behind `=` is no name of a variable"
            ))
            .hint("a name is made of letters, digits and `_`; the value belongs into the gateway's environment"));
        }
        if names
            .insert(reference.to_owned(), name.to_owned())
            .is_some()
        {
            return Err(usage(format!("`--secret-name` names `{reference}` twice")));
        }
    }
    Ok(names)
}

fn semver_range(text: &str) -> Option<semver::VersionReq> {
    semver::VersionReq::parse(text).ok()
}

/// Images by name; each must be one.
fn images(flag: &str, given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let images = pairs(flag, given)?;
    for (name, image) in &images {
        Reference::parse(image).map_err(|error| usage(format!("`{flag} {name}=…`: {error}")))?;
    }
    Ok(images)
}

/// The family that a runtime's name begins with.
fn family(runtime: &str) -> Result<Family, Failure> {
    Family::ALL
        .into_iter()
        .find(|family| runtime.starts_with(family.as_str()))
        .ok_or_else(|| {
            usage(format!(
                "`--image-runtime`: `{runtime}` is no runtime that is known"
            ))
            .hint("name one such as `python3.12`, `nodejs20.x` or `java21`")
        })
}

/// `NAME=VALUE` flags; a name that is given twice is a mistake.
fn pairs(flag: &str, given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for text in given {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .ok_or_else(|| usage(format!("`{flag} {text}` is not of the form NAME=VALUE")))?;
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(usage(format!("`{flag}` names `{name}` twice")));
        }
    }
    Ok(pairs)
}

/// Refuses names of secrets that no template has.
pub(super) fn check_secrets(flags: &Flags, apps: &[&App]) -> Result<(), Failure> {
    let known = || {
        let references = apps.iter().flat_map(|app| &app.dynamic_references);
        references.map(String::as_str)
    };
    for reference in flags.secret_names.keys() {
        if known().any(|known| known == reference) {
            continue;
        }
        let failure = usage(format!(
            "`--secret-name` names `{reference}`, which no function of a template reads"
        ));
        return Err(match did_you_mean(reference, known()) {
            Some(question) => failure.hint(question),
            None => failure,
        });
    }
    Ok(())
}

/// Refuses names of functions that no template has.
pub(super) fn check_functions(
    flags: &Flags,
    functions: &[(&FunctionName, &str, bool)],
) -> Result<(), Failure> {
    let given = [
        ("--image-uri", flags.image_uris.keys().collect::<Vec<_>>()),
        ("--image-runtime", flags.image_runtimes.keys().collect()),
    ];
    for (flag, names) in given {
        for name in names {
            let found = functions
                .iter()
                .find(|(function, id, _)| function.as_str() == name || id == name);
            match found {
                Some((_, _, true)) => {}
                Some((_, _, false)) => {
                    return Err(usage(format!(
                        "`{flag}` names `{name}`, which is no image function"
                    )));
                }
                None => {
                    return Err(usage(format!(
                        "`{flag}` names `{name}`, which no template has"
                    )));
                }
            }
        }
    }
    Ok(())
}
