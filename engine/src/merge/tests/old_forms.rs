//! Lists at the top of `resources.yml` and schedules with a `type`: forms that the stack does not read.

use rstest::rstest;

use super::{Out, functions, names, owned, resources};
use crate::merge::ConfigFile::{Functions, Resources};

const OURS: &str = "dynamodb: [{TableName: t}], s3: [{BucketName: b}, {BucketName: c}]";

/// An output directory as an earlier version left it: everything of source `a` at the top of the file.
fn published_in_the_old_form(theirs: &str) -> Out {
    let mut out = Out::default();
    out.deploy(&[resources("a", &format!("{{{OURS}}}"))]);
    let old = format!(
        "{{dynamodb: [{{TableName: t}}], s3: [{{BucketName: b}}, {theirs}{{BucketName: c}}]}}\n"
    );
    out.texts.insert(Resources, old);
    out
}

#[test]
fn what_an_earlier_version_wrote_moves_below_resources_and_counts_as_changed() {
    let mut out = published_in_the_old_form("");
    let outcome = out.deploy(&[resources("a", &format!("{{{OURS}}}"))]);
    assert_eq!(
        out.text(Resources),
        "resources:\n  dynamodb:\n    - TableName: t\n  s3:\n    - BucketName: b\n    - BucketName: c\n"
    );
    assert_eq!(
        names(&outcome.changes.changed),
        ["dynamodb/t", "s3/b", "s3/c"]
    );
    assert!(outcome.changes.taken.is_empty());
    assert!(outcome.drift.is_empty());
    assert_eq!(owned(&outcome, "a"), ["dynamodb/t", "s3/b", "s3/c"]);
    let again = out.merge(&[resources("a", &format!("{{{OURS}}}"))]);
    assert!(again.changes.is_empty());
    assert_eq!(again.texts, out.texts);
}

#[test]
fn what_an_earlier_version_wrote_and_nobody_writes_any_more_goes_from_where_it_stands() {
    let mut out = published_in_the_old_form("{BucketName: theirs}, ");
    let outcome = out.deploy(&[resources("a", "")]);
    assert_eq!(
        names(&outcome.changes.removed),
        ["dynamodb/t", "s3/b", "s3/c"]
    );
    assert_eq!(out.text(Resources), "s3:\n  - BucketName: theirs\n");
}

#[test]
fn a_deploy_of_another_source_moves_what_is_ours_and_leaves_what_is_not() {
    let mut out = published_in_the_old_form("{BucketName: theirs}, ");
    let outcome = out.deploy(&[resources("b", "resources: {s3: [{BucketName: d}]}")]);
    assert_eq!(
        out.text(Resources),
        "resources:\n  dynamodb:\n    - TableName: t\n  s3:\n    - BucketName: b\n    - BucketName: c\n    - BucketName: d\ns3:\n  - BucketName: theirs\n"
    );
    assert_eq!(names(&outcome.changes.added), ["s3/d"]);
    assert_eq!(
        names(&outcome.changes.changed),
        ["dynamodb/t", "s3/b", "s3/c"]
    );
    assert_eq!(owned(&outcome, "a"), ["dynamodb/t", "s3/b", "s3/c"]);
}

#[test]
fn a_move_that_was_killed_is_completed_by_the_next_deploy() {
    let mut out = published_in_the_old_form("");
    let ours = [resources("a", &format!("{{{OURS}}}"))];
    let mut whole = published_in_the_old_form("");
    let expected = whole.deploy(&ours);
    for published in [&[][..], &[Resources]] {
        out.deploy_in_part(&ours, published);
        let outcome = out.deploy(&ours);
        assert_eq!(outcome.texts, expected.texts);
        assert_eq!(outcome.ownership, expected.ownership);
    }
}

#[test]
fn without_pruning_what_is_ours_moves_and_stays() {
    let mut out = published_in_the_old_form("");
    out.options.prune = false;
    let outcome = out.deploy(&[resources("a", "")]);
    assert_eq!(
        out.text(Resources),
        "resources:\n  dynamodb:\n    - TableName: t\n  s3:\n    - BucketName: b\n    - BucketName: c\n"
    );
    assert_eq!(owned(&outcome, "a").len(), 3);
}

#[rstest]
#[case::with_an_input(
    "{type: schedule, expression: rate(1 day), input: '{}', enabled: true, name: Nightly}",
    "- schedule:\n          input: \"{}\"\n          name: Nightly\n          rate: rate(1 day)"
)]
#[case::disabled_stays_unread(
    "{type: schedule, expression: rate(1 day), enabled: false}",
    "- enabled: false\n        expression: rate(1 day)\n        type: schedule"
)]
#[case::new_form(
    "{schedule: {rate: rate(1 day)}}",
    "- schedule:\n          rate: rate(1 day)"
)]
#[case::something_else("{type: queue, name: q}", "- name: q\n        type: queue")]
#[case::text("text", "- text")]
fn a_schedule_is_written_in_the_form_that_the_scheduler_reads(
    #[case] event: &str,
    #[case] expected: &str,
) {
    let mut out = Out::default();
    let ours = [functions(
        "a",
        &format!("functions: {{f: {{events: [{event}]}}}}"),
    )];
    out.deploy(&ours);
    assert_eq!(
        out.text(Functions),
        format!("functions:\n  f:\n    events:\n      {expected}\n")
    );
    assert!(out.merge(&ours).changes.is_empty());
}

#[test]
fn schedules_of_others_keep_their_form() {
    let theirs = "functions: {g: {events: [{type: schedule, expression: rate(1 day)}]}}\n";
    let mut out = Out::with(Functions, theirs);
    out.deploy(&[functions("a", "functions: {f: {}}")]);
    assert_eq!(
        out.text(Functions),
        "functions:\n  f: {}\n  g:\n    events:\n      - expression: rate(1 day)\n        type: schedule\n"
    );
}

/// The gateway replaces `$NAME`: what is written must be what the artifact says.
#[test]
fn dollars_pass_through_untouched() {
    let mut out = Out::default();
    let source = functions(
        "a",
        "functions:\n  f:\n    environment:\n      A: $$5 ${NAME} $NAME $\n      B: ${RUSTFS_ACCESS_KEY}\n",
    );
    out.deploy(std::slice::from_ref(&source));
    let written = super::text("out", out.text(Functions)).tree;
    assert_eq!(written, source.functions.tree);
}
