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
    assert_eq!((second.images(), second.kept()), (images(&[]), 2));
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
    // The journal of the target did not see them being pushed.
    let promoted: Vec<(&str, &str)> = functions
        .iter()
        .map(|function| (function.as_str(), "promoted"))
        .collect();
    assert_eq!(deployed.ended(0).images(), images(&promoted));
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

/// The mode of the stack is seen, and nothing is made for another one.
#[test]
fn a_mode_that_the_stack_does_not_have_is_refused_before_anything_is_made() {
    let rig = Rig::new(&[]);
    let made = rig.folder().join("made");
    let sam = workspace::fixture("sam").join("shop.yaml");
    let deploy = |more: &[&str]| {
        let mut deploy = rig.esb(&["deploy", "--dry-run", "--template"]);
        deploy.arg(&sam).arg("--output").arg(&made);
        deploy.arg("--out").arg(&rig.out);
        deploy.args(["--project", rig.stack.project()]);
        run(deploy.args(more))
    };
    let refused = deploy(&["--mode", "containerd"]).ended(4);
    refused.said("`--mode containerd` was asked for, but the stack");
    refused.said("leave `--mode` out");
    assert!(!made.exists(), "nothing was made");
    assert!(rig.mutating().is_empty());
    deploy(&["--mode", "docker"]).ended(0);
    let manifest = std::fs::read_to_string(made.join("artifact.yml")).unwrap();
    assert!(manifest.contains("  mode: docker\n"), "{manifest}");
}

/// Images are built for the engine's platform, or the one that is asked for; the template may mean another.
#[test]
fn an_architecture_that_images_are_not_built_for_is_said() {
    let rig = Rig::new(&[]);
    let template = rig.folder().join("arm.yaml");
    let text = "Resources:\n  Arm:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: python3.12\n      \
                Handler: index.handler\n      InlineCode: pass\n      Architectures: [arm64]\n";
    std::fs::write(&template, text).unwrap();
    let said = |more: &[&str]| {
        let mut deploy = rig.esb(&["deploy", "--dry-run", "--template"]);
        deploy.arg(&template).arg("--output");
        deploy
            .arg(rig.folder().join("made"))
            .arg("--out")
            .arg(&rig.out);
        deploy.args(["--project", rig.stack.project()]);
        run(deploy.args(more)).ended(0).stderr
    };
    let warning = "the templates make `Arm` for arm64";
    assert!(said(&["--platform", "linux/amd64"]).contains(warning));
    assert!(!said(&["--platform", "linux/arm64"]).contains(warning));
    let engines = rig
        .stack
        .engine()
        .docker()
        .args(["version", "--format", "{{.Server.Arch}}"])
        .output();
    let is_arm = String::from_utf8(engines.unwrap().stdout).unwrap().trim() == "arm64";
    assert_eq!(said(&[]).contains(warning), !is_arm);
}
