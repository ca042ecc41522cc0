//! Much of everything: functions, nesting, aliases.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{SECONDS, limited, refused};
use crate::refusal::{Bench, program, run, shared_stack};

/// The most memory with ten thousand functions, whose configuration is in memory as text and as trees: 512 MiB.
const DATA: &str = "--data=536870912";

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

/// The bounds are those of a debug build on a machine that does other things; docs/hostile.md has what was measured.
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
    assert!(validated.stdout.contains("(2 entries)"), "{validated:?}");

    let stack = shared_stack();
    for verb in ["plan", "deploy", "deploy"] {
        let began = Instant::now();
        let mut command = std::process::Command::new("timeout");
        command
            .args(["--signal=KILL", SECONDS, "prlimit", DATA, "--"])
            .arg(program())
            .args([verb, "--artifact", "artifact/artifact.yml", "--out", "out"])
            .args(["--compose-project", stack.project()]);
        bench.prepare(&mut command);
        let said = run(command.envs(stack.deploy_env()));
        assert_eq!(said.code, Some(0), "{verb}: {}", said.stderr);
        assert!(began.elapsed() < Duration::from_secs(60), "{verb}");
    }
    let published = std::fs::read_to_string(bench.path("out/functions.yml")).unwrap();
    assert!(published.contains("\n  f9999:\n"));
}

/// The most that a reader takes: as many nodes as are allowed, made by aliases. It is read or refused, within the limits.
#[test]
fn the_largest_trees_that_are_taken_stay_within_memory() {
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
    for (name, extra) in [
        ("nested aliases", nested),
        ("a wide list", wide),
        ("long scalars by alias", long),
        ("deep lists", deep),
    ] {
        let bench = Bench::new();
        let path = "artifact/svc-a/config/functions.yml";
        let text = std::fs::read_to_string(bench.path(path)).unwrap();
        bench.write(path, text + &extra);
        // Nothing is wrong with it: the engine is what is missing.
        let mut deploy = limited(&bench, &crate::refusal::DEPLOY);
        refused(name, &mut deploy, 9, &["Docker engine"]);
    }
}
