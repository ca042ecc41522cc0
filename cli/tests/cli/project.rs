//! The project file from outside: what both programs take from it, what is stronger, and what it refuses.

use std::fs;
use std::process::Command;

use rstest::rstest;

use crate::esb::with_shop;
use crate::support::{ARTIFACTCTL, ESB, Machine, Ran};

/// The project file of the tests: everything that `SHOP` says with flags.
const PROJECT: &str = "template = \"sam/shop.yaml\"\noutput = \"shop\"\nout = \"config\"\n";

fn with_project(text: &str) -> Machine {
    let machine = with_shop();
    fs::write(machine.work().join("artifactctl.toml"), text).unwrap();
    machine
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn each_program_alone_knows_what_to_do() {
    let machine = with_project(PROJECT);
    let generated = machine.esb(&["artifact", "generate"]);
    assert_eq!(generated.code, 0, "{}", generated.stderr);
    assert!(machine.work().join("shop/artifact.yml").is_file());

    let valid = machine.run(&["manifest", "validate"]);
    assert_eq!(valid.code, 0, "{}", valid.stderr);
    // No engine answers: the command line was complete.
    for program in [ARTIFACTCTL, ESB] {
        let mut deploy = machine.command_of(program, &["deploy"]);
        deploy.env("CONTAINER_REGISTRY", "registry:5000");
        let ran = ran(deploy);
        assert_eq!(ran.code, 9, "{}", ran.stderr);
    }
}

#[test]
fn paths_are_relative_to_the_file_wherever_the_command_runs() {
    let machine = with_project(PROJECT);
    fs::create_dir(machine.work().join("below")).unwrap();
    let mut command = machine.command_of(
        ESB,
        &[
            "artifact",
            "generate",
            "--project-file",
            "../artifactctl.toml",
        ],
    );
    command.current_dir(machine.work().join("below"));

    let ran = ran(command);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(machine.work().join("shop/artifact.yml").is_file());
}

#[test]
fn a_folder_above_is_not_searched() {
    let machine = with_project("outt = 1");
    fs::create_dir(machine.work().join("below")).unwrap();
    let mut command = machine.command_of(ARTIFACTCTL, &["deploy"]);
    command.current_dir(machine.work().join("below"));

    let ran = ran(command);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("--artifact <PATH>"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("hint: a project file, `artifactctl.toml`"),
        "{}",
        ran.stderr
    );
}

/// Where a journal would be made, by who names it; the strongest first.
#[rstest]
#[case::flag(&["--journal", "flag"], Some("variable"), "journal = 'file'", "flag")]
#[case::variable(&[], Some("variable"), "journal = 'file'", "variable")]
#[case::file(&[], None, "journal = 'file'", "file")]
#[case::blank_variable(&[], Some(""), "journal = 'file'", "file")]
#[case::default(&[], None, "", "../state/artifactctl/journal")]
fn a_flag_is_stronger_than_a_variable_and_a_variable_than_the_file(
    #[case] flags: &[&str],
    #[case] variable: Option<&str>,
    #[case] text: &str,
    #[case] place: &str,
) {
    let machine = with_project(text);
    let mut command = machine.command(
        &[
            &["import", &crate::support::frozen("deploy-applied.jsonl")],
            flags,
        ]
        .concat(),
    );
    if let Some(variable) = variable {
        command.env("ARTIFACTCTL_JOURNAL", variable);
    }

    let ran = ran(command);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        machine.work().join(place).join("esb-dev").is_dir(),
        "{place}"
    );
}

