//! A listen path: a prefix of request paths, or a pattern for one. Source: Tyk, `gateway/api_loader.go`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use regex::Regex;

/// What a path cannot hold as it is. Source: RFC 3986 §3.3.
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}').add(b'%');

/// Where an API listens.
#[derive(Debug)]
pub(crate) struct ListenPath {
    text: String,
    pattern: Option<Regex>,
}

impl ListenPath {
    /// `text` is made canonical: it begins with `/`, without empty, `.` and `..` segments; a trailing slash stays.
    ///
    /// # Errors
    /// When a `{name:pattern}` is not a regular expression.
    pub(crate) fn new(text: &str) -> Result<Self, regex::Error> {
        let text = canonical(text);
        let pattern = text.contains('{').then(|| Regex::new(&format!("^{}", pattern(&text, "[^/]+")))).transpose()?;
        Ok(Self { text, pattern })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// How specific it is: its length, where a segment that is all pattern counts its slash alone.
    pub(crate) fn weight(&self) -> usize {
        let segment = |text: &str| {
            let is_variable = text.starts_with('{') && text.ends_with('}');
            1 + if is_variable { 0 } else { text.len() }
        };
        self.text.split('/').skip(1).map(segment).sum()
    }

    /// How many bytes of `path` belong to it; `None` if the path is not under it.
    pub(crate) fn matches(&self, path: &str) -> Option<usize> {
        match &self.pattern {
            None => path.starts_with(&self.text).then_some(self.text.len()),
            Some(pattern) => pattern.find(path).map(|found| found.end()),
        }
    }

    /// What follows the listen path, with a leading `/`; all of `path` if it is not under it. Escapes stay, unless the
    /// listen path itself was written with some.
    pub(crate) fn strip<'a>(&self, path: &'a str) -> Cow<'a, str> {
        let rest = match self.matches(path) {
            // `/` has nothing to strip.
            _ if self.text == "/" => path,
            // The slash that ends it begins the rest.
            Some(length) if path[..length].ends_with('/') => &path[length - 1..],
            Some(length) => &path[length..],
            None if has_escape(path) => {
                let plain = decoded(path);
                let rest = self.matches(&plain).map(|length| encoded(&plain[length..]));
                return rest.map_or(Cow::Borrowed(path), |rest| with_slash(&rest).into_owned().into());
            }
            None => path,
        };
        with_slash(rest)
    }
}

fn with_slash(rest: &str) -> Cow<'_, str> {
    if rest.starts_with('/') { rest.into() } else { format!("/{rest}").into() }
}

/// A path without escapes.
pub(crate) fn decoded(path: &str) -> Cow<'_, str> {
    if has_escape(path) { percent_decode_str(path).decode_utf8_lossy() } else { path.into() }
}

/// Whether a path has escapes. Nearly none has.
pub(crate) fn has_escape(path: &str) -> bool {
    memchr::memchr(b'%', path.as_bytes()).is_some()
}

/// A path with the escapes that it needs.
pub(crate) fn encoded(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// A path without empty and dot segments, as Go's `path.Clean` makes it, that keeps a trailing slash.
pub(crate) fn canonical(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut canonical = format!("/{}", segments.join("/"));
    let is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if is_folder && canonical.len() > 1 {
        canonical.push('/');
    }
    canonical
}

/// What is wrong with a pattern. regex draws a picture of the mistake; its last line says what it is.
pub(crate) fn mistake(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default().trim();
    format!("not a regular expression: {}", line.strip_prefix("error: ").unwrap_or(line))
}

/// `/a/{id}/{n:[0-9]+}` as a regular expression, where a variable without one of its own is `variable`.
pub(super) fn pattern(text: &str, variable: &str) -> String {
    let mut pattern = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        pattern.push_str(&regex::escape(&rest[..open]));
        let inner = &rest[open + 1..];
        let close = closing_brace(inner).unwrap_or(inner.len());
        match inner[..close].split_once(':') {
            Some((_, own)) => pattern.push_str(&format!("(?:{own})")),
            None => pattern.push_str(variable),
        }
        rest = inner.get(close + 1..).unwrap_or_default();
    }
    pattern.push_str(&regex::escape(rest));
    pattern
}

/// The brace that ends a variable; a pattern may have pairs of its own.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> ListenPath {
        ListenPath::new(text).expect("a listen path")
    }

    #[test]
    fn it_is_a_prefix_of_the_text() {
        assert_eq!(listen("/app").matches("/apple"), Some(4));
        assert_eq!(listen("/app/").matches("/app"), None);
        assert_eq!(listen("app/").matches("/app/x"), Some(5));
    }

    #[test]
    fn variables_match_a_segment_or_their_pattern() {
        assert_eq!(listen("/a/{id}/b").matches("/a/77/b/c"), Some(7));
        assert_eq!(listen("/a/{id}/b").matches("/a//b"), None);
        assert_eq!(listen("/v{n:[0-9]{1,2}}/").matches("/v12/x"), Some(5));
        assert_eq!(listen("/v{n:[0-9]+}/").matches("/vx/x"), None);
    }

    #[test]
    fn what_follows_begins_with_a_slash() {
        assert_eq!(listen("/app/").strip("/app/x"), "/x");
        assert_eq!(listen("/app").strip("/app/x"), "/x");
        assert_eq!(listen("/app/").strip("/app/"), "/");
        assert_eq!(listen("/").strip("/x/y"), "/x/y");
        assert_eq!(listen("/a/{id}/").strip("/a/7/x"), "/x");
        assert_eq!(listen("/app/").strip("/other"), "/other");
    }

    #[test]
    fn escapes_stay_unless_they_are_of_the_listen_path() {
        assert_eq!(listen("/app/").strip("/app/a%2Fb"), "/a%2Fb");
        assert_eq!(listen("/größe/").strip("/gr%C3%B6%C3%9Fe/a%20b"), "/a%20b");
        assert_eq!(listen("/app/").strip("/app%2Fx"), "/x");
    }

    #[test]
    fn a_segment_that_is_all_variable_counts_its_slash_alone() {
        assert_eq!(listen("/ab/").weight(), 4);
        assert_eq!(listen("/ab/{id}/").weight(), 5);
    }

    #[test]
    fn canonical_paths_have_no_empty_or_dot_segments() {
        let cases =
            [("", "/"), ("a", "/a"), ("//a//b/", "/a/b/"), ("/a/./b/../c", "/a/c"), ("/../x", "/x"), ("/a/..", "/")];
        for (path, expected) in cases {
            assert_eq!(canonical(path), expected, "{path}");
        }
    }
}
