//! What has to be installed while an image is built: what the code asks for and does not hold.

use serde_json::Value;

use super::read::{TextError, text_of};
use super::tree::Tree;
use crate::model::Family;

/// Why it is not known what to install.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("its `package.json` is no JSON")]
    Package(#[from] serde_json::Error),
}

/// How dependencies come into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Install {
    /// They are in the code, or there are none.
    Nothing,
    /// `requirements.txt` with `pip`.
    Pip {
        /// From `wheelhouse/` only, without a network.
        offline: bool,
        /// What it needs.
        needs: Needs,
    },
    /// `package.json` with `npm`.
    Npm {
        /// As `package-lock.json` says.
        locked: bool,
        /// What it needs.
        needs: Needs,
    },
}

/// What has to be in the image before anything can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// The list alone, so that a change of code installs nothing again.
    List,
    /// The whole code: the list names files of it.
    Code,
}

/// Looks at the code of a function.
pub(super) fn install(source: &Tree, family: Family) -> Result<Install, InstallError> {
    match family {
        Family::Java | Family::Ruby | Family::Dotnet | Family::Go | Family::Provided => {
            Ok(Install::Nothing)
        }
        Family::Python => pip(source),
        Family::Nodejs => npm(source),
    }
}

fn pip(source: &Tree) -> Result<Install, InstallError> {
    let Some(piece) = source.get("requirements.txt") else {
        return Ok(Install::Nothing);
    };
    let text = text_of(piece, "requirements.txt")?;
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    let holds = source.top().keys().any(|name| name.ends_with(".dist-info"));
    if lines.peek().is_none() || holds {
        return Ok(Install::Nothing);
    }
    Ok(Install::Pip {
        offline: source.top().get("wheelhouse") == Some(&true),
        needs: if lines.all(names_no_file) {
            Needs::List
        } else {
            Needs::Code
        },
    })
}

/// Whether a line of requirements is one that names no other file: a package, an address, or an option that is known to be
/// about neither.
fn names_no_file(line: &str) -> bool {
    const OPTIONS: [&str; 5] = [
        "--extra-index-url",
        "--hash",
        "--index-url",
        "--pre",
        "--trusted-host",
    ];
    let option = OPTIONS.iter().any(|option| line.starts_with(option));
    let package = line.starts_with(|c: char| c.is_ascii_alphanumeric());
    let elsewhere = !line.contains('/') || line.contains("https://") || line.contains("http://");
    let archive = [".whl", ".zip", ".gz"]
        .iter()
        .any(|end| line.ends_with(end));
    option || (package && elsewhere && (!archive || line.contains("://")))
}

fn npm(source: &Tree) -> Result<Install, InstallError> {
    let Some(piece) = source.get("package.json") else {
        return Ok(Install::Nothing);
    };
    let package: Value = serde_json::from_str(&text_of(piece, "package.json")?)?;
    let asked = ["dependencies", "optionalDependencies"]
        .iter()
        .filter_map(|list| package[list].as_object())
        .any(|list| !list.is_empty());
    if !asked || source.top().contains_key("node_modules") {
        return Ok(Install::Nothing);
    }
    Ok(Install::Npm {
        locked: source.get("package-lock.json").is_some(),
        needs: needs_of(source, &package),
    })
}

/// What `npm` needs, whatever it installs; the list when there is none.
pub(super) fn npm_needs(source: &Tree) -> Result<Needs, InstallError> {
    let Some(piece) = source.get("package.json") else {
        return Ok(Needs::List);
    };
    let package = serde_json::from_str(&text_of(piece, "package.json")?)?;
    Ok(needs_of(source, &package))
}

