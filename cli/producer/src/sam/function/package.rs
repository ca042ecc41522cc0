//! What a function is made from: code on a runtime, or an image.

use std::collections::BTreeMap;

use engine::contract::{FunctionName, quoted};
use engine::image::Reference;
use engine::yaml::{Span, Value};

use super::build;
use super::properties::{IN_IMAGE, OF_ZIPS};
use crate::model::{
    Build, Code, Family, ImageConfig, LocalPath, OwnDockerfile, Package, Runtime, TemplateImage,
};
use crate::report::{Read, Reported, Subject, TemplateRule};
use crate::sam::fields::Fields;
use crate::sam::path::{join, local_path};
use crate::template::{Kind, is_call};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PackageType {
    Zip,
    Image,
}

/// Reads the package. `image_uri` is what the command line says of the function.
pub(super) fn read(
    fields: &Fields<'_, '_>,
    kind: Kind,
    metadata: Option<&Fields<'_, '_>>,
    image_uri: &dyn Fn(&str) -> Option<String>,
    name: Option<&FunctionName>,
) -> Read<Package> {
    let words = [("Zip", PackageType::Zip), ("Image", PackageType::Image)];
    let package_type = fields.choice("PackageType", &words)?;
    if package_type == Some(PackageType::Image) {
        let given = image_uri(name.map_or("", FunctionName::as_str));
        return image(fields, kind, metadata, given);
    }
    zip(fields, kind, metadata)
}

fn zip(fields: &Fields<'_, '_>, kind: Kind, metadata: Option<&Fields<'_, '_>>) -> Read<Package> {
    let runtime = fields.parsed("Runtime", runtime);
    let handler = fields.text("Handler");
    let family = runtime
        .as_ref()
        .ok()
        .and_then(Option::as_ref)
        .map(|runtime| runtime.family);
    let code = code(fields, kind, metadata, family);
    let own = metadata.map_or(Ok(None), |metadata| {
        named_dockerfile(metadata, code.as_ref().ok())
    });
    let build = metadata.map_or(Ok(Build::Automatic), build::read);
    if metadata.is_some_and(|metadata| metadata.has("DockerContext")) {
        let code = if kind == Kind::ServerlessFunction {
            "CodeUri"
        } else {
            "Code"
        };
        fields.no_effect(code, "the image is built from `DockerContext`");
    }
    fields.no_effect("ImageConfig", "the function is no image; see `PackageType`");
    if kind == Kind::ServerlessFunction {
        fields.no_effect("ImageUri", "the function is no image; see `PackageType`");
    }
    let runtime = fields.need("Runtime", runtime?)?;
    let handler = match (handler?, runtime.family) {
        (Some(handler), _) => handler,
        (None, Family::Provided) => "bootstrap".to_owned(),
        (
            None,
            Family::Python
            | Family::Nodejs
            | Family::Java
            | Family::Ruby
            | Family::Dotnet
            | Family::Go,
        ) => {
            return Err(fields.missing("Handler"));
        }
    };
    if handler.trim().is_empty() || handler.len() > 128 || handler.chars().any(char::is_control) {
        let message = format!("{} can be no handler", quoted(&handler));
        return Err(fields.bad("Handler", message));
    }
    Ok(Package::Zip {
        runtime,
        handler,
        code: own?.map_or(code?, Code::Dockerfile),
        build: build?,
    })
}

fn code(
    fields: &Fields<'_, '_>,
    kind: Kind,
    metadata: Option<&Fields<'_, '_>>,
    family: Option<Family>,
) -> Read<Code> {
    if kind == Kind::ServerlessFunction {
        if let Some(text) = fields.text("InlineCode")? {
            fields.no_effect("CodeUri", "`InlineCode` stands in its place");
            return inline(fields, "InlineCode", text, family);
        }
        let path = path(fields, "CodeUri")?;
        return Ok(Code::Path(path.unwrap_or_else(|| template_folder(fields))));
    }
    let Some(node) = fields.node("Code")? else {
        return Ok(Code::Path(template_folder(fields)));
    };
    if node.value.text().is_some() {
        return path(fields, "Code")?
            .map(Code::Path)
            .ok_or_else(|| fields.missing("Code"));
    }
    let inside = fields.child("Code")?;
    let inside = fields.need("Code", inside)?;
    if let Some(path) = asset(metadata)? {
        for name in ["S3Bucket", "S3Key"] {
            inside.no_effect(name, "the asset is taken from where it lies here");
        }
        return Ok(Code::Path(path));
    }
    if inside.has("S3Bucket") || inside.has("S3Key") {
        return Err(not_fetched(&inside.own().subject, &inside, inside.span));
    }
    match inside.text("ZipFile")? {
        Some(text) => inline(&inside, "ZipFile", text, family),
        None => Err(inside.missing("ZipFile")),
    }
}

