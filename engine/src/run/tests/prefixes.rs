//! Images of first instructions: which are taken, which are built, and what the journal knows of them.

use super::inputs::{OnDisk, name, truth};
use super::rig::{Target, applied};
use crate::contract::Digest;
use crate::machine::{ImagePrefix, ImageSource};
use crate::run::simulated::Truth;

const A: &str = "registry:5000/a:latest";

/// A function whose image is assembled over one of its first instructions, and has been deployed.
fn deployed() -> (OnDisk, Target) {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    prepend(&mut target.truth, "packages");
    target.settle(&disk.input());
    (disk, target)
}

fn prepend(truth: &mut Truth, holds: &str) {
    truth.prefixes.insert(name("a"), holds.to_owned());
}

/// Deploys with another handler, and gives the prefix that was recorded.
fn edited(disk: &OnDisk, target: &mut Target, handler: &str) -> ImagePrefix {
    target.truth.sources.insert(name("a"), handler.to_owned());
    assert!(applied(&target.run(&disk.input(), &[])));
    let events = target.events();
    let image = events
        .iter()
        .rev()
        .find_map(|one| one.event.as_image_built());
    image.unwrap().prefix.clone().unwrap()
}

#[test]
fn the_prefix_that_was_recorded_is_gone_on_from_however_long_ago_that_was() {
    let (disk, mut target) = deployed();
    let built = edited(&disk, &mut target, "0");
    // More images than a record of one remembers, and a deploy that keeps it.
    for number in 1..12 {
        let prefix = edited(&disk, &mut target, &number.to_string());
        assert_eq!(prefix.source, ImageSource::Reused);
        assert_eq!((&prefix.key, &prefix.digest), (&built.key, &built.digest));
        assert!(applied(&target.run(&disk.input(), &[])));
    }
    prepend(&mut target.truth, "other packages");
    let other = edited(&disk, &mut target, "12");
    assert_eq!(other.source, ImageSource::Built);
    assert_ne!(other.key, built.key);
    prepend(&mut target.truth, "packages");
    let back = edited(&disk, &mut target, "13");
    assert_eq!(back.source, ImageSource::Reused, "it is remembered");
}

#[test]
fn a_prefix_that_the_journal_never_recorded_is_another_machines() {
    let (disk, target) = deployed();
    let mut elsewhere = Target::new(target.truth.clone());
    elsewhere.truth.config = truth("1.4.2").config;
    let found = edited(&disk, &mut elsewhere, "edited");
    assert_eq!(found.source, ImageSource::Promoted);
    let again = edited(&disk, &mut elsewhere, "edited again");
    assert_eq!(again.source, ImageSource::Reused, "it is recorded by then");
}

#[test]
fn another_prefix_under_the_same_key_is_built_over_unless_it_is_accepted() {
    let (disk, mut target) = deployed();
    let recorded = edited(&disk, &mut target, "0");
    let stranger = Digest::of("an image of a stranger");
    let keyed = (A.to_owned(), recorded.key.clone());
    let plant = |target: &mut Target| {
        let planted = target.truth.keyed.insert(keyed.clone(), stranger.clone());
        assert!(planted.is_some(), "the prefix lies beside the image");
    };
    plant(&mut target);
    let over = edited(&disk, &mut target, "1");
    assert_eq!(over.source, ImageSource::Built);
    assert_eq!(target.truth.keyed[&keyed], over.digest);

    plant(&mut target);
    target.truth.sources.insert(name("a"), "2".to_owned());
    let accepting = disk.input().with(|options| {
        options.accept_digests.insert(stranger.clone());
    });
    assert!(applied(&target.run(&accepting, &[])));
    let taken = edited(&disk, &mut target, "3");
    assert_eq!(
        (taken.source, taken.digest),
        (ImageSource::Reused, stranger)
    );
}

#[test]
fn a_prefix_that_is_gone_is_built_again() {
    let (disk, mut target) = deployed();
    let recorded = edited(&disk, &mut target, "0");
    target.truth.keyed.remove(&(A.to_owned(), recorded.key));
    let again = edited(&disk, &mut target, "1");
    assert_eq!(again.source, ImageSource::Built);
}
