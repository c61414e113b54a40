//! Variables in texts of a definition: `$tyk_context.<name>`, what is known of a request, `$tyk_meta.<key>`, what its key
//! has in `meta_data`, and `$secret_env.<NAME>`, what the gateway's environment has under `TYK_SECRET_<NAME>`.
//!
//! | to find | look in |
//! |---|---|
//! | how a text is filled in | [`substitute`], [`fill`], here |
//! | what `$tyk_context.` knows | `context.rs` |
//!
//! Source: gateway.md §5.6, §5.7; Tyk, `gateway/mw_url_rewrite.go`.

mod context;

use std::borrow::Cow;

use gateway_sdk::exchange::Exchange;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

pub(crate) use context::{Context, canonical, context, context_text, remember, remember_matches};

/// How values are written into a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    #[allow(dead_code, reason = "for texts that are no URLs: those of headers and bodies")]
    Plain,
    /// Fit for a query of a URL, unless they begin with `http`.
    Escaped,
}

/// What a `$` in a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable<'t> {
    Context(&'t str),
    Meta(&'t str),
    Secret(&'t str),
    /// Of a store of secrets that this gateway does not ask.
    Unknown,
    /// What a group of a regular expression matched.
    Group(usize),
}

/// A text of a definition with its variables filled in. What is not known is empty.
#[allow(dead_code, reason = "for texts that are no URLs: those of headers and bodies")]
pub(crate) fn substitute<'t>(text: &'t str, exchange: &Exchange, form: Form) -> Cow<'t, str> {
    fill(text, |variable| value(variable, exchange, form))
}

/// What stands in the place of a variable; `None` for a group: `$1` is a text like others unless something was matched.
pub(crate) fn value(variable: Variable<'_>, exchange: &Exchange, form: Form) -> Option<String> {
    let value = match variable {
        Variable::Context(name) => context(exchange, name),
        Variable::Meta(key) => exchange.caller.session().and_then(|session| session.meta_data.get(key)).map(written),
        Variable::Secret(name) => return Some(secret(name)),
        Variable::Unknown => None,
        Variable::Group(_) => return None,
    };
    let value = value.unwrap_or_default();
    Some(if form == Form::Escaped && !value.starts_with("http") { escaped(&value) } else { value })
}

/// `text` with what `value` has in the place of each variable. What it puts there is not looked at again.
pub(crate) fn fill<'t>(text: &'t str, mut value: impl FnMut(Variable<'t>) -> Option<String>) -> Cow<'t, str> {
    let (mut filled, mut rest) = (String::new(), text);
    let mut is_changed = false;
    while let Some(at) = memchr::memchr(b'$', rest.as_bytes()) {
        filled.push_str(&rest[..at]);
        let here = &rest[at..];
        let (written, length) = match variable(here) {
            Some((variable, length)) => match value(variable) {
                Some(value) => (Cow::Owned(value), length),
                None => (Cow::Borrowed(&here[..length]), length),
            },
            None => (Cow::Borrowed(&here[..1]), 1),
        };
        is_changed |= matches!(written, Cow::Owned(_));
        filled.push_str(&written);
        rest = &here[length..];
    }
    if !is_changed {
        return text.into();
    }
    filled.push_str(rest);
    filled.into()
}

/// The variable that a text begins with, and its length.
fn variable(text: &str) -> Option<(Variable<'_>, usize)> {
    const UNKNOWN: [&str; 3] = ["$secret_conf.", "$secret_vault.", "$secret_consul."];
    let is_in_path = |c: char| c == '/' || is_in_name(c);
    if let Some(found) = named(text, "$tyk_context.", is_in_name) {
        return Some((Variable::Context(found.0), found.1));
    }
    if let Some(found) = named(text, "$tyk_meta.", is_in_name) {
        return Some((Variable::Meta(found.0), found.1));
    }
    if let Some(found) = named(text, "$secret_env.", is_in_name) {
        return Some((Variable::Secret(found.0), found.1));
    }
    if let Some(found) = UNKNOWN.iter().find_map(|label| named(text, label, is_in_path)) {
        return Some((Variable::Unknown, found.1));
    }
    let digits = text.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    let group = text.get(1..=digits).and_then(|number| number.parse().ok())?;
    Some((Variable::Group(group), digits + 1))
}

fn named<'t>(text: &'t str, label: &str, is_in_name: impl Fn(char) -> bool) -> Option<(&'t str, usize)> {
    let rest = text.strip_prefix(label)?;
    let length = rest.find(|c| !is_in_name(c)).unwrap_or(rest.len());
    (length > 0).then(|| (&rest[..length], label.len() + length))
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn secret(name: &str) -> String {
    std::env::var(format!("TYK_SECRET_{}", name.to_ascii_uppercase())).unwrap_or_default()
}

/// A value of JSON as a text: of a list, its elements, each fit for a query; of what has no text, nothing.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(elements) => {
            let texts = elements.iter().map(written).filter(|text| !text.is_empty());
            texts.map(|text| escaped(&text)).collect::<Vec<_>>().join(",")
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => String::new(),
    }
}

/// A text as a value of a query, as Go's `url.QueryEscape` writes it.
fn escaped(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');
    utf8_percent_encode(text, ESCAPED).to_string().replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_end_where_they_must_and_everything_else_stays() {
        let shown = |text: &str| fill(text, |variable| Some(format!("<{variable:?}>"))).into_owned();
        assert_eq!(shown("/a?b=$tyk_context.path&c"), "/a?b=<Context(\"path\")>&c");
        assert_eq!(shown("$tyk_meta.a-b_c.d/$1$12x"), "<Meta(\"a-b_c.d\")>/<Group(1)><Group(12)>x");
        assert_eq!(shown("$secret_env.KEY,$secret_vault.a/b.c,"), "<Secret(\"KEY\")>,<Unknown>,");
        for plain in ["", "$", "$$", "cost: 5$", "$tyk_context.", "$tyk_meta./", "$x1", "ä$ö", "$99999999999999999999"]
        {
            assert!(matches!(fill(plain, |_| Some("!".to_owned())), Cow::Borrowed(text) if text == plain), "{plain}");
        }
    }

    #[test]
    fn what_was_filled_in_is_not_looked_at_again() {
        let filled = fill("$1-$2", |variable| match variable {
            Variable::Group(1) => Some("$2$tyk_meta.secret".to_owned()),
            Variable::Group(_) => Some("b".to_owned()),
            _ => Some("wrong".to_owned()),
        });
        assert_eq!(filled, "$2$tyk_meta.secret-b");
    }

    #[test]
    fn values_are_written_as_go_writes_them() {
        assert_eq!(escaped("a b+c/d~é*"), "a+b%2Bc%2Fd~%C3%A9%2A");
        assert_eq!(written(&json!(["a b", "", 2, true, "c"])), "a+b,2,c");
        assert_eq!(
            [json!(7), json!(1.5), json!(true), json!({"a": 1})].map(|value| written(&value)),
            ["7", "1.5", "", ""]
        );
    }
}
