//! Texts with variables: `$tyk_meta.NAME` and `$tyk_context.NAME`. One is `meta_data.rate_limit_pattern`: what stands in
//! the place of the key in the names of its counters.
//!
//! Source: Tyk, `gateway/mw_rate_limiting.go`, `replaceTykVariables` in `gateway/mw_url_rewrite.go`.

use gateway_model::Session;
use serde_json::Value;

/// The member of `meta_data` that says so.
const PATTERN: &str = "rate_limit_pattern";

const META: &str = "$tyk_meta.";
const CONTEXT: &str = "$tyk_context.";

/// What counts in place of the key: the pattern of the session with its variables replaced. `context` knows those of the
/// request.
///
/// `None` if the session has no pattern, or if nothing is left of it; the key counts then.
pub(crate) fn counted(session: &Session, context: impl Fn(&str) -> Option<String>) -> Option<String> {
    let counted = replaced(session.meta_data.get(PATTERN)?.as_str()?, session, context);
    (!counted.is_empty()).then_some(counted)
}

/// A text with its variables replaced.
pub(crate) fn replaced(pattern: &str, session: &Session, context: impl Fn(&str) -> Option<String>) -> String {
    let meta = |name: &str| session.meta_data.get(name).map(text);
    let mut replaced = String::new();
    let mut rest = pattern;
    while let Some(begin) = rest.find('$') {
        replaced.push_str(&rest[..begin]);
        rest = &rest[begin..];
        let (prefix, is_meta) = match rest {
            _ if rest.starts_with(META) => (META, true),
            _ if rest.starts_with(CONTEXT) => (CONTEXT, false),
            _ => ("$", false),
        };
        rest = &rest[prefix.len()..];
        let end = if prefix.len() == 1 { 0 } else { rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()) };
        if end == 0 {
            replaced.push_str(prefix);
            continue;
        }
        // A variable that nothing is known of is empty.
        let value = if is_meta { meta(&rest[..end]) } else { context(&rest[..end]) };
        replaced.push_str(&value.unwrap_or_default());
        rest = &rest[end..];
    }
    replaced.push_str(rest);
    replaced
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: impl Into<Value>, expected: Option<&str>) {
        let session = Session::new().with_meta("group", "gold").with_meta("n", 7).with_meta(PATTERN, pattern);
        let context = |name: &str| (name == "headers_X-Tenant").then(|| "acme".to_owned());
        assert_eq!(counted(&session, context).as_deref(), expected);
    }

    #[test]
    fn variables_of_the_session_and_of_the_request_are_replaced() {
        check("$tyk_meta.group", Some("gold"));
        check("$tyk_context.headers_X-Tenant", Some("acme"));
        check("a-$tyk_meta.group/$tyk_context.headers_X-Tenant:$tyk_meta.n", Some("a-gold/acme:7"));
    }

    #[test]
    fn what_is_not_known_is_empty_and_nothing_at_all_is_no_pattern() {
        check("x$tyk_meta.gone", Some("x"));
        check("$tyk_meta.gone$tyk_context.gone", None);
        check("", None);
        check(7, None);
        assert_eq!(counted(&Session::new(), |_| None), None);
    }

    #[test]
    fn what_is_no_variable_stays() {
        check("$5 $tyk_ $tyk_meta. $$tyk_meta.n$", Some("$5 $tyk_ $tyk_meta. $7$"));
    }
}
