//! A function of each kind, made from `fixtures/kinds`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::images::BuildContext;
use e2e::stack::CONTAINER_REGISTRY;
use e2e::{command, workspace};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::process::{Ran, run};
use crate::rig::Rig;

/// What each function answers: what its image holds. The base has `other.py` where code lies.
pub(super) const SAW: [(&str, &str); 8] = [
    (
        "script",
        "script: words more wheel, hooks /opt/hooks sitecustomize.py",
    ),
    (
        "server",
        "server: npm ci --omit=dev --no-audit --no-fund with other.py package-lock.json package.json , hooks --require /opt/hooks/preload.js",
    ),
    (
        "local",
        "local: npm install --omit=dev --no-audit --no-fund with greeting handler index.js other.py package.json ",
    ),
    (
        "machine",
        "machine: gson.jar Orders.class, hooks -javaagent:/opt/hooks/agent.jar",
    ),
    ("native", "native: words bootstrap"),
    ("own", "own: OWN words"),
    ("image", "image: main in /tmp, hooks /opt/hooks"),
    ("made", "made: two words"),
];

/// The template on disk, and a base in the registry.
pub(super) struct Kinds<'r> {
    rig: &'r Rig<'static>,
    template: PathBuf,
}

impl<'r> Kinds<'r> {
    pub(super) fn prepare(rig: &'r Rig<'static>) -> Self {
        let folder = rig.folder().join("kinds");
        command::run(
            Command::new("cp")
                .arg("-a")
                .args([&workspace::fixture("kinds"), &folder]),
        )
        .unwrap();
        pack_all(&folder);
        push_base(rig, &folder.join("base"));
        Self {
            rig,
            template: folder.join("template.yaml"),
        }
    }

    /// Runs a command of `esb` on the template.
    pub(super) fn run(&self, words: &[&str], more: &[&str]) -> Ran {
        let base = format!("{CONTAINER_REGISTRY}/kinds/base:1");
        let mut esb = self.rig.esb(words);
        esb.arg("--template")
            .arg(&self.template)
            .arg("--output")
            .arg(self.rig.folder().join("made"))
            .args(["--project", self.rig.stack.project()])
            .args(["--image-runtime", "Image=python3.12"])
            .arg(format!("--image-uri=Image={base}"));
        for family in ["python", "nodejs", "java"] {
            esb.arg(format!("--base={family}={base}"));
        }
        run(esb.args(more))
    }
}

/// A base with programs that do what the Dockerfiles ask of them.
fn push_base(rig: &Rig<'_>, programs: &Path) {
    let stack = rig.stack;
    let lambda = stack.host_image("esb-lambda-base", "1.4.2");
    let mut context = BuildContext::new(&format!(
        "FROM {lambda}\nCOPY bin/ /bin/\nCOPY other.py /var/task/\n"
    ))
    .unwrap();
    for name in ["python", "npm"] {
        let program = programs.join(name);
        context
            .add_program(&format!("bin/{name}"), &program)
            .unwrap();
    }
    let other = programs.join("other.py");
    context.add_program("other.py", &other).unwrap();
    let base = stack.host_image("kinds/base", "1");
    context
        .build(stack.engine(), &base, &BTreeMap::new())
        .unwrap();
    command::run(stack.engine().docker().args(["push", "--quiet", &base])).unwrap();
}

/// Packs every folder that is named like an archive; one named `x.whl.zip` becomes `x.whl`.
fn pack_all(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "zip") {
            pack_all(&path);
            continue;
        }
        let aside = path.with_extension("folder");
        std::fs::rename(&path, &aside).unwrap();
        let wheel = path.with_extension("");
        let is_wheel = wheel.extension().is_some_and(|inner| inner == "whl");
        pack(&aside, if is_wheel { &wheel } else { &path });
        std::fs::remove_dir_all(aside).unwrap();
    }
}

fn pack(folder: &Path, archive: &Path) {
    let mut zip = ZipWriter::new(std::fs::File::create(archive).unwrap());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let meta = path.symlink_metadata().unwrap();
        let options = SimpleFileOptions::default().unix_permissions(meta.permissions().mode());
        if meta.is_symlink() {
            let to = std::fs::read_link(&path).unwrap();
            zip.add_symlink(name, to.to_string_lossy(), options)
                .unwrap();
        } else {
            zip.start_file(name, options).unwrap();
            zip.write_all(&std::fs::read(&path).unwrap()).unwrap();
        }
    }
    zip.finish().unwrap();
}
