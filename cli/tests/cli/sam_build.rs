//! `--sam-build` with a `sam` of the test on PATH, and what is said of templates that `sam build` made.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rstest::rstest;

use crate::support::{ESB, Machine, Ran};

/// The source is TypeScript, which `esb` refuses without an image to build it in.
const SOURCE: &str = "Resources:
  Hello:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts]}}
    Properties: {CodeUri: src/, Handler: app.handler, Runtime: nodejs22.x}
";
const BUILT: &str = "Resources:
  Hello:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: esbuild
      BuildProperties: {EntryPoints: [app.ts]}
      SamResourceId: Hello
    Properties: {CodeUri: Hello, Handler: app.handler, Runtime: nodejs22.x}
";
const BASE: &str = "--base=nodejs=lambda/nodejs:22";
const BUILT_TEMPLATE: &str = ".aws-sam/build/template.yaml";

/// What the stand-in does: says its folder and its arguments on standard output, and makes what `sam build` makes.
const BUILDS: &str = "
echo \"sam in $PWD: $*\"
mkdir -p .aws-sam/build/Hello
cp ../built.yaml .aws-sam/build/template.yaml 2>/dev/null || cp built.yaml .aws-sam/build/template.yaml
echo 'exports.handler = 0' > .aws-sam/build/Hello/app.js
";

fn machine() -> Machine {
    let machine = Machine::fresh();
    write(&machine, "template.yaml", SOURCE);
    write(&machine, "built.yaml", BUILT);
    write(&machine, "src/app.ts", "export const handler = 0");
    machine
}

