//! What a newcomer does in the first hour, as twelve tasks. Each check is on what a person reads.
//!
//! Here: commands as they are typed, in a folder with a project file, and their words. Not here: events and JSON (all else).

use std::process::Command;

use crate::process::{Ran, run};
use crate::rig::Rig;

/// Somebody at a terminal.
struct Person<'rig> {
    name: &'static str,
    rig: &'rig Rig<'static>,
}

impl<'rig> Person<'rig> {
    /// Somebody in the folder of the artifact, who has written down what the project file holds.
    fn at(rig: &'rig Rig<'static>, name: &'static str) -> Self {
        let file = format!(
            "artifact = \"artifact/artifact.yml\"\nout = \"{}\"\n",
            rig.out.display()
        );
        std::fs::write(rig.folder().join("artifactctl.toml"), file).unwrap();
        Self { name, rig }
    }

    /// Types a line, which ends so.
    #[track_caller]
    fn types(&self, line: &str, code: i32) -> Read {
        let mut words = shlex(line).into_iter();
        let program = words.next().unwrap();
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command: Command = match program.as_str() {
            "artifactctl" => self.rig.command(&words),
            "esb" => self.rig.esb(&words),
            other => panic!("`{other}` is not installed"),
        };
        command.current_dir(self.rig.folder());
        command.env("USER", self.name);
        for ci in ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR"] {
            command.env_remove(ci);
        }
        let ran: Ran = run(&mut command).ended(code);
        Read(ran.stdout + &ran.stderr)
    }
}

/// Words of a line; one in single quotes may have blanks.
fn shlex(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| {
        let quoted = at % 2 == 1;
        let part: Vec<String> = if quoted {
            vec![part.to_owned()]
        } else {
            part.split_whitespace().map(str::to_owned).collect()
        };
        part
    });
    words.collect()
}

/// What stood on the screen.
struct Read(String);

impl Read {
    #[track_caller]
    fn says(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.0.contains(text), "no `{text}` in:\n{}", self.0);
        }
        self
    }

    #[track_caller]
    fn says_nothing_of(&self, text: &str) {
        assert!(!self.0.contains(text), "`{text}` in:\n{}", self.0);
    }
}

fn target(rig: &Rig<'_>) -> String {
    format!("{}/dev", rig.stack.project())
}

#[test]
fn task_1_first_contact() {
    let rig = Rig::without_builds(&["alpha"]);
    let me = Person::at(&rig, "ada");
    me.types("artifactctl", 2).says(&[
        "Deploys artifacts onto a running stack",
        "Usage: artifactctl",
        "Examples:",
        "docs/guide/cli.md",
    ]);
    me.types("artifactctl lock", 2)
        .says(&["Usage: artifactctl lock", "hold", "release"]);
    me.types("artifactctl status", 0)
        .says(&["no deploy has been recorded in "]);
    me.types("artifactctl undo", 5).says(&[
        "the journal ",
        " is empty",
        "begin with `artifactctl deploy`",
    ]);
    me.types("artifactctl log", 0);
    me.types("esb plan", 2).says(&["`esb deploy --dry-run`"]);
    me.types("artifactctl validate", 0)
        .says(&["valid: 1 function (0 built), 1 route"]);
}

#[test]
fn task_2_a_typo() {
    let rig = Rig::without_builds(&["alpha"]);
    let me = Person::at(&rig, "ada");
    rig.payload.edit(
        "svc/config/routing.yml",
        "function: alpha",
        "function: alhpa",
    );
    let words = &["calls `alhpa`", "did you mean `alpha`?"];
    me.types("artifactctl validate", 3).says(words);
    me.types("artifactctl plan", 3).says(words);
    me.types("artifactctl deploy", 3)
        .says(words)
        .says(&["hint: correct what is named above, then run the same command again"]);
    assert!(rig.published().is_empty());
    me.types("artifactctl history", 0)
        .says(&["no deploy has been recorded"]);
    rig.payload.edit(
        "svc/config/routing.yml",
        "function: alhpa",
        "function: alpha",
    );
    rig.payload
        .edit("artifact.yml", "runtime_stack:", "runtime_stak:");
    me.types("artifactctl deploy", 3)
        .says(&["error[misspelt-key]", "did you mean `runtime_stack`?"]);
    rig.payload
        .edit("artifact.yml", "runtime_stak:", "runtime_stack:");
    me.types("artifactctl deploy", 0).says(&["applied in "]);
}

#[test]
fn task_3_a_wrong_folder() {
    let rig = Rig::without_builds(&["alpha"]);
    let me = Person::at(&rig, "ada");
    me.types("artifactctl deploy", 0);
    let published = rig.published();
    me.types("artifactctl deploy --out ./uot", 5)
        .says(&["was last published into", "--move-out"]);
    assert!(!rig.folder().join("uot").exists());
    me.types("artifactctl watch shop/dve", 5)
        .says(&["hint: targets with a journal here: ", &target(&rig)]);
    me.types("artifactctl deploy --artifact artefact/artifact.yml", 3)
        .says(&["cannot read the manifest", "hint: "]);
    assert_eq!(rig.published(), published);
}

