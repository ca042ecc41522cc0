//! Much of everything: functions, nesting, aliases.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{limited, refused};
use crate::refusal::{Bench, run, shared_stack};

/// Ten thousand functions, each with a route.
fn ten_thousand(bench: &Bench) {
    let (mut functions, mut routes) = (String::from("functions:\n"), String::from("routes:\n"));
    for number in 0..10_000 {
        writeln!(
            functions,
            "  f{number}:\n    image: registry:5000/many/f{number}:1\n    environment: {{ N: '{number}' }}\n    \
             timeout: 30\n    memory: 128"
        )
        .unwrap();
        writeln!(
            routes,
            "  - {{ path: /f{number}, method: POST, function: f{number} }}"
        )
        .unwrap();
    }
    bench.write("artifact/svc-a/config/functions.yml", functions);
    bench.write("artifact/svc-a/config/routing.yml", routes);
    std::fs::remove_dir_all(bench.path("artifact/svc-a/functions")).unwrap();
}

/// The bounds are those of a debug build on a machine that does other things; docs/internals/hostile.md has what was measured.
#[test]
fn ten_thousand_functions_are_validated_planned_and_deployed() {
    let bench = Bench::with_images_of("many");
    ten_thousand(&bench);
    let arguments = [
        "manifest",
        "validate",
        "--artifact",
        "artifact/artifact.yml",
    ];
    let validated = run(&mut limited(&bench, &arguments));
    assert_eq!(validated.code, Some(0), "{validated:?}");
    assert!(
        validated
            .stdout
            .starts_with("valid: 10002 functions (2 built), "),
        "{validated:?}"
    );

    let stack = shared_stack();
    for verb in ["plan", "deploy", "deploy"] {
        let began = Instant::now();
        let arguments = [verb, "--artifact", "artifact/artifact.yml", "--out", "out"];
        let mut command = limited(&bench, &arguments);
        command.args(["--compose-project", stack.project()]);
        let said = run(command.envs(stack.deploy_env()));
        assert_eq!(said.code, Some(0), "{verb}: {}", said.stderr);
        assert!(began.elapsed() < Duration::from_secs(60), "{verb}");
    }
    let published = std::fs::read_to_string(bench.path("out/functions.yml")).unwrap();
    assert!(published.contains("\n  f9999:\n"));
}

/// Trees that are as large as a reader takes, each in a way of its own.
fn largest() -> [(&'static str, String); 4] {
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
    let nested = format!(
        "x: &a {}\ny: &b {}\nz: {}\n",
        list("q", 50),
        list("*a", 50),
        list("*b", 70)
    );
    let wide = format!("z: {}\n", list("q", 499_000));
    let long = format!("x: &a {}\nz: {}\n", "q".repeat(1 << 20), list("*a", 15));
    let deep = format!("z: {}1{}\n", "[".repeat(60), "]".repeat(60));
    [
        ("nested aliases", nested),
        ("a wide list", wide),
        ("long scalars by alias", long),
        ("deep lists", deep),
    ]
}

/// The files of the artifact of a bench.
const FILES: [&str; 6] = [
    "artifact/svc-a/config/functions.yml",
    "artifact/svc-a/config/routing.yml",
    "artifact/svc-a/config/resources.yml",
    "artifact/svc-b/config/functions.yml",
    "artifact/svc-b/config/routing.yml",
    "artifact/svc-b/config/resources.yml",
];

fn append(bench: &Bench, path: &str, extra: &str) {
    let text = std::fs::read_to_string(bench.path(path)).unwrap();
    bench.write(path, text + extra);
}

/// The most that a reader takes: as many nodes as are allowed, made by aliases. It is read or refused, within the limits.
#[test]
fn the_largest_trees_that_are_taken_stay_within_memory() {
    for (name, extra) in largest() {
        let bench = Bench::new();
        append(&bench, FILES[0], &extra);
        // Nothing is wrong with it: the engine is what is missing.
        let mut deploy = limited(&bench, &crate::refusal::DEPLOY);
        refused(name, &mut deploy, 9, &["Docker engine"]);
    }
}

/// Each file may be taken; all of them together are not, unless there is room for all.
#[test]
fn the_largest_trees_in_every_file_at_once_stay_within_memory() {
    for (name, extra) in largest() {
        let bench = Bench::new();
        for path in FILES {
            append(&bench, path, &extra);
        }
        let mut deploy = limited(&bench, &crate::refusal::DEPLOY);
        match name {
            "deep lists" => refused(name, &mut deploy, 9, &["Docker engine"]),
            _ => refused(name, &mut deploy, 3, &["too-many-nodes", "together"]),
        };
    }
}
