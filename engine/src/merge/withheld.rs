//! What of a value may be kept: everything but secrets that stand in it.
//!
//! A secret reaches a function by reference (`docs/guide/secrets.md`), and a reference is a name. A literal in an environment under the
//! name of a secret, and credentials that a text shows by its form, are withheld.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Key;
use crate::contract::may_name_a_secret;
use crate::redact::{REDACTED, credentials};
use crate::yaml::{Node, Value, leading_reference};

/// The mapping whose keys are names of variables.
const ENVIRONMENT: &str = "environment";

/// The value without its secrets, and the fields in which some were, sorted. `secrets` are names that the artifact requires.
pub(super) fn without_secrets(
    key: &Key,
    node: &Node,
    secrets: &BTreeSet<&str>,
) -> (Node, Vec<String>) {
    let mut withheld = BTreeSet::new();
    let name = key.0.rsplit('/').next().unwrap_or_default();
    let is_variable = key.0.split('/').nth(1) == Some(ENVIRONMENT);
    let mut node = node.clone();
    let at = Place {
        field: String::new(),
        is_secret: is_variable && is_secret(name, secrets),
        in_environment: false,
    };
    at.clean(&mut node.value, secrets, &mut withheld);
    (node, withheld.into_iter().collect())
}

/// A place in a value.
struct Place {
    /// Its path, with dots, as `FieldChange::field` has it.
    field: String,
    /// What stands here is a variable with the name of a secret.
    is_secret: bool,
    /// Its names are those of variables.
    in_environment: bool,
}

impl Place {
    fn clean(&self, value: &mut Value, secrets: &BTreeSet<&str>, withheld: &mut BTreeSet<String>) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(_) => {
                if self.is_secret {
                    withheld.insert(self.field.clone());
                    *value = Value::String(REDACTED.to_owned());
                }
            }
            Value::String(text) => {
                if let Some(cleaned) = self.cleaned(text) {
                    withheld.insert(self.field.clone());
                    *text = cleaned;
                }
            }
            Value::List(items) => {
                for item in items {
                    self.clean(&mut item.value, secrets, withheld);
                }
            }
            Value::Map(entries) => {
                for (name, entry) in entries {
                    let field = if self.field.is_empty() {
                        name.clone()
                    } else {
                        format!("{}.{name}", self.field)
                    };
                    let place = Self {
                        field,
                        is_secret: self.is_secret
                            || (self.in_environment && is_secret(name, secrets)),
                        in_environment: name == ENVIRONMENT,
                    };
                    place.clean(&mut entry.node.value, secrets, withheld);
                }
            }
        }
    }

    /// A text without its secrets; none when there are none in it.
    fn cleaned(&self, text: &str) -> Option<String> {
        if text.is_empty() || leading_reference(text) == Some(text.len()) {
            return None;
        }
        if self.is_secret {
            return Some(REDACTED.to_owned());
        }
        let literal = without_referred_passwords(text);
        match credentials(&literal) {
            Cow::Owned(cleaned) if cleaned != literal => Some(credentials(text).into_owned()),
            Cow::Owned(_) | Cow::Borrowed(_) => None,
        }
    }
}

fn is_secret(name: &str, secrets: &BTreeSet<&str>) -> bool {
    secrets.contains(name) || may_name_a_secret(name)
}

/// A text without the `user:${NAME}@` of its addresses: a password by reference is none.
fn without_referred_passwords(text: &str) -> Cow<'_, str> {
    const SCHEME_END: &str = "://";
    let mut rest = text;
    let mut without = String::new();
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, after) = rest.split_at(at + SCHEME_END.len());
        without.push_str(before);
        rest = referred_password(after).map_or(after, |length| &after[length..]);
    }
    if without.is_empty() {
        return Cow::Borrowed(text);
    }
    without.push_str(rest);
    Cow::Owned(without)
}

/// The length of the `user:${NAME}@` that a text begins with.
fn referred_password(text: &str) -> Option<usize> {
    let user = text.find(':')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-${}".contains(c);
    let length = leading_reference(&text[user + 1..])?;
    let end = user + 1 + length;
    let is_user = text[..user].chars().all(is_plain);
    (is_user && text[end..].starts_with('@')).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::yaml::{ParseLimits, emit, parse};

    #[rstest]
    #[case::name("functions/a", "environment: {DB_PASSWORD: canary}", &["environment.DB_PASSWORD"])]
    #[case::short("functions/a", "environment: {DB_PASS: canary}", &["environment.DB_PASS"])]
    #[case::key("functions/a", "environment: {stripeKey: canary}", &["environment.stripeKey"])]
    #[case::number("functions/a", "environment: {API_TOKEN: 12345678}", &["environment.API_TOKEN"])]
    #[case::required("functions/a", "environment: {PEPPER: canary}", &["environment.PEPPER"])]
    #[case::default("defaults/environment/DB_PASSWORD", "canary", &[""])]
    #[case::nested("functions/a", "environment: {TOKENS: [canary, {a: canary}]}", &["environment.TOKENS", "environment.TOKENS.a"])]
    #[case::address("functions/a", "environment: {DB: \"postgres://shop:canary@db/shop\"}", &["environment.DB"])]
    #[case::signed("s3/b", "source: \"https://s3/x?X-Amz-Signature=canary\"", &["source"])]
    #[case::half("functions/a", "environment: {DB: \"http://u:can${A}ary@h\"}", &["environment.DB"])]
    #[case::host("functions/a", "environment: {DB: \"http://u:canary@${HOST}\"}", &["environment.DB"])]
    fn a_secret_is_withheld_and_its_field_is_named(
        #[case] key: &str,
        #[case] yaml: &str,
        #[case] fields: &[&str],
    ) {
        let node = parse(yaml, &ParseLimits::default()).unwrap();
        let secrets = BTreeSet::from(["PEPPER"]);
        let (cleaned, withheld) = without_secrets(&Key(key.to_owned()), &node, &secrets);
        assert_eq!(withheld, fields);
        let text = emit(&cleaned);
        assert!(
            !text.contains("canary") && !text.contains("12345678"),
            "{text}"
        );
    }

    #[rstest]
    #[case::reference("functions/a", "environment: {DB_PASSWORD: \"${DB_PASSWORD}\"}")]
    #[case::referred(
        "functions/a",
        "environment: {DB: \"postgres://shop:${DB_PASSWORD}@db/shop\"}"
    )]
    #[case::plain(
        "functions/a",
        "{environment: {GREETING: hi, TOKEN: \"\"}, timeout: 3}"
    )]
    #[case::no_variable(
        "dynamodb/orders",
        "{KeySchema: [{AttributeName: token, KeyType: HASH}]}"
    )]
    #[case::function_name("functions/rotate-secret", "{image: \"r/rotate-secret:1\"}")]
    fn what_is_no_secret_is_kept_to_the_letter(#[case] key: &str, #[case] yaml: &str) {
        let node = parse(yaml, &ParseLimits::default()).unwrap();
        let (kept, withheld) = without_secrets(&Key(key.to_owned()), &node, &BTreeSet::new());
        assert_eq!((kept, withheld), (node, Vec::new()));
    }
}
