//! The values that deploys keep, and who changed them last.

use std::collections::BTreeMap;

use journal::EventLog;

use super::faulty_store::AppendMishap;
use super::inputs::{OnDisk, truth};
use super::rig::{Disturbance, Ended, Target, applied};
use crate::contract::Digest;
use crate::machine::Merged;
use crate::merge::{ConfigFile, Key, OwnedConfiguration};
use crate::run::deploy_journal::deploy_events;
use crate::run::simulated::Mishap;
use crate::run::{StreamFold, configuration_of};

fn key(text: &str) -> Key {
    Key(text.to_owned())
}

fn merged(target: &Target, back: usize) -> (uuid::Uuid, Merged) {
    let (first, deploy) = target.store.latest_deploys(None, back + 1).unwrap()[back];
    let events = deploy_events(&target.store, first).unwrap();
    let merged = events
        .iter()
        .rev()
        .find_map(|event| event.event.as_merged());
    (deploy, merged.unwrap().clone())
}

fn latest(target: &Target) -> (uuid::Uuid, OwnedConfiguration) {
    let (deploy, merged) = merged(target, 0);
    (deploy, configuration_of(&target.store, &merged).unwrap())
}

/// The function `a` with these lines below it.
fn a_function(disk: &OnDisk, lines: &str) {
    disk.put(
        "svc/config/functions.yml",
        &format!("functions:\n  a:\n    image: registry:5000/a:latest\n{lines}"),
    );
}

#[test]
fn what_is_published_of_ours_is_kept_and_nothing_of_others() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let (_, configuration) = latest(&target);
    let keys: Vec<&str> = configuration.keys().map(|key| key.0.as_str()).collect();
    // A route of somebody else stands there as well: `routes/GET /seed`.
    assert_eq!(
        keys,
        [
            "functions/a",
            "functions/b",
            "routes/GET /a",
            "routes/GET /b"
        ]
    );
    for (key, owned) in &configuration {
        let value = owned.value.as_ref().unwrap();
        assert!(value.is_whole());
        assert_eq!(Digest::of(&value.yaml), owned.digest, "{}", key.0);
    }
    let text = String::from_utf8(target.store.documents(None, 9).unwrap().iter().fold(
        Vec::new(),
        |mut all, hash| {
            all.extend(target.store.document(hash).unwrap().unwrap());
            all
        },
    ));
    assert!(!text.unwrap().contains("seed"));
}

#[test]
fn each_field_names_the_deploy_that_changed_it_last() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    a_function(&disk, "    timeout: 3\n    environment: {G: hi}\n");
    target.settle(&disk.input());
    let (first, _) = latest(&target);
    a_function(&disk, "    timeout: 5\n    environment: {G: hi, H: ho}\n");
    target.settle(&disk.input());
    let (second, _) = latest(&target);
    target.settle(&disk.input());
    let (third, configuration) = latest(&target);
    assert_ne!(second, third);
    let value = configuration[&key("functions/a")].value.as_ref().unwrap();
    let by = ["image", "timeout", "environment.G", "environment.H"]
        .map(|field| value.changed_by(field).unwrap());
    assert_eq!(by, [first, second, first, second]);
    let route = configuration[&key("routes/GET /a")].value.as_ref().unwrap();
    assert_eq!(route.changed_by("path"), Some(first));

    // A field that goes is not remembered, and the others stay as they are.
    a_function(&disk, "    timeout: 5\n    environment: {H: ho}\n");
    target.settle(&disk.input());
    let (_, configuration) = latest(&target);
    let value = configuration[&key("functions/a")].value.as_ref().unwrap();
    assert!(!value.since.contains_key("environment.G"));
    assert_eq!(value.changed_by("environment.H"), Some(second));
    assert_eq!(value.changed_by("timeout"), Some(second));
}

#[test]
fn a_file_that_does_not_change_is_kept_once() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let before = merged(&target, 0).1.values;
    a_function(&disk, "    timeout: 5\n");
    target.settle(&disk.input());
    let after = merged(&target, 0).1.values;
    assert_eq!(before[&ConfigFile::Routing], after[&ConfigFile::Routing]);
    assert_ne!(
        before[&ConfigFile::Functions],
        after[&ConfigFile::Functions]
    );
}

