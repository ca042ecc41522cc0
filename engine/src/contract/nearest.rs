//! The nearest of some names, for messages that know what was meant.

/// Names are alike from this similarity (Jaro-Winkler) on.
const ALIKE: f64 = 0.75;

/// The known name that is most alike; none when no name is alike enough.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0).then(right.1.cmp(left.1)))
        .map(|(_, other)| other)
}

/// A question that names the nearest name.
pub fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    nearest(name, known).map(|other| format!("did you mean `{other}`?"))
}

/// The known name that this one is a misspelling of: the same but for case and separators, or one slip of the fingers
/// apart, two in names of more than seven characters. Names that are only alike are no misspellings.
pub fn misspelt<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    if known.contains(&name) {
        return None;
    }
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
        letters.flat_map(char::to_lowercase).collect()
    };
    let own = plain(name);
    let slips = |other: &str| {
        let other = plain(other);
        let allowed = match other.chars().count() {
            0..=3 => 0,
            4..=7 => 1,
            _ => 2,
        };
        let slips = strsim::osa_distance(&own, &other);
        (slips <= allowed).then_some(slips)
    };
    let near = known
        .iter()
        .filter_map(|other| Some((slips(other)?, *other)));
    near.min().map(|(_, other)| other)
}

/// The known word that this one is a slip of the fingers apart from, whatever their length.
pub(super) fn slipped<'n>(word: &str, known: &[&'n str]) -> Option<&'n str> {
    let near = known
        .iter()
        .map(|other| (strsim::osa_distance(word, other), *other))
        .filter(|(slips, _)| *slips == 1);
    near.min().map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KNOWN: [&str; 6] = [
        "runtime_stack",
        "image",
        "timeout",
        "environment",
        "TableName",
        "s3",
    ];

    #[rstest]
    #[case("runtime_stak", Some("runtime_stack"))]
    #[case("runtimeStack", Some("runtime_stack"))]
    #[case("enviroment", Some("environment"))]
    #[case("Tablename", Some("TableName"))]
    #[case("table_name", Some("TableName"))]
    #[case("imgae", Some("image"))]
    #[case("image", None)]
    #[case("images_of", None)]
    #[case("time", None)]
    #[case("s4", None)]
    #[case("S3", Some("s3"))]
    #[case("", None)]
    fn a_misspelling_is_a_slip_and_not_another_word(
        #[case] name: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(misspelt(name, &KNOWN), expected);
    }

    #[test]
    fn the_nearest_name_is_asked_about() {
        let question = did_you_mean("hallo", ["world", "hello"].into_iter());
        assert_eq!(question.as_deref(), Some("did you mean `hello`?"));
        assert_eq!(nearest("x", KNOWN.into_iter()), None);
    }
}
