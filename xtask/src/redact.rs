//! No secret is printed: what is between `://` and `@`, and the values of `token=…` and the like.

use serde_json::Value;

/// Put in the place of what was there.
const HIDDEN: &str = "***";

/// Words that name a secret when they are a part of a parameter's name: `access_token`, `X-Amz-Signature`, `apikey`.
const SECRET_WORDS: &[&str] =
    &["token", "secret", "password", "passwd", "passphrase", "credential", "signature", "apikey", "jwt"];

/// Words that must be all of a part: `key` and `sig` are within harmless words such as `monkey` and `design`.
const SECRET_PARTS: &[&str] = &["key", "sig", "pass", "pwd", "pat", "auth"];

/// The text without credentials: `https://user:token@host` becomes `https://***@host`, `?token=abc` becomes
/// `?token=***`. A plain user of ssh (`ssh://git@host`) is no secret and stays.
#[must_use]
pub fn redact(text: &str) -> String {
    hide_parameters(&hide_users(text))
}

/// The same in all texts of a document.
#[must_use]
pub fn redact_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(redact_value).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (redact(&name), redact_value(value))).collect())
        }
        other => other,
    }
}

/// `scheme://user:password@host`
fn hide_users(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let authority = &after[..after.find(ends_authority).unwrap_or(after.len())];
        let Some((user, _)) = authority.rsplit_once('@') else {
            rest = after;
            continue;
        };
        let scheme = &before[before[..at].rfind(|c: char| !is_scheme(c)).map_or(0, |found| found + 1)..at];
        if scheme.ends_with("ssh") && !user.contains(':') {
            shown.push_str(user);
        } else {
            shown.push_str(HIDDEN);
        }
        rest = &after[user.len()..];
    }
    shown.push_str(rest);
    shown
}

/// `?name=value&name=value`, and `#name=value`.
fn hide_parameters(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&', '#', ';']) {
        let (before, after) = rest.split_at(at + 1);
        shown.push_str(before);
        rest = after;
        let name = &after[..after.find(|c: char| !is_parameter(c)).unwrap_or(after.len())];
        let Some(value) = after[name.len()..].strip_prefix('=') else {
            continue;
        };
        if is_secret(name) {
            shown.push_str(name);
            shown.push('=');
            shown.push_str(HIDDEN);
            rest = &value[value.find(ends_value).unwrap_or(value.len())..];
        }
    }
    shown.push_str(rest);
    shown
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
        || name.split(['_', '-', '.']).any(|part| SECRET_PARTS.contains(&part))
}

fn is_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

fn is_parameter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%')
}

fn ends_authority(c: char) -> bool {
    c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>' | '\\')
}

fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '&' | '#' | ';' | '"' | '\'' | '`' | '<' | '>' | ')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected);
        assert_eq!(redact(expected), expected, "twice is as once");
    }

    #[test]
    fn users_and_passwords_of_urls_are_hidden() {
        check("https://user:tok@host/x.git", "https://***@host/x.git");
        check("unable to update `https://tok@host:8443/x?tag=v1`", "unable to update `https://***@host:8443/x?tag=v1`");
        check("git+https://a:b@h/x#1 git+http://c@h", "git+https://***@h/x#1 git+http://***@h");
        check("https://user:p@ss@host/", "https://***@host/");
        check("https://user:pä@host/ü", "https://***@host/ü");
    }

    #[test]
    fn the_user_of_ssh_stays_and_its_password_does_not() {
        check("ssh://git@host/x", "ssh://git@host/x");
        check("git+ssh://git@host/x", "git+ssh://git@host/x");
        check("git@github.com:o/r.git", "git@github.com:o/r.git");
        check("ssh://git:secret@host/x", "ssh://***@host/x");
    }

    #[test]
    fn an_at_sign_after_the_host_is_no_user() {
        check("https://host/@scope/x", "https://host/@scope/x");
        check("https://host and me@mail", "https://host and me@mail");
        check("registry+https://host/index#name@1.0.0", "registry+https://host/index#name@1.0.0");
    }

    #[test]
    fn parameters_that_are_named_like_secrets_are_hidden() {
        check("https://h/x?token=abc&tag=v1", "https://h/x?token=***&tag=v1");
        check("`https://h/x?tag=v1&private_token=a.b-c`", "`https://h/x?tag=v1&private_token=***`");
        check("https://h/x?X-Amz-Signature=1f&sv=2&sig=a%2Fb", "https://h/x?X-Amz-Signature=***&sv=2&sig=***");
        check("https://h?api_key=1#Password=2", "https://h?api_key=***#Password=***");
    }

    #[test]
    fn a_document_stays_one_whatever_is_hidden_in_it() {
        let document = serde_json::json!({
            "text": "git = \"https://h/x?token=SECRET\", tagg = \"v1\"",
            "deeper": [{ "https://u:p@h/": 1, "plain": true }, null],
        });
        let expected = serde_json::json!({
            "text": "git = \"https://h/x?token=***\", tagg = \"v1\"",
            "deeper": [{ "https://***@h/": 1, "plain": true }, null],
        });
        assert_eq!(redact_value(document), expected);
    }

    #[test]
    fn other_parameters_stay() {
        check("https://h/x?branch=main&monkey=1&design=2", "https://h/x?branch=main&monkey=1&design=2");
        check("a ? b & c = d; key", "a ? b & c = d; key");
    }
}
