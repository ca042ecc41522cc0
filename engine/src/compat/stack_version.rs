//! One version for the whole stack: the tag of a lambda base that names none.

use super::facts::STACK_SERVICES;
use super::{Container, Observation};

/// The version of the first service of the stack that has one which can be a tag, in the order in which services are asked.
///
/// It is taken as written: what stack images are tagged with. A version with build metadata (`1.4.2+7`) can be no tag.
pub fn stack_version(observation: &Observation) -> Option<String> {
    let versions = |service: &str| {
        let of_service = |c: &&Container| c.service == service;
        let mut versions = observation
            .containers
            .iter()
            .filter(of_service)
            .filter_map(|c| c.version.as_ref());
        versions
            .find(|version| can_be_a_tag(&version.value))
            .map(|version| version.value.clone())
    };
    STACK_SERVICES.iter().find_map(|service| versions(service))
}

fn can_be_a_tag(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::can_be_a_tag;

    #[rstest]
    #[case("1.4.2", true)]
    #[case("v1.4.2-rc.1", true)]
    #[case("1.4.2+7", false)]
    #[case("", false)]
    #[case("-1", false)]
    #[case("1 4", false)]
    fn build_metadata_is_no_tag(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(can_be_a_tag(text), expected);
    }
}
