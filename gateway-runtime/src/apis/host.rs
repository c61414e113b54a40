//! The host that an API is for: a name, or a pattern of one. Source: Tyk, `gateway/api_loader.go`; gorilla/mux 1.8,
//! `regexp.go`.
//!
//! Hosts have no case (RFC 9110 §4.2.3), and neither have they here. With Tyk they have: `API.example.com` leads around
//! an API for `api.example.com`.

use std::borrow::Cow;

use regex::Regex;
use rustc_hash::FxHashMap;

use crate::apis::listen_path::pattern;

/// One host, or several.
#[derive(Debug)]
pub(crate) struct Host {
    /// In lower case.
    text: Box<str>,
    pattern: Option<Regex>,
    /// The port counts too: the text names one.
    with_port: bool,
}

impl Host {
    /// # Errors
    /// When a `{name:pattern}` is not a regular expression.
    pub(crate) fn new(text: &str) -> Result<Self, regex::Error> {
        let text = key(text).into_owned();
        let expression = || Regex::new(&format!("(?i)^(?:{})$", pattern(&text, "[^.]+")));
        let pattern = text.contains('{').then(expression).transpose()?;
        let with_port = without_port(&text).len() < text.len();
        Ok(Self { text: text.into(), pattern, with_port })
    }

    /// Whether a request for `authority` is for it.
    pub(crate) fn is_for(&self, authority: &str) -> bool {
        self.matches(&normal(authority))
    }

    fn matches(&self, authority: &str) -> bool {
        let host = if self.with_port { authority } else { without_port(authority) };
        match &self.pattern {
            Some(pattern) => pattern.is_match(host),
            None => *self.text == *host,
        }
    }
}

/// A domain of a definition as those that mean the same are: a pattern's own text may say more in upper case.
pub(crate) fn key(domain: &str) -> Cow<'_, str> {
    if domain.contains('{') { domain.into() } else { normal(domain) }
}

/// As hosts are compared: in lower case, without the dot of a full name.
pub(crate) fn normal(authority: &str) -> Cow<'_, str> {
    let trimmed = authority.strip_suffix('.').unwrap_or(authority);
    if trimmed.bytes().any(|byte| byte.is_ascii_uppercase()) || trimmed.contains(".:") {
        trimmed.to_ascii_lowercase().replace(".:", ":").into()
    } else {
        trimmed.into()
    }
}

/// The host of an authority, which may be an IPv6 address in brackets.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(at) if authority[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) => &authority[..at],
        _ => authority,
    }
}

/// Something for each of many hosts; what it costs to find does not grow with the number of names.
#[derive(Debug)]
pub(crate) struct Hosts<T> {
    names: FxHashMap<Box<str>, T>,
    /// Longest first.
    patterns: Vec<(Host, T)>,
    /// One of the names has a port.
    with_port: bool,
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self { names: FxHashMap::default(), patterns: Vec::new(), with_port: false }
    }
}

impl<T> Hosts<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.patterns.is_empty()
    }

    pub(crate) fn insert(&mut self, host: Host, value: T) {
        if host.pattern.is_none() {
            self.with_port |= host.with_port;
            self.names.insert(host.text, value);
            return;
        }
        self.patterns.push((host, value));
        self.patterns.sort_by_key(|(host, _)| std::cmp::Reverse(host.text.len()));
    }

    /// Shows what there is for a host: of its name, then of the patterns that fit, the longest first.
    pub(crate) fn each<'a>(&'a self, authority: &str, mut show: impl FnMut(&'a T)) {
        let authority = normal(authority);
        let bare = without_port(&authority);
        if self.with_port && bare.len() < authority.len() {
            self.names.get(&*authority).into_iter().for_each(&mut show);
        }
        self.names.get(bare).into_iter().for_each(&mut show);
        self.patterns.iter().filter(|(host, _)| host.matches(&authority)).for_each(|(_, value)| show(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of `hosts` a request for `authority` is for.
    fn found<'a>(hosts: &[&'a str], authority: &str) -> Vec<&'a str> {
        let mut all = Hosts::default();
        hosts.iter().for_each(|host| all.insert(Host::new(host).expect("a host"), *host));
        let mut found = Vec::new();
        all.each(authority, |host| found.push(*host));
        found
    }

    #[test]
    fn a_name_is_for_itself_on_every_port_whatever_its_case() {
        let hosts = ["a.example.com", "B.example.com", "::"];
        for authority in
            ["a.example.com", "a.example.com:8080", "A.Example.COM:1", "a.example.com.", "a.example.com.:80"]
        {
            assert_eq!(found(&hosts, authority), ["a.example.com"], "{authority}");
        }
        assert_eq!(found(&hosts, "b.example.com"), ["B.example.com"]);
        for authority in ["", "example.com", "xa.example.com", "a.example.com.evil", "a-example.com"] {
            assert!(found(&hosts, authority).is_empty(), "{authority}");
        }
    }

    #[test]
    fn a_name_with_a_port_is_for_that_port() {
        let hosts = ["a.com:8443", "a.com", "[::1]:80", "[::2]"];
        assert_eq!(found(&hosts, "A.com:8443"), ["a.com:8443", "a.com"]);
        assert_eq!(found(&hosts, "a.com:80"), ["a.com"]);
        assert_eq!(found(&hosts, "[::1]:80"), ["[::1]:80"]);
        assert_eq!((found(&hosts, "[::1]").len(), found(&hosts, "[::2]:9").len()), (0, 1));
    }

    #[test]
    fn a_variable_is_a_label_or_its_own_pattern() {
        let hosts = ["{tenant}.example.com", "{t:[a-z]+[0-9]}.a.example.com", "{any:.*}"];
        assert_eq!(found(&hosts, "x.example.com:80"), ["{tenant}.example.com", "{any:.*}"]);
        assert_eq!(found(&hosts, "X1.A.example.com"), ["{t:[a-z]+[0-9]}.a.example.com", "{any:.*}"]);
        assert_eq!(found(&hosts[..2], "x.y.example.com"), [""; 0]);
        assert_eq!(found(&hosts[..2], "x.exampleXcom"), [""; 0], "a dot is a dot");
        assert!(Host::new("{a:[}.com").is_err());
    }

    #[test]
    fn a_pattern_with_a_port_outside_its_variables_is_for_that_port() {
        assert_eq!(found(&["{t}.a.com:81"], "x.a.com:81").len(), 1);
        assert_eq!(found(&["{t}.a.com:81"], "x.a.com").len(), 0);
        assert_eq!(found(&["{t:x|y}.a.com"], "y.a.com:81").len(), 1, "a colon of a variable is none of the host");
    }
}
