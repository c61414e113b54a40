//! What a rewrite to `tyk://…` asks of the gateway in its query. Source: gateway.md §5.6.

use std::borrow::Cow;

use gateway_sdk::Method;
use gateway_sdk::http::uri::PathAndQuery;

/// The parameters that are for the gateway, and not for the API.
const CONTROLS: [&str; 3] = ["method", "loop_limit", "check_limits"];

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::middleware) struct Controls {
    /// The method that the request gets.
    pub(in crate::middleware) method: Option<Method>,
    /// How often the request may go round; 0: it does not say.
    pub(in crate::middleware) most: u32,
    /// Rates and quotas count for it.
    pub(in crate::middleware) checks_limits: bool,
}

impl Controls {
    /// Takes them out of a URL, whose other parameters stay byte for byte.
    pub(in crate::middleware) fn take(rest: &PathAndQuery) -> (Self, PathAndQuery) {
        let query = rest.query().unwrap_or_default();
        let value = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(key, _)| *key == *name).map(|(_, value)| value)
        };
        let method = value("method").filter(|method| !method.is_empty());
        let controls = Self {
            method: method.and_then(|method| method.parse().ok()),
            most: value("loop_limit").and_then(|most| most.parse().ok()).unwrap_or_default(),
            checks_limits: value("check_limits").is_some_and(|check| check == "true"),
        };
        let is_other = |pair: &&str| {
            let name = form_urlencoded::parse(pair.as_bytes()).next().map_or(Cow::Borrowed(""), |(key, _)| key);
            !CONTROLS.contains(&&*name)
        };
        let others: Vec<&str> = query.split('&').filter(is_other).collect();
        let mark = if others.iter().all(|pair| pair.is_empty()) { "" } else { "?" };
        let text = format!("{}{mark}{}", rest.path(), if mark.is_empty() { String::new() } else { others.join("&") });
        (controls, text.parse().unwrap_or_else(|_| rest.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_gateway_is_taken_out() {
        let taken = |text: &str| {
            let (controls, rest) = Controls::take(&text.parse().expect("a path and a query"));
            (controls, rest.to_string())
        };
        let (controls, rest) = taken("/a?x=%201&method=POST&loop_limit=2&y&check_limits=true&z=");
        assert_eq!(controls, Controls { method: Some(Method::POST), most: 2, checks_limits: true });
        assert_eq!(rest, "/a?x=%201&y&z=");
        for (text, rest) in [("/a", "/a"), ("/a?method=", "/a"), ("/a?loop_limit=-1&check_limits=1", "/a")] {
            assert_eq!(taken(text), (Controls::default(), rest.to_owned()), "{text}");
        }
    }
}
