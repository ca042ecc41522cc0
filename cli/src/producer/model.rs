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

pub(crate) use resource::{
    AttributeType, Billing, Bucket, Index, Keys, LifecycleRule, Projection, StreamView, Table,
    Throughput,
};

/// Everything that one template asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct App {
    /// Where it came from, as the manifest says it: path, digest, and the parameters that were given, without `NoEcho` ones.
    pub(crate) source: SourceTemplate,
    /// Names under which the stack needs secrets: those of [`EnvValue::Secret`]. They belong in `required_secret_env`.
    pub(crate) required_secrets: BTreeSet<String>,
    /// Functions; no two have one name.
    pub(crate) functions: Vec<Function>,
    /// Layers; no two have one name.
    pub(crate) layers: Vec<Layer>,
    /// `DynamoDB` tables; no two have one name.
    pub(crate) tables: Vec<Table>,
    /// S3 buckets; no two have one name.
    pub(crate) buckets: Vec<Bucket>,
}

/// A path as written: absolute, or relative to the template's folder. Not empty, no URL, no control characters,
/// `/` as separator; nothing is known about the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct LocalPath(pub(super) String);

impl LocalPath {
    /// The path as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Function {
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// Its name in the stack: `FunctionName`, else the logical id.
    pub(crate) name: FunctionName,
    /// Line of the template in which its logical id stands, from 1; for messages about its files.
    pub(crate) line: u32,
    /// What runs.
    pub(crate) package: Package,
    /// The processor it is built for.
    pub(crate) architecture: Architecture,
    /// Seconds a call may take; none when the template is silent (the stack's default).
    pub(crate) timeout_s: Option<u32>,
    /// Megabytes of memory; none when the template is silent.
    pub(crate) memory_mb: Option<u32>,
    /// Megabytes of `/tmp`; none when the template is silent.
    pub(crate) ephemeral_storage_mb: Option<u32>,
    /// Variables of its environment.
    pub(crate) environment: BTreeMap<String, EnvValue>,
    /// Logical ids of [`App::layers`], the lowest first: a later layer covers an earlier one. Zip functions only.
    pub(crate) layers: Vec<String>,
    /// Paths by which the gateway calls it, in the order of their event's logical id; ANY is expanded.
    pub(crate) routes: Vec<Route>,
    /// Times at which it is called.
    pub(crate) schedules: Vec<Schedule>,
    /// How many may run at once.
    pub(crate) scaling: Scaling,
    /// A folder to be copied to `functions/<name>/hooks` (`Metadata.EsbHooks`).
    pub(crate) hooks: Option<LocalPath>,
}

/// What a function is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Package {
    /// Code that runs on a runtime.
    Zip {
        /// The runtime.
        runtime: Runtime,
        /// The handler; `bootstrap` for a provided runtime without one.
        handler: String,
        /// The code.
        code: Code,
    },
    /// A container image.
    Image {
        /// Where it comes from.
        source: ImageSource,
        /// What the template changes about it.
        config: ImageConfig,
    },
}

/// The code of a zip function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Code {
    /// A folder, zip file or jar file.
    Path(LocalPath),
    /// The text itself, and the name of the file it belongs in (`index.py`, `index.js`).
    Inline {
        /// `index.py` or `index.js`.
        file: String,
        /// Its text.
        text: String,
    },
}

/// A runtime of zip functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Runtime {
    /// As the template says it: `python3.12`.
    pub(crate) name: String,
    /// What it is.
    pub(crate) family: Family,
    /// What follows the family: `3.12`, `20.x`, `21`, `al2023`.
    pub(crate) version: String,
}

/// Families of runtimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Family {
    /// `python3.x`.
    Python,
    /// `nodejsN.x`.
    Nodejs,
    /// `javaN`, `java8.al2`.
    Java,
    /// `provided.al2`, `provided.al2023`: an executable `bootstrap`.
    Provided,
}

impl Family {
    /// As runtimes begin.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Nodejs => "nodejs",
            Self::Java => "java",
            Self::Provided => "provided",
        }
    }
}

/// Where the image of a function comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum ImageSource {
    /// A reference.
    Uri(String),
    /// The function's `Metadata`: a Dockerfile of its own.
    Dockerfile {
        /// `DockerContext`.
        context: LocalPath,
        /// `Dockerfile`, relative to the context; `Dockerfile` when the template is silent.
        dockerfile: LocalPath,
        /// `DockerBuildTarget`.
        target: Option<String>,
        /// `DockerBuildArgs`.
        args: BTreeMap<String, String>,
    },
}

/// `ImageConfig`: what the template changes about an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ImageConfig {
    /// `Command`; none when the template is silent.
    pub(crate) command: Option<Vec<String>>,
    /// `EntryPoint`; none when the template is silent.
    pub(crate) entry_point: Option<Vec<String>>,
    /// `WorkingDirectory`.
    pub(crate) working_directory: Option<String>,
}

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Architecture {
    /// `x86_64`, `linux/amd64`.
    X86_64,
    /// `arm64`, `linux/arm64`.
    Arm64,
}

impl Architecture {
    /// As templates write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum EnvValue {
    /// A text; no secret had a part in it.
    Text(String),
    /// The value of a `NoEcho` parameter: the name under which the stack knows it (docs/adr/0007).
    Secret(String),
}

/// One path of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Route {
    /// Path with `{name}` and `{name+}` segments; begins with `/`.
    pub(crate) path: String,
    /// Method; never ANY.
    pub(crate) method: Method,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
}

impl Method {
    /// Every method.
    pub(crate) const ALL: [Self; 7] = [
        Self::Delete,
        Self::Get,
        Self::Head,
        Self::Options,
        Self::Patch,
        Self::Post,
        Self::Put,
    ];

    /// As HTTP writes it.
    pub(crate) fn as_str(self) -> &'static str {
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
pub(crate) struct Schedule {
    /// `Name`, else the function's name, `-` and the event's logical id.
    pub(crate) name: String,
    /// `rate(…)`, `cron(…)` or `at(…)`, as written.
    pub(crate) expression: String,
    /// `ScheduleExpressionTimezone` of a `ScheduleV2`.
    pub(crate) timezone: Option<String>,
    /// The event that the function gets.
    pub(crate) input: Option<String>,
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// What it is for.
    pub(crate) description: Option<String>,
}

/// How many of a function may run at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Scaling {
    /// `ReservedConcurrentExecutions`: at most.
    pub(crate) reserved: Option<u32>,
    /// `ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions`: at least.
    pub(crate) provisioned: Option<u32>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Layer {
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// `LayerName`, else the logical id; a part of paths, as a function's name is.
    pub(crate) name: FunctionName,
    /// Line of the template in which its logical id stands, from 1.
    pub(crate) line: u32,
    /// A folder or zip file.
    pub(crate) content: LocalPath,
    /// `CompatibleRuntimes`, as written.
    pub(crate) runtimes: Vec<String>,
    /// `CompatibleArchitectures`.
    pub(crate) architectures: Vec<Architecture>,
}
