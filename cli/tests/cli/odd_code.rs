//! Code, layers, hooks and images that are odd, and what is said of each.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rstest::rstest;

use crate::support::{Machine, Ran};

const PYTHON: &str = "Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: code/}";
const OWN: &str = "Metadata: {Dockerfile: Dockerfile}
    Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: code/}";
const BELOW: &str = "Properties: {Runtime: python3.12, Handler: lib.app.handler, CodeUri: code/}";
const NODEJS: &str = "Properties: {Runtime: nodejs22.x, Handler: app.handler, CodeUri: code/}";
const HOOKS: &str = "Metadata: {EsbHooks: hooks/}\n    \
    Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: code/}";

/// A machine with a function `Fn`, written so, and other resources.
fn machine(function: &str, more: &str) -> Machine {
    let machine = Machine::fresh();
    let template =
        format!("Resources:\n  Fn:\n    Type: AWS::Serverless::Function\n    {function}\n{more}");
    write(&machine, "template.yaml", template);
    machine
}

fn write(machine: &Machine, path: &str, text: impl AsRef<[u8]>) {
    let path = machine.work().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn generate(machine: &Machine) -> Ran {
    let base = "--base=nodejs=lambda/nodejs:22";
    machine.esb(&["artifact", "generate", base])
}

/// A file of the function's folder.
fn made(machine: &Machine, path: &str) -> String {
    let folder = machine.work().join("artifact/template/functions/Fn");
    fs::read_to_string(folder.join(path)).unwrap()
}

#[track_caller]
fn refused(machine: &Machine, words: &str) {
    let ran = generate(machine);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    assert!(!machine.work().join("artifact").exists());
}

#[test]
fn hooks_without_files_are_refused() {
    let machine = machine(HOOKS, "");
    write(&machine, "code/app.py", "");
    fs::create_dir(machine.work().join("hooks")).unwrap();
    refused(
        &machine,
        "function `Fn`: its hooks in `hooks` have no files",
    );
}

#[test]
fn a_layer_without_files_is_as_good_as_none() {
    let layer =
        "  Empty: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: empty/}}\n";
    let function = PYTHON.replace('}', ", Layers: [!Ref Empty]}");
    let machine = machine(&function, layer);
    write(&machine, "code/app.py", "");
    fs::create_dir(machine.work().join("empty")).unwrap();
    assert_eq!(generate(&machine).code, 0);
    let dockerfile = made(&machine, "Dockerfile");
    assert!(!dockerfile.contains("layers"), "{dockerfile}");
}

/// What has to be read and understood is text of a bounded size, and no link.
#[rstest]
#[case::dockerfile(OWN, "Dockerfile")]
#[case::requirements(PYTHON, "requirements.txt")]
#[case::package(NODEJS, "package.json")]
fn a_file_that_must_be_understood_is_text_of_a_bounded_size(
    #[case] function: &str,
    #[case] file: &str,
) {
    let words = format!("its `{file}` is not UTF-8 text of at most 1 MiB");
    let machine = machine(function, "");
    for name in ["app.py", "app.js"] {
        write(&machine, &format!("code/{name}"), "");
    }
    let path = format!("code/{file}");
    write(&machine, &path, vec![b'\n'; (1 << 20) + 1]);
    refused(&machine, &words);
    write(&machine, &path, b"\xff");
    refused(&machine, &words);
    fs::remove_file(machine.work().join(&path)).unwrap();
    symlink("app.py", machine.work().join(&path)).unwrap();
    refused(&machine, &words);
}

#[rstest]
#[case::plain("Dockerfile", 0)]
#[case::from_here("./Dockerfile", 0)]
#[case::below("./made/Dockerfile", 0)]
#[case::not_there("Dockerfile.dev", 3)]
fn a_dockerfile_is_named_from_its_context(#[case] named: &str, #[case] code: i32) {
    let function = format!(
        "Metadata: {{DockerContext: code/, Dockerfile: {named}}}\n    Properties: {{PackageType: Image}}"
    );
    let machine = machine(&function, "");
    for path in ["code/Dockerfile", "code/made/Dockerfile"] {
        write(&machine, path, "FROM scratch\n");
    }
    let ran = generate(&machine);
    assert_eq!(ran.code, code, "{}", ran.stderr);
    let said = ran.stderr.contains("`code` has no `Dockerfile.dev`");
    assert_eq!(said, code != 0, "{}", ran.stderr);
}

#[test]
fn a_jar_is_no_context_of_a_dockerfile() {
    let function = "Metadata: {DockerContext: code.jar, Dockerfile: Dockerfile}\n    Properties: {PackageType: Image}";
    let machine = machine(function, "");
    write(&machine, "code.jar", "");
    refused(&machine, "its code in `code.jar` has no files");
}

/// No artifact is without what its handlers run.
#[rstest]
#[case::python(PYTHON, "app.py", false)]
#[case::package(PYTHON, "app/__init__.py", false)]
#[case::no_python(PYTHON, "app.js", true)]
#[case::module_below(BELOW, "lib/app.py", false)]
#[case::no_module_below(BELOW, "lib.app.py", true)]
#[case::javascript(NODEJS, "app.js", false)]
#[case::module(NODEJS, "app.mjs", false)]
#[case::common(NODEJS, "app.cjs", false)]
#[case::no_javascript(NODEJS, "app.ts", true)]
fn a_handler_that_is_not_there_is_an_error(
    #[case] function: &str,
    #[case] file: &str,
    #[case] missing: bool,
) {
    let machine = machine(function, "");
    write(&machine, &format!("code/{file}"), "");
    let ran = generate(&machine);
    assert_eq!(ran.code, if missing { 3 } else { 0 }, "{}", ran.stderr);
    let said = ran.stderr.contains("app.handler` needs `");
    assert_eq!(said, missing, "{}", ran.stderr);
}

#[rstest]
#[case::owner(0o100, true)]
#[case::group(0o010, true)]
#[case::others(0o001, true)]
#[case::nobody(0, false)]
fn a_file_that_anybody_may_execute_is_executable(#[case] bit: u32, #[case] executable: bool) {
    let machine = machine(PYTHON, "");
    write(&machine, "code/app.py", "");
    let file = machine.work().join("code/app.py");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600 | bit)).unwrap();
    assert_eq!(generate(&machine).code, 0);
    let made = machine
        .work()
        .join("artifact/template/functions/Fn/src/app.py");
    let mode = made.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, if executable { 0o755 } else { 0o644 });
}

