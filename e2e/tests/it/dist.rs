//! What people install, made once and run in file systems that have nothing else, against the engine.
//!
//! Here: the archive, the Debian package, the image. Not here: making them (`e2e::dist`), the programs as such (all else).

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::command;
use e2e::dist::{self, Build, Dist};
use e2e::engine::{LABEL_RUN, TestEngine};
use e2e::stack::CONTAINER_REGISTRY;

use crate::process::run;
use crate::rig::Rig;

/// What a shell prints.
fn sh(script: &str, folder: &Path) -> String {
    command::run(
        Command::new("sh")
            .args(["-euc", script])
            .current_dir(folder),
    )
    .unwrap()
}

/// Programs are static, and name no path of the machine that built them.
fn programs_are_as_promised(dist: &Dist, unpacked: &Path) {
    for name in ["artifactctl", "esb"] {
        let program = unpacked.join("bin").join(name);
        let bytes = fs::read(&program).unwrap();
        let interpreter = b"/lib64/ld-linux";
        let needs_a_loader = bytes.windows(interpreter.len()).any(|at| at == interpreter);
        assert!(!needs_a_loader, "{name} asks for a loader");
        let cargo = concat!("/.cargo/", "registry/");
        let names_a_path = bytes.windows(cargo.len()).any(|at| at == cargo.as_bytes());
        assert!(!names_a_path, "{name} names a path of its builder");
        let version = command::run(Command::new(&program).arg("--version")).unwrap();
        assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    }
    let listed = sh("find . -type f | sort", unpacked);
    for file in [
        "./share/bash-completion/completions/artifactctl",
        "./share/fish/vendor_completions.d/esb.fish",
        "./share/zsh/vendor-completions/_artifactctl",
        "./share/man/man1/artifactctl-deploy.1",
        "./share/man/man1/esb.1",
        "./share/doc/artifactctl/LICENSE-MIT",
        "./share/doc/artifactctl/THIRD-PARTY.txt",
    ] {
        assert!(listed.lines().any(|line| line == file), "{file}: {listed}");
    }
    let notices = fs::read_to_string(unpacked.join("share/doc/artifactctl/THIRD-PARTY.txt"));
    let notices = notices.unwrap();
    for part in ["GNU C Library", "\nsled ", "\nring ", "\nhickory-resolver "] {
        assert!(notices.contains(part), "{part}");
    }
    assert!(
        !notices.contains("\nrstest "),
        "what only tests use is not given to anybody"
    );
    sh("sha256sum --check --strict SHA256SUMS", &dist.folder);
}

/// The package holds the programs of the archive.
fn the_package_is_the_archive(dist: &Dist, unpacked: &Path, folder: &Path) {
    let into = folder.join("deb");
    let mut extract = Command::new("dpkg-deb");
    command::run(extract.arg("--extract").arg(&dist.package).arg(&into)).unwrap();
    for name in ["artifactctl", "esb"] {
        let of = |root: &Path| fs::read(root.join("bin").join(name)).unwrap();
        assert!(of(&into.join("usr")) == of(unpacked), "{name}");
    }
    assert!(into.join("usr/share/man/man1/artifactctl.1.gz").is_file());
    let mut field = Command::new("dpkg-deb");
    let depends = command::run(field.arg("--field").arg(&dist.package).arg("Depends"));
    assert_eq!(
        depends.unwrap().trim(),
        "",
        "static programs depend on nothing"
    );
}

/// A command in a container of this image: the engine is reached by the rig's socket, the registry by the name of its host.
fn contained(rig: &Rig<'_>, (image, program): (&str, &str), host: &str, command: &str) -> Command {
    let mut docker = rig.stack.engine().docker();
    docker.args(["run", "--rm", "--network", "host", "--entrypoint", program]);
    let folder = rig.folder().display();
    docker.args(["--volume", &format!("{folder}:{folder}")]);
    docker.args(["--workdir", &folder.to_string()]);
    let registry = format!("{host}:{}", rig.stack.registry_port());
    for (name, value) in [
        ("DOCKER_HOST", rig.proxy.docker_host()),
        ("ARTIFACTCTL_JOURNAL", rig.journal.display().to_string()),
        ("CONTAINER_REGISTRY", CONTAINER_REGISTRY.to_owned()),
        ("HOST_REGISTRY_ADDR", registry),
        ("USER", "somebody".to_owned()),
    ] {
        docker.args(["--env", &format!("{name}={value}")]);
    }
    docker.args([image, command, "--artifact"]);
    docker
        .arg(rig.payload.manifest())
        .arg("--out")
        .arg(&rig.out);
    docker
}

fn deploys(rig: &Rig<'_>, installed: (&str, &str)) -> String {
    let mut deploy = contained(rig, installed, "127.0.0.1", "deploy");
    run(&mut deploy).ended(0).stdout
}

/// One test: the programs are built once, which takes minutes. `e2e dist`, which optimises them too, refuses what is too large.
#[test]
fn what_people_install_runs_where_there_is_nothing_else() {
    let engine = TestEngine::shared();
    let folder = tempfile::tempdir_in(engine.folder()).unwrap();
    // A name of its own: the engine may have the image of its user under the other one.
    let reference = format!("{}-{}", dist::image_name(), engine.run_id());
    let image_on = Some((engine, reference.as_str()));
    let into = folder.path().join("dist");
    let dist = dist::make(Build::Unoptimised, &into, image_on, |_| ()).unwrap();
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xzf")
        .arg(&dist.archive)
        .arg("-C")
        .arg(folder.path());
    command::run(&mut unpack).unwrap();
    let unpacked = folder.path().join(dist.name());
    programs_are_as_promised(&dist, &unpacked);
    the_package_is_the_archive(&dist, &unpacked, folder.path());

    // The archive as it is, as a file system: no shell, no library, no user, no certificate.
    let rig = Rig::new(&["alpha"]);
    let bare = format!("bare-archive:{}", engine.run_id());
    let mut import = engine.docker();
    let label = format!("LABEL {LABEL_RUN}={}", engine.run_id());
    import.args(["import", "--change", &label]);
    command::run(import.arg(&dist.archive).arg(&bare)).unwrap();
    let program = format!("/{}/bin/artifactctl", dist.name());
    let installed = (bare.as_str(), program.as_str());
    // The registry's base is asked for by a name, which no module of the C library looks up.
    let plan = run(&mut contained(&rig, installed, "localhost", "plan")).ended(0);
    assert!(plan.stdout.contains("1 image to build"), "{plan:?}");
    let first = deploys(&rig, installed);
    assert!(first.contains("applied in"), "{first}");
    assert_eq!(rig.tags("alpha").len(), 2, "its tag and its key's");
    assert!(rig.published()["functions.yml"].contains("alpha"));

    // The image, from its file alone, finds what the archive's programs did.
    command::run(engine.docker().args(["image", "rm", &reference])).unwrap();
    let mut load = engine.docker();
    let image = dist.image.as_deref().unwrap();
    command::run(load.args(["load", "--input"]).arg(image)).unwrap();
    let again = deploys(&rig, (&reference, "artifactctl"));
    assert!(again.contains("is already up to date"), "{again}");
    for name in [&bare, &reference] {
        command::run(engine.docker().args(["image", "rm", name])).unwrap();
    }
}
