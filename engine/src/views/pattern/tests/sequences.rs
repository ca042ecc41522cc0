//! Which sequences fit, and what is said of the others.

use std::fmt::Write as _;

use rstest::rstest;

use super::{Mismatch, PatternDifference, event, events, image, mismatch, pattern};

#[rstest]
#[case::exact("Requested Observed Applied", "Requested Observed Applied")]
#[case::several(
    "Requested ImageBuilt+ Applied",
    "Requested ImageBuilt ImageBuilt ImageBuilt Applied"
)]
#[case::none_of_any("Requested ImageBuilt* Applied", "Requested Applied")]
#[case::left_out("Requested Observed? Applied", "Requested Applied")]
#[case::any("Requested _* Applied", "Requested Observed ImageBuilt Failed Applied")]
#[case::anything(
    "Requested ... Applied",
    "Requested Observed ImageBuilt Failed Applied"
)]
#[case::nothing_is_anything("Requested ... Applied", "Requested Applied")]
#[case::lock_passed_over(
    "Requested Observed Applied",
    "Requested TakenOver Observed Held Released Applied"
)]
#[case::lock_named("Requested TakenOver Observed", "Requested TakenOver Observed")]
#[case::repeated_then_the_same("ImageBuilt+ ImageBuilt Applied", "ImageBuilt ImageBuilt Applied")]
#[case::counted("ImageBuilt{2} Applied", "ImageBuilt ImageBuilt Applied")]
#[case::at_least("ImageBuilt{2,} Applied", "ImageBuilt ImageBuilt ImageBuilt Applied")]
#[case::at_most("ImageBuilt{,2} Applied", "Applied")]
#[case::between("ImageBuilt{1, 2} Applied", "ImageBuilt ImageBuilt Applied")]
#[case::either(
    "Requested (Failed Resumed | Observed) Applied",
    "Requested Observed Applied"
)]
#[case::other(
    "Requested (Failed Resumed | Observed) Applied",
    "Requested Failed Resumed Applied"
)]
#[case::group_again("(Failed Resumed){2} Applied", "Failed Resumed Failed Resumed Applied")]
#[case::none_of_them("(!Failed)*", "Requested Observed Applied")]
#[case::none_without_group("!Failed*", "Requested Observed Applied")]
#[case::neither("Requested !(Failed|Abandoned)* Applied", "Requested Observed Applied")]
#[case::empty_groups("((Failed?)*)* Applied", "Applied")]
#[case::comment("Requested # asked for\n  Applied", "Requested Applied")]
#[case::in_time("Requested Applied within 1s", "Requested Applied")]
#[case::group_in_time(
    "Requested (Observed Merged) within 1s Applied",
    "Requested Observed Merged Applied"
)]
#[case::both_in_time(
    "(Requested Observed) within 1s Applied within 2s",
    "Requested Observed Applied"
)]
#[case::later_start(
    "... (ImageBuilt ... Applied) within 1s",
    "ImageBuilt ImageBuilt Applied"
)]
#[case::units("Requested Applied within 1h1m1s1ms", "Requested Applied")]
fn a_sequence_that_fits_is_accepted(#[case] text: &str, #[case] kinds: &str) {
    assert_eq!(pattern(text).compare(&events(kinds)), Ok(()));
}

#[rstest]
#[case::other("Requested Applied", "Requested Failed", 1, Some("Failed"), &["Applied"], None)]
#[case::too_short("Requested ImageBuilt+ Applied", "Requested ImageBuilt", 2, None, &["Applied", "ImageBuilt"], None)]
#[case::too_long("Requested", "Requested Applied", 1, Some("Applied"), &[], Some(1))]
#[case::at_least_one("Requested ImageBuilt+ Applied", "Requested Applied", 1, Some("Applied"), &["ImageBuilt"], None)]
#[case::lock_named_and_absent("Requested TakenOver Observed", "Requested Observed", 1, Some("Observed"), &["TakenOver"], None)]
#[case::lock_named_once("TakenOver Observed", "TakenOver TakenOver Observed", 1, Some("TakenOver"), &["Observed"], None)]
#[case::empty("Requested", "", 0, None, &["Requested"], None)]
#[case::too_often("ImageBuilt{1,2} Applied", "ImageBuilt ImageBuilt ImageBuilt", 2, Some("ImageBuilt"), &["Applied"], None)]
#[case::too_few("ImageBuilt{2,} Applied", "ImageBuilt Applied", 1, Some("Applied"), &["ImageBuilt"], None)]
#[case::negated("!(Failed | Abandoned)", "Failed", 0, Some("Failed"), &["!(Failed|Abandoned)"], None)]
#[case::a_lock_kind_that_is_negated_is_named("(!TakenOver)*", "Requested TakenOver", 1, Some("TakenOver"), &["!TakenOver"], Some(1))]
fn a_mismatch_names_its_place_and_what_would_have_fit(
    #[case] text: &str,
    #[case] kinds: &str,
    #[case] index: usize,
    #[case] found: Option<&str>,
    #[case] expected: &[&str],
    #[case] whole: Option<usize>,
) {
    let wanted = Mismatch {
        index,
        found: found.map(str::to_owned),
        expected: expected.iter().map(|kind| (*kind).to_owned()).collect(),
        reasons: Vec::new(),
        whole,
    };
    let difference = pattern(text).compare(&events(kinds)).unwrap_err();
    assert_eq!(mismatch(difference), wanted);
}

