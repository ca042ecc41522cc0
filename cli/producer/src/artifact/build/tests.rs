use rstest::rstest;

use super::*;
use crate::artifact::tree::Piece;

fn code(files: &[&str]) -> Tree {
    let mut tree = Tree::default();
    for file in files {
        tree.put(*file, Piece::text(""));
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
