//! Whether there is anything that a runtime can run: no artifact is without it.

use super::is_word;
use crate::artifact::layer::has_suffix;
use crate::artifact::tree::Tree;
use crate::model::{Family, Runtime};

/// The file that a handler names, as far as its runtime says: `app.py` of `app.handler`.
pub(in crate::artifact) fn file_of_handler(family: Family, handler: &str) -> String {
    let module = handler
        .rsplit_once('.')
        .map_or(handler, |(module, _)| module);
    match family {
        Family::Python => format!("{}.py", module.replace('.', "/")),
        Family::Nodejs => format!("{module}.js"),
        // `app.Shop::Handler.process` is in `app.rb`.
        Family::Ruby => {
            let (folder, name) = handler
                .rsplit_once('/')
                .map_or(("", handler), |(folder, name)| (folder, name));
            let name = name.split('.').next().unwrap_or(name);
            if folder.is_empty() {
                format!("{name}.rb")
            } else {
                format!("{folder}/{name}.rb")
            }
        }
        Family::Dotnet => {
            let assembly = handler.split("::").next().unwrap_or(handler);
            format!("{assembly}.dll")
        }
        Family::Go => handler.to_owned(),
        Family::Java | Family::Provided => "bootstrap".to_owned(),
    }
}

/// The files of which one has to be there.
fn candidates(family: Family, handler: &str) -> Vec<String> {
    let file = file_of_handler(family, handler);
    match family {
        Family::Python => {
            let package = file.trim_end_matches(".py").to_owned() + "/__init__.py";
            vec![file, package]
        }
        Family::Nodejs => {
            let module = file.trim_end_matches(".js");
            ["js", "mjs", "cjs"]
                .map(|ending| format!("{module}.{ending}"))
                .to_vec()
        }
        Family::Ruby | Family::Dotnet | Family::Go | Family::Java | Family::Provided => vec![file],
    }
}

/// What is missing for a handler to run; none when it is there. `more` are the files of its layers as they lie below `/opt`.
pub(in crate::artifact) fn check(
    runtime: &Runtime,
    handler: &str,
    source: &Tree,
    more: &[&Tree],
) -> Option<String> {
    if runtime.family == Family::Java {
        let runs = |path: &str| has_suffix(path, ".class") || has_suffix(path, ".jar");
        let found = source.paths().any(runs) || more.iter().any(|tree| tree.paths().any(runs));
        return (!found).then(|| "a class or a jar".to_owned());
    }
    let wanted = candidates(runtime.family, handler);
    let below: &[&str] = match runtime.family {
        Family::Python => &["python"],
        Family::Nodejs => &["nodejs", "nodejs/node_modules"],
        Family::Ruby => &["ruby/lib"],
        Family::Java | Family::Dotnet | Family::Go | Family::Provided => &[""],
    };
    let in_layers = |file: &String| {
        below.iter().any(|folder| {
            let path = format!("{folder}/{file}");
            let path = path.trim_start_matches('/');
            let python = |tree: &Tree| {
                let ending = format!("/site-packages/{file}");
                runtime.family == Family::Python && tree.paths().any(|path| path.ends_with(&ending))
            };
            more.iter()
                .any(|tree| tree.get(path).is_some() || python(tree))
        })
    };
    let found = wanted
        .iter()
        .any(|file| source.get(file).is_some() || in_layers(file));
    (!found).then(|| format!("`{}`", wanted[0]))
}

/// Whether a handler says which function of its file to call, where its runtime asks for one.
pub(in crate::artifact) fn names_function(family: Family, handler: &str) -> bool {
    match family {
        Family::Python | Family::Nodejs | Family::Ruby => handler
            .rsplit_once('.')
            .is_some_and(|(file, function)| !file.is_empty() && !function.is_empty()),
        // Of these it may be a class or a program.
        Family::Java | Family::Dotnet | Family::Go | Family::Provided => true,
    }
}

/// A test of a stage that fails when what it made does not run.
pub(super) fn in_stage(family: Family, handler: &str) -> String {
    let exists = |file: &String| is_word(file).then(|| format!("test -e /out/{file}"));
    let tests: Vec<String> = match family {
        Family::Java => {
            vec!["test -n \"$(find /out -name '*.class' -o -name '*.jar')\"".to_owned()]
        }
        Family::Python
        | Family::Nodejs
        | Family::Ruby
        | Family::Dotnet
        | Family::Go
        | Family::Provided => candidates(family, handler)
            .iter()
            .filter_map(exists)
            .collect(),
    };
    match tests.as_slice() {
        [] => "test -n \"$(ls -A /out)\"".to_owned(),
        [one] => one.clone(),
        several => format!("{{ {}; }}", several.join(" || ")),
    }
}
