use rstest::rstest;

use super::*;
use crate::artifact::tree::TreeFile;

fn code(files: &[&str]) -> Tree {
    let mut tree = Tree::default();
    for file in files {
        tree.put(*file, TreeFile::text(""));
    }
    tree
}

fn runtime(family: Family) -> Runtime {
    Runtime {
        name: format!("{}1", family.as_str()),
        family,
        version: "1".to_owned(),
    }
}

#[rstest]
#[case::maven(Family::Java, "com.A::b", &["pom.xml", "src/A.java"], Some("Maven"))]
#[case::maven_that_was_run(Family::Java, "com.A::b", &["pom.xml", "target/classes/A.class"], Some("Maven"))]
#[case::gradle(Family::Java, "com.A::b", &["build.gradle.kts", "gradle/wrapper/gradle-wrapper.jar"], Some("Gradle"))]
#[case::classes(Family::Java, "com.A::b", &["com/A.class"], None)]
#[case::bundler(Family::Ruby, "app.run", &["Gemfile", "app.rb"], Some("Bundler"))]
#[case::gems(Family::Ruby, "app.run", &["Gemfile", "app.rb", "vendor/bundle/x"], None)]
#[case::cached_gems(Family::Ruby, "app.run", &["Gemfile", "app.rb", "vendor/cache/x.gem"], Some("Bundler"))]
#[case::dotnet(Family::Dotnet, "Shop::Shop.F::Run", &["Shop.csproj", "F.cs"], Some("the .NET SDK"))]
#[case::published(Family::Dotnet, "Shop::Shop.F::Run", &["Shop.dll"], None)]
#[case::go(Family::Go, "main", &["go.mod", "main.go"], Some("Go"))]
#[case::go_program(Family::Go, "main", &["go.mod", "main"], None)]
#[case::provided_go(Family::Provided, "bootstrap", &["go.mod", "main.go"], Some("Go"))]
#[case::provided_rust(Family::Provided, "bootstrap", &["Cargo.toml", "src/main.rs"], Some("cargo-lambda"))]
#[case::provided_dotnet(Family::Provided, "Shop", &["Shop.csproj"], Some("the .NET SDK"))]
#[case::provided(Family::Provided, "bootstrap", &["go.mod", "bootstrap"], None)]
fn the_code_shows_what_builds_it(
    #[case] family: Family,
    #[case] handler: &str,
    #[case] files: &[&str],
    #[case] expected: Option<&str>,
) {
    let subject = Subject {
        build: &Build::Automatic,
        runtime: &runtime(family),
        handler,
        source: &code(files),
    };
    let found = tool(&subject).unwrap();
    assert_eq!(found.as_ref().map(Tool::name), expected);
    let done = Subject {
        build: &Build::Done,
        ..subject
    };
    assert_eq!(tool(&done).unwrap(), None);
}

/// The lines that a tool writes for these files, their texts included.
fn written(tool: &Tool, family: Family, handler: &str, files: &[(&str, &str)]) -> String {
    let mut source = Tree::default();
    for (path, text) in files {
        source.put(*path, TreeFile::text(*text));
    }
    let work = Work {
        home: "f",
        folder: "src",
        source: &source,
        id: "Fn",
        family,
        handler,
        architecture: Architecture::X86_64,
    };
    let lines = steps(tool, &work)
        .unwrap()
        .into_iter()
        .map(|step| match step {
            Step::Copy { from, to } => format!("COPY {} {to}\n", from.join(" ")),
            Step::Run(script) => format!("RUN {script}\n"),
        });
    lines.collect()
}

#[test]
fn go_with_vendored_modules_downloads_none() {
    let go = Tool::Go {
        file: "bootstrap".to_owned(),
    };
    let module = ("go.mod", "module a\n");
    let code = ("main.go", "");
    let vendored = ("vendor/modules.txt", "");
    let built = |files: &[(&str, &str)]| written(&go, Family::Provided, "bootstrap", files);
    assert!(built(&[module, code]).contains("RUN go mod download\n"));
    assert!(!built(&[module, code, vendored]).contains("download"));
}

#[rstest]
#[case::at_the_top(&["main.go", "orders/main.go"], ".")]
#[case::in_the_folder_of_the_handler(&["orders/main.go", "other/main.go"], "./orders")]
#[case::elsewhere(&["cmd/main.go"], ".")]
fn the_program_of_go_is_where_sam_looks_for_it(#[case] files: &[&str], #[case] package: &str) {
    let file = "orders".to_owned();
    let files: Vec<_> = files.iter().map(|file| (*file, "")).collect();
    let built = written(&Tool::Go { file }, Family::Go, "orders", &files);
    assert!(
        built.ends_with(&format!("-o /out/orders {package}\n")),
        "{built}"
    );
}

#[test]
fn gems_of_the_code_are_installed_without_asking_for_others_first() {
    let files = [("Gemfile", ""), ("app.rb", ""), ("vendor/cache/a.gem", "")];
    let built = |files: &[(&str, &str)]| written(&Tool::Bundler, Family::Ruby, "app.run", files);
    let cached = built(&files);
    assert!(
        cached.contains("COPY f/src/vendor/cache/ /build/vendor/cache/\n"),
        "{cached}"
    );
    assert!(
        cached.ends_with("&& { bundle install --local || bundle install; }\n"),
        "{cached}"
    );
    let asked = built(&files[..2]);
    assert!(
        asked.ends_with("development:test && bundle install\n"),
        "{asked}"
    );
    let local = built(&[("Gemfile", "gem 'a', path: 'a'"), ("a/a.gemspec", "")]);
    assert!(local.contains("COPY f/src/ /build/\n"), "{local}");
}

