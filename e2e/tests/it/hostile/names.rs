//! Names and texts that would move a terminal, or look like other lines.

use std::fs;

use super::{limited, node, refused, unmoving};
use crate::refusal::{Bench, DEPLOY, contents, run, shared_stack};

/// Clears the screen, sets the title, moves up, and begins a line that looks like ours.
const NAME: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}1A\nerror: gone\r\u{202e}";

/// The same as it is shown.
const SHOWN: &str = r"x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}1A\nerror: gone\r\u{202e}";

#[test]
fn the_name_of_an_input_stays_in_its_line() {
    let bench = Bench::new();
    let folder = "artifact/svc-a/functions/orders-list/src/";
    let path = bench.path(&format!("{folder}{NAME}"));
    node(&path, rustix::fs::FileType::Fifo, 0);
    bench.edit(
        "artifact/svc-a/functions/orders-list/Dockerfile",
        "COPY functions/orders-list/src/handler ",
        "COPY functions/orders-list/src/ ",
    );
    let words = [SHOWN, "is a FIFO, not a file"];
    refused("a name", &mut limited(&bench, &DEPLOY), 3, &words);
}

#[test]
fn a_path_of_the_command_line_is_shown_as_it_can_be_read() {
    let bench = Bench::new();
    let (manifest, out) = (format!("artifact/{NAME}.yml"), format!("{NAME}/out"));
    let deploy = ["deploy", "--artifact", &manifest, "--out", &out];
    let escape = r"\u{1b}[2J";
    refused("missing", &mut limited(&bench, &deploy), 3, &[escape]);
    fs::rename(bench.path("artifact/artifact.yml"), bench.path(&manifest)).unwrap();
    bench.edit(&manifest, "env: dev\n", "env: dev\nsurprise: 1\n");
    refused("warned of", &mut limited(&bench, &deploy), 9, &[escape]);
}

#[test]
fn texts_of_the_artifact_are_shown_as_they_can_be_read() {
    let name = r#""x\u001b[2J\n\u202e""#;
    for (file, from, to) in [
        ("artifact.yml", "env: dev", format!("env: {name}")),
        ("artifact.yml", "env: dev", format!("env: dev\n{name}: 1")),
        (
            "artifact.yml",
            "artifact_root: svc-a",
            format!("artifact_root: {name}"),
        ),
        (
            "svc-a/config/functions.yml",
            "functions:\n",
            format!("functions:\n  {name}: {{}}\n"),
        ),
        (
            "svc-b/config/routing.yml",
            "routes:\n",
            format!("{name}: 1\n{name}: 2\nroutes:\n"),
        ),
        (
            "svc-a/functions/orders-list/Dockerfile",
            "FROM",
            "FRO\u{1b}[2J".to_owned(),
        ),
    ] {
        let bench = Bench::new();
        bench.edit(&format!("artifact/{file}"), from, &to);
        let said = run(&mut limited(&bench, &DEPLOY));
        assert!(matches!(said.code, Some(3 | 9)), "{file}, {to}: {said:?}");
        unmoving(&to, &said);
    }
}

/// A build says what it likes, also as the name of a file, in its errors and in colour. What is shown and kept of it is text.
#[test]
fn the_output_of_a_build_moves_no_terminal() {
    let bench = Bench::with_images_of("escapes");
    let print = r"RUN printf '\033[2J\033]0;t\007\033[31mred\033[0m \233 over\rwritten\n\377\376\n'; printf '\033[1A'; exit 7";
    bench.edit(
        "artifact/svc-b/functions/stock-audit/Dockerfile",
        "COPY functions",
        &format!("{print}\nCOPY functions"),
    );
    let said = run(bench
        .deploy_onto(shared_stack())
        .args(["-vv", "--no-cache"]));
    assert_eq!(said.code, Some(6), "{said:?}");
    assert!(said.stderr.contains("written"), "it came by: {said:?}");
    unmoving("a build", &said);
    let shown = run(&mut bench.command(&["show", "latest"]));
    assert!(shown.stdout.contains("written"), "{shown:?}");
    unmoving("its record", &shown);
    let export = run(&mut bench.command(&["export"]));
    for line in export.stdout.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        for text in texts(&event) {
            assert!(!text.contains('\u{1b}'), "{text:?} is in the journal");
        }
    }
    assert!(!contents(&bench.out()).is_empty());
}

/// Every text of a JSON value.
fn texts(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(items) => items.iter().flat_map(texts).collect(),
        serde_json::Value::Object(map) => map.values().flat_map(texts).collect(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            Vec::new()
        }
    }
}
