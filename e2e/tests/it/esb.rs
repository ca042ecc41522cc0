//! `esb` against a running stack: a template becomes functions that answer.

mod killed;
mod kinds;

use std::process::Command;

use e2e::workspace;

use self::kinds::{Kinds, SAW};
use crate::process::{images, run};
use crate::rig::Rig;

#[test]
fn a_template_is_deployed_in_one_go_and_its_functions_answer() {
    let rig = Rig::with_gateway(&[]);
    let sam = rig.folder().join("sam");
    e2e::command::run(
        Command::new("cp")
            .arg("-r")
            .args([&workspace::fixture("sam"), &sam]),
    )
    .unwrap();
    let deploy = || {
        let mut deploy = rig.esb(&["deploy", "--format", "json", "--template"]);
        deploy
            .arg(sam.join("shop.yaml"))
            .arg("--output")
            .arg(rig.folder().join("made"))
            .arg("--out")
            .arg(&rig.out)
            .args(["--project", rig.stack.project()])
            .args(["--require", "gateway=>=1.4, <2"]);
        run(&mut deploy)
    };
    let first = deploy().ended(0);
    assert_eq!(
        first.kinds(),
        "Requested Observed CompatChecked Merged ImageBuilt ImageBuilt Applied"
    );
    assert_eq!(
        first.images(),
        images(&[("shop-hello-dev", "built"), ("shop-stock", "built")])
    );
    assert_eq!(rig.latest().kinds(), first.kinds());

    let hello = rig.stack.call("GET", "/hello", "{}").unwrap();
    assert_eq!(hello.status, 200, "{hello:?}\n{}", rig.stack.logs());
    assert_eq!(hello.json()["word"], "hello");
    assert_eq!(hello.json()["stage"], "dev");
    let any = rig.stack.call("PUT", "/hello/a/b", "{}").unwrap();
    assert_eq!(any.json()["request"]["path"], "/hello/a/b");
    let stock = rig.stack.call("POST", "/stock/7", "{}").unwrap();
    assert_eq!(stock.status, 200, "{stock:?}\n{}", rig.stack.logs());
    let answer = stock.json();
    assert_eq!(
        answer["word"], "counted",
        "the layer is where Python would look"
    );
    assert_eq!(answer["function"], "main");
    assert_eq!(answer["table"], "shop-items-dev");

    let second = deploy().ended(0);
    assert_eq!(
        second.images(),
        images(&[("shop-hello-dev", "reused"), ("shop-stock", "reused")])
    );
}

/// Images are built and pushed by `generate --build-images`, found there by a deploy, and built anew with `--no-cache`.
#[test]
fn every_kind_of_package_is_built_and_answers_with_what_it_holds() {
    let rig = Rig::with_gateway(&[]);
    let kinds = Kinds::prepare(&rig);
    let generate = |more: &[&str]| {
        let more = [&["--build-images"], more].concat();
        kinds.run(&["artifact", "generate"], &more).ended(0)
    };
    let functions: Vec<String> = SAW
        .iter()
        .map(|(name, _)| name[..1].to_uppercase() + &name[1..])
        .collect();

    let made = generate(&[]);
    for function in &functions {
        made.said(&format!("built: {function} "));
    }
    assert!(rig.published().is_empty(), "nothing is applied");
    let out = rig.out.display().to_string();
    let deployed = kinds.run(&["deploy", "--format", "json"], &["--out", &out]);
    let reused: Vec<(&str, &str)> = functions
        .iter()
        .map(|function| (function.as_str(), "reused"))
        .collect();
    assert_eq!(deployed.ended(0).images(), images(&reused));
    for (name, saw) in SAW {
        let path = format!("/kinds/{name}");
        let reply = rig.stack.call("POST", &path, "{}").unwrap();
        assert_eq!(reply.status, 200, "{reply:?}\n{}", rig.stack.logs());
        assert_eq!(reply.json()["saw"], saw);
    }

    let again = generate(&[]);
    let anew = generate(&["--no-cache"]);
    for function in &functions {
        again.said(&format!("reused: {function} "));
        anew.said(&format!("built: {function} "));
    }
}
