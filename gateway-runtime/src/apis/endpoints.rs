//! Per-path plugins: the entries of `extended_paths.go_plugin`; the first that matches path and method runs.
//!
//! Source: Tyk, `gateway/model_urlspec.go`, `internal/httputil/mux.go`.

use gateway_model::Hook;
use gateway_sdk::Request;
use regex::Regex;

use crate::apis::listen_path::{ListenPath, decoded};
use crate::chain::PluginCall;
use crate::config::PathRules;
use crate::error::RequestError;

/// The per-path plugins of an API, in the definition's order.
pub(crate) struct Endpoints(pub(crate) Vec<Endpoint>);

/// One of them.
pub(crate) struct Endpoint {
    pub(crate) method: String,
    pub(crate) pattern: Regex,
    /// `Err`: the plugin's name, which nothing in this binary has.
    pub(crate) call: Result<PluginCall, String>,
}

impl Endpoints {
    /// The first endpoint that the request is for.
    pub(crate) fn find(&self, request: &Request, listen: &ListenPath) -> Option<Result<&PluginCall, RequestError>> {
        let path = listen.strip(request.path());
        let again = listen.strip(&path);
        // Upstreams see through escapes, and so must a rule: `/a%2Fb` is for the endpoint `/a/b` too.
        let decoded = path.contains('%').then(|| decoded(&path));
        let spellings = [Some(&*again), Some(&*path), decoded.as_deref()];
        let hit = |endpoint: &&Endpoint| {
            endpoint.method == request.method().as_str()
                && spellings.iter().flatten().any(|path| endpoint.pattern.is_match(path))
        };
        let endpoint = self.0.iter().find(hit)?;
        Some(
            endpoint
                .call
                .as_ref()
                .map_err(|name| RequestError::UnresolvedPlugin { name: name.clone(), hook: Hook::Endpoint }),
        )
    }
}

/// A configured path as a regular expression. It is not anchored unless the gateway's configuration says so.
///
/// # Errors
/// When the path is not a regular expression.
pub(crate) fn pattern(path: &str, rules: PathRules) -> Result<Regex, regex::Error> {
    let variables = Regex::new(r"\{[^{}/]+\}").expect("a fixed pattern");
    let balanced = path.matches('{').count() == path.matches('}').count();
    let mut pattern = if balanced { variables.replace_all(path, "([^/]+)").into_owned() } else { path.to_owned() };
    pattern = pattern.replace("/*/", "/[^/]+/").replace("/*", "/.*");
    if rules.anchor_start && pattern.starts_with('/') {
        pattern.insert(0, '^');
    }
    if rules.anchor_end && !pattern.ends_with('$') {
        pattern.push('$');
    }
    if rules.ignore_case {
        pattern.insert_str(0, "(?i)");
    }
    Regex::new(&pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(path: &str, rules: PathRules, request: &str) -> bool {
        pattern(path, rules).expect("a pattern").is_match(request)
    }

    const PLAIN: PathRules = PathRules {
        anchor_start: false,
        anchor_end: false,
        ignore_case: false,
        strict_routes: false,
        keep_unclean: false,
    };

    #[test]
    fn a_path_is_not_anchored() {
        assert!(matches("/foo", PLAIN, "/x/foobar"));
        assert!(!matches("/foo", PLAIN, "/FOO"));
    }

    #[test]
    fn the_configuration_may_anchor_it() {
        let start = PathRules { anchor_start: true, ..PLAIN };
        assert!(matches("/foo", start, "/foobar"));
        assert!(!matches("/foo", start, "/x/foo"));
        let end = PathRules { anchor_end: true, ..PLAIN };
        assert!(matches("/foo", end, "/x/foo"));
        assert!(!matches("/foo", end, "/foobar"));
    }

    #[test]
    fn case_may_be_ignored() {
        assert!(matches("/foo", PathRules { ignore_case: true, ..PLAIN }, "/FOO"));
    }

    #[test]
    fn braces_match_a_segment_and_stars_the_rest() {
        let end = PathRules { anchor_end: true, ..PLAIN };
        assert!(matches("/users/{id}/orders", end, "/users/7/orders"));
        assert!(!matches("/users/{id}/orders", end, "/users/7/8/orders"));
        assert!(matches("/a/*/c", end, "/a/b/c"));
        assert!(!matches("/a/*/c", end, "/a/b/b/c"));
        assert!(matches("/a/*", end, "/a/b/c"));
    }

    #[test]
    fn braces_are_variables_even_where_a_regular_expression_has_them() {
        assert!(matches("/v[0-9]{2}/x", PLAIN, "/v1zz/x"));
        assert!(matches("/v[0-9]+/x", PLAIN, "/v12/x"));
        assert!(pattern("/a(", PLAIN).is_err());
    }
}
