//! Images that are assembled and uploaded to a real registry, and that the stack runs.
//!
//! Not here: whether they are what a builder makes of the same Dockerfile (`assembled`).

use std::collections::BTreeSet;

use crate::process::{images, run, said_of};
use crate::rig::Rig;

const ASSEMBLE: [&str; 2] = ["--builder", "assemble"];

#[test]
fn assembled_functions_answer_and_a_builder_finds_nothing_left_to_do() {
    let rig = Rig::with_gateway(&["alpha", "beta"]);
    let first = rig.deploy(&ASSEMBLE).ended(0);
    assert_eq!(
        first.images(),
        images(&[("alpha", "built"), ("beta", "built")])
    );
    assert_eq!(rig.builds(), [""; 0]);
    assert_eq!(rig.mutating(), [""; 0], "the engine is asked for nothing");
    assert_eq!([rig.word("alpha"), rig.word("beta")], ["alpha", "beta"]);

    let second = rig.deploy(&["--builder", "engine"]).ended(0);
    assert_eq!(second.kept(), 2, "the key does not say who made an image");
    assert_eq!(rig.builds(), [""; 0]);

    rig.payload.answer("alpha", "edited");
    let third = rig.deploy(&ASSEMBLE).ended(0);
    assert_eq!(third.images(), images(&[("alpha", "built")]));
    assert_eq!([rig.word("alpha"), rig.word("beta")], ["edited", "beta"]);
}

/// What an image is made of says its digest, so that another machine makes the same one.
#[test]
fn the_same_inputs_are_the_same_digest() {
    let digests: BTreeSet<String> = [Rig::new(&["alpha"]), Rig::new(&["alpha"])]
        .iter()
        .map(|rig| {
            let cache = rig.folder().join("cache");
            let mut deploy = rig.request("deploy", &ASSEMBLE);
            run(deploy.env("XDG_CACHE_HOME", &cache)).ended(0);
            assert!(cache.join("artifactctl/layers").exists());
            rig.tags("alpha")["1"].clone()
        })
        .collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn an_instruction_that_needs_a_builder_is_named_or_built() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.payload.dockerfile(
        "alpha",
        "FROM esb-lambda-base:latest\nCOPY functions/alpha/handler /var/task/handler\nRUN true\n",
    );
    rig.deploy(&ASSEMBLE).ended(6);
    let failed = rig.latest().payload("Failed");
    assert_eq!(
        (&failed["kind"], &failed["function"]),
        (&"image".into(), &"alpha".into())
    );
    let said = said_of(&failed);
    assert!(said.contains("line 3: `RUN` needs a builder"), "{said}");
    assert_eq!(rig.builds(), [""; 0]);
    assert!(
        failed["hints"].to_string().contains("--builder auto"),
        "{failed}"
    );

    rig.deploy(&[]).ended(0);
    assert_eq!(rig.builds(), ["alpha"], "the other one is assembled");
}
