//! How a layer's files lie below `/opt`.

use super::tree::Tree;
use crate::model::Family;

/// A layer's files as they go into `/opt`. One that is laid out for `/opt` already (`python/`, `nodejs/`, `java/`, `lib/`, …)
/// stays as it is; one that holds bare modules is put where the runtime of its function looks for modules.
pub(super) fn laid_out(layer: Tree, family: Family) -> Tree {
    let bare = match family {
        Family::Python => holds_python(&layer) && !has_folder(&layer, "python"),
        Family::Nodejs => has_folder(&layer, "node_modules") && !has_folder(&layer, "nodejs"),
        Family::Java => holds_jars(&layer) && !has_folder(&layer, "java"),
        Family::Ruby | Family::Dotnet | Family::Go | Family::Provided => false,
    };
    let folder = match family {
        _ if !bare => return layer,
        Family::Python => "python",
        Family::Nodejs => "nodejs",
        Family::Java => "java/lib",
        Family::Ruby | Family::Dotnet | Family::Go | Family::Provided => return layer,
    };
    layer.below(folder)
}

fn has_folder(layer: &Tree, name: &str) -> bool {
    layer.top().get(name).is_some_and(|folder| *folder)
}

/// Python modules, packages or the metadata of installed ones at the top.
fn holds_python(layer: &Tree) -> bool {
    layer.top().into_iter().any(|(name, folder)| {
        if folder {
            name.ends_with(".dist-info") || layer.get(&format!("{name}/__init__.py")).is_some()
        } else {
            has_suffix(name, ".py") || has_suffix(name, ".so")
        }
    })
}

fn holds_jars(layer: &Tree) -> bool {
    let mut top = layer.top().into_iter();
    top.any(|(name, folder)| !folder && has_suffix(name, ".jar"))
}

pub(super) fn has_suffix(name: &str, suffix: &str) -> bool {
    name.to_ascii_lowercase().ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::artifact::tree::TreeFile;

    #[rstest]
    #[case::python(Family::Python, &["shared.py"], &["python/shared.py"])]
    #[case::package(Family::Python, &["shared/__init__.py"], &["python/shared/__init__.py"])]
    #[case::installed(Family::Python, &["six-1.dist-info/RECORD"], &["python/six-1.dist-info/RECORD"])]
    #[case::python_layout(Family::Python, &["python/shared.py"], &["python/shared.py"])]
    #[case::site_packages(
        Family::Python,
        &["python/lib/python3.12/site-packages/six.py"],
        &["python/lib/python3.12/site-packages/six.py"]
    )]
    #[case::layout_and_more(Family::Python, &["python/a.py", "setup.py"], &["python/a.py", "setup.py"])]
    #[case::no_python(Family::Python, &["bin/tool", "data.txt"], &["bin/tool", "data.txt"])]
    #[case::node(Family::Nodejs, &["node_modules/a/index.js"], &["nodejs/node_modules/a/index.js"])]
    #[case::node_layout(Family::Nodejs, &["nodejs/node_modules/a.js"], &["nodejs/node_modules/a.js"])]
    #[case::native(Family::Python, &["fast.so"], &["python/fast.so"])]
    #[case::loud(Family::Python, &["LOUD.PY"], &["python/LOUD.PY"])]
    #[case::node_layout_and_more(
        Family::Nodejs,
        &["node_modules/b.js", "nodejs/a.js"],
        &["node_modules/b.js", "nodejs/a.js"]
    )]
    #[case::java_layout_and_more(Family::Java, &["b.jar", "java/lib/a.jar"], &["b.jar", "java/lib/a.jar"])]
    #[case::jar(Family::Java, &["a.jar"], &["java/lib/a.jar"])]
    #[case::java_layout(Family::Java, &["java/lib/a.jar"], &["java/lib/a.jar"])]
    #[case::provided(Family::Provided, &["shared.py", "bin/x"], &["bin/x", "shared.py"])]
    fn a_layer_lies_where_its_runtime_looks(
        #[case] family: Family,
        #[case] files: &[&str],
        #[case] expected: &[&str],
    ) {
        let mut layer = Tree::default();
        for file in files {
            layer.put(*file, TreeFile::text(""));
        }
        let laid_out = laid_out(layer, family);
        assert_eq!(laid_out.paths().collect::<Vec<_>>(), expected);
    }
}