fn needs_of(source: &Tree, package: &Value) -> Needs {
    let local = |version: &Value| {
        let version = version.as_str().unwrap_or_default();
        ["file:", "link:", ".", "/", "~/"]
            .iter()
            .any(|begin| version.starts_with(begin))
    };
    // npm reads a local package for development even where it does not install it.
    let names_files = ["dependencies", "optionalDependencies", "devDependencies"]
        .iter()
        .filter_map(|list| package[list].as_object())
        .flat_map(|list| list.values())
        .any(local);
    let scripts = ["preinstall", "install", "postinstall", "prepare"];
    let runs_code = scripts
        .iter()
        .any(|name| !package["scripts"][name].is_null());
    let configured = source.get(".npmrc").is_some() || !package["workspaces"].is_null();
    if configured || runs_code || names_files {
        Needs::Code
    } else {
        Needs::List
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::artifact::tree::TreeFile;

    fn code(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.put(*path, TreeFile::text(*text));
        }
        tree
    }

    #[rstest]
    #[case::packages(
        "# all\n\ntomli==2.0.1\nsix >= 1 ; python_version > '3'\nrequests[socks]\n",
        Needs::List
    )]
    #[case::address("greeting @ https://packages.example/greeting-1.0.zip\n", Needs::List)]
    #[case::hashes("six==1.16 \\\n    --hash=sha256:8abb2f1d\n", Needs::List)]
    #[case::index("--index-url https://packages.example/simple\nsix\n", Needs::List)]
    #[case::another_list("-r base.txt\nsix\n", Needs::Code)]
    #[case::constraints("--constraint pins.txt\nsix\n", Needs::Code)]
    #[case::folder("./greeting\n", Needs::Code)]
    #[case::wheel("greeting-1.0-py3-none-any.whl\n", Needs::Code)]
    #[case::wheel_below("wheels/greeting-1.0-py3-none-any.whl\n", Needs::Code)]
    #[case::local_address("greeting @ file:///var/task/greeting\n", Needs::Code)]
    #[case::editable("-e .\n", Needs::Code)]
    fn requirements_that_name_files_need_the_code(#[case] text: &str, #[case] needs: Needs) {
        let found = install(&code(&[("requirements.txt", text)]), Family::Python).unwrap();
        let offline = false;
        assert_eq!(found, Install::Pip { offline, needs });
    }

    #[rstest]
    #[case::packages(r#"{"dependencies": {"a": "^1"}}"#, &[], Needs::List)]
    #[case::optional(r#"{"optionalDependencies": {"a": "https://packages.example/a.tgz"}}"#, &[], Needs::List)]
    #[case::folder(r#"{"dependencies": {"a": "^1", "b": "file:../b"}}"#, &[], Needs::Code)]
    #[case::folder_for_development(r#"{"dependencies": {"a": "1"}, "devDependencies": {"b": "file:b"}}"#, &[], Needs::Code)]
    #[case::script(r#"{"dependencies": {"a": "1"}, "scripts": {"postinstall": "node x"}}"#, &[], Needs::Code)]
    #[case::workspaces(r#"{"dependencies": {"a": "1"}, "workspaces": ["b"]}"#, &[], Needs::Code)]
    #[case::configured(r#"{"dependencies": {"a": "1"}}"#, &[(".npmrc", "")], Needs::Code)]
    fn packages_that_name_files_need_the_code(
        #[case] package: &str,
        #[case] more: &[(&str, &str)],
        #[case] needs: Needs,
    ) {
        let files = [&[("package.json", package)], more].concat();
        let found = install(&code(&files), Family::Nodejs).unwrap();
        let locked = false;
        assert_eq!(found, Install::Npm { locked, needs });
    }

    #[rstest]
    #[case::broken("{")]
    #[case::empty("")]
    fn a_package_that_is_no_json_is_named(#[case] text: &str) {
        let error = install(&code(&[("package.json", text)]), Family::Nodejs).unwrap_err();
        assert_eq!(error.to_string(), "its `package.json` is no JSON");
    }

    #[rstest]
    #[case::nothing_asked(Family::Python, &[("requirements.txt", "# none\n")])]
    #[case::installed(Family::Python, &[("requirements.txt", "six"), ("six-1.dist-info/RECORD", "")])]
    #[case::no_dependencies(Family::Nodejs, &[("package.json", r#"{"devDependencies": {"a": "1"}}"#)])]
    #[case::modules(Family::Nodejs, &[("package.json", r#"{"dependencies": {"a": "1"}}"#), ("node_modules/a/x.js", "")])]
    #[case::other_family(Family::Provided, &[("requirements.txt", "six"), ("package.json", "{")])]
    fn nothing_is_installed_that_is_there_or_not_asked_for(
        #[case] family: Family,
        #[case] files: &[(&str, &str)],
    ) {
        assert_eq!(install(&code(files), family).unwrap(), Install::Nothing);
    }
}
