//! A manifest that lies elsewhere than its artifact.

use std::fs;

use rstest::rstest;

use crate::esb::{SHOP, with_shop};

/// Wherever the manifest lies: its paths lead to the artifact, it is compared, and it is no part of the code.
#[rstest]
#[case::in_the_current_folder("made.yml", "shop/shop")]
#[case::below("a/b/made.yml", "../../shop/shop")]
#[case::above("../made.yml", "here/shop/shop")]
#[case::with_the_artifact("shop/artifact.yml", "shop")]
#[case::in_the_code("sam/hello/made.yml", "../../shop/shop")]
fn a_manifest_elsewhere_leads_to_its_artifact(#[case] manifest: &str, #[case] root: &str) {
    let machine = with_shop();
    let generate = [&SHOP[..], &["--manifest", manifest]].concat();
    let check = || machine.esb(&[&generate[..], &["--check"]].concat());
    for _ in 0..2 {
        assert_eq!(machine.esb(&generate).code, 0);
        assert_eq!(check().code, 0, "{}", check().stdout);
    }
    let text = fs::read_to_string(machine.work().join(manifest)).unwrap();
    assert!(text.contains(&format!("artifact_root: {root}\n")), "{text}");
    let valid = machine.run(&["manifest", "validate", "--artifact", manifest]);
    assert_eq!(valid.code, 0, "{}", valid.stderr);
    for (spoil, said) in [(true, "differs"), (false, "is missing")] {
        if spoil {
            fs::write(machine.work().join(manifest), "").unwrap();
        } else {
            fs::remove_file(machine.work().join(manifest)).unwrap();
        }
        let ran = check();
        let name = manifest.trim_start_matches("shop/");
        assert_eq!(
            (ran.code, ran.stdout.contains(&format!("{name} {said}\n"))),
            (11, true)
        );
    }
}

#[test]
fn a_folder_in_the_place_of_the_manifest_is_refused() {
    let machine = with_shop();
    let ran = machine.esb(&[&SHOP[..], &["--manifest", "sam"]].concat());
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("/sam` is not a file"), "{}", ran.stderr);
    assert!(!machine.work().join("shop").exists());
}

#[test]
fn a_file_that_is_no_manifest_is_not_replaced() {
    let machine = with_shop();
    let template = machine.work().join("sam/shop.yaml");
    // A word that manifests have too makes no manifest of it.
    let mut before = fs::read(&template).unwrap();
    before.extend_from_slice(b"# schema_version: 1\n");
    fs::write(&template, &before).unwrap();
    let ran = machine.esb(&[&SHOP[..], &["--manifest", "sam/shop.yaml"]].concat());
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("/sam/shop.yaml` is no manifest"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read(&template).unwrap(), before);
    assert!(!machine.work().join("shop").exists());
}