/// Where the code of a function lies that does not say it: SAM packs the folder of the template.
fn template_folder(fields: &Fields<'_, '_>) -> LocalPath {
    LocalPath(join(&fields.own().context().nest().folder, "."))
}

/// A local path. A mapping here would say where in S3 the code lies.
pub(in crate::sam) fn path(fields: &Fields<'_, '_>, name: &str) -> Read<Option<LocalPath>> {
    if let Some(node) = fields.node(name)?
        && let Value::Map(map) = &node.value
        && !is_call(map)
    {
        return Err(not_fetched(&fields.at(name).subject, fields, node.span));
    }
    fields.local_path(name)
}

/// Refuses what lies in S3.
fn not_fetched(subject: &Subject, fields: &Fields<'_, '_>, span: Span) -> Reported {
    let message = "what lies in S3 is not fetched";
    let hint = "name a local path";
    let findings = fields.own().findings();
    findings.error_with_hint(TemplateRule::PropertyRefused, subject, span, message, hint)
}

/// Where the CDK put the asset that a resource is made from.
pub(in crate::sam) fn asset(metadata: Option<&Fields<'_, '_>>) -> Read<Option<LocalPath>> {
    match metadata {
        Some(metadata) => metadata.local_path("aws:asset:path"),
        None => Ok(None),
    }
}

fn inline(fields: &Fields<'_, '_>, name: &str, text: String, family: Option<Family>) -> Read<Code> {
    let file = match family {
        Some(Family::Python) => "index.py",
        Some(Family::Nodejs) => "index.js",
        Some(Family::Java | Family::Ruby | Family::Dotnet | Family::Go | Family::Provided) => {
            let message = "only Python and Node.js have their code in a template";
            return Err(fields.bad(name, message));
        }
        // The runtime itself was reported, or is reported as missing.
        None => "index",
    };
    Ok(Code::Inline {
        file: file.to_owned(),
        text,
    })
}

/// Reads a runtime; the error says which there are.
pub(super) fn runtime(text: &str) -> Result<Runtime, String> {
    let families = [
        ("python3.", "python", Family::Python),
        ("nodejs", "nodejs", Family::Nodejs),
        ("java", "java", Family::Java),
        ("ruby", "ruby", Family::Ruby),
        ("dotnet", "dotnet", Family::Dotnet),
        ("go1.", "go", Family::Go),
        ("provided.", "provided.", Family::Provided),
    ];
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
    families
        .into_iter()
        .filter(|_| text.chars().all(is_part))
        .find_map(|(begin, prefix, family)| {
            let version = text.strip_prefix(prefix)?;
            let rest = text.strip_prefix(begin)?;
            let begins_well = match family {
                Family::Python
                | Family::Nodejs
                | Family::Java
                | Family::Ruby
                | Family::Dotnet => rest.starts_with(|c: char| c.is_ascii_digit()),
                Family::Go => rest == "x",
                Family::Provided => rest.starts_with("al2"),
            };
            begins_well.then(|| Runtime {
                name: text.to_owned(),
                family,
                version: version.to_owned(),
            })
        })
        .ok_or_else(|| {
            format!(
                "the runtime {} is not supported; there are `python3.x`, `nodejsN.x`, `javaN`, `rubyN.x`, `dotnetN`, `go1.x`, `provided.al2` and `provided.al2023`",
                quoted(text)
            )
        })
}