#[test]
fn a_literal_secret_is_in_no_document_and_its_change_is_seen() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let mut digests = Vec::new();
    for secret in ["canary-1", "canary-2"] {
        let lines = format!("    environment: {{DB_PASSWORD: {secret}, G: hi}}\n");
        a_function(&disk, &lines);
        target.settle(&disk.input());
        let (deploy, configuration) = latest(&target);
        let owned = &configuration[&key("functions/a")];
        let value = owned.value.as_ref().unwrap();
        assert_eq!(value.withheld, ["environment.DB_PASSWORD"]);
        assert!(!value.is_whole() && value.yaml.contains("G: hi"));
        assert_eq!(value.changed_by("environment.DB_PASSWORD"), Some(deploy));
        digests.push(owned.digest.clone());
    }
    assert_ne!(digests[0], digests[1]);
    for hash in target.store.documents(None, usize::MAX).unwrap() {
        let bytes = target.store.document(&hash).unwrap().unwrap();
        assert!(!String::from_utf8(bytes).unwrap().contains("canary"));
    }
}

/// The second deploy may have published in part and never ends; the third one makes its change true.
#[test]
fn what_a_deploy_may_have_published_in_part_is_true_since_the_one_that_was_applied() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let (first, _) = latest(&target);
    a_function(&disk, "    timeout: 5\n");
    // Calls: observe, config, a look, publish.
    let killed = Disturbance::Call(3, Mishap::KilledAfter);
    assert!(matches!(
        target.run(&disk.input(), &[killed]),
        Ended::Killed
    ));
    a_function(&disk, "    timeout: 5\n    memory: 512\n");
    assert!(applied(&target.run(&disk.input(), &[])));
    let (third, configuration) = latest(&target);
    let value = configuration[&key("functions/a")].value.as_ref().unwrap();
    let by = ["image", "timeout", "memory"].map(|field| value.changed_by(field));
    assert_eq!(by, [Some(first), Some(third), Some(third)]);
}

/// A power cut at each write of a deploy: an event that is there names values that are there.
#[test]
fn values_are_durable_before_the_event_that_names_them() {
    for write in 0..9 {
        let disk = OnDisk::new(&["a"]);
        let mut target = Target::new(truth("1.4.2"));
        let killed = Disturbance::Append(write, AppendMishap::KilledAfter);
        target.run(&disk.input(), &[killed]);
        let mut whole = StreamFold::default();
        for event in journal::scan(&target.store, 1) {
            whole.add(&event.unwrap()).unwrap();
        }
        for digest in whole.named_documents() {
            let hash = digest.hex().parse().unwrap();
            assert!(target.store.document(&hash).unwrap().is_some(), "{write}");
        }
    }
}

/// A journal whose base kept no values goes on: what the deploy leaves alone was changed by nobody that is known.
#[test]
fn values_that_were_not_kept_before_have_no_deploy_that_changed_them() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let (_, of_base) = merged(&target, 0);
    let base = crate::merge::BaseOwnership {
        ownership: match &of_base.ownership {
            crate::machine::Owners::Document(digest) => {
                crate::run::document(&target.store, digest).unwrap()
            }
            crate::machine::Owners::Stated(ownership) => ownership.clone(),
        },
        ..Default::default()
    };
    let mut ownership = base.ownership.clone();
    let keys = ownership.sources.values_mut().next().unwrap();
    let text =
        "functions:\n  a:\n    image: registry:5000/a:latest\n  c: {image: registry:5000/c:1}\n";
    let tree = crate::yaml::parse(text, &crate::yaml::ParseLimits::default()).unwrap();
    let new = "image: registry:5000/c:1\n";
    keys.insert(key("functions/c"), Digest::of(new));
    let deploy = uuid::Uuid::nil();
    let kept = crate::merge::kept_values(
        BTreeMap::from([(ConfigFile::Functions, tree)]),
        &ownership,
        &base,
        &crate::merge::KeptBefore::default(),
        deploy,
        &std::collections::BTreeSet::new(),
    );
    let functions = &kept[&ConfigFile::Functions].keys;
    assert_eq!(functions[&key("functions/a")].changed_by("image"), None);
    assert_eq!(
        functions[&key("functions/c")].changed_by("image"),
        Some(deploy)
    );
}
