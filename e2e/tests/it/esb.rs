//! `esb` against a running stack: a template becomes functions that answer.

use std::process::Command;

use e2e::workspace;

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
