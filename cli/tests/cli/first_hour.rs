//! What a newcomer meets: words from other tools, notes that do not drown a warning, files that are found.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::esb::with_shop;
use crate::support::Machine;

/// A template with one warning, three notes and, where asked for, an error.
fn template(error: &str) -> String {
    format!(
        "Parameters:
  Stage: {{Type: String, Default: dev}}
Resources:
  Rule:
    Type: AWS::IAM::Role
    Properties: {{RoleName: !Ref Stage}}
  Policy:
    Type: AWS::IAM::Policy
    Properties: {{}}
  Strange:
    Type: AWS::Strange::Thing
{error}"
    )
}

const ERROR: &str = "  Broken:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: nowhere}
";

fn generate(machine: &Machine, more: &[&str]) -> crate::support::Ran {
    machine.esb(&[&["artifact", "generate"], more].concat())
}

fn with_template(text: &str) -> Machine {
    let machine = Machine::fresh();
    fs::write(machine.work().join("template.yaml"), text).unwrap();
    machine
}

#[test]
fn notes_are_counted_and_shown_with_v() {
    let machine = with_template(&template(""));
    let folded = generate(&machine, &[]);
    assert_eq!(folded.code, 0, "{}", folded.stderr);
    assert!(
        folded.stderr.contains("3 notes: -v shows them\n"),
        "{}",
        folded.stderr
    );
    assert!(!folded.stderr.contains("\nnote: "), "{}", folded.stderr);
    assert!(
        folded.stderr.contains("warning: template.yaml:"),
        "{}",
        folded.stderr
    );

    let shown = generate(&machine, &["-v"]);

    assert_eq!(
        shown.stderr.matches("note: template.yaml:").count(),
        3,
        "{}",
        shown.stderr
    );
    assert!(!shown.stderr.contains("-v shows"), "{}", shown.stderr);
}

