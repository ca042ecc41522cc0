//! What a template asks for, with nothing left to resolve.
//!
//! Here: the data between the two halves of the producer. Every value is typed and checked, no intrinsic function is left, and
//! no value of a `NoEcho` parameter has a way in. Not here: reading a template (`sam`), files and Dockerfiles.
//!
//! Lists are sorted by logical id, so that one template gives one model.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod resource;

use std::collections::{BTreeMap, BTreeSet};

use engine::contract::{FunctionName, SourceTemplate};
use serde::Serialize;

pub use crate::text::{Piece, is_env_name};
pub use resource::{
    AttributeType, Billing, Bucket, Index, Keys, LifecycleRule, Projection, StreamView, Table,
    Throughput,
};

/// Everything that one template asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct App {
    /// Where it came from, as the manifest says it: path, digest, and the parameters that were given, without `NoEcho` ones.
    pub source: SourceTemplate,
    /// Names under which the stack needs secrets: those in [`EnvValue`]s. They belong in `required_secret_env`.
    pub required_secrets: BTreeSet<String>,
    /// Dynamic references that were looked up, without `resolve:`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub dynamic_references: BTreeSet<String>,
    /// Functions; no two have one name.
    pub functions: Vec<Function>,
    /// Layers; no two have one name.
    pub layers: Vec<Layer>,
    /// `DynamoDB` tables; no two have one name.
    pub tables: Vec<Table>,
    /// S3 buckets; no two have one name.
    pub buckets: Vec<Bucket>,
}

/// A path as written: absolute, or relative to the template's folder. Not empty, no URL, no control characters,
/// `/` as separator; nothing is known about the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LocalPath(pub(super) String);

impl LocalPath {
    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name in the stack: `FunctionName`, else the logical id.
    pub name: FunctionName,
    /// Line of the template in which its logical id stands, from 1; for messages about its files.
    pub line: u32,
    /// The nested template that it stands in; none for the template itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested_in: Option<String>,
    /// What runs.
    pub package: Package,
    /// The processor it is built for.
    pub architecture: Architecture,
    /// Seconds a call may take; none when the template is silent (the stack's default).
    pub timeout_s: Option<u32>,
    /// Megabytes of memory; none when the template is silent.
    pub memory_mb: Option<u32>,
    /// Variables of its environment.
    pub environment: BTreeMap<String, EnvValue>,
    /// Logical ids of [`App::layers`], the lowest first: a later layer covers an earlier one. Zip functions only.
    pub layers: Vec<String>,
    /// Paths by which the gateway calls it, in the order of their event's logical id; ANY is expanded.
    pub routes: Vec<Route>,
    /// Times at which it is called.
    pub schedules: Vec<Schedule>,
    /// How many may run at once.
    pub scaling: Scaling,
    /// A folder to be copied to `functions/<name>/hooks` (`Metadata.EsbHooks`).
    pub hooks: Option<LocalPath>,
    /// Where its properties stand, for messages about its files.
    #[serde(skip)]
    pub lines: FunctionLines,
}

/// Lines of the template in which properties of a function stand; that of its logical id where one is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionLines {
    /// What names the code: `CodeUri`, `Code`, `Metadata.DockerContext` and so on.
    pub code: u32,
    /// `Handler`.
    pub handler: u32,
    /// `Runtime`.
    pub runtime: u32,
    /// `Metadata.EsbHooks`.
    pub hooks: u32,
}

/// What a function is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Package {
    /// Code that runs on a runtime.
    Zip {
        /// The runtime.
        runtime: Runtime,
        /// The handler; `bootstrap` for a provided runtime without one.
        handler: String,
        /// The code.
        code: Code,
        /// How it comes to run.
        build: Build,
    },
    /// A container image.
    Image {
        /// Where it comes from.
        source: TemplateImage,
        /// What the template changes about it.
        config: ImageConfig,
    },
}

/// The code of a zip function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Code {
    /// A folder, zip file or jar file.
    Path(LocalPath),
    /// The text itself, and the name of the file it belongs in (`index.py`, `index.js`).
    Inline {
        /// `index.py` or `index.js`.
        file: String,
        /// Its text.
        text: String,
    },
    /// The function's `Metadata` names a Dockerfile, which is built in place of one of ours.
    Dockerfile(OwnDockerfile),
}

/// How the code of a function or a layer comes to be what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Build {
    /// As the code itself shows.
    Automatic,
    /// `sam build` made it: it is taken as it lies there.
    Done,
    /// `Metadata.BuildMethod`.
    Method(BuildMethod),
}

/// What `Metadata.BuildMethod` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum BuildMethod {
    /// The target `build-LOGICALID` of a makefile.
    Makefile,
    /// `esbuild`.
    Esbuild(Esbuild),
    /// `rust-cargolambda`.
    Cargo {
        /// `Binary`: which of several programs.
        binary: Option<String>,
    },
    /// A runtime: as code of it is built.
    Runtime(Family),
}

