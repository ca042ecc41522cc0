//! Images that functions are built in: the tools of a language, as the host has them, without a network.
//!
//! Here: what each has besides the tool, so that nothing is asked of a registry. They are on the engine and in no registry. Not
//! here: what functions run on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::rootfs::Rootfs;
use super::{Language, add_linked, once};
use crate::command;
use crate::images::{BuildContext, ImageError};
use crate::packages::{self, Tool};
use crate::python;
use crate::stack::{CONTAINER_REGISTRY, Stack};

/// Maven looks for everything where Debian's packages have it.
const MAVEN_SETTINGS: &[u8] = b"<settings>\
    <localRepository>/usr/share/maven-repo</localRepository><offline>true</offline></settings>\n";
const CARGO_LAMBDA: &str = "cargo-lambda==1.9.2";
const JAVA: [&str; 9] = [
    "default-jdk-headless",
    "gradle",
    "libgoogle-gson-java",
    "libmaven-compiler-plugin-java",
    "libmaven-dependency-plugin-java",
    "libmaven-jar-plugin-java",
    "libmaven-resources-plugin-java",
    "libsurefire-java",
    "maven",
];

/// What code is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder<'a> {
    /// Maven and Gradle, with Debian's packages of Java in place of a registry.
    Java,
    /// Debian's Go.
    Go,
    /// Python, pip and make.
    Makefile,
    /// Debian's Rust with `cargo lambda` of `PyPI`, which builds with Cargo alone and not with Zig.
    Rust,
    /// npm, with a cache of all that this folder's lock file names.
    Nodejs(&'a Path),
}

impl Builder<'_> {
    /// What `--build-image` calls it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Go => "go",
            Self::Makefile => "makefile",
            Self::Rust => "rust",
            Self::Nodejs(_) => "nodejs",
        }
    }
}

impl Stack<'_> {
    /// Makes the image of a builder when this process has not, and gives its name as the stack knows it.
    pub fn build_image(&self, builder: Builder<'_>) -> Result<String, ImageError> {
        let name = format!("builders/{}", builder.key());
        let reference = self.host_image(&name, "1");
        once(&reference, || match builder {
            Builder::Java => self.java_builder(&reference),
            Builder::Go => self.import(&reference, vec!["golang-go"], "PATH=/usr/bin:/bin"),
            Builder::Rust => self.rust_builder(&reference),
            Builder::Makefile | Builder::Nodejs(_) => Ok(()),
        })?;
        match builder {
            Builder::Makefile => self.makefile_builder(&reference)?,
            Builder::Nodejs(project) => self.npm_builder(&reference, project)?,
            Builder::Java | Builder::Go | Builder::Rust => {}
        }
        Ok(format!("{CONTAINER_REGISTRY}/{name}:1"))
    }

    fn import(
        &self,
        reference: &str,
        packages: Vec<&'static str>,
        environment: &str,
    ) -> Result<(), ImageError> {
        let files = format!("{reference}-files");
        Rootfs { packages }.import(self.engine(), &files)?;
        let context = BuildContext::new(&format!("FROM {files}\nENV {environment} HOME=/tmp\n"))?;
        context.build(self.engine(), reference, &BTreeMap::new())
    }

    fn java_builder(&self, reference: &str) -> Result<(), ImageError> {
        let files = format!("{reference}-files");
        let rootfs = Rootfs {
            packages: JAVA.to_vec(),
        };
        rootfs.import(self.engine(), &files)?;
        let mut context = BuildContext::new(&format!(
            "FROM {files}\nCOPY rootfs/ /\nENV PATH=/usr/bin:/bin HOME=/tmp\n"
        ))?;
        context.add("rootfs/etc/maven/settings.xml", MAVEN_SETTINGS, 0o644)?;
        context.build(self.engine(), reference, &BTreeMap::new())
    }

    fn rust_builder(&self, reference: &str) -> Result<(), ImageError> {
        let files = format!("{reference}-files");
        let rootfs = Rootfs {
            packages: vec!["cargo", "rustc"],
        };
        rootfs.import(self.engine(), &files)?;
        let folder = tempfile::tempdir_in(self.engine().folder());
        let folder = folder.map_err(|source| ImageError::Context {
            path: self.engine().folder().to_owned(),
            source,
        })?;
        let mut install = python::command()?;
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]);
        install.arg(folder.path());
        command::run(install.args(["--only-binary", ":all:", CARGO_LAMBDA]))?;
        let mut context = BuildContext::new(&format!(
            "FROM {files}\nCOPY rootfs/ /\nENV PATH=/usr/bin:/bin HOME=/tmp CARGO_LAMBDA_COMPILER=cargo\n"
        ))?;
        let program = folder.path().join("bin/cargo-lambda");
        context.add_program("rootfs/usr/bin/cargo-lambda", &program)?;
        context.build(self.engine(), reference, &BTreeMap::new())
    }

    fn makefile_builder(&self, reference: &str) -> Result<(), ImageError> {
        packages::ensure_installed(&["make"])?;
        self.push_base(Language::Python)?;
        let python = self.host_image("runtimes/python", "1");
        let mut context = BuildContext::new(&format!("FROM {python}\nCOPY rootfs/ /\n"))?;
        add_linked(
            &mut context,
            "rootfs/usr/bin/make",
            Path::new("/usr/bin/make"),
        )?;
        context.build(self.engine(), reference, &BTreeMap::new())
    }

    fn npm_builder(&self, reference: &str, project: &Path) -> Result<(), ImageError> {
        self.push_base(Language::Nodejs)?;
        let npm = |words: &[&str]| {
            let mut npm = Command::new(Tool::Npm.locate()?);
            npm.current_dir(project).args(words);
            Ok::<_, ImageError>(command::run(&mut npm)?)
        };
        let cache = tempfile::tempdir_in(self.engine().folder());
        let cache = cache.map_err(|source| ImageError::Context {
            path: self.engine().folder().to_owned(),
            source,
        })?;
        let place = cache.path().to_string_lossy();
        npm(&[
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--cache",
            &place,
        ])?;
        let registry = npm(&["config", "get", "registry"])?;
        let base = self.host_image("runtimes/nodejs", "1");
        let mut context = BuildContext::new(&format!(
            "FROM {base}\nCOPY cache/ /npm-cache/\nENV npm_config_cache=/npm-cache npm_config_offline=true \
             npm_config_registry={}\n",
            registry.trim()
        ))?;
        context.add_folder("cache", cache.path(), &|_| true)?;
        context.build(self.engine(), reference, &BTreeMap::new())
    }
}