#[rstest]
#[case::list(&["--template", "none.yaml"], "`none.yaml`")]
#[case::parameter(&["--parameter", "Stage=moon"], "Stage")]
fn a_flag_is_stronger_than_the_file(#[case] flags: &[&str], #[case] words: &str) {
    let machine = with_project(&format!("{PROJECT}[parameter]\nStage = 'dev'\n"));
    let ran = machine.esb(&[&["artifact", "generate"], flags].concat());
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn a_switch_of_the_file_is_turned_off_by_its_flag() {
    let machine = with_project(&format!("{PROJECT}bundle-manifest = true\n"));
    let bundle = machine.work().join("shop/shop/bundle/manifest.json");
    assert_eq!(machine.esb(&["artifact", "generate"]).code, 0);
    assert!(bundle.is_file());

    let off = machine.esb(&["artifact", "generate", "--bundle-manifest=false"]);

    assert_eq!(off.code, 0, "{}", off.stderr);
    assert!(!bundle.exists());
}

#[test]
fn parameters_of_the_file_give_way_to_files_that_a_flag_names() {
    let machine = with_project(&format!("{PROJECT}[parameter]\nStage = 'prod'\n"));
    fs::write(machine.work().join("dev.env"), "Stage=dev\n").unwrap();
    let functions = || {
        let entries = fs::read_dir(machine.work().join("shop/shop/functions")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    let plain = machine.esb(&["artifact", "generate"]);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    assert!(
        functions().contains(&"shop-hello-prod".to_owned()),
        "{:?}",
        functions()
    );

    let named = machine.esb(&["artifact", "generate", "--parameters-file", "dev.env"]);

    assert_eq!(named.code, 0, "{}", named.stderr);
    assert!(
        functions().contains(&"shop-hello-dev".to_owned()),
        "{:?}",
        functions()
    );
}

#[test]
fn a_secret_has_no_place_in_the_file() {
    let machine =
        with_project("template = 'secret.yaml'\n[parameter]\nStage = 'dev'\nPassword = 'canary'\n");
    let template = "Parameters:\n  Password: {Type: String, NoEcho: true}\n  Stage: {Type: String}\nResources: {}\n";
    fs::write(machine.work().join("secret.yaml"), template).unwrap();

    let ran = machine.esb(&["artifact", "generate"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("artifactctl.toml:4:1"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("`Password` is declared `NoEcho`"),
        "{}",
        ran.stderr
    );
    assert!(!(ran.stderr + &ran.stdout).contains("canary"));
}

#[rstest]
#[case::deploy(&["deploy", "--artifact", "a", "--out", "b"], 2)]
#[case::status(&["status"], 2)]
#[case::help(&["deploy", "--help"], 0)]
#[case::completions(&["completions", "bash"], 0)]
fn a_broken_file_stops_what_would_read_it(#[case] args: &[&str], #[case] code: i32) {
    let machine = with_project("templte = 'x'\n");
    let ran = machine.run(args);
    assert_eq!(ran.code, code, "{}", ran.stderr);
    if code != 0 {
        assert!(
            ran.stderr.contains("artifactctl.toml:1:1"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("did you mean `template`?"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_broken_file_is_to_blame_before_the_flags_that_it_could_have_held() {
    let machine = with_project("artifac = 'x'\n");
    let ran = machine.run(&["deploy", "--format", "json"]);
    assert_eq!(ran.code, 2);
    let line: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(line["violations"][0]["rule"], "unknown-setting");
}

#[test]
fn a_file_that_is_named_and_missing_is_an_error() {
    let machine = Machine::fresh();
    let ran = machine.run(&["status", "--project-file", "none.toml"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr
            .contains("cannot read the project file `none.toml`"),
        "{}",
        ran.stderr
    );
}

/// A value of each origin, and names alone of parameters.
#[test]
fn config_shows_every_value_with_its_origin() {
    let machine = with_project(&format!(
        "{PROJECT}provision = true\n[parameter]\nStage = 'canary'\n[base]\npython = 'base:1'\n"
    ));
    let args = ["config", "--out", "elsewhere", "--base", "nodejs=base:2"];
    let mut command = machine.command_of(ESB, &args);
    command.env("CONTAINER_REGISTRY", "registry:5000");

    let ran = ran(command);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stdout.contains("canary"), "{}", ran.stdout);
    let has = |words: &[&str]| {
        let found = ran.stdout.lines().any(|line| {
            let line: Vec<&str> = line.split_whitespace().collect();
            line == words
        });
        assert!(found, "{words:?}: {}", ran.stdout);
    };
    has(&["template", "sam/shop.yaml", "artifactctl.toml:1"]);
    has(&["out", "elsewhere", "flag", "--out"]);
    has(&["provision", "true", "artifactctl.toml:4"]);
    has(&[
        "container-registry",
        "registry:5000",
        "environment",
        "CONTAINER_REGISTRY",
    ]);
    has(&["env", "dev", "default"]);
    has(&["base.python", "base:1", "artifactctl.toml:8"]);
    has(&["base.nodejs", "base:2", "flag", "--base"]);
    has(&[
        "parameter.Stage",
        "-",
        "artifactctl.toml:6:",
        "value",
        "not",
        "shown",
    ]);
}

#[test]
fn config_is_json_too() {
    let machine = with_project(PROJECT);
    let ran = machine.run(&["config", "--format", "json", "--target", "a/b"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(line["project_file"], "artifactctl.toml");
    let settings = line["settings"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|one| one["key"] == key).unwrap();
    assert_eq!(of("out")["value"], "config");
    assert_eq!(of("out")["origin"], "file");
    assert_eq!(of("out")["at"], "artifactctl.toml:3");
    assert_eq!(of("target")["origin"], "flag");
    assert_eq!(of("jobs")["origin"], "default");
    assert_eq!(of("artifact")["value"], "shop/artifact.yml");
}

#[test]
fn init_writes_what_it_finds_and_both_programs_read_it() {
    let machine = with_shop();
    let work = machine.work();
    fs::rename(work.join("sam"), work.join("away")).unwrap();
    for entry in fs::read_dir(work.join("away")).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), work.join(entry.file_name())).unwrap();
    }
    fs::rename(work.join("shop.yaml"), work.join("template.yaml")).unwrap();
    fs::create_dir(work.join("config")).unwrap();
    fs::write(work.join("config/functions.yml"), "functions: {}\n").unwrap();
    fs::write(work.join("compose.yaml"), "services: {}\n").unwrap();

    let ran = machine.esb(&["init"]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "wrote artifactctl.toml: filled in template, out, compose-file\n\
         not found, and needed for a deploy:\n  \
         project: the compose project of the stack; `esb-dev` without it\n  \
         host-registry: the registry of the images, as this machine reaches it\n\
         `esb deploy` reads the file\n"
    );
    let text = fs::read_to_string(work.join("artifactctl.toml")).unwrap();
    assert!(text.contains("# compose-project = \"esb-dev\"\n"), "{text}");
    assert!(text.contains("# project = \"esb-dev\"\n"), "{text}");
    assert!(text.contains("(no Docker engine answered)"), "{text}");
    let generated = machine.esb(&["artifact", "generate"]);
    assert_eq!(generated.code, 0, "{}", generated.stderr);
    let planned = machine.run(&["plan"]);
    assert_eq!(planned.code, 2, "{}", planned.stderr);
    assert!(
        planned.stderr.contains("CONTAINER_REGISTRY"),
        "{}",
        planned.stderr
    );
}

#[rstest]
#[case::there("artifactctl.toml", &[])]
#[case::named("other.toml", &["--project-file", "other.toml"])]
fn init_never_overwrites(#[case] name: &str, #[case] flags: &[&str]) {
    let machine = Machine::fresh();
    let path = machine.work().join(name);
    fs::write(&path, "templte = 'x'\n").unwrap();
    let ran = machine.run(&[&["init"], flags].concat());
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "templte = 'x'\n");
}

#[test]
fn init_copies_no_credentials_of_the_environment() {
    let machine = Machine::fresh();
    let mut command = machine.command(&["init"]);
    command.env("CONTAINER_REGISTRY", "user:canary@registry:5000");
    command.env("HOST_REGISTRY_ADDR", "127.0.0.1:5010");
    assert_eq!(ran(command).code, 0);
    let text = fs::read_to_string(machine.work().join("artifactctl.toml")).unwrap();
    assert!(!text.contains("canary"), "{text}");
    assert!(
        text.contains("\nhost-registry = \"127.0.0.1:5010\"\n"),
        "{text}"
    );
}

#[test]
fn settings_are_no_filters_of_history() {
    let machine = Machine::with_import("deploy-applied.jsonl");
    let file = "artifact = 'artifact.yml'\nactor = 'somebody@else'\n";
    fs::write(machine.work().join("artifactctl.toml"), file).unwrap();
    let ran = machine.run(&["history"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("APPLIED (UTC)"), "{}", ran.stdout);
}
