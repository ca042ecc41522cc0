//! Secrets have no way out. Canaries are planted in every place from which a command reads (`canary`); each row below runs one
//! kind of command over all of them, and everything that it says or leaves is searched (`search`).
//!
//! Here: what is run, and the proof of each row that the secrets did come by. The table in docs/internals/hostile.md says it in words.

mod canary;
pub(crate) mod images;
mod processes;
mod quoting;
mod search;

use std::fs;
use std::process::Command;

use e2e::engine::LABEL_RUN;
use rstest::rstest;

use self::canary::{FUNCTION, LITERAL, Logins, SECRET, planted, surround};
use self::processes::watched;
use self::quoting::{quoting_engine, quoting_registry};
use self::search::{holds, search, search_files};
use crate::process::{Ran, Running};
use crate::refusal::{Bench, NO_ENGINE, contents, program, shared_stack};

/// A command that says as much as it can, with every canary around it.
fn says_all(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = bench.command(arguments);
    command.args(["-vvv", "--format", "json"]);
    command.envs(shared_stack().deploy_env());
    surround(bench, &mut command);
    command
}

/// The same of `deploy` or `plan`.
fn request(bench: &Bench, verb: &str) -> Command {
    let mut command = says_all(bench, &[verb, "--artifact", "artifact/artifact.yml"]);
    command.args(["--out", "out", "--secret-env", "secrets.env"]);
    command.args(["--compose-project", shared_stack().project()]);
    command
}

/// The builds of one function run these words first.
fn builds_run(bench: &Bench, script: &str) {
    let dockerfile = "artifact/svc-b/functions/stock-audit/Dockerfile";
    let run = format!("RUN {script}\nCOPY functions");
    bench.edit(dockerfile, "COPY functions", &run);
}

/// The provisioner of the bench runs these words.
fn provisioner_runs(bench: &Bench, script: &str) {
    let stack = shared_stack();
    let image = stack.host_image("esb-lambda-base", "1.4.2");
    let run_id = stack.engine().run_id();
    bench.write(
        "compose.yml",
        format!(
            "services:\n  provisioner:\n    image: {image}\n    profiles: [deploy]\n    network_mode: none\n    \
             labels: {{ {LABEL_RUN}: {run_id} }}\n    entrypoint: [/bin/sh, -c, '{script}']\n    \
             environment:\n      AUTH_PASS: \"${{AUTH_PASS}}\"\n"
        ),
    );
}

fn succeeds(bench: &Bench) -> Vec<Ran> {
    let ran = watched(request(bench, "deploy").args(["--no-cache", "--explain"])).ended(0);
    let published = fs::read(bench.out().join("functions.yml")).unwrap();
    for canary in [FUNCTION, LITERAL] {
        assert!(holds(&published, canary), "the search finds what is there");
    }
    ran.said("debug: ");
    vec![ran]
}

fn a_program_knows_the_login(bench: &Bench) -> Vec<Ran> {
    let ran = watched(request(bench, "deploy").arg("--no-cache")).ended(0);
    assert!(bench.path("docker/docker-credential-canary.asked").exists());
    vec![ran]
}

fn is_planned(bench: &Bench) -> Vec<Ran> {
    let plan = watched(&mut request(bench, "plan")).ended(0);
    plan.said("debug: ");
    vec![
        plan,
        watched(request(bench, "deploy").arg("--dry-run")).ended(0),
    ]
}

/// The build prints what it knows and fails, so that all of it becomes a part of the error and of the journal. The resume says and
/// keeps the same.
fn a_build_prints_what_it_knows(bench: &Bench) -> Vec<Ran> {
    let quoted = SECRET.replace('"', "\\\"");
    builds_run(
        bench,
        &format!(
            "for i in $(seq 3000); do printf %s \"x{quoted}\"; done; echo; \
             for i in $(seq 3000); do echo \"line $i {quoted}\"; done; \
             env; echo $https_proxy | base64 -w 0; echo $https_proxy >&2; echo \"the word is {quoted}.\"; \
             echo \"me:{quoted}\" | base64; echo \"you:{quoted}\" | base64; exit 7"
        ),
    );
    let first = watched(&mut request(bench, "deploy")).ended(6);
    // They did come by.
    let output = first.object("error")["output"].to_string();
    for shown in ["HTTP_PROXY=http://***@127.0.0.1:9", "the word is ***."] {
        assert!(output.contains(shown), "{output}");
    }
    let journal = contents(&bench.journal());
    assert!(
        journal
            .values()
            .any(|(_, _, bytes)| holds(bytes, "HTTP_PROXY="))
    );
    search(bench, &first);
    vec![first, watched(&mut says_all(bench, &["resume"])).ended(6)]
}

fn is_interrupted_and_resumed(bench: &Bench) -> Vec<Ran> {
    let cut = watched(request(bench, "deploy").env("DOCKER_HOST", NO_ENGINE)).ended(9);
    search(bench, &cut);
    vec![cut, watched(&mut says_all(bench, &["resume"])).ended(0)]
}

/// The provisioner has the values from the env file of Compose, prints all it has, and fails.
fn a_provisioner_prints_what_it_knows(bench: &Bench) -> Vec<Ran> {
    let script =
        "env; echo \"$$AUTH_PASS\" | base64 -w 0; echo \"me:$$AUTH_PASS\" | base64 -w 0; exit 3";
    provisioner_runs(bench, script);
    let mut deploy = request(bench, "deploy");
    deploy.args(["--provision", "--compose-file", "compose.yml"]);
    let ran = watched(deploy.args(["--env-file", "secrets.env"])).ended(7);
    let output = ran.object("error")["output"].to_string();
    assert!(output.contains("AUTH_PASS=***"), "it came by: {output}");
    vec![ran]
}

