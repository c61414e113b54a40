//! Which entries of a definition a request is for: all patterns of an API are asked in one pass over the path.
//!
//! Almost every pattern contains a text that a path must contain to match. One automaton finds these texts, whatever
//! their number; what it does not find is not looked at, and a regular expression runs only where its text was found.
//! The outcome is that of asking one entry after the other: of each kind, the first one that matches.

use std::borrow::Cow;

use aho_corasick::AhoCorasick;

use crate::apis::listen_path::{ListenPath, decoded};
use crate::apis::pattern::{Pattern, Test};

/// Of so many entries it is remembered that their regular expression was tried; the others are tried in turn.
const REMEMBERED: usize = 512;

/// An entry: a path and a method, and the kind of thing that it is for.
pub(crate) struct Entry {
    pub(crate) pattern: Pattern,
    /// `None` is any.
    pub(crate) method: Option<String>,
    /// Below the `KINDS` of the [`Matcher`].
    pub(crate) kind: usize,
}

/// The first entry of each kind that matches, by its place in the list.
pub(crate) type Found<const KINDS: usize> = [Option<usize>; KINDS];

/// Entries of so many kinds.
pub(crate) struct Matcher<const KINDS: usize> {
    entries: Box<[Entry]>,
    literals: Option<AhoCorasick>,
    /// The entry that each text of the automaton is of.
    of_literal: Box<[usize]>,
    /// Entries that may match whatever the automaton finds.
    others: Box<[usize]>,
    fold: bool,
}

impl<const KINDS: usize> Matcher<KINDS> {
    /// The entries in the definition's order. Either all of them fold the case, or none does.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        let fold = entries.iter().any(|entry| entry.pattern.fold);
        let mut literals = Vec::new();
        let (mut of_literal, mut others) = (Vec::new(), Vec::new());
        for (at, Entry { pattern, .. }) in entries.iter().enumerate() {
            match &pattern.literal {
                Some(literal) if at < REMEMBERED || matches!(pattern.test, Test::Literal { .. }) => {
                    literals.push(&**literal);
                    of_literal.push(at);
                }
                _ => others.push(at),
            }
        }
        let build = || AhoCorasick::builder().ascii_case_insensitive(fold).build(&literals);
        let literals = (!literals.is_empty()).then(|| build().expect("definitions are far below four gigabytes"));
        let (of_literal, others) = (of_literal.into(), others.into());
        Self { entries: entries.into(), literals, of_literal, others, fold }
    }

    /// What a request is for. Its path counts without the listen path, once more without it, as a whole, and without
    /// escapes: upstreams see through escapes, and so must a rule (`/a%2Fb` is for the entry `/a/b` too). Source: Tyk,
    /// `gateway/model_apispec.go`; gateway.md §5.2.
    pub(crate) fn find(&self, method: &str, path: &str, listen: &ListenPath) -> Found<KINDS> {
        let mut found = [None; KINDS];
        self.find_among(method, path, listen, &mut found);
        found
    }

    /// The same, for another spelling of the path.
    pub(crate) fn find_among(&self, method: &str, path: &str, listen: &ListenPath, found: &mut Found<KINDS>) {
        let whole = path;
        let path = listen.strip(whole);
        self.search(method, &path, found);
        let again = listen.strip(&path);
        if again != path {
            self.search(method, &again, found);
        }
        let has_more = path != whole;
        if has_more {
            self.search(method, whole, found);
        }
        if path.contains('%') {
            self.search(method, &decoded(&path), found);
            if has_more {
                self.search(method, &decoded(whole), found);
            }
        }
    }

    fn search(&self, method: &str, path: &str, found: &mut Found<KINDS>) {
        let text = if self.fold && !path.is_ascii() { folded(path) } else { path.into() };
        let mut tried = [0_u64; REMEMBERED / 64];
        for hit in self.literals.iter().flat_map(|literals| literals.find_overlapping_iter(&*text)) {
            let at = self.of_literal[hit.pattern().as_usize()];
            let entry = &self.entries[at];
            let best = &mut found[entry.kind];
            if best.is_some_and(|best| best <= at) || !entry.is_for(method) {
                continue;
            }
            let matches = match entry.test() {
                Test::Literal { at_start, at_end } => {
                    (!at_start || hit.start() == 0) && (!at_end || hit.end() == text.len())
                }
                Test::Regex(regex) => {
                    // A text may be found again and again in one path.
                    let (word, bit) = (&mut tried[at / 64], 1 << (at % 64));
                    let is_new = *word & bit == 0;
                    *word |= bit;
                    is_new && regex.is_match(path)
                }
            };
            if matches {
                *best = Some(at);
            }
        }
        for &at in &self.others {
            let entry = &self.entries[at];
            let best = &mut found[entry.kind];
            if best.is_none_or(|best| at < best)
                && entry.is_for(method)
                && matches!(entry.test(), Test::Regex(regex) if regex.is_match(path))
            {
                *best = Some(at);
            }
        }
    }
}

impl Entry {
    fn is_for(&self, method: &str) -> bool {
        self.method.as_ref().is_none_or(|own| own == method)
    }

    fn test(&self) -> &Test {
        &self.pattern.test
    }
}

