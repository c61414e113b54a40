//! What a path is made to look like, so that records of one endpoint are of one path. Source: Tyk,
//! `gateway/analytics.go`; gateway.md §8.2.

use regex::Regex;

const UUID: &str = "[0-9a-fA-F]{8}(-)?[0-9a-fA-F]{4}(-)?[0-9a-fA-F]{4}(-)?[0-9a-fA-F]{4}(-)?[0-9a-fA-F]{12}";
const ULID: &str = "(?i)[0-7][0-9A-HJKMNP-TV-Z]{25}";
const NUMBER: &str = "/([0-9]+)";

/// Patterns in the order in which they are looked for, and what takes the place of what they find.
#[derive(Debug, Clone, Default)]
pub(crate) struct Normal(Vec<(Regex, &'static str)>);

impl Normal {
    /// What `normalise_urls` asks for.
    ///
    /// # Errors
    /// Which of the own patterns is none, and why.
    pub(crate) fn new(
        (uuids, ulids, numbers): (bool, bool, bool),
        custom: &[String],
    ) -> Result<Self, (usize, regex::Error)> {
        let known = [(uuids, UUID, "{uuid}"), (ulids, ULID, "{ulid}"), (numbers, NUMBER, "/{id}")];
        let mut patterns = Vec::new();
        for (_, pattern, instead) in known.into_iter().filter(|(is_on, ..)| *is_on) {
            patterns.push((Regex::new(pattern).map_err(|error| (0, error))?, instead));
        }
        for (at, pattern) in custom.iter().enumerate() {
            patterns.push((Regex::new(pattern).map_err(|error| (at, error))?, "{var}"));
        }
        Ok(Self(patterns))
    }

    pub(super) fn apply(&self, path: &mut String) {
        for (pattern, instead) in &self.0 {
            if pattern.is_match(path) {
                *path = pattern.replace_all(path, regex::NoExpand(instead)).into_owned();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_request_to_request_is_replaced() {
        let custom = vec!["v[0-9]+x".to_owned()];
        let all = Normal::new((true, true, true), &custom).expect("patterns");
        for (path, expected) in [
            ("/u/CA761232-ED42-11CE-BACD-00AA0057B223/x", "/u/{uuid}/x"),
            ("/u/ca761232ed4211cebacd00aa0057b223", "/u/{uuid}"),
            ("/t/01G9HHNKWGBHCQX7VG3JKSZ055/y", "/t/{ulid}/y"),
            ("/a/17/b/4", "/a/{id}/b/{id}"),
            ("/v12x/k", "/{var}/k"),
            ("/plain", "/plain"),
        ] {
            let mut path = path.to_owned();
            all.apply(&mut path);
            assert_eq!(path, expected);
        }
        let none = Normal::new((false, false, false), &[]).expect("patterns");
        let mut path = "/a/17".to_owned();
        none.apply(&mut path);
        assert_eq!(path, "/a/17");
    }

    #[test]
    fn a_pattern_that_is_none_is_told_by_its_place() {
        let custom = ["a".to_owned(), "(".to_owned()];
        assert!(matches!(Normal::new((false, false, false), &custom), Err((1, _))));
    }
}
