//! Equal inputs make equal images: whoever wrote the files, when, in which order and with which umask.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::image::assemble::{
    Added, AssemblyInputs, ContentSource, FileContent, FinishedImage, assemble,
};
use crate::image::{InputFile, recipe};
use crate::load;

/// One machine: the order in which it writes, what its umask takes away, how old its files are.
struct Machine {
    order: fn(&mut Vec<&str>),
    umask: u32,
    age: Duration,
}

struct Folder<'a>(&'a Path);

impl ContentSource for Folder<'_> {
    fn open(&mut self, content: &FileContent) -> io::Result<Box<dyn Read + '_>> {
        match content {
            FileContent::Context { path, .. } => Ok(Box::new(File::open(self.0.join(path))?)),
            FileContent::Layer { .. } | FileContent::Inline(_) => {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }
}

impl Machine {
    fn write(&self, folder: &Path) {
        let mut paths = vec!["B", "a-b/c", "a/z", "run.sh", "Ä", "ä", "z/link"];
        (self.order)(&mut paths);
        for path in paths {
            let file = folder.join(path);
            let above = file.parent().unwrap();
            fs::create_dir_all(above).unwrap();
            fs::set_permissions(above, Permissions::from_mode(0o777 & !self.umask)).unwrap();
            if path.ends_with("link") {
                symlink("../B", &file).unwrap();
                continue;
            }
            fs::write(&file, path).unwrap();
            let mode = if path == "run.sh" { 0o777 } else { 0o666 };
            fs::set_permissions(&file, Permissions::from_mode(mode & !self.umask)).unwrap();
            let written = File::options().write(true).open(&file).unwrap();
            written.set_modified(SystemTime::now() - self.age).unwrap();
        }
    }

    fn make(&self, epoch: u64) -> FinishedImage {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        let files = load::inputs(folder.path(), "f", &[".".to_owned()]).unwrap();
        let text = "FROM scratch\nENV B=1 A=2\nLABEL z=1 a=2\nWORKDIR /w\nCOPY . /w/\n";
        let inputs = AssemblyInputs {
            bases: &[].into(),
            files: &files,
            added: &|_: &InputFile| Ok(Added::Plain),
            epoch,
        };
        let recipe = recipe(text, &[].into(), "linux/amd64").unwrap();
        let assembled = assemble(&recipe, &inputs).unwrap();
        let layers = assembled.layers.iter();
        let written = layers.map(|layer| {
            let mut source = Folder(folder.path());
            layer.write(&mut source, &mut io::sink()).unwrap()
        });
        assembled.finish(&written.collect::<Vec<_>>())
    }
}

#[test]
fn two_machines_make_one_image() {
    let one = Machine {
        order: |paths| paths.sort_unstable(),
        umask: 0o022,
        age: Duration::ZERO,
    };
    let other = Machine {
        order: |paths| paths.reverse(),
        umask: 0o077,
        age: Duration::from_secs(1_000_000),
    };
    let (first, second) = (one.make(0), other.make(0));
    assert_eq!(first, second);
    // A third machine is whichever this is: the digest is the same everywhere.
    assert_eq!(
        first.digest.as_str(),
        "sha256:3d41569d75d7ce6ac84bf4d0fb1135d58cfe5d6ca6b17bca68b0d036a5162efb"
    );
    assert_ne!(one.make(1).digest, first.digest);
}