#[rstest]
#[case::all("Requested Observed Applied within 1s", 2, "2 s", "1 s")]
#[case::group(
    "Requested (Observed Merged ImageBuilt) within 1500ms Applied",
    3,
    "2 s",
    "1.500 s"
)]
#[case::inner(
    "(Requested (Observed Merged ImageBuilt) within 1s) within 1h",
    3,
    "2 s",
    "1 s"
)]
#[case::outer("((Requested Observed) within 1s Merged) within 1s", 2, "2 s", "1 s")]
#[case::anything_between("(Requested ... Applied) within 3s", 4, "4 s", "3 s")]
fn what_is_too_late_is_named_with_both_times(
    #[case] text: &str,
    #[case] index: usize,
    #[case] took: &str,
    #[case] limit: &str,
) {
    let kinds = "Requested Observed Merged ImageBuilt Applied";
    let kinds = if text.contains("Observed Applied") {
        "Requested Observed Applied"
    } else {
        kinds
    };
    let found = mismatch(pattern(text).compare(&events(kinds)).unwrap_err());
    assert_eq!(found.index, index, "{found:?}");
    assert!(
        found.reasons[0].contains(&format!(" is {took} after ")),
        "{found:?}"
    );
    assert!(
        found.reasons[0].contains(&format!("at most {limit} ")),
        "{found:?}"
    );
}

#[test]
fn a_clock_that_goes_back_is_no_reason_to_be_late() {
    let events = [event("Requested", 9), event("Applied", 3)];
    let in_time = pattern("Requested Applied within 1s");
    assert_eq!(in_time.compare(&events), Ok(()));
}

#[test]
fn predicates_stand_before_or_behind_how_often() {
    let events = [image("orders", "built", 10), image("stock", "built", 20)];
    for text in [
        "ImageBuilt{2,}[reused=false, duration_ms<5000]",
        "ImageBuilt[reused=false][duration_ms<5000]{2,}",
    ] {
        assert_eq!(pattern(text).compare(&events), Ok(()), "{text}");
    }
    let slow = mismatch(
        pattern("ImageBuilt{2,}[duration_ms<20]")
            .compare(&events)
            .unwrap_err(),
    );
    assert_eq!(slow.index, 1);
    assert_eq!(slow.expected, ["ImageBuilt[duration_ms<20]"]);
    assert_eq!(slow.reasons, ["`duration_ms` is 20"]);
}

#[test]
fn both_sequences_stand_side_by_side_up_to_the_first_that_differs() {
    let kinds = format!(
        "Requested{} Observed Failed Applied",
        " ImageBuilt".repeat(5)
    );
    let text = "Requested ImageBuilt{2,} Observed (Applied | Merged)";
    let difference = pattern(text).compare(&events(&kinds)).unwrap_err();
    let PatternDifference::Mismatch { side_by_side, .. } = difference else {
        panic!("it was compared");
    };
    let mut shown = String::new();
    for line in side_by_side {
        let _ = writeln!(shown, "{}", line.trim_end());
    }
    let wanted = "       expected          found
    1  Requested         Requested
  2-6  ImageBuilt        ImageBuilt × 5
    7  Observed          Observed
>   8  Applied | Merged  Failed
    9                    Applied
";
    assert_eq!(shown, wanted);
}

/// A backtracking matcher needs 2^5000 steps for the first of these, and counting states without bounds as many places for the second.
#[rstest]
#[case("(ImageBuilt*)* Applied")]
#[case("(ImageBuilt | ImageBuilt ImageBuilt)* Applied")]
#[case("... ImageBuilt{500} ... Applied")]
#[case("(((ImageBuilt ...) within 1h ...) within 1h)+ Applied")]
fn work_grows_with_the_events_and_not_with_the_ways(#[case] text: &str) {
    let kinds = "ImageBuilt ".repeat(if text.contains("within") { 60 } else { 1500 });
    let compared = pattern(text).compare(&events(&kinds));
    assert!(
        matches!(compared, Err(PatternDifference::Mismatch { .. })),
        "{text}"
    );
}
