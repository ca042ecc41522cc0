//! How code is built: `BuildMethod` and `BuildProperties` of the metadata of a function or a layer.

use engine::contract::quoted;

use super::package::runtime;
use crate::model::{Build, BuildMethod, Esbuild, Family};
use crate::report::Read;
use crate::sam::fields::Fields;

/// What `sam build` adds to every resource that it built.
const BUILT: &str = "SamResourceId";

/// Which method, before its properties are read.
#[derive(Debug, Clone, Copy)]
enum Named {
    Makefile,
    Esbuild,
    Cargo,
    Runtime(Family),
}

/// Reads how code is built.
pub(in crate::sam) fn read(metadata: &Fields<'_, '_>) -> Read<Build> {
    if metadata.has(BUILT) {
        metadata.no_effect("BuildMethod", "`sam build` has built it");
        metadata.no_effect("BuildProperties", "`sam build` has built it");
        return Ok(Build::Done);
    }
    let named = metadata.parsed("BuildMethod", named)?;
    let properties = metadata.child("BuildProperties")?;
    let Some(named) = named else {
        return Ok(Build::Automatic);
    };
    Ok(Build::Method(match (named, properties) {
        (Named::Makefile, _) => BuildMethod::Makefile,
        (Named::Runtime(family), _) => BuildMethod::Runtime(family),
        (Named::Cargo, None) => BuildMethod::Cargo { binary: None },
        (Named::Cargo, Some(properties)) => BuildMethod::Cargo {
            binary: properties.text("Binary")?,
        },
        (Named::Esbuild, Some(properties)) => BuildMethod::Esbuild(esbuild(&properties)?),
        (Named::Esbuild, None) => return Err(metadata.missing("BuildProperties")),
    }))
}

/// Reads how the files of a layer are built.
pub(in crate::sam) fn read_layer(metadata: &Fields<'_, '_>) -> Read<Build> {
    if metadata.has(BUILT) {
        metadata.no_effect("BuildMethod", "`sam build` has built it");
        return Ok(Build::Done);
    }
    let method = metadata.parsed("BuildMethod", |text| match named(text)? {
        Named::Makefile => Ok(BuildMethod::Makefile),
        Named::Runtime(family) => Ok(BuildMethod::Runtime(family)),
        Named::Esbuild | Named::Cargo => Err(format!("{} builds no layer", quoted(text))),
    })?;
    Ok(method.map_or(Build::Automatic, Build::Method))
}

fn named(text: &str) -> Result<Named, String> {
    match text {
        "makefile" => Ok(Named::Makefile),
        "esbuild" => Ok(Named::Esbuild),
        "rust-cargolambda" => Ok(Named::Cargo),
        "python-uv" => Ok(Named::Runtime(Family::Python)),
        _ => runtime(text).map(|runtime| Named::Runtime(runtime.family)).map_err(|_| {
            format!(
                "a build method is `makefile`, `esbuild`, `rust-cargolambda` or a runtime, not {}",
                quoted(text)
            )
        }),
    }
}

fn esbuild(properties: &Fields<'_, '_>) -> Read<Esbuild> {
    let entry_points = properties.texts("EntryPoints")?.unwrap_or_default();
    if entry_points.is_empty() {
        return Err(properties.missing("EntryPoints"));
    }
    let list = |name: &str| Ok(properties.texts(name)?.unwrap_or_default());
    Ok(Esbuild {
        entry_points,
        format: properties
            .text("Format")?
            .unwrap_or_else(|| "cjs".to_owned()),
        target: properties
            .text("Target")?
            .unwrap_or_else(|| "es2020".to_owned()),
        minify: properties.flag("Minify")?.unwrap_or(true),
        sourcemap: properties.flag("Sourcemap")?.unwrap_or(false),
        keep_names: properties.flag("KeepNames")?.unwrap_or(false),
        external: list("External")?,
        loader: list("Loader")?,
        out_extension: list("OutExtension")?,
        main_fields: list("MainFields")?,
    })
}