/// No artifact says which names are secret: that of this one tells it.
fn is_provisioned_alone(bench: &Bench) -> Vec<Ran> {
    let script = "env; echo \"$$AUTH_PASS\" | base64 -w 0; echo; echo \"it is $$AUTH_PASS.\"";
    provisioner_runs(bench, script);
    let mut provision = says_all(bench, &["provision", "--compose-file", "compose.yml"]);
    provision.args(["--compose-project", shared_stack().project()]);
    let ran = watched(provision.args(["--env-file", "secrets.env"])).ended(0);
    for shown in ["AUTH_PASS=***", "it is ***."] {
        ran.said(shown);
    }
    vec![ran]
}

fn a_secret_is_missing(bench: &Bench) -> Vec<Ran> {
    bench.edit("secrets.env", "AUTH_PASS=", "AUTH_PAS=");
    let ran = watched(&mut request(bench, "deploy")).ended(3);
    ran.said("`AUTH_PASS`");
    assert!(!bench.journal().exists());
    vec![ran]
}

/// Every line is wrong in a way of its own.
fn the_secret_file_is_wrong(bench: &Bench) -> Vec<Ran> {
    bench.write(
        "secrets.env",
        format!("AUTH_PASS='{SECRET}\n{SECRET}\n={SECRET}\nA B='{SECRET}'\n"),
    );
    let ran = watched(&mut request(bench, "deploy")).ended(3);
    ran.said("secrets.env");
    vec![ran]
}

fn an_engine_quotes_them(bench: &Bench) -> Vec<Ran> {
    let host = quoting_engine(&bench.path("docker.sock"));
    let ran = watched(request(bench, "deploy").env("DOCKER_HOST", host)).ended(9);
    ran.said("r.example");
    vec![ran]
}

fn a_registry_quotes_them(bench: &Bench) -> Vec<Ran> {
    let address = quoting_registry();
    let ran = watched(request(bench, "deploy").env("HOST_REGISTRY_ADDR", address)).ended(9);
    ran.said("r.example");
    vec![ran]
}

/// A reader asks the deploying process itself, over its socket, while a build is going on.
fn is_read_while_it_goes_on(bench: &Bench) -> Vec<Ran> {
    builds_run(bench, "env; sleep 3");
    let deploy = Running::start(request(bench, "deploy").arg("--no-cache"));
    deploy.records("Merged");
    let status = watched(&mut says_all(bench, &["status"])).ended(0);
    assert!(status.stdout.contains("\"holder\":{"), "{status:?}");
    search(bench, &status);
    vec![status, deploy.wait().ended(0)]
}

/// `esb deploy`: the value of a `NoEcho` parameter, which the template's function has as a variable.
fn is_made_of_a_template(bench: &Bench) -> Vec<Ran> {
    let mut deploy = Command::new(program().with_file_name("esb"));
    bench.prepare(&mut deploy);
    deploy.args(["deploy", "-vvv", "--format", "json", "--explain"]);
    deploy.args([
        "--template",
        "sam/template.yaml",
        "--parameters-file",
        "sam/parameters.json",
    ]);
    deploy.args([
        "--output",
        "made",
        "--out",
        "out",
        "--secret-env",
        "secrets.env",
    ]);
    deploy.args(["--project", shared_stack().project()]);
    deploy.envs(shared_stack().deploy_env());
    surround(bench, &mut deploy);
    let ran = watched(&mut deploy).ended(0);
    let published = fs::read_to_string(bench.out().join("functions.yml")).unwrap();
    assert!(published.contains("${DbPassword}"), "{published}");
    vec![ran]
}

/// The rows whose deploys push the images of the artifact.
const BUILDS: [&str; 5] = ["applied", "program", "resumed", "provisioned", "read"];

#[rstest]
#[case::a_deploy_that_succeeds("applied", Logins::File, succeeds)]
#[case::a_login_that_a_program_knows("program", Logins::Program, a_program_knows_the_login)]
#[case::a_plan("planned", Logins::File, is_planned)]
#[case::a_build_that_prints("shown", Logins::File, a_build_prints_what_it_knows)]
#[case::a_deploy_that_is_resumed("resumed", Logins::File, is_interrupted_and_resumed)]
#[case::a_provisioner_that_prints("provisioned", Logins::File, a_provisioner_prints_what_it_knows)]
#[case::a_provisioner_alone("alone", Logins::File, is_provisioned_alone)]
#[case::a_missing_secret("missing", Logins::File, a_secret_is_missing)]
#[case::a_wrong_secret_file("wrong", Logins::File, the_secret_file_is_wrong)]
#[case::an_engine_that_quotes("engine", Logins::File, an_engine_quotes_them)]
#[case::a_registry_that_quotes("registry", Logins::File, a_registry_quotes_them)]
#[case::a_reader_in_the_middle("read", Logins::File, is_read_while_it_goes_on)]
#[case::a_template("template", Logins::File, is_made_of_a_template)]
fn no_secret_is_in_what_is_said_or_left(
    #[case] name: &str,
    #[case] logins: Logins,
    #[case] runs: fn(&Bench) -> Vec<Ran>,
) {
    let repository = format!("canaries-{name}");
    let bench = planted(&repository, logins);
    for ran in runs(&bench) {
        search(&bench, &ran);
    }
    let images = images::pushed(shared_stack().registry_port(), &repository);
    assert!(
        !images.is_empty() || !BUILDS.contains(&name),
        "{name} pushes"
    );
    search_files(&images);
}
