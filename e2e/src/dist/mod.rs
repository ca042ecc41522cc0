//! What is given to people who install: an archive, a Debian package and an image, each with a checksum.
//!
//! Here: the static programs, and what lies beside them. `notices` gathers the licences of others. Not here: publishing it.

mod notices;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, CommandError};
use crate::engine::{LABEL_RUN, TestEngine};
use crate::{services, workspace};

/// The programs.
const PROGRAMS: [&str; 2] = ["artifactctl", "esb"];

/// Shells that get a completion script, where a Debian package has it.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/{}"),
    ("fish", "fish/vendor_completions.d/{}.fish"),
    ("zsh", "zsh/vendor-completions/_{}"),
];

/// Times of files in archives, so that the same programs make the same archive: 2026-01-01.
const EPOCH: &str = "1767225600";

/// Largest size of a released program, in bytes.
const SIZE_MAX: u64 = 20 << 20;

/// How the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// As they are released: small and fast, which takes two cores seven minutes.
    Released,
    /// Linked and laid out as they are released, and not optimised: for a test of all else.
    Unoptimised,
}

/// Why there is nothing to give.
#[derive(Debug, thiserror::Error)]
pub enum DistError {
    /// A build or a tool failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The compiler does not say for what it compiles.
    #[error(transparent)]
    Services(#[from] services::ServicesError),
    /// What cargo says of the packages does not read.
    #[error("cannot read what cargo says of the packages")]
    Metadata(#[from] serde_json::Error),
    /// A program became larger than people were promised.
    #[error("`{path}` has {size} bytes, and may have {SIZE_MAX}")]
    Large {
        /// The program.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// A file could not be read or written.
    #[error("cannot write `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What was made.
#[derive(Debug)]
pub struct Dist {
    /// The folder of all of it.
    pub folder: PathBuf,
    /// `artifactctl-VERSION-MACHINE-linux.tar.gz`, which holds one folder of the same name.
    pub archive: PathBuf,
    /// The Debian package.
    pub package: PathBuf,
    /// The image, for `docker load`; none without an engine.
    pub image: Option<PathBuf>,
    /// `SHA256SUMS`.
    pub sums: PathBuf,
}

impl Dist {
    /// The name of the folder in the archive.
    pub fn name(&self) -> String {
        let name = self.archive.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        name.trim_end_matches(".tar.gz").to_owned()
    }
}

/// Builds the programs, linked statically, and says where they are.
fn build_static(how: Build) -> Result<Vec<PathBuf>, DistError> {
    let host = services::host()?;
    let target_dir = workspace::target_dir().join("dist-build");
    let mut build = workspace::cargo();
    build
        .args(["build", "--locked", "--package", "artifactctl"])
        .args(PROGRAMS.iter().flat_map(|name| ["--bin", name]))
        .args(["--target", &host, "--target-dir"])
        .arg(&target_dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", static_flags());
    let profile = match how {
        Build::Released => {
            build.arg("--release");
            "release"
        }
        Build::Unoptimised => {
            build.env("CARGO_PROFILE_DEV_STRIP", "true");
            "debug"
        }
    };
    command::run(&mut build)?;
    let folder = target_dir.join(host).join(profile);
    let programs: Vec<_> = PROGRAMS.iter().map(|name| folder.join(name)).collect();
    for path in &programs {
        let size = fs::metadata(path).map_err(failed(path))?.len();
        if how == Build::Released && size > SIZE_MAX {
            let path = path.clone();
            return Err(DistError::Large { path, size });
        }
    }
    Ok(programs)
}

/// Links C libraries in, and leaves the paths of this machine out of what a panic says.
fn static_flags() -> String {
    let home = std::env::var("CARGO_HOME").or_else(|_| {
        let home = std::env::var("HOME");
        home.map(|home| format!("{home}/.cargo"))
    });
    let root = workspace::root();
    let mut flags = format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=artifactctl",
        root.display()
    );
    if let Ok(home) = home {
        flags.push_str(&format!(" --remap-path-prefix={home}=cargo"));
    }
    flags
}

/// The name of the image.
pub fn image_name() -> String {
    format!("artifactctl:{}", env!("CARGO_PKG_VERSION"))
}

/// Makes everything below a folder; the image, of this name, needs an engine.
pub fn make(
    how: Build,
    folder: &Path,
    image_on: Option<(&TestEngine, &str)>,
    mut say: impl FnMut(&str),
) -> Result<Dist, DistError> {
    say("building the static programs");
    let programs = build_static(how)?;
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let folder = fs::canonicalize(folder).map_err(failed(folder))?;
    let version = env!("CARGO_PKG_VERSION");
    let machine = std::env::consts::ARCH;
    let name = format!("artifactctl-{version}-{machine}-linux");
    let staging = tempfile::tempdir_in(&folder).map_err(failed(&folder))?;

    say("gathering manual, completions and licences");
    let tree = staging.path().join(&name);
    lay_out(&tree, &programs)?;

    say("packing");
    let archive = folder.join(format!("{name}.tar.gz"));
    let mut pack = Command::new("tar");
    pack.args([
        "--create",
        "--gzip",
        "--sort=name",
        "--owner=0",
        "--group=0",
    ])
    .args(["--numeric-owner", &format!("--mtime=@{EPOCH}"), "--file"])
    .arg(&archive)
    .env("GZIP", "-n")
    .arg("--directory")
    .arg(staging.path())
    .arg(&name);
    command::run(&mut pack)?;
    let package = debian(&folder, staging.path(), &tree, version)?;
    let image = image_on
        .map(|(engine, reference)| {
            say("making the image");
            let file = folder.join(format!("artifactctl-{version}-image.tar"));
            image(&file, staging.path(), &tree, reference, engine)?;
            Ok::<_, DistError>(file)
        })
        .transpose()?;

    let sums = folder.join("SHA256SUMS");
    let mut sum = Command::new("sha256sum");
    sum.current_dir(&folder);
    for path in [Some(&archive), Some(&package), image.as_ref()] {
        sum.args(path.and_then(|path| path.file_name()));
    }
    write(&sums, &command::run(&mut sum)?)?;
    Ok(Dist {
        folder,
        archive,
        package,
        image,
        sums,
    })
}

/// The folder of an archive, laid out as below `/usr`, so that it can be unpacked there.
fn lay_out(tree: &Path, programs: &[PathBuf]) -> Result<(), DistError> {
    let bin = tree.join("bin");
    let man = tree.join("share/man/man1");
    let doc = tree.join("share/doc/artifactctl");
    for folder in [&bin, &man, &doc] {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    for (name, program) in PROGRAMS.iter().zip(programs) {
        let installed = bin.join(name);
        fs::copy(program, &installed).map_err(failed(program))?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&installed, mode).map_err(failed(&installed))?;
        let mut pages = Command::new(&installed);
        command::run(pages.args(["man", "--dir"]).arg(&man))?;
        for (shell, place) in COMPLETIONS {
            let place = tree.join("share").join(place.replace("{}", name));
            let mut script = Command::new(&installed);
            write(&place, &command::run(script.args(["completions", shell]))?)?;
        }
    }
    let root = workspace::root();
    for page in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        let to = doc.join(page);
        fs::copy(root.join(page), &to).map_err(failed(&to))?;
    }
    write(&doc.join("THIRD-PARTY.txt"), &notices::notices()?)
}

/// A Debian package of the same files below `/usr`. The programs are static: it depends on nothing.
fn debian(folder: &Path, staging: &Path, tree: &Path, version: &str) -> Result<PathBuf, DistError> {
    let architecture = command::run(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let root = staging.join("deb");
    let control = format!(
        "Package: artifactctl\nVersion: {version}\nArchitecture: {architecture}\nSection: admin\n\
         Priority: optional\nMaintainer: The developers of artifactctl <artifactctl@localhost>\n\
         Description: deploys functions onto a serverless stack under Docker Compose\n \
         artifactctl checks an artifact and the running stack, builds images, publishes the\n \
         configuration and records each step, so that a deploy can be resumed. esb makes\n \
         artifacts of AWS SAM templates.\n"
    );
    write(&root.join("DEBIAN/control"), &control)?;
    command::run(Command::new("cp").arg("-r").arg(tree).arg(root.join("usr")))?;
    let man = root.join("usr/share/man/man1");
    let mut pages: Vec<PathBuf> = fs::read_dir(&man)
        .map_err(failed(&man))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    pages.sort();
    command::run(Command::new("gzip").args(["-9n"]).args(&pages))?;
    let doc = root.join("usr/share/doc/artifactctl");
    fs::rename(doc.join("LICENSE-MIT"), doc.join("copyright")).map_err(failed(&doc))?;
    let package = folder.join(format!("artifactctl_{version}_{architecture}.deb"));
    let mut build = Command::new("dpkg-deb");
    build
        .args(["--root-owner-group", "--build"])
        .arg(&root)
        .arg(&package)
        .env("SOURCE_DATE_EPOCH", EPOCH);
    command::run(&mut build)?;
    Ok(package)
}

/// An image of the programs and nothing else, in a file for `docker load`.
fn image(
    file: &Path,
    staging: &Path,
    tree: &Path,
    reference: &str,
    engine: &TestEngine,
) -> Result<(), DistError> {
    let context = staging.join("image");
    command::run(Command::new("cp").arg("-r").arg(tree).arg(&context))?;
    let dockerfile = "FROM scratch\nCOPY bin/ /usr/bin/\n\
        COPY share/doc/artifactctl/ /usr/share/doc/artifactctl/\nENV PATH=/usr/bin \
        ARTIFACTCTL_JOURNAL=/journal\nWORKDIR /work\nENTRYPOINT [\"artifactctl\"]\n";
    write(&context.join("Dockerfile"), dockerfile)?;
    let label = format!("{LABEL_RUN}={}", engine.run_id());
    let mut build = engine.docker();
    build.args(["build", "--quiet", "--label", &label, "--tag", reference]);
    command::run(build.arg(&context))?;
    let mut save = engine.docker();
    command::run(save.args(["save", "--output"]).arg(file).arg(reference))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), DistError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    fs::write(path, text).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> DistError {
    let path = path.to_owned();
    move |source| DistError::File { path, source }
}