#[test]
fn task_4_a_first_deploy() {
    let rig = Rig::with_gateway(&["alpha"]);
    let me = Person::at(&rig, "ada");
    me.types("artifactctl config", 0)
        .says(&["artifact/artifact.yml"]);
    me.types("artifactctl plan", 0).says(&[
        &format!("{} into ", target(&rig)),
        "stack: compatible (",
        "  + functions/alpha\n",
        "  + routes/POST /alpha\n",
        "  build alpha (",
        "Plan: 2 to add, 0 to change, 0 to remove; 1 image to build, 0 kept",
    ]);
    assert!(rig.published().is_empty(), "a plan touches nothing");
    let deploy = me.types("artifactctl deploy", 0);
    deploy.says(&[
        "images: 1 to build, 0 reused",
        "building alpha",
        "images 1/1 built",
        &format!("{} applied in ", target(&rig)),
        "): +functions/alpha",
    ]);
    deploy.says_nothing_of("journal head");
    assert_eq!(rig.word("alpha"), "alpha");
}

#[test]
fn task_5_a_change() {
    let rig = Rig::without_builds(&["alpha"]);
    let me = Person::at(&rig, "ada");
    me.types("artifactctl deploy", 0);
    let to = "WHO: nobody, API_TOKEN: canary";
    rig.payload
        .edit("svc/config/functions.yml", "WHO: alpha", to);
    let plan = me.types("artifactctl plan", 0);
    plan.says(&[
        "  ~ functions/alpha\n",
        "environment.WHO  \"alpha\" -> \"nobody\"",
        "environment.API_TOKEN  (none) -> \"***\"",
        "Plan: 0 to add, 1 to change, 0 to remove; ",
    ]);
    plan.says_nothing_of("canary");
    me.types("artifactctl deploy", 0)
        .says(&["): ~functions/alpha\n"]);
    me.types("artifactctl deploy", 0)
        .says(&["is already up to date ("]);
    me.types("artifactctl plan", 0)
        .says(&["Plan: nothing to change"]);
}

#[test]
fn task_6_a_failed_deploy_and_how_to_go_on() {
    let rig = Rig::new(&["alpha"]);
    let me = Person::at(&rig, "ada");
    let from = "FROM esb-lambda-base:latest\nCOPY functions/alpha/handler /var/task/handler\n";
    rig.payload.dockerfile(
        "alpha",
        &format!("{from}RUN echo the last words && false\n"),
    );
    me.types("artifactctl deploy", 6).says(&[
        "error: function `alpha`: cannot build image",
        "  | the last words",
        "hint: go on with `artifactctl resume ",
        "or mend the artifact and deploy again",
    ]);
    me.types("artifactctl status", 0).says(&[
        ": failed",
        "last tried",
        "by ada@",
        "cannot build image",
        "next        go on with `artifactctl resume ",
    ]);
    rig.payload.dockerfile("alpha", from);
    me.types("artifactctl deploy", 0)
        .says(&["which failed (cannot build image", "applied in "]);

    // And one that is killed in the middle of a build.
    rig.payload.answer("alpha", "other");
    rig.start_held_at("alpha", &["--actor", "ada"]).kill();
    rig.proxy.clear();
    me.types("artifactctl status", 0)
        .says(&["artifactctl resume "]);
    me.types("artifactctl resume", 0)
        .says(&["resumed: attempt 2", "applied in "]);
}

#[test]
fn task_7_who_did_what() {
    let rig = Rig::without_builds(&["alpha"]);
    let (ada, sato) = (Person::at(&rig, "ada"), Person::at(&rig, "sato"));
    ada.types("artifactctl deploy", 0);
    rig.payload
        .edit("svc/config/functions.yml", "WHO: alpha", "WHO: nobody");
    sato.types("artifactctl deploy -m 'nobody is at home'", 0);
    for _ in 0..3 {
        ada.types("artifactctl deploy", 0);
    }
    let history = ada.types("artifactctl history", 0);
    history.says(&[
        "APPLIED (UTC)",
        "ada@",
        "nothing",
        "… and 2 deploys before it that changed nothing",
        "sato@",
        "~functions/alpha",
        "  nobody is at home\n",
        "+functions/alpha",
    ]);
    for line in history.0.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    ada.types("artifactctl history -n 1", 0)
        .says(&["… 4 older: -n 5"]);
    let sato_did = history.0.lines().find(|line| line.contains("sato@"));
    let id = sato_did.unwrap().split_whitespace().nth(3).unwrap();
    ada.types(&format!("artifactctl show {id}"), 0).says(&[
        &format!("deploy {id} of {}: applied", target(&rig)),
        "attempt 1 by sato@",
        "why: nobody is at home",
        "~ functions/alpha",
    ]);
}