#[rstest]
#[case::plain("[package]\nname = \"a\"\n", &[], true)]
#[case::configured("[package]\nname = \"a\"\n", &[".cargo/config.toml"], false)]
#[case::bench("[package]\nname = \"a\"\n[[bench]]\nname = \"b\"\n", &[], false)]
#[case::script("[package]\nname = \"a\"\nbuild = \"b.rs\"\n", &[], false)]
fn crates_are_fetched_beforehand_where_the_manifest_is_all_that_it_takes(
    #[case] manifest: &str,
    #[case] more: &[&str],
    #[case] beforehand: bool,
) {
    let mut files = vec![("Cargo.toml", manifest)];
    files.extend(more.iter().map(|file| (*file, "")));
    let cargo = Tool::Cargo { binary: None };
    let built = written(&cargo, Family::Provided, "bootstrap", &files);
    assert_eq!(built.contains("cargo fetch"), beforehand, "{built}");
}

#[test]
fn esbuild_has_the_packages_of_the_code_and_fails_without_the_file_of_the_handler() {
    let esbuild = Tool::Esbuild(Esbuild {
        entry_points: vec!["app.ts".to_owned()],
        format: "cjs".to_owned(),
        target: "es2020".to_owned(),
        minify: true,
        sourcemap: false,
        keep_names: false,
        external: Vec::new(),
        loader: Vec::new(),
        out_extension: Vec::new(),
        main_fields: Vec::new(),
    });
    let built = |package: &str| {
        let files = [("package.json", package), ("app.ts", "")];
        written(&esbuild, Family::Nodejs, "app.handler", &files)
    };
    let local = built(r#"{"dependencies": {"a": "file:a"}}"#);
    assert!(
        local.starts_with("COPY f/src/ /build/\nRUN npm install"),
        "{local}"
    );
    let remote = built(r#"{"dependencies": {"a": "1"}}"#);
    assert!(
        remote.starts_with("COPY f/src/package.json /build/\nRUN npm install"),
        "{remote}"
    );
    assert!(
        remote.contains("test -e /out/app.js || test -e /out/app.mjs"),
        "{remote}"
    );
}

#[rstest]
#[case::python(Family::Python, "shop/app.main", &["shop/app.py"], None)]
#[case::package(Family::Python, "shop.app.main", &["shop/app/__init__.py"], None)]
#[case::no_python(Family::Python, "app.main", &["main.py"], Some("`app.py`"))]
#[case::node(Family::Nodejs, "dist/index.handler", &["dist/index.mjs"], None)]
#[case::no_node(Family::Nodejs, "index.handler", &["index.ts"], Some("`index.js`"))]
#[case::ruby(Family::Ruby, "lib/app.Shop::Handler.run", &["lib/app.rb"], None)]
#[case::java(Family::Java, "A::b", &["src/A.java"], Some("a class or a jar"))]
#[case::dotnet(Family::Dotnet, "Shop.Orders::Shop.F::Run", &["Shop.Orders.dll"], None)]
#[case::go(Family::Go, "main", &["main.go"], Some("`main`"))]
#[case::provided(Family::Provided, "x", &["main"], Some("`bootstrap`"))]
fn what_a_handler_runs_has_to_be_there(
    #[case] family: Family,
    #[case] handler: &str,
    #[case] files: &[&str],
    #[case] missing: Option<&str>,
) {
    let found = check(&runtime(family), handler, &code(files), &[]);
    assert_eq!(found.as_deref(), missing);
}

#[rstest]
#[case::python(Family::Python, "app", false)]
#[case::nothing(Family::Nodejs, "", false)]
#[case::no_name(Family::Nodejs, "dist/index.", false)]
#[case::no_file(Family::Ruby, ".run", false)]
#[case::module(Family::Ruby, "app.Shop::Orders.run", true)]
#[case::class(Family::Java, "Orders", true)]
#[case::program(Family::Provided, "bootstrap", true)]
fn a_script_is_told_which_function_to_call(
    #[case] family: Family,
    #[case] handler: &str,
    #[case] expected: bool,
) {
    assert_eq!(names_function(family, handler), expected);
}

#[test]
fn a_handler_may_come_with_a_layer() {
    let layer = code(&["python/lib/python3.12/site-packages/wrapper/handler.py"]);
    let python = runtime(Family::Python);
    assert_eq!(
        check(&python, "wrapper.handler.run", &Tree::default(), &[&layer]),
        None
    );
}

#[rstest]
#[case("src/app.ts", true)]
#[case("@aws-sdk/*", true)]
#[case(".js=.mjs", true)]
#[case("node20.1", true)]
#[case("a-b.ts", true)]
#[case("--define:x=y", false)]
#[case("a b", false)]
#[case("$(evil)", false)]
#[case("a;evil", false)]
#[case("a\nRUN evil", false)]
#[case("*", false)]
#[case("'", false)]
#[case("<<EOF", false)]
#[case("", false)]
fn a_value_in_a_line_of_shell_is_one_word(#[case] text: &str, #[case] fits: bool) {
    assert_eq!(is_word(text), fits);
}
