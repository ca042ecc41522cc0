//! Deploys that change nothing, and images that are in the registry without having been built here.

use std::sync::atomic::Ordering;

use journal::{EventLog, transfer};
use rstest::rstest;

use super::faulty_store::{AppendMishap, FaultyStore, FixedStamp};
use super::inputs::{OnDisk, name, truth};
use super::rig::{Disturbance, Ended, Target, applied, author};
use crate::contract::Digest;
use crate::machine::{ImageSource, Images, Stage};
use crate::run::deploy_journal::{DeployJournal, deploy_events, latest_state};
use crate::run::documents::RecordedImages;
use crate::run::simulated::{Change, Mishap};
use crate::run::{StreamFold, document, preparation};

const A: &str = "registry:5000/a:latest";

/// The lines of an export from the first event of the latest deploy on, without documents and head.
fn bytes_of_latest(target: &Target) -> usize {
    let first = target.store.latest_deploys(None, 1).unwrap()[0].0;
    let mut lines = Vec::new();
    transfer::export(&target.store, &mut lines).unwrap();
    let text = String::from_utf8(lines).unwrap();
    let events = text.lines().filter(|line| line.starts_with("{\"stream\""));
    events
        .skip(usize::try_from(first).unwrap() - 1)
        .map(str::len)
        .sum()
}

fn documents(target: &Target) -> usize {
    target.store.documents(None, usize::MAX).unwrap().len()
}

/// The whole of a journal folds, and its documents are what its events say.
fn is_whole(target: &Target) {
    let mut whole = StreamFold::default();
    for event in journal::scan(&target.store, 1) {
        whole.add(&event.unwrap()).unwrap();
    }
    for hash in target.store.documents(None, usize::MAX).unwrap() {
        let bytes = target.store.document(&hash).unwrap().unwrap();
        whole.add_document(&bytes).unwrap();
    }
    whole.end().unwrap();
}

/// The bound of the journal's growth: 8 KiB for 1,000 functions.
#[test]
fn a_deploy_that_changes_nothing_costs_the_same_for_any_number_of_functions() {
    let cost = |functions: usize| {
        let names: Vec<String> = (0..functions).map(|number| format!("f{number}")).collect();
        let disk = OnDisk::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let (input, mut target) = (disk.input(), Target::new(truth("1.4.2")));
        assert!(applied(&target.run(&input, &[])));
        let kept = documents(&target);
        assert!(applied(&target.run(&input, &[])));
        assert_eq!(documents(&target), kept, "nothing new is kept");
        let unchanged = target.kinds().len() - 6;
        assert_eq!(
            target.kinds()[unchanged..].join(" "),
            "Requested Observed CompatChecked Merged ImagesKept Applied"
        );
        is_whole(&target);
        bytes_of_latest(&target)
    };
    let (few, many) = (cost(10), cost(1_000));
    // Digits of counts are all that differs.
    assert!(
        many - few < 64,
        "{few} bytes for 10 functions, {many} for 1,000"
    );
    assert!(many < 8 << 10, "{many} bytes");
}

/// However many deploys changed nothing before, what an image was made of is found in the base and its document, and who owns what
/// in the merge and its document.
#[test]
fn the_past_of_an_image_is_two_look_ups_away_after_many_deploys_that_changed_nothing() {
    let disk = OnDisk::new(&["a", "b"]);
    let (input, mut target) = (disk.input(), Target::new(truth("1.4.2")));
    for _ in 0..UNCHANGED {
        assert!(applied(&target.run(&input, &[])));
    }
    assert_eq!(documents(&target), 4, "owners, images, values of two files");
    let base = latest_state(&target.store).unwrap().base();
    let store = FaultyStore::new(&target.store, None);
    let known = RecordedImages::read(&store, base.as_ref(), None).unwrap();
    assert_eq!(known.base.images.len(), 2);
    assert!(known.since.is_empty());
    assert_eq!(store.pages.load(Ordering::Relaxed), 0, "events");
    assert_eq!(store.documents.load(Ordering::Relaxed), 1);
    let merge = preparation::base_merge(&store, base.as_ref()).unwrap();
    assert_eq!(merge.ownership.ownership.sources.len(), 1);
    assert_eq!(store.pages.load(Ordering::Relaxed), 1);
    assert_eq!(store.documents.load(Ordering::Relaxed), 2);
    let first = target.store.events(1, 1).unwrap()[0].header.deploy;
    for image in known.base.images.values() {
        assert_eq!(image.deploy, first, "the deploy that built it");
    }

    // Pruning and explaining go on from there.
    disk.write(&["a"]);
    target.truth.sources.insert(name("a"), "edited".to_owned());
    target.settle(&disk.input());
    let merged = target
        .events()
        .iter()
        .rev()
        .find_map(|event| event.merged.clone())
        .unwrap();
    assert!(
        merged
            .changes
            .removed
            .iter()
            .any(|key| key.0 == "functions/b")
    );
    is_whole(&target);
}

/// Deploys in a row that change nothing.
const UNCHANGED: usize = 10_000;