fn write(machine: &Machine, path: &str, text: &str) {
    let path = machine.work().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Puts a `sam` that does this in a folder of programs.
fn sam(machine: &Machine, script: &str) {
    write(machine, "bin/sam", &format!("#!/bin/sh\n{script}"));
    let path = machine.work().join("bin/sam");
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn esb(machine: &Machine, args: &[&str]) -> Ran {
    let path = format!("{}:/usr/bin:/bin", machine.work().join("bin").display());
    let mut command = machine.command_of(ESB, args);
    machine.ran(command.env("PATH", path).output().unwrap())
}

#[rstest]
#[case::generate(&["artifact", "generate"])]
#[case::build(&["build"])]
fn sam_builds_and_what_it_built_is_packed_as_it_lies_there(#[case] command: &[&str]) {
    let machine = machine();
    sam(&machine, BUILDS);
    let ran = esb(&machine, &[command, &["--sam-build", BASE]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said =
        "sam in [MACHINE]/here: build --build-dir .aws-sam/build --template-file template.yaml\n";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert!(!ran.stdout.contains("sam in"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);

    let function = machine.work().join("artifact/template/functions/Hello");
    assert!(function.join("src/app.js").is_file());
    let dockerfile = fs::read_to_string(function.join("Dockerfile")).unwrap();
    assert_eq!(dockerfile.matches("FROM ").count(), 1, "{dockerfile}");
    let manifest = fs::read_to_string(machine.work().join("artifact/artifact.yml")).unwrap();
    assert!(
        manifest.contains(&format!("path: {BUILT_TEMPLATE}\n")),
        "{manifest}"
    );
}

#[test]
fn sam_runs_in_the_folder_of_the_template() {
    let machine = machine();
    sam(&machine, BUILDS);
    write(&machine, "shop/a template;.yaml", SOURCE);
    let args = [
        "generate",
        "-t",
        "shop/a template;.yaml",
        "--sam-build",
        BASE,
    ];
    let ran = esb(&machine, &args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = "sam in [MACHINE]/here/shop: build --build-dir .aws-sam/build --template-file a template;.yaml\n";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_project_file_turns_it_on_and_a_comparison_builds_too() {
    let machine = machine();
    sam(&machine, BUILDS);
    let settings = "sam-build = true\n[base]\nnodejs = \"lambda/nodejs:22\"\n";
    write(&machine, "artifactctl.toml", settings);
    let generated = esb(&machine, &["generate"]);
    assert_eq!(generated.code, 0, "{}", generated.stderr);
    let compared = esb(&machine, &["diff"]);
    assert_eq!(compared.code, 0, "{}{}", compared.stdout, compared.stderr);
    let off = esb(&machine, &["diff", "--sam-build=false"]);
    assert_eq!(off.code, 11, "{}{}", off.stdout, off.stderr);
    assert!(!off.stderr.contains("sam in"), "{}", off.stderr);
}

#[test]
fn a_built_template_has_the_samconfig_of_its_project() {
    let machine = machine();
    sam(&machine, BUILDS);
    let built = format!("Parameters: {{Stage: {{Type: String}}}}\n{BUILT}")
        .replace("Runtime", "FunctionName: !Sub \"hello-${Stage}\", Runtime");
    write(&machine, "built.yaml", &built);
    let config = "[default.deploy.parameters]\nparameter_overrides = \"Stage=prod\"\n";
    write(&machine, "samconfig.toml", config);
    let ran = esb(&machine, &["generate", "--sam-build", BASE]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let made = machine
        .work()
        .join("artifact/template/functions/hello-prod");
    assert!(made.is_dir());
}

#[rstest]
#[case::missing(None, 2, &["no `sam` is on PATH", "install `sam`", "--build-image java=IMAGE"])]
#[case::fails(Some("echo no such runtime >&2; exit 7"), 3, &["no such runtime", "`sam build` failed", "exit status: 7"])]
#[case::makes_nothing(Some("exit 0"), 3, &["made no `.aws-sam/build/template.yaml`"])]
fn a_build_that_makes_nothing_is_an_error_and_nothing_is_written(
    #[case] script: Option<&str>,
    #[case] code: i32,
    #[case] words: &[&str],
) {
    let machine = machine();
    if let Some(script) = script {
        sam(&machine, script);
    }
    let ran = esb(&machine, &["generate", "--sam-build", BASE]);
    assert_eq!(ran.code, code, "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
    assert!(!machine.work().join("artifact").exists());
}

#[rstest]
#[case::beside_each_other(&["template.yaml", "built.yaml"], "lie beside each other")]
#[case::built(&[BUILT_TEMPLATE], "made `.aws-sam/build/template.yaml` already")]
#[case::absent(&["none.yaml"], "does not exist")]
fn templates_that_sam_cannot_build_are_refused_before_it_runs(
    #[case] templates: &[&str],
    #[case] words: &str,
) {
    let machine = machine();
    sam(&machine, BUILDS);
    write(&machine, BUILT_TEMPLATE, BUILT);
    let named = templates.iter().flat_map(|template| ["-t", template]);
    let args: Vec<&str> = ["generate", "--sam-build", BASE]
        .into_iter()
        .chain(named)
        .collect();
    let ran = esb(&machine, &args);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sam in"), "{}", ran.stderr);
}

#[rstest]
#[case::newer(10, true)]
#[case::older(-10, false)]
fn a_built_template_is_offered_when_it_is_newer(#[case] age: i64, #[case] offered: bool) {
    let machine = machine();
    write(&machine, BUILT_TEMPLATE, BUILT);
    let source = machine.work().join("template.yaml");
    let at = SystemTime::now();
    touch(&source, at);
    let step = Duration::from_secs(age.unsigned_abs());
    let built = if age > 0 { at + step } else { at - step };
    touch(&machine.work().join(BUILT_TEMPLATE), built);
    let ran = esb(&machine, &["generate", BASE]);
    let line = "`sam build` has built `template.yaml`: `--template .aws-sam/build/template.yaml` takes what it built\n";
    assert_eq!(ran.stderr.contains(line), offered, "{}", ran.stderr);
}

fn touch(path: &Path, at: SystemTime) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(at).unwrap();
}
