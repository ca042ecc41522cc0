//! Whoever may push to the registry can compute a content key, and put any image under its tag. A journal that knows the key does not
//! take it; one that does not says that somebody else pushed it.

use crate::process::{images, run};
use crate::rig::Rig;
use crate::support::{handler, push_function};

/// The only tag of a content key, and its digest.
fn key_of(rig: &Rig<'_>) -> (String, String) {
    let tags = rig.tags("alpha").into_iter();
    let mut keys: Vec<_> = tags.filter(|(tag, _)| tag.starts_with("key1-")).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys.remove(0)
}

/// Puts another image under a tag of the function, as a stranger does who may push.
fn plant(rig: &Rig<'_>, tag: &str) -> String {
    let name = format!("{}/alpha", rig.payload.repository());
    push_function(rig.stack, &name, tag, &handler("stranger"));
    rig.tags("alpha")[tag].clone()
}

#[test]
fn a_strangers_image_under_a_key_that_the_journal_knows_is_built_over_or_accepted_by_its_digest() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let (key, recorded) = key_of(&rig);
    let planted = plant(&rig, &key);
    assert_ne!(planted, recorded);

    let plan = run(&mut rig.request("plan", &[])).ended(0);
    let said = format!("{}{}", plan.stdout, plan.stderr);
    assert!(
        said.contains(&planted) && said.contains(&recorded),
        "{said}"
    );

    let built = rig.deploy(&["--explain"]).ended(0);
    assert_eq!(built.images(), images(&[("alpha", "built")]));
    let digest = built.payload("ImageBuilt")["digest"].clone();
    let tags = rig.tags("alpha");
    assert_ne!(tags[&key], planted, "the key's tag is ours again");
    assert_eq!(
        [&tags[&key], &tags["1"]].map(|tag| digest == **tag),
        [true; 2]
    );

    let planted = plant(&rig, &key);
    let taken = rig.deploy(&["--accept-digest", &planted]).ended(0);
    assert_eq!(taken.images(), images(&[("alpha", "promoted")]));
    assert_eq!(rig.tags("alpha")["1"], planted);
}

#[test]
fn an_image_that_the_journal_never_recorded_is_taken_and_called_promoted() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let (key, _) = key_of(&rig);
    let planted = plant(&rig, &key);

    let elsewhere = rig.folder().join("journal-of-another-machine");
    let taken = run(rig
        .request("deploy", &[])
        .env("ARTIFACTCTL_JOURNAL", &elsewhere))
    .ended(0);
    assert_eq!(taken.images(), images(&[("alpha", "promoted")]));
    assert_eq!(taken.payload("ImageBuilt")["digest"], planted.as_str());
    taken.said("adopted, as another target or machine pushed it");
}