#[test]
fn an_error_does_not_hide_the_warnings() {
    let machine = with_template(&template(ERROR));
    let ran = generate(&machine, &[]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("warning: template.yaml:"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}

#[test]
fn entries_are_their_ids() {
    let machine = with_template(&template(""));
    let ran = generate(&machine, &["--format", "json"]);
    let line: Value = serde_json::from_str(&ran.stdout).unwrap();
    let id = line["entries"][0].as_str().unwrap();
    let manifest = fs::read_to_string(machine.work().join("artifact/artifact.yml")).unwrap();
    assert!(manifest.contains(&format!("id: {id}")), "{id}: {manifest}");
}

#[rstest]
#[case::artifact_generate(&["artifact", "generate"])]
#[case::generate(&["generate"])]
#[case::build(&["build"])]
fn the_words_of_sam_mean_what_they_mean_there(#[case] words: &[&str]) {
    let machine = with_shop();
    let ran = machine.esb(&[words, &["-t", "sam/shop.yaml", "-o", "made"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(machine.work().join("made/artifact.yml").is_file());
}

/// The value of the parameter by who gives it, the strongest last.
#[rstest]
#[case::by_itself(&[], "", "stage-sam")]
#[case::environment(&["--samconfig-env", "prod"], "", "stage-prod")]
#[case::project_file(&[], "[parameter]\nStage = 'file'\n", "stage-file")]
#[case::flag(&["--parameter", "Stage=flag"], "[parameter]\nStage = 'file'\n", "stage-flag")]
fn a_samconfig_beside_the_template_is_the_weakest_source(
    #[case] flags: &[&str],
    #[case] project: &str,
    #[case] name: &str,
) {
    let machine = Machine::fresh();
    let work = machine.work();
    let text = "Parameters:
  Stage: {Type: String}
Resources:
  Table:
    Type: AWS::Serverless::SimpleTable
    Properties: {TableName: !Sub 'stage-${Stage}'}
";
    fs::create_dir(work.join("sam")).unwrap();
    fs::write(work.join("sam/template.yaml"), text).unwrap();
    fs::write(
        work.join("sam/samconfig.toml"),
        "[default.deploy.parameters]\nparameter_overrides = 'Stage=sam Other=x'\n\
         [prod.deploy.parameters]\nparameter_overrides = 'Stage=prod'\n",
    )
    .unwrap();
    fs::write(work.join("artifactctl.toml"), project).unwrap();

    let ran = generate(&machine, &[&["-t", "sam/template.yaml"], flags].concat());

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("parameters from sam/samconfig.toml: Stage\n"),
        "{}",
        ran.stderr
    );
    let resources = work.join("artifact/template/config/resources.yml");
    let resources = fs::read_to_string(resources).unwrap();
    assert!(resources.contains(name), "{resources}");
}

#[rstest]
#[case::first(
    "samconfig.toml",
    "[default.deploy.parameters.parameter_overrides]\nStage = 'sam'\n"
)]
#[case::second(
    "samconfig.yaml",
    "default: {deploy: {parameters: {parameter_overrides: {Stage: sam}}}}\n"
)]
#[case::third(
    "samconfig.yml",
    "default: {deploy: {parameters: {parameter_overrides: [Stage=sam]}}}\n"
)]
fn a_samconfig_of_every_form_is_found(#[case] name: &str, #[case] text: &str) {
    let machine = with_template(
        "Parameters: {Stage: {Type: String}}
Resources: {Table: {Type: AWS::Serverless::SimpleTable, Properties: {TableName: !Sub 'of-${Stage}'}}}
",
    );
    let other = "default: {deploy: {parameters: {parameter_overrides: [Stage=other]}}}\n";
    fs::write(machine.work().join("samconfig.yml"), other).unwrap();
    fs::write(machine.work().join(name), text).unwrap();

    let ran = generate(&machine, &[]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let resources = machine
        .work()
        .join("artifact/template/config/resources.yml");
    let resources = fs::read_to_string(resources).unwrap();
    assert!(resources.contains("of-sam"), "{resources}");
}

#[test]
fn a_warning_says_what_to_do_once() {
    let machine = with_template(
        "Resources:
  One: {Type: AWS::Serverless::Functoin}
  Two: {Type: AWS::Serverless::Functoin}
",
    );
    let ran = generate(&machine, &["--allow-unknown"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stderr.matches("`AWS::Serverless::Functoin`").count(),
        2,
        "{}",
        ran.stderr
    );
    let hint = "  hint: did you mean `AWS::Serverless::Function`?\n";
    assert_eq!(ran.stderr.matches(hint).count(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("nothing would be deployed"),
        "{}",
        ran.stderr
    );
}

#[rstest]
#[case::unknown(&["--secret-name", "secretsmanager:shp=KEY"], "which no function of a template reads")]
#[case::nearest(&["--secret-name", "secretsmanager:shp=KEY"], "secretsmanager:shop")]
#[case::a_value(&["--secret-name", "secretsmanager:shop=hunter-2"], "is no name of a variable")]
#[case::no_name(&["--secret-name", "secretsmanager:shop"], "not of the form REFERENCE=NAME")]
#[case::twice(&["--secret-name", "secretsmanager:shop=A", "--secret-name", "resolve:secretsmanager:shop=B"], "twice")]
fn a_name_for_a_secret_that_does_not_fit_is_refused(#[case] flags: &[&str], #[case] says: &str) {
    let machine = with_template(SECRET);
    let ran = generate(&machine, flags);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter-2"), "{}", ran.stderr);
}

const SECRET: &str = "Resources:
  F: {Type: AWS::Serverless::Function, Properties: {InlineCode: 'handler = 1', Handler: index.handler, Runtime: python3.12, Environment: {Variables: {KEY: '{{resolve:secretsmanager:shop}}'}}}}
";

#[test]
fn a_secret_of_the_cloud_is_required_by_its_name() {
    let machine = with_template(SECRET);
    let project = "[secret-name]\n'secretsmanager:shop' = 'SHOP_KEY'\n";
    fs::write(machine.work().join("artifactctl.toml"), project).unwrap();
    let ran = generate(&machine, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let read = |path: &str| fs::read_to_string(machine.work().join("artifact").join(path)).unwrap();
    let manifest = read("artifact.yml");
    assert!(
        manifest.contains("required_secret_env: [SHOP_KEY]") || manifest.contains("- SHOP_KEY"),
        "{manifest}"
    );
    let functions = read("template/config/functions.yml");
    assert!(functions.contains("${SHOP_KEY}"), "{functions}");
}

#[test]
fn a_file_of_parameters_may_be_a_pipe_and_has_an_end() {
    let machine = with_template(&template(""));
    let pipe = machine.work().join("values");
    let (kind, mode) = (
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    );
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    let writer = std::thread::spawn(move || fs::write(pipe, "Stage=prod\n"));
    let ran = generate(&machine, &["--parameters-file", "values"]);
    writer.join().unwrap().unwrap();
    assert_eq!(ran.code, 0, "{}", ran.stderr);

    let ran = generate(&machine, &["--parameters-file", "/dev/zero"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("at most 1048576 bytes"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_error_about_a_samconfig_names_it() {
    let machine = with_template(&template(""));
    fs::write(machine.work().join("samconfig.toml"), "[default\n").unwrap();
    let ran = generate(&machine, &[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("samconfig.toml:1"), "{}", ran.stderr);
}

#[test]
fn validate_writes_nothing() {
    let machine = with_template(&template(ERROR));
    let work = machine.work();
    fs::create_dir(work.join("nowhere")).unwrap();
    fs::write(work.join("nowhere/app.py"), "def handler(*_): pass\n").unwrap();
    let ran = machine.esb(&["validate"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout
            .ends_with("3 notes: -v shows them\nvalid: 1 template, 1 function, 1 warning\n"),
        "{}",
        ran.stdout
    );
    let left: Vec<_> = fs::read_dir(work).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing is written: {left:?}");
}

#[test]
fn validate_names_what_is_wrong_and_exits_3() {
    let machine = with_template(
        "Resources:\n  A:\n    Type: AWS::Serverless::Function\n    Properties: {Handler: !Ref Nobody}\n",
    );
    let ran = machine.esb(&["validate", "--format", "json"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let line: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(line["type"], "error");
    assert!(ran.stderr.contains("template.yaml:4:"), "{}", ran.stderr);
}

#[test]
fn validate_asks_nobody_for_a_value() {
    let text = "Parameters:
  Stage: {Type: String, AllowedValues: [moon]}
  Size: {Type: Number, MinValue: 10}
  Secret: {Type: String, NoEcho: true, MinLength: 20}
Resources:
  Table:
    Type: AWS::Serverless::SimpleTable
    Properties: {TableName: !Sub '${Stage}-${Size}'}
";
    let machine = with_template(text);
    let ran = machine.esb(&["validate"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("Stage has no value: checked with `moon`"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("Size has no value: checked with `10`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn diff_shows_the_lines_of_configuration_and_exits_11() {
    let machine = with_shop();
    let made = ["-t", "sam/shop.yaml", "-o", "shop"];
    assert_eq!(machine.esb(&[&["generate"], &made[..]].concat()).code, 0);
    let same = machine.esb(&[&["diff"], &made[..]].concat());
    assert_eq!((same.code, same.stdout.as_str()), (0, "shop is current\n"));
    let routing = machine.work().join("shop/shop/config/routing.yml");
    let text = fs::read_to_string(&routing).unwrap();
    fs::write(&routing, text.replacen("routes:", "# by hand\nroutes:", 1)).unwrap();
    fs::write(
        machine
            .work()
            .join("shop/shop/functions/shop-stock/src/app.py"),
        "canary",
    )
    .unwrap();

    let ran = machine.esb(&[&["diff"], &made[..]].concat());

    assert_eq!(ran.code, 11, "{}", ran.stderr);
    let first = "shop/config/routing.yml differs\n--- on disk\n+++ from the templates\n@@ -1,";
    assert!(ran.stdout.starts_with(first), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n-# by hand\n"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("shop/functions/shop-stock/src/app.py differs\n"),
        "{}",
        ran.stdout
    );
    assert!(
        !ran.stdout.contains("canary"),
        "code is named, and not shown"
    );
    assert!(ran.stdout.ends_with("2 differences\n"), "{}", ran.stdout);

    let json = machine.esb(&[&["diff", "--format", "json"], &made[..]].concat());
    assert_eq!(json.code, 11);
    let line: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(line["differences"][0]["path"], "shop/config/routing.yml");
    assert_eq!(line["differences"][1]["diff"], Value::Null);
}

/// A word that means the same is the command itself.
#[rstest]
#[case(&["log"], &["history"])]
#[case(&["ls"], &["status"])]
#[case(&["list"], &["status"])]
#[case(&["describe", "latest"], &["show", "latest"])]
#[case(&["history", "--target", "esb-dev/dev"], &["history", "esb-dev/dev"])]
#[case(&["status", "--target=esb-dev/dev"], &["status", "esb-dev/dev"])]
#[case(&["verify", "--target", "esb-dev/dev"], &["verify", "esb-dev/dev"])]
#[case(&["lock", "status", "--target", "esb-dev/dev"], &["lock", "status", "esb-dev/dev"])]
#[case(&["export", "--target", "esb-dev/dev"], &["export", "esb-dev/dev"])]
#[case(&["show", "latest", "esb-dev/dev"], &["show", "latest", "--target", "esb-dev/dev"])]
#[case(&["show", "esb-dev/dev"], &["show", "latest", "--target", "esb-dev/dev"])]
fn either_spelling_does_the_same(#[case] spelt: &[&str], #[case] same: &[&str]) {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let (left, right) = (machine.run(spelt), machine.run(same));
    assert_eq!(left.code, 0, "{}", left.stderr);
    assert_eq!(left.stdout, right.stdout);
}

#[test]
fn validate_is_manifest_validate() {
    let machine = Machine::fresh();
    let manifest = machine.artifact();
    let short = machine.run(&["validate", "--artifact", manifest]);
    let long = machine.run(&["manifest", "validate", "--artifact", manifest]);
    assert_eq!((short.code, &short.stdout), (0, &long.stdout));
}

#[rstest]
#[case::rollback(true, "rollback", "`artifactctl rollback` does that")]
#[case::down(false, "down", "`docker compose down`")]
#[case::unlock(false, "unlock", "`artifactctl lock release`")]
#[case::generate(false, "generate", "`esb generate` does that")]
#[case::build(false, "build", "`esb generate` does that")]
#[case::history(true, "history", "`artifactctl history` does that")]
#[case::log(true, "log", "`artifactctl history` does that")]
#[case::plan(true, "plan", "`esb deploy --dry-run`")]
fn a_word_that_is_done_another_way_names_that_way(
    #[case] esb: bool,
    #[case] word: &str,
    #[case] advice: &str,
) {
    let machine = Machine::fresh();
    let ran = if esb {
        machine.esb(&[word])
    } else {
        machine.run(&[word])
    };
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("is not a command"), "{}", ran.stderr);
    assert!(ran.stderr.contains(advice), "{}", ran.stderr);
}

#[test]
fn a_target_is_named_once() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let ran = machine.run(&["history", "esb-dev/dev", "--target", "esb-dev/dev"]);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
}

#[test]
fn a_target_of_the_project_file_gives_way_to_an_argument() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    fs::write(
        machine.work().join("artifactctl.toml"),
        "target = 'no/body'\n",
    )
    .unwrap();
    assert_eq!(machine.run(&["show"]).code, 5);
    assert_eq!(machine.run(&["show", "latest", "esb-dev/dev"]).code, 0);
    assert_eq!(machine.run(&["export", "esb-dev/dev"]).code, 0);
    assert_eq!(machine.run(&["export", "--target", "esb-dev/dev"]).code, 0);
    assert_eq!(machine.run(&["status"]).code, 0, "all targets are meant");
}

#[test]
fn both_programs_have_completions_and_a_manual() {
    let machine = Machine::fresh();
    fs::create_dir(machine.work().join("man")).unwrap();
    for ran in [machine.run(&["man"]), machine.esb(&["man"])] {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains(".SH SYNOPSIS"), "{}", ran.stdout);
    }
    assert_eq!(machine.esb(&["man", "--dir", "man"]).code, 0);
    assert!(machine.work().join("man/esb-artifact-generate.1").is_file());
    assert_eq!(machine.esb(&["man", "--dir", "nowhere"]).code, 7);
    let script = machine.esb(&["completions", "bash"]);
    assert!(
        script.stdout.contains("complete -F _esb"),
        "{}",
        script.stdout
    );
}

/// A layer that only the cloud has, by who names what stands in its place.
#[rstest]
#[case::nobody(&[], "", 3)]
#[case::flag(&["--layer", "powertools=layers/powertools"], "", 0)]
#[case::file(&[], "[layer]\npowertools = 'layers/powertools'\n", 0)]
#[case::drop(&[], "[layer]\npowertools = 'drop'\n", 0)]
#[case::flag_over_file(&["--layer", "powertools=drop"], "[layer]\npowertools = 'nowhere'\n", 0)]
fn a_layer_of_the_cloud_has_a_path_in_its_place(
    #[case] flags: &[&str],
    #[case] project: &str,
    #[case] code: i32,
) {
    let machine = Machine::fresh();
    let work = machine.work();
    let text = "Resources:
  A:
    Type: AWS::Serverless::Function
    Properties:
      {Runtime: python3.12, Handler: app.handler, CodeUri: code, Layers: ['arn:aws:lambda:eu-west-1:123456789012:layer:powertools:7']}
";
    fs::create_dir_all(work.join("sam/code")).unwrap();
    fs::create_dir_all(work.join("layers/powertools/python")).unwrap();
    fs::write(work.join("layers/powertools/python/tools.py"), "").unwrap();
    fs::write(work.join("sam/code/app.py"), "").unwrap();
    fs::write(work.join("sam/template.yaml"), text).unwrap();
    fs::write(work.join("artifactctl.toml"), project).unwrap();

    let ran = generate(&machine, &[&["-t", "sam/template.yaml"], flags].concat());

    assert_eq!(ran.code, code, "{}", ran.stderr);
}
