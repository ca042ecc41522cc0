//! Images with a RUN: what goes up to it is built once, for every machine that uses the registry.
//!
//! Not here: images without one (`uploads`), and what each builder makes of a step (`builds`).

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use e2e::artifactctl;
use rstest::rstest;
use serde_json::Value;

use crate::process::{Ran, images, run};
use crate::rig::Rig;
use crate::support::{handler, push_function};

const FUNCTIONS: [&str; 2] = ["alpha", "beta"];

/// Functions that install what their list names, and copy their code behind it.
fn installing(rig: Rig<'static>) -> Rig<'static> {
    for function in FUNCTIONS {
        let folder = format!("functions/{function}");
        rig.payload.dockerfile(
            function,
            &format!(
                "FROM esb-lambda-base:latest\nWORKDIR /var/task\nCOPY {folder}/requirements.txt ./\n\
                 RUN tr a-z A-Z < requirements.txt > installed\nENV PLACE=handler\n\
                 COPY {folder}/handler $PLACE\n"
            ),
        );
        require(&rig, function, &format!("packages of {function}"));
        answer(&rig, function, "first");
    }
    rig
}

fn require(rig: &Rig<'_>, function: &str, list: &str) {
    let file = format!("svc/functions/{function}/requirements.txt");
    rig.payload.put(&file, list);
}

/// Has a function answer with a word and with what was installed.
fn answer(rig: &Rig<'_>, function: &str, word: &str) {
    let text = format!(
        "#!/bin/sh\ncat > /dev/null\nprintf '{{\"word\":\"{word} with %s\"}}' \"$(cat /var/task/installed)\"\n"
    );
    let path = rig
        .payload
        .put(&format!("svc/functions/{function}/handler"), &text);
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Where the prefix of each image that a deploy made came from.
fn prefixes(ran: &Ran) -> BTreeMap<String, String> {
    let images = ran.payloads("ImageBuilt").into_iter();
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    images
        .map(|image| (text(&image["function"]), text(&image["prefix"]["source"])))
        .collect()
}

/// The command line of a deploy on a machine that shares the registry and nothing else.
fn elsewhere(rig: &Rig<'_>, name: &str, more: &[&str]) -> Command {
    let mut deploy = rig.request("deploy", more);
    deploy
        .env("ARTIFACTCTL_JOURNAL", rig.folder().join(name))
        .env("XDG_CACHE_HOME", rig.folder().join(format!("{name}-cache")));
    deploy
}

#[test]
fn a_changed_handler_behind_an_unchanged_run_meets_no_builder_on_any_machine() {
    let rig = installing(Rig::with_gateway(&FUNCTIONS));
    let first = rig.deploy(&["--explain", "--jobs", "1"]).ended(0);
    first.said("the build prefix up to line 4 is built once (not built before)");
    first.said("`functions/alpha/Dockerfile`, line 4: `RUN` needs a builder");
    let built = images(&[("alpha", "built"), ("beta", "built")]);
    assert_eq!((first.images(), prefixes(&first)), (built.clone(), built));
    assert_eq!(rig.builds(), FUNCTIONS);
    assert_eq!(
        rig.tags("alpha").len(),
        3,
        "its tag, its key's, its prefix's"
    );
    let words =
        |word: &str| FUNCTIONS.map(|one| format!("{word} with PACKAGES OF {}", one.to_uppercase()));
    assert_eq!(FUNCTIONS.map(|one| rig.word(one)), words("first"));

    rig.proxy.clear();
    answer(&rig, "alpha", "second");
    let second = rig.deploy(&["--explain"]).ended(0);
    second.said("functions/alpha/handler changed; the build prefix up to line 4 is reused");
    assert_eq!(second.images(), images(&[("alpha", "built")]));
    assert_eq!(prefixes(&second), images(&[("alpha", "reused")]));
    assert_eq!(second.payload("ImageBuilt")["assembled"], true);
    assert_eq!(rig.mutating(), [""; 0], "the engine is asked for nothing");
    assert_eq!(rig.word("alpha"), words("second")[0]);

    for one in FUNCTIONS {
        answer(&rig, one, "third");
    }
    let third = run(&mut elsewhere(&rig, "other", &["--explain"])).ended(0);
    third.said("2 build prefixes in the registry that this target did not record: adopted");
    third.said("the build prefix up to line 4 is adopted: it is in the registry already");
    let promoted = images(&[("alpha", "promoted"), ("beta", "promoted")]);
    assert_eq!(prefixes(&third), promoted);
    assert_eq!(rig.mutating(), [""; 0], "the engine is asked for nothing");
    assert_eq!(FUNCTIONS.map(|one| rig.word(one)), words("third"));

    // That machine knows them from now on.
    answer(&rig, "beta", "fourth");
    let fourth = run(&mut elsewhere(&rig, "other", &[])).ended(0);
    assert_eq!(prefixes(&fourth), images(&[("beta", "reused")]));

    require(&rig, "alpha", "other packages");
    let fifth = run(&mut elsewhere(&rig, "other", &[])).ended(0);
    assert_eq!(prefixes(&fifth), images(&[("alpha", "built")]));
    assert_eq!(
        rig.builds(),
        ["alpha"],
        "what is installed is another thing"
    );
    assert_eq!(rig.word("alpha"), "third with OTHER PACKAGES");
}

/// The tag of the only prefix of a function that has one image.
fn prefix_tag(rig: &Rig<'_>, function: &str) -> String {
    let tags = rig.tags(function);
    let image = &tags["1"];
    let mut prefix = tags.iter().filter(|(_, digest)| *digest != image);
    let (tag, _) = prefix.next().expect("the prefix is another image");
    assert!(prefix.next().is_none(), "{tags:?}");
    tag.clone()
}

#[test]
fn a_strangers_prefix_is_built_over_or_accepted_by_its_digest() {
    let rig = installing(Rig::new(&FUNCTIONS));
    rig.deploy(&[]).ended(0);
    let tag = prefix_tag(&rig, "alpha");
    let recorded = rig.tags("alpha")[&tag].clone();
    let repository = format!("{}/alpha", rig.payload.repository());
    let plant = || {
        push_function(rig.stack, &repository, &tag, &handler("stranger"));
        rig.tags("alpha")[&tag].clone()
    };
    let planted = plant();
    assert_ne!(planted, recorded);
    answer(&rig, "alpha", "second");
    let plan = run(&mut rig.request("plan", &[])).ended(0).object("plan");
    let prefix = &plan["images"][0]["prefix"];
    assert_eq!(prefix["build_because"]["other_digest"]["found"], *planted);
    assert_eq!(
        prefix["build_because"]["other_digest"]["recorded"],
        *recorded
    );

    rig.proxy.clear();
    let over = rig.deploy(&["--explain"]).ended(0);
    over.said(&format!("`--accept-digest {planted}` takes it"));
    assert_eq!(prefixes(&over), images(&[("alpha", "built")]));
    assert_eq!(rig.builds(), ["alpha"]);

    let planted = plant();
    rig.proxy.clear();
    answer(&rig, "alpha", "third");
    let taken = rig.deploy(&["--accept-digest", &planted]).ended(0);
    assert_eq!(prefixes(&taken), images(&[("alpha", "promoted")]));
    assert_eq!(rig.builds(), [""; 0]);
}

#[test]
fn no_cache_builds_a_prefix_again() {
    let rig = installing(Rig::new(&FUNCTIONS));
    rig.deploy(&[]).ended(0);
    rig.proxy.clear();
    let again = rig.deploy(&["--no-cache", "--jobs", "1"]).ended(0);
    let built = images(&[("alpha", "built"), ("beta", "built")]);
    assert_eq!(prefixes(&again), built);
    assert_eq!(rig.builds(), FUNCTIONS);
}

/// A process that dies between the prefix and the image leaves the prefix, which the next one finds.
#[rstest]
#[case::built("built prefix of alpha", &["alpha", "beta"], "built")]
#[case::pushed("pushed prefix of alpha", &["beta"], "promoted")]
#[case::written("written alpha", &["beta"], "none")]
fn a_deploy_that_is_killed_beside_a_prefix_goes_on(
    #[case] boundary: &str,
    #[case] builds: &[&str],
    #[case] source: &str,
) {
    let rig = installing(Rig::new(&FUNCTIONS));
    let plain = rig.request("deploy", &["--jobs", "1"]);
    let mut deploy = Command::new(artifactctl::build_with_failpoints().unwrap());
    deploy
        .args(plain.get_args())
        .env("ARTIFACTCTL_KILL_AT", boundary);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => deploy.env(name, value),
            None => deploy.env_remove(name),
        };
    }
    run(&mut deploy).ended_by_signal();
    rig.proxy.clear();
    let done = rig.deploy(&["--jobs", "1"]).ended(0);
    assert_eq!(rig.builds(), builds);
    assert_eq!(prefixes(&done)["alpha"], source);
    assert_eq!(rig.tags("alpha").len(), 3);
}
