//! The rules of `views`.

use rstest::rstest;

use super::{Mismatch, Pattern, PatternError};

const KNOWN: [&str; 6] = [
    "Requested",
    "Observed",
    "ImageBuilt",
    "Applied",
    "Failed",
    "TakenOver",
];

#[rstest]
#[case::exact("Requested Observed Applied", "Requested Observed Applied")]
#[case::several(
    "Requested ImageBuilt+ Applied",
    "Requested ImageBuilt ImageBuilt ImageBuilt Applied"
)]
#[case::none_of_any("Requested ImageBuilt* Applied", "Requested Applied")]
#[case::left_out("Requested Observed? Applied", "Requested Applied")]
#[case::any("Requested _* Applied", "Requested Observed ImageBuilt Failed Applied")]
#[case::lock_passed_over(
    "Requested Observed Applied",
    "Requested TakenOver Observed Held Released Applied"
)]
#[case::lock_named("Requested TakenOver Observed", "Requested TakenOver Observed")]
#[case::repeated_then_the_same("ImageBuilt+ ImageBuilt Applied", "ImageBuilt ImageBuilt Applied")]
fn a_sequence_that_fits_is_accepted(#[case] pattern: &str, #[case] kinds: &str) {
    let pattern = Pattern::parse(pattern, &KNOWN).unwrap();
    assert_eq!(pattern.compare(kinds.split_whitespace()), Ok(()));
}

#[rstest]
#[case::other("Requested Applied", "Requested Failed", 1, Some("Failed"), &["Applied"])]
#[case::too_short("Requested ImageBuilt+ Applied", "Requested ImageBuilt", 2, None, &["Applied", "ImageBuilt"])]
#[case::too_long("Requested", "Requested Applied", 1, Some("Applied"), &[])]
#[case::at_least_one("Requested ImageBuilt+ Applied", "Requested Applied", 1, Some("Applied"), &["ImageBuilt"])]
#[case::lock_named_and_absent("Requested TakenOver Observed", "Requested Observed", 1, Some("Observed"), &["TakenOver"])]
#[case::lock_named_once("TakenOver Observed", "TakenOver TakenOver Observed", 1, Some("TakenOver"), &["Observed"])]
#[case::empty("Requested", "", 0, None, &["Requested"])]
fn a_mismatch_names_its_place_and_what_would_have_fit(
    #[case] pattern: &str,
    #[case] kinds: &str,
    #[case] index: usize,
    #[case] found: Option<&str>,
    #[case] expected: &[&str],
) {
    let pattern = Pattern::parse(pattern, &KNOWN).unwrap();
    let mismatch = Mismatch {
        index,
        found: found.map(str::to_owned),
        expected: expected.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    assert_eq!(pattern.compare(kinds.split_whitespace()), Err(mismatch));
}

#[test]
fn a_word_that_is_no_kind_is_named() {
    let error = Pattern::parse("Requested Aplied", &KNOWN).unwrap_err();
    assert!(
        matches!(&error, PatternError::UnknownKind { word, .. } if word == "Aplied"),
        "{error}"
    );
    assert_eq!(Pattern::parse("  ", &KNOWN), Err(PatternError::Empty));
}