/// 64 folders may lie in each other.
#[rstest]
#[case::deep(64, true)]
#[case::too_deep(65, false)]
fn code_is_nested_so_deep(#[case] depth: usize, #[case] fits: bool) {
    let machine = machine(PYTHON, "");
    write(&machine, "code/app.py", "");
    write(&machine, &format!("code/{}x", "d/".repeat(depth)), "");
    if fits {
        assert_eq!(generate(&machine).code, 0);
    } else {
        refused(&machine, "is nested more than 64 folders deep");
    }
}

/// One function of two templates is one function: its image is not named twice.
#[test]
fn a_function_of_two_templates_has_one_image() {
    let machine = machine(PYTHON, "");
    let template = fs::read(machine.work().join("template.yaml")).unwrap();
    write(&machine, "other.yaml", template);
    write(&machine, "code/app.py", "");
    let templates = ["--template", "template.yaml", "--template", "other.yaml"];
    let ran = machine.esb(&[&["artifact", "generate"][..], &templates].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for entry in ["template", "other"] {
        let path = format!("artifact/{entry}/config/functions.yml");
        let functions = fs::read_to_string(machine.work().join(path)).unwrap();
        assert!(
            functions.contains("image: esb-dev/fn:latest\n"),
            "{functions}"
        );
    }
}

/// A base that starts no function of a runtime, and code that nobody can build, are errors that name the flag.
#[rstest]
#[case::nodejs("nodejs22.x", "app.handler", &["app.js"], "--base nodejs=IMAGE`, such as AWS's `lambda/nodejs:22`")]
#[case::java("java21", "A::b", &["A.class"], "--base java=IMAGE`, such as AWS's `lambda/java:21`")]
#[case::ruby("ruby3.3", "app.handler", &["app.rb"], "--base ruby=IMAGE`, such as AWS's `lambda/ruby:3.3`")]
#[case::dotnet("dotnet8", "Shop::A::B", &["Shop.dll"], "--base dotnet=IMAGE`, such as AWS's `lambda/dotnet:8`")]
#[case::go("provided.al2023", "bootstrap", &["go.mod", "main.go"], "--build-image go=IMAGE")]
#[case::rust("provided.al2023", "bootstrap", &["Cargo.toml"], "--build-image rust=IMAGE")]
#[case::nothing("provided.al2023", "bootstrap", &["main.c"], "--sam-build")]
fn what_no_image_starts_or_builds_is_refused_with_the_flag_that_mends_it(
    #[case] runtime: &str,
    #[case] handler: &str,
    #[case] files: &[&str],
    #[case] words: &str,
) {
    let function =
        format!("Properties: {{Runtime: {runtime}, Handler: \"{handler}\", CodeUri: code/}}");
    let machine = machine(&function, "");
    for file in files {
        write(&machine, &format!("code/{file}"), "");
    }
    let ran = machine.esb(&["artifact", "generate"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}
