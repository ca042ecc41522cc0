//! Templates in shapes that users bring, and what the stack understands of what `esb` makes of them.
//!
//! Each folder of `fixtures/parity` is a template and what must come of it, written by hand from the rules of the real stack
//! (docs/internals/e2e.md). The files are read by the code of the stack's own gateway, scheduler and provisioner, with none of ours.
//! Not here: how the files look (`fixtures/templates`), running the functions (`esb`).

use std::path::{Path, PathBuf};

use e2e::{artifactctl, command, python, workspace};
use rstest::rstest;

#[rstest]
fn the_stack_understands_what_a_template_means(
    #[files("../fixtures/parity/*/expected.yml")] expected: PathBuf,
) {
    let case = expected.parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(case).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let code = "def handler(event, context):\n    return {}\n";
    std::fs::write(folder.path().join("app.py"), code).unwrap();
    generate(folder.path());

    let mut check = python::command().unwrap();
    check.arg("-B").arg(workspace::fixture("parity/check.py"));
    check.arg(folder.path().join("out/template/config"));
    let checked = command::output(check.arg(&expected)).unwrap();
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// Makes the artifact of the template in a folder, without an engine.
fn generate(folder: &Path) {
    let esb = artifactctl::build().unwrap().with_file_name("esb");
    let mut generate = std::process::Command::new(esb);
    generate.args(["artifact", "generate", "--template", "template.yaml"]);
    if folder.join("parameters.env").exists() {
        generate.args(["--parameters-file", "parameters.env"]);
    }
    generate.args(["--output", "out"]).current_dir(folder);
    for name in ["CONFIG", "STATE", "DATA", "CACHE"] {
        generate.env(format!("XDG_{name}_HOME"), folder);
    }
    generate.env_remove("CONTAINER_REGISTRY");
    command::run(&mut generate).unwrap();
}
