//! Headers that say who asks: `Authorization` and its kin, and a scheme with its value by itself.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::REDACTED;

/// A header by its name, then the scheme, then the value, quoted or in brackets or not.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    let names = "proxy-authorization|authorization|x-registry-auth|x-registry-config|x-api-key|x-auth-token|private-token|\
                 x-amz-security-token|x-vault-token|set-cookie|cookie";
    let schemes = "basic|bearer|token|digest|negotiate|apikey|aws4-hmac-sha256";
    let text = format!(
        r#"(?i)\b({names})(\\?["']?\s*[:=]\s*\[?\\?["']?)((?:{schemes})\s+)?([^\s"',\\\]\}}]+)([^"'\\\]\}}\r\n]*)"#
    );
    Regex::new(&text).expect("the expression is valid")
});

/// A scheme and its value without a header's name.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(basic|bearer)([ \t]+)([A-Za-z0-9+/_.~-]{4,}=*)")
        .expect("the expression is valid")
});

/// Without a scheme, shorter words behind the name of a header are prose.
const SHORTEST_VALUE: usize = 12;

pub(super) fn redacted(text: &str) -> Option<String> {
    let is_header = HEADER.is_match(text);
    if !is_header && !SCHEME.is_match(text) {
        return None;
    }
    let text = HEADER.replace_all(text, |found: &Captures<'_>| {
        let (name, sign, rest) = (&found[1], &found[2], &found[5]);
        match found.get(3) {
            // A digest and a signature have parts.
            Some(scheme) if rest.contains('=') => {
                format!("{name}{sign}{}{REDACTED}", scheme.as_str())
            }
            Some(scheme) => format!("{name}{sign}{}{REDACTED}{rest}", scheme.as_str()),
            None if is_cookie(name) => format!("{name}{sign}{REDACTED}"),
            None if found[4].len() >= SHORTEST_VALUE => format!("{name}{sign}{REDACTED}{rest}"),
            None => found[0].to_owned(),
        }
    });
    let text = SCHEME.replace_all(&text, |found: &Captures<'_>| {
        if is_credential(&found[1], &found[3]) {
            format!("{}{}{REDACTED}", &found[1], &found[2])
        } else {
            found[0].to_owned()
        }
    });
    Some(text.into_owned())
}

fn is_cookie(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("cookie")
}

/// Whether what follows a scheme is a value and no word: "Basic authentication" is prose.
fn is_credential(scheme: &str, value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_mixed = value.bytes().any(|b| b.is_ascii_uppercase())
        && value.bytes().any(|b| b.is_ascii_lowercase())
        && !value[1..].bytes().all(|b| b.is_ascii_lowercase());
    if scheme.eq_ignore_ascii_case("basic") {
        let is_padded = value.ends_with('=') && value.len().is_multiple_of(4);
        return value.len() >= 6
            && (is_padded || (!value.ends_with('=') && (digits > 0 || is_mixed)));
    }
    value.len() >= 8 && (digits > 0 || is_mixed || value.len() >= 24)
}