/// The letters beyond ASCII that are the same as one of ASCII when case makes no difference. Source: Unicode,
/// `CaseFolding.txt`.
fn folded(path: &str) -> Cow<'_, str> {
    path.replace('\u{212A}', "k").replace('\u{17F}', "s").into()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::apis::pattern::regex;
    use crate::apis::pattern::tests::PLAIN;
    use crate::config::PathRules;

    const METHODS: [&str; 3] = ["GET", "POST", "get"];
    const PATHS: [&str; 24] = [
        "/a",
        "/b",
        "/a/b",
        "/ab",
        "/a/{id}",
        "/a/{id}/b",
        "/a/*",
        "/*/b",
        "^/a",
        "^/a$",
        "/b$",
        "b",
        "",
        "^$",
        "/a|/b",
        "/a+b",
        "[ab]",
        "/k/s",
        "/{x}",
        ".*",
        "/a/b/c",
        "/straße",
        "(?-i)/A",
        "/s$",
    ];
    const REQUESTS: [&str; 22] = [
        "/",
        "/a",
        "/A",
        "/b",
        "/a/b",
        "/A/B",
        "/ab",
        "/aab",
        "/a/7",
        "/a/7/b",
        "/x/b",
        "/x/a/b",
        "/a/b/c",
        "/b/a",
        "/K/S",
        "/\u{212A}/\u{17F}",
        "/STRASSE",
        "/STRAßE",
        "/a%2Fb",
        "/%61",
        "/l/a/b",
        "/l/l/a",
    ];

    /// A generator of numbers, the same ones in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).expect("31 bits") % bound
        }
    }

    /// One entry after the other, as the definition has them.
    fn one_by_one(entries: &[(usize, Option<&str>, Regex)], method: &str, path: &str, listen: &ListenPath) -> Found<3> {
        let whole = path;
        let path = listen.strip(whole);
        let escaped = path.contains('%');
        let mut spellings = vec![path.clone(), listen.strip(&path), decoded(&path), whole.into()];
        spellings.extend(escaped.then(|| decoded(whole)));
        let mut found = [None; 3];
        for (at, (kind, meant, regex)) in entries.iter().enumerate() {
            let is_for = meant.is_none_or(|meant| meant == method);
            if found[*kind].is_none() && is_for && spellings.iter().any(|path| regex.is_match(path)) {
                found[*kind] = Some(at);
            }
        }
        found
    }

    #[test]
    fn it_agrees_with_asking_one_entry_after_the_other() {
        let listens = ["/l/", "/", "/l"].map(|path| ListenPath::new(path).expect("a listen path"));
        let mut numbers = Numbers(7);
        for round in 0..400 {
            let flags = numbers.below(8);
            let rules = PathRules {
                anchor_start: flags & 1 > 0,
                anchor_end: flags & 2 > 0,
                ignore_case: flags & 4 > 0,
                ..PLAIN
            };
            // A few rounds have more than are remembered.
            let count = if round % 100 == 0 { REMEMBERED + 100 } else { numbers.below(12) };
            let (mut entries, mut plain) = (Vec::new(), Vec::new());
            for _ in 0..count {
                let (kind, path) = (numbers.below(3), PATHS[numbers.below(PATHS.len())]);
                let method = METHODS[numbers.below(METHODS.len())];
                let pattern = Pattern::new(path, rules).expect("a pattern");
                let method = (numbers.below(4) > 0).then_some(method);
                entries.push(Entry { pattern, method: method.map(ToOwned::to_owned), kind });
                plain.push((kind, method, regex(path, rules).expect("a pattern")));
            }
            let matcher: Matcher<3> = Matcher::new(entries);
            let listen = &listens[round % listens.len()];
            for request in REQUESTS {
                for method in METHODS {
                    let expected = one_by_one(&plain, method, request, listen);
                    assert_eq!(matcher.find(method, request, listen), expected, "{method} {request} {rules:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_each_kind_counts() {
        let entry = |path, method: &str, kind| {
            let pattern = Pattern::new(path, PLAIN).expect("a pattern");
            Entry { pattern, method: Some(method.to_owned()), kind }
        };
        let entries =
            vec![entry("/a", "POST", 0), entry("/a/b", "GET", 0), entry("/a", "GET", 0), entry("/", "GET", 1)];
        let matcher: Matcher<2> = Matcher::new(entries);
        let root = ListenPath::new("/").expect("a listen path");
        assert_eq!(matcher.find("GET", "/a/b", &root), [Some(1), Some(3)]);
        assert_eq!(matcher.find("GET", "/a/c", &root), [Some(2), Some(3)]);
        assert_eq!(matcher.find("PUT", "/a", &root), [None, None]);
    }

    #[test]
    fn a_text_that_a_path_repeats_costs_one_regular_expression() {
        let pattern = Pattern::new("/a/{id}/never$", PLAIN).expect("a pattern");
        let slow = Pattern::new("/a.*.*.*/never$", PLAIN).expect("a pattern");
        let entries = [pattern, slow].map(|pattern| Entry { pattern, method: Some("GET".to_owned()), kind: 0 });
        let matcher: Matcher<1> = Matcher::new(entries.into());
        let root = ListenPath::new("/").expect("a listen path");
        let path = "/a/never".repeat(2000) + "/";
        assert_eq!(matcher.find("GET", &path, &root), [None]);
    }
}