#[test]
fn one_changed_image_is_recorded_and_the_others_are_kept() {
    let disk = OnDisk::new(&["a", "b", "c"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    target.truth.sources.insert(name("b"), "edited".to_owned());
    assert!(applied(&target.run(&disk.input(), &[])));
    let kinds = target.kinds();
    assert_eq!(
        kinds[kinds.len() - 7..].join(" "),
        "Requested Observed CompatChecked Merged ImagesKept ImageBuilt Applied"
    );
    let deploy = latest_state(&target.store).unwrap().deploy.unwrap();
    let kept = deploy.kept.unwrap();
    assert_eq!((kept.count, kept.pending), (2, vec![name("b")]));
    let Stage::Applied(applied) = deploy.stage else {
        panic!("it is applied")
    };
    let images: Images = document(&target.store, &applied.images.unwrap()).unwrap();
    let [a, b] = ["a", "b"].map(|function| &images.images[&name(function)]);
    assert_eq!(b.deploy, deploy.id);
    assert_ne!(a.deploy, deploy.id);
    assert_eq!(b.earlier[0].key, Digest::of(""), "what it was before");
    is_whole(&target);
}

/// The sources that were deployed before last: their image is known, though not the last one.
#[test]
fn an_image_of_an_earlier_deploy_is_known_when_its_sources_come_back() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    for sources in ["one", "two", "one"] {
        target.truth.sources.insert(name("a"), sources.to_owned());
        target.settle(&disk.input());
    }
    assert_eq!(target.truth.builds.len(), 2);
    assert_eq!(sources_of(&target), [ImageSource::Reused]);
}

fn sources_of(target: &Target) -> Vec<ImageSource> {
    let first = target.store.latest_deploys(None, 1).unwrap()[0].0;
    let events = deploy_events(&target.store, first).unwrap();
    let images = events
        .iter()
        .filter_map(|event| event.event.as_image_built());
    images.map(|image| image.source).collect()
}

#[test]
fn an_image_of_a_stranger_is_not_taken_where_the_journal_knows_another() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let ours = target.truth.registry[A].clone();
    target.change(Change::ImageReplaced(A));
    let stranger = target.truth.keyed.values().next().unwrap().clone();
    assert_ne!(stranger, ours);

    assert!(applied(&target.run(&disk.input(), &[])));
    assert_eq!(sources_of(&target), [ImageSource::Built]);
    assert_eq!(target.truth.registry[A], ours);

    target.change(Change::ImageReplaced(A));
    let accepting = disk.input().with(|options| {
        options.accept_digests.insert(stranger.clone());
    });
    assert!(applied(&target.run(&accepting, &[])));
    assert_eq!(sources_of(&target), [ImageSource::Promoted]);
    assert_eq!(target.truth.registry[A], stranger);
    // It is recorded by now.
    assert!(applied(&target.run(&disk.input(), &[])));
    assert!(sources_of(&target).is_empty());
    assert_eq!(target.truth.builds.len(), 2);
}

/// A deploy of another journal pushed the image, or this one did and was killed before it could say so: nobody can tell.
#[test]
fn an_image_that_this_journal_never_recorded_is_taken_and_called_promoted() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    // Calls: observe, config, a look, a build.
    let killed = Disturbance::Call(3, Mishap::KilledAfter);
    assert!(matches!(
        target.run(&disk.input(), &[killed]),
        Ended::Killed
    ));
    assert!(applied(&target.run(&disk.input(), &[])));
    assert_eq!(sources_of(&target), [ImageSource::Promoted]);
    assert_eq!(target.truth.builds.len(), 1);
}

/// A deploy that published nothing and was given up recorded an image: the journal knows it all the same.
#[test]
fn an_image_of_a_deploy_that_was_given_up_is_known() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    // Calls: observe, config, two looks, two builds.
    let refused = Disturbance::Call(5, Mishap::Refused);
    target.run(&disk.input(), &[refused]);
    disk.write(&["a", "c"]);
    assert!(applied(&target.run(&disk.input(), &[])));
    assert_eq!(
        sources_of(&target),
        [ImageSource::Reused, ImageSource::Built]
    );
}

/// A process that dies between a document and the event that names it leaves a document that nobody misses.
#[rstest]
fn a_document_that_no_event_names_harms_nothing(#[values(0, 1, 2, 3, 4, 5, 6)] write: usize) {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    let killed = Disturbance::Append(write, AppendMishap::KilledAfter);
    target.run(&disk.input(), &[killed]);
    is_whole(&target);
    disk.write(&["a", "c"]);
    target.settle(&disk.input());
    is_whole(&target);
    let stamp = FixedStamp::after(&target.store.head().unwrap());
    assert!(DeployJournal::open(&target.store, &stamp, author("tester")).is_ok());
}

#[test]
fn a_document_that_is_gone_or_another_is_named_with_its_event() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    target.settle(&disk.input());
    let mut whole = StreamFold::default();
    for event in journal::scan(&target.store, 1) {
        whole.add(&event.unwrap()).unwrap();
    }
    let missing = whole.end().unwrap_err().to_string();
    assert!(
        missing.starts_with("event 4 of the journal names document `sha256:"),
        "{missing}"
    );
    assert!(missing.ends_with("which is not there"), "{missing}");
    assert_eq!(whole.named_documents().len(), 4);
}
