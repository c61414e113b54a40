//! From a path in a document to a position in its text.
//!
//! serde_json parses, one level at a time and only along the path; a raw value borrows from the text, so that its
//! address says where it begins.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::finding::Position;
use crate::json_path::{JsonPath, Segment};

/// Where the value at `path` begins in `text`, or the nearest thing around it that exists.
///
/// Of a text that is no JSON, or a path that is none, it is the beginning of the text. Keys match as they do for
/// [`read`](crate::read): exactly, else whatever their case.
pub fn locate(text: &str, path: &str) -> Position {
    Locator::new(text).position(&path.parse().unwrap_or_default())
}

/// A text whose values are looked for more than once.
pub(crate) struct Locator<'t> {
    text: &'t str,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    /// The whole of it, if it is JSON; looked at when something is to be found.
    document: OnceCell<Option<&'t RawValue>>,
    /// What was parsed on the way to values found before.
    parsed: BTreeMap<JsonPath, Children<'t>>,
}

enum Children<'t> {
    Members(BTreeMap<String, &'t RawValue>),
    Elements(Vec<&'t RawValue>),
    None,
}

impl<'t> Children<'t> {
    fn of(raw: &'t RawValue) -> Self {
        let text = raw.get();
        let children = match text.as_bytes().first() {
            Some(b'{') => serde_json::from_str(text).map(Self::Members),
            Some(b'[') => serde_json::from_str(text).map(Self::Elements),
            _ => Ok(Self::None),
        };
        children.unwrap_or(Self::None)
    }

    fn get(&self, segment: &Segment) -> Option<&'t RawValue> {
        match (self, segment) {
            (Self::Members(members), Segment::Key(key)) => {
                let folded = || members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, raw)| raw);
                members.get(key).or_else(folded).copied()
            }
            (Self::Elements(elements), Segment::Index(index)) => elements.get(*index).copied(),
            _ => None,
        }
    }
}

impl<'t> Locator<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = [0].into_iter().chain(ends.map(|(end, _)| end + 1)).collect();
        Self { text, lines, document: OnceCell::new(), parsed: BTreeMap::new() }
    }

    /// Where the value at `path` begins, or the nearest thing around it that exists.
    pub(crate) fn position(&mut self, path: &JsonPath) -> Position {
        let document = self.document.get_or_init(|| serde_json::from_str(self.text).ok());
        let Some(mut raw) = *document else {
            return Position { line: 1, column: 1 };
        };
        let mut reached = JsonPath::default();
        for segment in path.segments() {
            let children = self.parsed.entry(reached.clone()).or_insert_with(|| Children::of(raw));
            let Some(child) = children.get(segment) else {
                break;
            };
            raw = child;
            reached = reached.then(segment.clone());
        }
        self.position_of_byte(raw.get().as_ptr().addr() - self.text.as_ptr().addr())
    }

    /// Where serde_json stopped; it counts bytes, and 0 for a line of which nothing was read.
    pub(crate) fn position_of_error(&self, error: &serde_json::Error) -> Position {
        let begin = self.lines.get(error.line().saturating_sub(1)).copied().unwrap_or_default();
        self.position_of_byte(begin + error.column().saturating_sub(1))
    }

    fn position_of_byte(&self, byte: usize) -> Position {
        let line = self.lines.partition_point(|begin| *begin <= byte);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.as_bytes().get(begin..byte).unwrap_or_default();
        // Every byte that does not continue a character begins one.
        let characters = before.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count();
        let within = !self.text.is_char_boundary(byte.min(self.text.len()));
        Position { line, column: characters + usize::from(!within) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
{ "a": 1, "ü€": {"x.y": [true, {"name": 7}]},
  "twice": 1, "Twice": 2, "list":
    [ [], {}, "]" ], "a\u002eb": {"": null},
  "deep": {"deep": {"deep": {"deep": "here"}}}
}
"#;

    /// The text that begins at the position of `path`.
    fn check(path: &str, expected: &str) {
        let Position { line, column } = locate(TEXT, path);
        let line = TEXT.lines().nth(line - 1).unwrap();
        let found: String = line.chars().skip(column - 1).collect();
        assert!(found.starts_with(expected), "{path}: found `{found}`, expected `{expected}`");
    }

    #[test]
    fn a_path_is_located_at_its_value() {
        check("a", "1, \"ü€\"");
        check(r#"["ü€"]"#, r#"{"x.y""#);
        check(r#"["ü€"]["x.y"][1].name"#, "7}]}");
        check("list[2]", r#""]" ],"#);
        check("deep.deep.deep.deep", r#""here""#);
    }

    #[test]
    fn a_key_with_a_dot_is_one_key_however_it_is_written() {
        check(r#"["a.b"]"#, r#"{"": null}"#);
        check(r#"["a.b"][""]"#, "null}");
        check("a.b", "1, ");
    }

    #[test]
    fn a_path_that_does_not_exist_is_located_at_its_nearest_ancestor() {
        check("missing.path[0]", "{ \"a\"");
        check(r#"["ü€"]["x.y"][2]"#, "[true");
        check("deep.deep.x.deep", r#"{"deep": {"deep": "here"}}}"#);
        check("list.x", "[ []");
        check("not a path", "{ \"a\"");
    }

    #[test]
    fn a_key_matches_exactly_before_it_matches_whatever_its_case() {
        check("twice", "1, ");
        check("Twice", "2, ");
        check("DEEP.Deep", r#"{"deep": {"deep": "here"}}}"#);
    }

    #[test]
    fn of_a_member_given_twice_the_last_counts() {
        assert_eq!(locate(r#"{"a":1,"a":2}"#, "a"), Position { line: 1, column: 12 });
    }

    #[test]
    fn a_text_that_is_no_json_is_located_at_its_beginning() {
        assert_eq!(locate("\n\n{", "a"), Position { line: 1, column: 1 });
        assert_eq!(locate("", ""), Position { line: 1, column: 1 });
    }
}
