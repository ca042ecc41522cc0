//! References in a text that a gateway replaces from its environment before it reads `functions.yml`.
//!
//! The gateway runs Python's `string.Template.safe_substitute` over the text of the file: `$$` becomes `$`, `$NAME` and `${NAME}`
//! become the value of `NAME` where there is one, everything else stays.

/// A text that is the same after the replacement: each `$` is doubled.
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A text that the gateway replaces by the value of `name`, which is made of ASCII letters, digits and `_`.
pub fn reference(name: &str) -> String {
    format!("${{{name}}}")
}

/// The length of the reference in braces that a text begins with; none when it begins with something else.
pub fn leading_reference(text: &str) -> Option<usize> {
    let (name, _) = text.strip_prefix("${")?.split_once('}')?;
    let is_name = name
        .bytes()
        .enumerate()
        .all(|(at, b)| b.is_ascii_alphabetic() || b == b'_' || (at > 0 && b.is_ascii_digit()));
    (is_name && !name.is_empty()).then_some(name.len() + 3)
}

/// Whether a text holds a reference, so that nobody knows yet what will stand in its place.
pub(crate) fn has_reference(text: &str) -> bool {
    let begins = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    let goes_on = |b: &&u8| begins(b) || b.is_ascii_digit();
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| *b == b'$') {
        rest = &rest[at + 1..];
        match rest.first() {
            Some(b'$') => rest = &rest[1..],
            Some(b'{') => {
                let name = rest[1..].iter().take_while(goes_on).count();
                let is_name = rest.get(1).is_some_and(begins);
                if is_name && rest.get(1 + name) == Some(&b'}') {
                    return true;
                }
            }
            Some(b) if begins(b) => return true,
            Some(_) | None => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::braces("postgres://u:${DB_PASSWORD}@h", true)]
    #[case::bare("$HOME", true)]
    #[case::after_an_escape("$$${NAME}", true)]
    #[case::escaped("$${NAME} $$NAME", false)]
    #[case::price("5$ or $5 or ${5}", false)]
    #[case::open("${NAME", false)]
    #[case::end("a$", false)]
    #[case::empty("${}", false)]
    fn a_reference_is_found_as_python_finds_it(#[case] text: &str, #[case] found: bool) {
        assert_eq!(has_reference(text), found);
    }

    #[rstest]
    #[case("$HOME/${NAME}", "$$HOME/$${NAME}")]
    #[case("$$", "$$$$")]
    fn a_literal_text_holds_no_reference(#[case] text: &str, #[case] written: &str) {
        assert_eq!(literal(text), written);
        assert!(!has_reference(&literal(text)));
    }
}
