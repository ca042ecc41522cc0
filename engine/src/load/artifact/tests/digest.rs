//! What is the same artifact.

use rstest::rstest;

use super::{BTreeMap, Digest, MANIFEST, World};

#[rstest]
#[case("m/artifact.yml", &MANIFEST.replace("env: e", "env: f"))]
#[case("svc-a/config/functions.yml", "functions: {}\n")]
#[case("svc-b/config/routing.yml", "routes: [ ]\n")]
#[case("svc-b/config/resources.yml", "s3: []\n")]
#[case("svc-a/functions/svc-a/Dockerfile", "FROM scratch\n#\n")]
#[case("svc-b/functions/svc-b/Dockerfile", "FROM scratch\n")]
fn the_digest_follows_every_file(#[case] file: &str, #[case] text: &str) {
    let world = World::new();
    let before = world.load().unwrap().digest;

    world.write(file, text);

    assert_ne!(world.load().unwrap().digest, before);
}

#[rstest]
#[case("m/artifact.yml", &format!("# note\n{MANIFEST}generated_at: 2026-02-20T00:00:00Z\n"))]
#[case("svc-a/functions/other/Dockerfile", "FROM scratch\n")]
#[case("svc-a/runtime-base/x", "x")]
fn the_digest_does_not_follow_what_is_no_part_of_the_artifact(
    #[case] file: &str,
    #[case] text: &str,
) {
    let world = World::new();
    let before = world.load().unwrap().digest;

    world.write(file, text);

    assert_eq!(world.load().unwrap().digest, before);
}

#[test]
fn further_inputs_change_the_digest() {
    let artifact = World::new().load().unwrap();
    let inputs = |name: &str, text: &str| {
        artifact.digest_with(&BTreeMap::from([(name.to_owned(), Digest::of(text))]))
    };

    assert_eq!(artifact.digest_with(&BTreeMap::new()), artifact.digest);
    assert_eq!(inputs("f", "x"), inputs("f", "x"));
    assert_ne!(inputs("f", "x"), inputs("f", "y"));
    assert_ne!(inputs("f", "x"), inputs("g", "x"));
    assert_ne!(inputs("f", "x"), artifact.digest);
}