fn image(
    fields: &Fields<'_, '_>,
    kind: Kind,
    metadata: Option<&Fields<'_, '_>>,
    given: Option<String>,
) -> Read<Package> {
    let config = image_config(fields);
    if kind == Kind::ServerlessFunction {
        for name in OF_ZIPS {
            fields.no_effect(name, IN_IMAGE);
        }
    } else {
        fields.no_effect("Handler", IN_IMAGE);
        fields.no_effect("Runtime", IN_IMAGE);
    }
    let code;
    let named_in = if kind == Kind::ServerlessFunction {
        Some(fields)
    } else {
        code = fields.child("Code")?;
        code.as_ref()
    };
    let in_template = named_in.map_or(Ok(None), |fields| fields.text("ImageUri"));
    let built = match metadata {
        Some(metadata) => own_dockerfile(metadata, None),
        None => Ok(None),
    };
    // A reference of the template names what a registry of the cloud holds; a Dockerfile of the template is nearer.
    let (built, in_template) = (built?, in_template?);
    if given.is_some() || built.is_some() {
        let why = if given.is_some() {
            "another image was given for the function"
        } else {
            "the image is built from `Metadata`"
        };
        if let Some(named_in) = named_in {
            named_in.no_effect("ImageUri", why);
        }
    }
    let source = given
        .map(TemplateImage::Uri)
        .or(built.map(TemplateImage::Dockerfile))
        .or(in_template.map(TemplateImage::Uri));
    let Some(source) = source else {
        let own = fields.at("ImageUri");
        let message = "the function has no image";
        let hint = "give it with `--image-uri FUNCTION=IMAGE`, or name a `Dockerfile` and a `DockerContext` in its `Metadata`";
        return Err(own.findings().error_with_hint(
            TemplateRule::MissingProperty,
            &own.subject,
            fields.span,
            message,
            hint,
        ));
    };
    if let TemplateImage::Uri(uri) = &source
        && Reference::parse(uri).is_err()
    {
        let own = fields.at("ImageUri");
        let message = format!("{} can be no reference of an image", quoted(uri));
        let hint = "an archive is loaded by `docker load`, and its image named with `--image-uri`";
        return Err(own.findings().error_with_hint(
            TemplateRule::BadValue,
            &own.subject,
            fields.span,
            message,
            hint,
        ));
    }
    Ok(Package::Image {
        source,
        config: config?,
    })
}

fn image_config(fields: &Fields<'_, '_>) -> Read<ImageConfig> {
    let Some(config) = fields.child("ImageConfig")? else {
        return Ok(ImageConfig::default());
    };
    let command = config.texts("Command");
    let entry_point = config.texts("EntryPoint");
    let working_directory = config.text("WorkingDirectory");
    Ok(ImageConfig {
        command: command?,
        entry_point: entry_point?,
        working_directory: working_directory?,
    })
}

/// A Dockerfile that the metadata of a zip function names. The folder of its code is the context when none is named.
fn named_dockerfile(metadata: &Fields<'_, '_>, code: Option<&Code>) -> Read<Option<OwnDockerfile>> {
    if metadata.has("DockerContext") || metadata.has("Dockerfile") {
        return own_dockerfile(metadata, code);
    }
    Ok(None)
}

/// A Dockerfile of the function's own, when its metadata names one.
fn own_dockerfile(metadata: &Fields<'_, '_>, code: Option<&Code>) -> Read<Option<OwnDockerfile>> {
    let names = if metadata.has("aws:asset:path") {
        [
            "aws:asset:path",
            "aws:asset:dockerfile-path",
            "aws:asset:docker-build-target",
            "aws:asset:docker-build-args",
        ]
    } else if metadata.has("DockerContext") || metadata.has("Dockerfile") {
        [
            "DockerContext",
            "Dockerfile",
            "DockerBuildTarget",
            "DockerBuildArgs",
        ]
    } else {
        return Ok(None);
    };
    let [context_name, dockerfile_name, target_name, args_name] = names;
    let context = metadata.local_path(context_name)?;
    let dockerfile = metadata.parsed(dockerfile_name, local_path)?;
    let target = metadata.text(target_name)?;
    let mut args = BTreeMap::new();
    if let Some(map) = metadata.free(args_name)? {
        for (name, entry) in map {
            let own = metadata.at(&format!("{args_name}.{name}"));
            if let Some(text) = own.text(&entry.node)? {
                let text = own.plain(&text, entry.node.span)?;
                args.insert(name.clone(), text.into_owned());
            }
        }
    }
    let of_code = match code {
        Some(Code::Path(path)) => Some(path.clone()),
        Some(Code::Inline { .. } | Code::Dockerfile(_)) | None => None,
    };
    Ok(Some(OwnDockerfile {
        context: metadata.need(context_name, context.or(of_code))?,
        dockerfile: dockerfile.unwrap_or_else(|| LocalPath("Dockerfile".to_owned())),
        target,
        args,
    }))
}
