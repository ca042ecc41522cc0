//! The text of `Fn::Sub`: what is literal in it, and what is a variable.

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// As it stands.
    Literal(&'t str),
    /// `${name}`.
    Variable(&'t str),
}

/// Splits a text into pieces. `${!x}` is the literal `${x}`; a `${` that nothing closes is literal too. The error is the name that
/// can be none.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        let end = start + length;
        let inside = &rest[start + 2..end];
        if let Some(literal) = inside.strip_prefix('!') {
            found.push(Piece::Literal(&rest[..start + 2]));
            found.push(Piece::Literal(literal));
            found.push(Piece::Literal("}"));
        } else {
            if !is_variable(inside) {
                return Err(inside);
            }
            found.push(Piece::Literal(&rest[..start]));
            found.push(Piece::Variable(inside));
        }
        rest = &rest[end + 1..];
    }
    found.push(Piece::Literal(rest));
    found.retain(|piece| *piece != Piece::Literal(""));
    Ok(found)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "")]
    #[case("plain $x {y}", "plain $x {y}")]
    #[case("${A}", "<A>")]
    #[case("a${A}b${B.C}c", "a<A>b<B.C>c")]
    #[case("${AWS::Region}", "<AWS::Region>")]
    #[case("${!A}", "${A}")]
    #[case("x${!A}${B}", "x${A}<B>")]
    #[case("${!}", "${}")]
    #[case("open ${A", "open ${A")]
    #[case("é${A}é", "é<A>é")]
    #[case("$${A}", "$<A>")]
    fn a_text_falls_into_pieces(#[case] text: &str, #[case] expected: &str) {
        let pieces = pieces(text).unwrap();
        let shown: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => (*text).to_owned(),
                Piece::Variable(name) => format!("<{name}>"),
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[rstest]
    #[case("${}", "")]
    #[case("${ A }", " A ")]
    #[case("${A B}", "A B")]
    #[case("${${A}}", "${A")]
    fn a_name_that_can_be_none_is_refused(#[case] text: &str, #[case] name: &str) {
        assert_eq!(pieces(text), Err(name));
    }
}
