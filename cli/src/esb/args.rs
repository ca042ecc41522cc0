//! The words of `esb`. What it has in common with `artifactctl` is declared there, once.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::applier::args::{Acting, Applying, Deploy, OnFailureArgs, SupersedeArgs};
use crate::args::{Global, RegistryArgs};
use crate::project::{Pair, ProjectFile};

/// Turns templates into artifacts, and deploys them onto a running stack.
#[derive(Debug, Parser)]
#[command(
    name = "esb",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        esb init\n  \
        esb validate -t template.yaml\n  \
        esb generate -t template.yaml -o build\n  \
        esb deploy -t template.yaml -o build --out /srv/stack/config\n\n\
        Documentation: docs/guide/producer.md and docs/guide/cli.md, or `esb man`"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make artifacts, or apply them
    #[command(subcommand)]
    Artifact(Artifact),
    /// Make an artifact of templates; the same as `artifact generate`
    #[command(visible_alias = "build", alias = "package")]
    Generate(Box<Generate>),
    /// Make an artifact of templates and deploy it, in one go
    #[command(
        alias = "up",
        after_help = "Examples:\n  \
        esb deploy --template template.yaml --out /srv/stack/config\n  \
        esb deploy --template orders.yaml --template stock.yaml --parameter Stage=dev --out /srv/stack/config --dry-run"
    )]
    Deploy(Box<MakeAndDeploy>),
    /// Check templates; no file is written, nothing is built and nobody is asked
    #[command(
        alias = "lint",
        after_help = "Examples:\n  \
        esb validate\n  \
        esb validate -t template.yaml --parameter Stage=prod -v"
    )]
    Validate(Box<Validate>),
    /// Show how the artifact on disk differs from what the templates give; exits 11 when it does
    #[command(after_help = "Example:\n  \
        esb diff -t template.yaml -o build")]
    Diff(Box<Diff>),
    /// Deploy an artifact that is there; the same as `artifact apply`
    #[command(hide = true)]
    Apply(Box<Deploy>),
    /// Write a project file from what lies here and what runs; a file that is there stays as it is
    Init,
    /// Show every setting, its value, and where it comes from: flag, environment, project file or default
    Config,
    /// Print the manual, or write a page for each command into a directory
    #[command(after_help = "Examples:\n  \
        esb man | man -l -\n  \
        esb man --dir /usr/local/share/man/man1")]
    Man {
        /// The directory; it must exist
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Artifact {
    /// Make an artifact of templates; nothing is applied
    #[command(after_help = "Examples:\n  \
        esb artifact generate --template template.yaml --output build\n  \
        esb artifact generate --template template.yaml --parameters-file dev.json --parameter Stage=dev --output build\n  \
        esb artifact generate --template template.yaml --output build --check")]
    Generate(Box<Generate>),
    /// Deploy an artifact that is there; the same as `artifactctl deploy`
    #[command(after_help = "Example:\n  \
        esb artifact apply --artifact build/artifact.yml --out /srv/stack/config")]
    Apply(Box<Deploy>),
}

/// What an artifact is made of.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Making {
    /// A SAM template, YAML or JSON; repeatable, in the order in which they merge [default: template.yaml, .yml or .json here]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) template: Vec<PathBuf>,
    /// Folder of the artifact; replaced as a whole
    #[arg(long, short, value_name = "DIR", default_value = "artifact")]
    pub(crate) output: PathBuf,
    /// The manifest [default: artifact.yml in the folder of the artifact]
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest: Option<PathBuf>,
    /// Value of a parameter; repeatable, stronger than files
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) parameter: Vec<String>,
    /// File of parameters: JSON, YAML, dotenv or samconfig.toml; repeatable, a later one is stronger [default: samconfig.toml beside the template]
    #[arg(long, value_name = "PATH")]
    pub(crate) parameters_file: Vec<PathBuf>,
    /// Environment of a samconfig.toml
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) samconfig_env: String,
    /// Remember the answers that are given in this run, to suggest them next time; secrets never
    #[arg(long)]
    pub(crate) save_defaults: bool,
    /// The environment
    #[arg(long, value_name = "NAME", default_value = "dev")]
    pub(crate) env: String,
    /// Compose project of the stack [default: esb- and the environment]
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// How the stack runs functions [default: docker; of `esb deploy`, what the stack does]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Api version the artifact asks of the stack
    #[arg(long, value_name = "VERSION", default_value = "1.0")]
    pub(crate) api_version: String,
    /// Release the artifact asks of the stack: a version, a range, or a moving tag
    #[arg(long, value_name = "VERSION")]
    pub(crate) esb_version: Option<String>,
    /// Versions the artifact asks of a service, such as gateway='^1.4'; repeatable
    #[arg(long, value_name = "SERVICE=RANGE")]
    pub(crate) require: Vec<String>,
    /// Image in place of the template's, by function; repeatable
    #[arg(long, value_name = "FUNCTION=IMAGE")]
    pub(crate) image_uri: Vec<String>,
    /// What the image of an image function runs, so that its hooks are loaded; repeatable
    #[arg(long, value_name = "FUNCTION=RUNTIME")]
    pub(crate) image_runtime: Vec<String>,
    /// Base image, by runtime (python3.12) or family (python); repeatable [default: esb-lambda-base, as the stack has it]
    #[arg(long, value_name = "RUNTIME=IMAGE")]
    pub(crate) base: Vec<String>,
    /// Folder or archive in the place of a layer that only the cloud has, by ARN or name, or `drop`; repeatable
    #[arg(long, value_name = "ARN=PATH|drop")]
    pub(crate) layer: Vec<String>,
    /// Image in which code is built, by runtime (java21) or by what builds: python, nodejs, java, ruby, dotnet, go, rust, makefile; repeatable
    #[arg(long, value_name = "RUNTIME=IMAGE")]
    pub(crate) build_image: Vec<String>,
    /// Variable of the gateway that holds a secret, by its dynamic reference without `resolve:`; repeatable [default: made of the secret's name and key]
    #[arg(long, value_name = "REFERENCE=NAME")]
    pub(crate) secret_name: Vec<String>,
    /// Tag of the functions' images
    #[arg(long, value_name = "TAG", default_value = "latest")]
    pub(crate) tag: String,
    /// Registry of the functions' images, as the stack knows it [default: the registry of the deploy]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) registry: Option<String>,
    /// Leave the environment and the scaling that the stack gives every function out of functions.yml
    #[arg(long)]
    pub(crate) no_stack_defaults: bool,
    /// List images and files in bundle/manifest.json
    #[arg(long)]
    pub(crate) bundle_manifest: bool,
    /// Leave out names of the templates that look like misspellings, with a warning
    #[arg(long)]
    pub(crate) allow_unknown: bool,
    /// What the project file says of parameters.
    #[arg(skip)]
    pub(crate) project_file: FileParameters,
}

