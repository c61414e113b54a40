//! The path of an entry in a definition, as a regular expression, and what is known of it without running it.
//!
//! Source: Tyk, `internal/httputil/mux.go`, `gateway/model_urlspec.go`.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind, Look};

use crate::config::PathRules;

/// `{name}`.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{[^{}/]+\}").expect("a fixed pattern"));

/// Which paths an entry is for.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// A text that every matching path contains; without regard to case if `fold`.
    pub(super) literal: Option<Box<str>>,
    pub(super) test: Test,
    /// Case makes no difference.
    pub(super) fold: bool,
}

/// What decides, once the literal was found.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// That it was found, and where.
    Literal {
        at_start: bool,
        at_end: bool,
    },
    Regex(Regex),
}

impl Pattern {
    /// A configured path as a pattern. It is not anchored unless the gateway's configuration says so.
    ///
    /// # Errors
    /// When the path is not a regular expression.
    pub(crate) fn new(path: &str, rules: PathRules) -> Result<Self, regex::Error> {
        let regex = regex(path, rules)?;
        let (text, fold) = (regex.as_str(), rules.ignore_case);
        // The text is known to be one by now.
        let hir = regex_syntax::parse(text).unwrap_or_else(|_| Hir::empty());
        let (literal, place) = literal(&hir);
        // The search for literals folds the letters of ASCII.
        let literal = literal.filter(|literal| !fold || literal.is_ascii());
        let test = match (&literal, place) {
            // A pattern may take its own case back.
            (Some(_), Some((at_start, at_end))) if !fold || !text.contains("(?") => Test::Literal { at_start, at_end },
            _ => Test::Regex(regex),
        };
        Ok(Self { literal, test, fold })
    }

    /// Whether case makes no difference.
    pub(crate) fn folds(&self) -> bool {
        self.fold
    }
}

/// A configured path as a regular expression by itself.
///
/// # Errors
/// When it is none.
pub(crate) fn regex(path: &str, rules: PathRules) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&expression(path, rules)).case_insensitive(rules.ignore_case).build()
}

/// The names of the variables of a configured path, in the order of the groups of its [`regex`].
pub(crate) fn variables(path: &str) -> Vec<String> {
    let names = VARIABLE.find_iter(path).map(|found| found.as_str().trim_matches(['{', '}']).to_owned());
    names.collect()
}

/// The text of that regular expression: paths that differ in the names of their variables alone have one.
pub(crate) fn expression(path: &str, rules: PathRules) -> String {
    let balanced = path.matches('{').count() == path.matches('}').count();
    let text = if balanced { VARIABLE.replace_all(path, "([^/]+)").into_owned() } else { path.to_owned() };
    let mut text = text.replace("/*/", "/[^/]+/").replace("/*", "/.*");
    if rules.anchor_start && text.starts_with('/') {
        text.insert(0, '^');
    }
    if rules.anchor_end && !text.ends_with('$') {
        text.push('$');
    }
    text
}

fn text(part: &Hir) -> Option<&str> {
    match part.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok(),
        _ => None,
    }
}

/// The longest text that every match contains, and where it has to be if that is all there is to match.
fn literal(hir: &Hir) -> (Option<Box<str>>, Option<(bool, bool)>) {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let longest = parts.iter().filter_map(text).max_by_key(|text| str::len(text));
    let is = |part: &Hir, look: Look| matches!(part.kind(), HirKind::Look(found) if *found == look);
    let (at_start, parts) = match parts {
        [first, rest @ ..] if is(first, Look::Start) => (true, rest),
        all => (false, all),
    };
    let (at_end, parts) = match parts {
        [rest @ .., last] if is(last, Look::End) => (true, rest),
        all => (false, all),
    };
    let is_all = parts.len() == 1 && longest.is_some();
    (longest.map(Box::from), is_all.then_some((at_start, at_end)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::apis) const PLAIN: PathRules = PathRules {
        anchor_start: false,
        anchor_end: false,
        ignore_case: false,
        strict_routes: false,
        keep_unclean: false,
    };

    fn matches(path: &str, rules: PathRules, request: &str) -> bool {
        regex(path, rules).expect("a pattern").is_match(request)
    }

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
        assert!(Pattern::new("/a(", PLAIN).is_err());
    }

    #[test]
    fn a_text_that_every_match_contains_is_known() {
        let known = |path: &str| {
            let pattern = Pattern::new(path, PLAIN).expect("a pattern");
            let place = match pattern.test {
                Test::Literal { at_start, at_end } => Some((at_start, at_end)),
                Test::Regex(_) => None,
            };
            (pattern.literal.map(String::from).unwrap_or_default(), place)
        };
        let text = |text: &str, place| (text.to_owned(), place);
        assert_eq!(known("/foo"), text("/foo", Some((false, false))));
        assert_eq!(known("^/foo"), text("/foo", Some((true, false))));
        assert_eq!(known("^/foo$"), text("/foo", Some((true, true))));
        assert_eq!(known("/users/{id}"), text("/users/", None));
        assert_eq!(known("/a/{id}/orders$"), text("/orders", None));
        assert_eq!(known("/colou?r"), text("/colo", None));
        assert_eq!(known("/a|/b"), text("", None));
        assert_eq!(known(""), text("", None));
        assert_eq!(known("^$"), text("", None));
    }
}
