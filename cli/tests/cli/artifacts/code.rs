//! Code on a machine: copied from a fixture, or made up for a template that comes without.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Copies a folder, links as links. A folder that is named like an archive becomes one, so that no archive has to be kept.
pub(super) fn copy(from: &Path, to: &Path, except: &[&str]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if except.iter().any(|except| name == *except) {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            symlink(fs::read_link(from).unwrap(), to).unwrap();
        } else if !kind.is_dir() {
            fs::copy(from, to).unwrap();
        } else if is_named(&to, "zip") {
            pack(&from, &to);
        } else {
            copy(&from, &to, &[]);
        }
    }
}

fn is_named(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Packs a folder into a zip archive.
fn pack(folder: &Path, archive: &Path) {
    let mut zip = ZipWriter::new(fs::File::create(archive).unwrap());
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            let meta = path.symlink_metadata().unwrap();
            let options = SimpleFileOptions::default().unix_permissions(meta.permissions().mode());
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_symlink() {
                let to = fs::read_link(&path).unwrap();
                zip.add_symlink(name, to.to_str().unwrap(), options)
                    .unwrap();
            } else {
                zip.start_file(name, options).unwrap();
                zip.write_all(&fs::read(path).unwrap()).unwrap();
            }
        }
    }
    zip.finish().unwrap();
}

/// Makes up the code that a model names, where none is there: as little as its runtime needs.
pub(super) fn make_up(model: &Value, work: &Path) {
    let items = |value: &Value| value.as_array().unwrap().clone();
    for layer in items(&model["layers"]) {
        let files = [("python/shared.py", "WORD = \"shared\"\n")];
        place(work, text(&layer["content"]), &files);
    }
    for function in items(&model["functions"]) {
        if let Some(hooks) = function["hooks"].as_str() {
            place(work, hooks, &[("sitecustomize.py", "print(\"loaded\")\n")]);
        }
        let zip = &function["package"]["Zip"];
        if let Some(path) = zip["code"]["Path"].as_str() {
            let module = text(&zip["handler"]).rsplit_once('.');
            let module = module.map_or("", |(module, _)| module);
            let file = match text(&zip["runtime"]["family"]) {
                "Python" => format!("{}.py", module.replace('.', "/")),
                "Nodejs" => format!("{module}.js"),
                "Java" => "Main.class".to_owned(),
                "Ruby" => format!("{module}.rb"),
                "Provided" => "bootstrap".to_owned(),
                other => panic!("no code is made up for {other}"),
            };
            place(work, path, &[(&file, "code stands here\n")]);
        }
        let owns = [
            &function["package"]["Image"]["source"]["Dockerfile"],
            &zip["code"]["Dockerfile"],
        ];
        for own in owns.into_iter().filter(|own| own.is_object()) {
            let target = own["target"].as_str().unwrap_or("run");
            let lines = format!("FROM busybox AS {target}\nCOPY . /srv/\n");
            let file = (text(&own["dockerfile"]), lines.as_str());
            place(work, text(&own["context"]), &[file]);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Puts files into a folder, or into the archive that a path is named for.
fn place(work: &Path, path: &str, files: &[(&str, &str)]) {
    let to = work.join(path);
    let folder: PathBuf = if is_named(&to, "zip") {
        work.join("to-pack").join(path)
    } else {
        to.clone()
    };
    if is_named(&to, "jar") {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, "a jar stands here\n").unwrap();
        return;
    }
    for (name, content) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    if folder != to {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        pack(&folder, &to);
    }
}
