//! Values of a query that open something: tokens, signatures, passwords, keys.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::REDACTED;

/// `?name=value` and `&name=value`, the `&` and the `=` also as JSON, HTML and URLs escape them.
///
/// Long names count at the end of a name (`X-Amz-Signature`, `client_secret`), short ones only as a whole.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let long = "token|signature|password|passwd|passphrase|secret|credentials?|api[_-]?key|access[_-]?key(?:[_-]?id)?|\
                secret[_-]?key|private[_-]?key|account[_-]?key|jwt|session[_-]?id";
    let short = "sig|pwd|pass|key|auth|code|sid";
    let text = format!(
        r#"(?i)([?&;]|\\u0026|&amp;|%26|%3F)([\w.%-]*(?:{long})|(?:{short}))(=|%3D|\\u003d)([^&\s"'`<>\\#;]+)"#
    );
    Regex::new(&text).expect("the expression is valid")
});

pub(super) fn redacted(text: &str) -> Option<String> {
    SECRET.is_match(text).then(|| {
        let replaced = SECRET.replace_all(text, |found: &Captures<'_>| {
            format!("{}{}{}{REDACTED}", &found[1], &found[2], &found[3])
        });
        replaced.into_owned()
    })
}