/// Parameters of the project file: weaker than every flag, stronger than what it names itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileParameters {
    /// The files that it names.
    pub(crate) files: Vec<PathBuf>,
    /// Its own values.
    pub(crate) values: Vec<Pair>,
}

impl Making {
    /// Takes the tables of the project file. A flag with the same name is stronger.
    pub(crate) fn take_tables(&mut self, file: &ProjectFile) {
        file.add_pairs("require", &mut self.require);
        file.add_pairs("image-uri", &mut self.image_uri);
        file.add_pairs("image-runtime", &mut self.image_runtime);
        file.add_pairs("base", &mut self.base);
        file.add_pairs("layer", &mut self.layer);
        file.add_pairs("build-image", &mut self.build_image);
        file.add_pairs("secret-name", &mut self.secret_name);
        if self.parameters_file.is_empty() {
            let files = file.texts("parameters-file").iter();
            self.project_file.files = files.map(PathBuf::from).collect();
        }
        self.project_file.values = file.pairs("parameter").to_vec();
    }
}

/// How a stack runs functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    // The agent, on the Docker engine.
    Docker,
    // A runtime-node, on containerd.
    Containerd,
}

impl From<Mode> for engine::contract::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Docker => Self::Docker,
            Mode::Containerd => Self::Containerd,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) making: Making,
    #[command(flatten)]
    pub(crate) strictness: Strictness,
}

/// Whether warnings are failures, of commands that deploy nothing; a deploy has the same flag for its own warnings too.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Strictness {
    /// Treat warnings about the templates as failures
    #[arg(long)]
    pub(crate) strict_warnings: bool,
}

/// What is done to the templates before an artifact is made of them.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Building {
    /// Run `sam build` on each template first, and take what it built: .aws-sam/build/template.yaml beside the template
    #[arg(long)]
    pub(crate) sam_build: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) making: Making,
    #[command(flatten)]
    pub(crate) building: Building,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) making: Making,
    #[command(flatten)]
    pub(crate) building: Building,
    #[command(flatten)]
    pub(crate) strictness: Strictness,
    /// Change nothing; exit 11 when the artifact on disk is not what the templates give today
    #[arg(long, conflicts_with_all = ["build_images", "save_defaults"])]
    pub(crate) check: bool,
    /// Build the images that the registry does not have, and push them there
    #[arg(long)]
    pub(crate) build_images: bool,
    /// Build images even when the registry has them
    #[arg(long, requires = "build_images")]
    pub(crate) no_cache: bool,
    /// Platform to build images for, such as linux/arm64 [default: the engine's]
    #[arg(long, value_name = "OS/ARCH", requires = "build_images", value_parser = engine::image::platform)]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) registries: RegistryArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MakeAndDeploy {
    #[command(flatten)]
    pub(crate) making: Making,
    #[command(flatten)]
    pub(crate) building: Building,
    #[command(flatten)]
    pub(crate) applying: Applying,
    #[command(flatten)]
    pub(crate) acting: Acting,
    #[command(flatten)]
    pub(crate) supersede: SupersedeArgs,
    #[command(flatten)]
    pub(crate) on_failure: OnFailureArgs,
    /// Make the artifact and show what would be deployed, touching nothing else
    #[arg(long)]
    pub(crate) dry_run: bool,
}
