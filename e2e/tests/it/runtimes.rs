//! Functions in real languages, from a SAM template to an answer through the gateway.
//!
//! Their dependencies are installed by the real tools while the images are built, without a network: pip from a folder of
//! wheels that pip itself has filled, npm from a folder. Not here: functions of scripts (`esb`).

use std::process::Command;

use e2e::bases::Language;
use e2e::{command, python, workspace};

use crate::process::{images, run};
use crate::rig::Rig;

#[test]
fn functions_in_real_languages_answer_with_what_they_depend_on() {
    let rig = Rig::with_gateway(&[]);
    let folder = rig.folder().join("runtimes");
    let from = workspace::fixture("runtimes");
    command::run(Command::new("cp").arg("-r").args([&from, &folder])).unwrap();
    let mut wheels = python::command().unwrap();
    wheels.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    wheels
        .arg("--requirement")
        .arg(folder.join("python/requirements.txt"));
    command::run(wheels.arg("--dest").arg(folder.join("python/wheelhouse"))).unwrap();

    let mut deploy = rig.esb(&["deploy", "--format", "json", "--template"]);
    deploy.arg(folder.join("template.yaml"));
    deploy.arg("--output").arg(rig.folder().join("made"));
    deploy.arg("--out").arg(&rig.out);
    deploy.args(["--project", rig.stack.project()]);
    for language in [Language::Python, Language::Nodejs] {
        let base = rig.stack.push_base(language).unwrap();
        deploy.arg(format!("--base={}={base}", language.family()));
    }
    let deployed = run(&mut deploy).ended(0);
    assert_eq!(
        deployed.images(),
        images(&[("Node", "built"), ("Python", "built")])
    );

    let answered = |method: &str, path: &str, body: &str, runtime: &str| {
        let reply = rig.stack.call(method, path, body).unwrap();
        assert_eq!(reply.status, 201, "{reply:?}\n{}", rig.stack.logs());
        assert_eq!(reply.header("x-runtime"), Some(runtime));
        reply.json()
    };
    let said = answered("POST", "/python/ada", "{a: [on, 010]}", "python");
    let expected =
        serde_json::json!({ "name": "ada", "read": { "a": [true, 8] }, "with": "6.0.4" });
    assert_eq!(said, expected);
    let said = answered("GET", "/nodejs/ada?x=1", "", "nodejs");
    let query = serde_json::json!({ "x": "1" });
    assert_eq!(said["greeting"], "good morning, ada");
    assert_eq!((&said["name"], &said["query"]), (&"ada".into(), &query));

    for (method, path, error) in [
        ("POST", "/python/nobody", "LookupError: nobody is here"),
        ("GET", "/nodejs/nobody", "RangeError: nobody is here"),
    ] {
        let reply = rig.stack.call(method, path, "").unwrap();
        assert_eq!(reply.status, 502, "{reply:?}");
        assert!(reply.body.contains(error), "{reply:?}");
    }
}