#[test]
fn task_8_drift() {
    let rig = Rig::without_builds(&["alpha"]);
    let me = Person::at(&rig, "ada");
    me.types("artifactctl deploy", 0);
    let file = rig.out.join("functions.yml");
    let edited = rig.published()["functions.yml"].replace("WHO: alpha", "WHO: nobody");
    std::fs::write(&file, edited).unwrap();
    me.types("artifactctl status --exit-code", 11)
        .says(&["functions.yml is not what was applied"]);
    me.types("artifactctl plan", 0).says(&[
        "environment.WHO  \"nobody\" -> \"alpha\"",
        "drift: functions/alpha was changed by hand and would be overwritten",
    ]);
    me.types("artifactctl deploy --fail-on-drift", 11)
        .says(&["functions/alpha was changed by hand"]);
    me.types("artifactctl deploy", 0)
        .says(&["drift: functions/alpha was changed by hand; overwriting"]);
    me.types("artifactctl status --exit-code", 0);
}

#[test]
fn task_9_a_hold() {
    let rig = Rig::without_builds(&["alpha"]);
    let (ada, sato) = (Person::at(&rig, "ada"), Person::at(&rig, "sato"));
    ada.types("artifactctl deploy", 0);
    ada.types("artifactctl lock hold -m 'moving the database'", 0)
        .says(&["on hold by ada@", "moving the database"]);
    sato.types("artifactctl deploy", 5).says(&[
        "is on hold by ada@",
        "moving the database",
        "hint: `artifactctl lock release ",
    ]);
    sato.types("artifactctl plan", 0)
        .says(&["a deploy is refused until `artifactctl lock release "]);
    sato.types("artifactctl status", 0)
        .says(&["hold        on hold by ada@"]);
    ada.types("artifactctl lock release -m done", 0)
        .says(&["released"]);
    sato.types("artifactctl deploy", 0);
}

#[test]
fn task_10_somebody_elses_deploy() {
    let rig = Rig::new(&["alpha"]);
    let (ada, sato) = (Person::at(&rig, "ada"), Person::at(&rig, "sato"));
    rig.start_held_at("alpha", &["--actor", "ada@laptop"])
        .kill();
    rig.proxy.clear();
    rig.payload.answer("alpha", "mine");
    sato.types("artifactctl deploy", 5).says(&[
        "which ada@laptop began ",
        "is unfinished, and nobody runs it; nothing was changed",
        "hint: `artifactctl resume ",
        "hint: `--supersede` gives it up",
    ]);
    rig.payload.answer("alpha", "alpha");
    sato.types("artifactctl resume", 0).says(&["applied in "]);
    ada.types("artifactctl show", 0)
        .says(&["attempt 1 by ada@laptop", "attempt 2 by sato@"]);
}

#[test]
fn task_11_back_up_and_restore() {
    let rig = Rig::without_builds(&["alpha"]);
    let me = Person::at(&rig, "ada");
    me.types("artifactctl deploy", 0);
    let name = target(&rig);
    me.types(&format!("artifactctl export {name} -o backup.jsonl"), 0);
    me.types("artifactctl verify --export backup.jsonl", 0)
        .says(&[&name, ": whole; "]);
    me.types("artifactctl import backup.jsonl", 5).says(&[
        "an export can be imported into an empty one only",
        "--journal",
    ]);
    me.types("artifactctl import backup.jsonl --journal restored", 0)
        .says(&["imported ", &name]);
    me.types("artifactctl plan --journal restored", 0)
        .says(&["Plan: nothing to change"]);
    me.types("artifactctl deploy --journal restored", 0)
        .says(&["is already up to date"]);
}

#[test]
fn task_12_remove() {
    let rig = Rig::without_builds(&["alpha", "beta"]);
    let me = Person::at(&rig, "ada");
    me.types("artifactctl deploy", 0);
    me.types("artifactctl destroy", 2)
        .says(&["a function ends with the deploy of an artifact without it"]);
    rig.payload.configure(&["alpha"]);
    me.types("artifactctl plan", 0).says(&[
        "  - functions/beta\n",
        "  - routes/POST /beta\n",
        "Plan: 0 to add, 0 to change, 2 to remove; ",
    ]);
    me.types("artifactctl deploy", 0).says(&["-functions/beta"]);
    assert!(!rig.published()["functions.yml"].contains("beta"));
    let name = target(&rig);
    me.types(&format!("artifactctl journal remove {name} --yes"), 5)
        .says(&["without the journal nothing owns its keys", "--orphan"]);
    me.types(
        &format!("artifactctl journal remove {name} --yes --orphan"),
        0,
    )
    .says(&["journal removed, with "]);
    me.types("artifactctl status", 0)
        .says(&["no deploy has been recorded in "]);
}