/// `BuildProperties` of `esbuild`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Esbuild {
    /// `EntryPoints`.
    pub entry_points: Vec<String>,
    /// `Format`.
    pub format: String,
    /// `Target`.
    pub target: String,
    /// `Minify`.
    pub minify: bool,
    /// `Sourcemap`.
    pub sourcemap: bool,
    /// `KeepNames`.
    pub keep_names: bool,
    /// `External`.
    pub external: Vec<String>,
    /// `Loader`.
    pub loader: Vec<String>,
    /// `OutExtension`.
    pub out_extension: Vec<String>,
    /// `MainFields`.
    pub main_fields: Vec<String>,
}

/// A runtime of zip functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Runtime {
    /// As the template says it: `python3.12`.
    pub name: String,
    /// What it is.
    pub family: Family,
    /// What follows the family: `3.12`, `20.x`, `21`, `al2023`.
    pub version: String,
}

/// Families of runtimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Family {
    /// `python3.x`.
    Python,
    /// `nodejsN.x`.
    Nodejs,
    /// `javaN`, `java8.al2`.
    Java,
    /// `ruby3.x`.
    Ruby,
    /// `dotnetN`.
    Dotnet,
    /// `go1.x`.
    Go,
    /// `provided.al2`, `provided.al2023`: an executable `bootstrap`.
    Provided,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 7] = [
        Self::Python,
        Self::Nodejs,
        Self::Java,
        Self::Ruby,
        Self::Dotnet,
        Self::Go,
        Self::Provided,
    ];

    /// As runtimes begin.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Nodejs => "nodejs",
            Self::Java => "java",
            Self::Ruby => "ruby",
            Self::Dotnet => "dotnet",
            Self::Go => "go",
            Self::Provided => "provided",
        }
    }
}

/// Where the image of a function comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum TemplateImage {
    /// A reference.
    Uri(String),
    /// The function's `Metadata`: a Dockerfile of its own.
    Dockerfile(OwnDockerfile),
}

/// A Dockerfile that a function's `Metadata` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnDockerfile {
    /// `DockerContext`.
    pub context: LocalPath,
    /// `Dockerfile`, relative to the context; `Dockerfile` when the template is silent.
    pub dockerfile: LocalPath,
    /// `DockerBuildTarget`.
    pub target: Option<String>,
    /// `DockerBuildArgs`.
    pub args: BTreeMap<String, String>,
}

/// `ImageConfig`: what the template changes about an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImageConfig {
    /// `Command`; none when the template is silent.
    pub command: Option<Vec<String>>,
    /// `EntryPoint`; none when the template is silent.
    pub entry_point: Option<Vec<String>>,
    /// `WorkingDirectory`.
    pub working_directory: Option<String>,
}

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Architecture {
    /// `x86_64`, `linux/amd64`.
    X86_64,
    /// `arm64`, `linux/arm64`.
    Arm64,
}

impl Architecture {
    /// As templates write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum EnvValue {
    /// A text; no secret had a part in it.
    Text(String),
    /// The value of a `NoEcho` parameter: the name under which the gateway knows it (docs/adr/0025).
    Secret(String),
    /// Texts and secrets one after the other.
    Joined(Vec<Piece>),
}

impl EnvValue {
    /// Its pieces.
    pub fn pieces(&self) -> Vec<Piece> {
        match self {
            Self::Text(text) => vec![Piece::Literal(text.clone())],
            Self::Secret(name) => vec![Piece::Secret(name.clone())],
            Self::Joined(pieces) => pieces.clone(),
        }
    }
}

/// One path of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Route {
    /// Path with `{name}` and `{name+}` segments; begins with `/`.
    pub path: String,
    /// Method; never ANY.
    pub method: Method,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `DELETE`.
    Delete,
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `OPTIONS`.
    Options,
    /// `PATCH`.
    Patch,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 7] = [
        Self::Delete,
        Self::Get,
        Self::Head,
        Self::Options,
        Self::Patch,
        Self::Post,
        Self::Put,
    ];

    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// Calls at times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// `Name`, else the function's name, `-` and the event's logical id.
    pub name: String,
    /// `rate(…)`, `cron(…)` or `at(…)`, as written.
    pub expression: String,
    /// `ScheduleExpressionTimezone` of a `ScheduleV2`.
    pub timezone: Option<String>,
    /// The event that the function gets.
    pub input: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// How many of a function may run at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Scaling {
    /// `ReservedConcurrentExecutions`: at most.
    pub reserved: Option<u32>,
    /// `ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions`: at least.
    pub provisioned: Option<u32>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Its name in the template.
    pub logical_id: String,
    /// `LayerName`, else the logical id; a part of paths, as a function's name is.
    pub name: FunctionName,
    /// Line of the template in which its logical id stands, from 1.
    pub line: u32,
    /// The nested template that it stands in; none for the template itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested_in: Option<String>,
    /// A folder or zip file.
    pub content: LocalPath,
    /// Line in which the content stands, for messages about its files.
    #[serde(skip)]
    pub content_line: u32,
    /// How it comes to be what lies below `/opt`.
    pub build: Build,
    /// `CompatibleRuntimes`, as written.
    pub runtimes: Vec<String>,
    /// `CompatibleArchitectures`.
    pub architectures: Vec<Architecture>,
}
