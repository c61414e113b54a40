//! Paths of values in a JSON document, such as `custom_middleware.post[0].name`.

use std::fmt;
use std::str::FromStr;

/// One step from a value to a value within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// The member of an object.
    Key(String),
    /// The element of an array, from 0.
    Index(usize),
}

/// The path of a value in a document; empty for the document itself.
///
/// A key of anything but letters, digits, `_` and `-` is printed as `["my.key"]`, so that a path reads back as itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonPath(Vec<Segment>);

/// A text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path: `{path}`")]
pub struct NotAPath {
    /// The text.
    pub path: String,
}

impl JsonPath {
    /// The steps, from the document inwards.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The path of a member of the object at this path.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.then(Segment::Key(key.into()))
    }

    /// The path of an element of the array at this path.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Segment::Index(index))
    }

    /// Whether the value at `inner` is the one at this path, or within it.
    pub fn contains(&self, inner: &Self) -> bool {
        inner.0.starts_with(&self.0)
    }

    /// The path one step further.
    #[must_use]
    pub fn then(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }
}

impl FromIterator<Segment> for JsonPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if !key.is_empty() && key.chars().all(is_plain) => {
                    f.write_str(if depth == 0 { "" } else { "." })?;
                    f.write_str(key)?;
                }
                Segment::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
            }
        }
        Ok(())
    }
}

impl FromStr for JsonPath {
    type Err = NotAPath;

    fn from_str(path: &str) -> Result<Self, NotAPath> {
        let mut segments = Vec::new();
        let mut rest = path;
        while !rest.is_empty() {
            let (segment, after) =
                first_segment(rest, segments.is_empty()).ok_or_else(|| NotAPath { path: path.to_owned() })?;
            segments.push(segment);
            rest = after;
        }
        Ok(Self(segments))
    }
}

/// The first segment of `path` and what follows it; a plain key follows a dot unless it is the `outermost`.
fn first_segment(path: &str, outermost: bool) -> Option<(Segment, &str)> {
    if let Some(inside) = path.strip_prefix('[') {
        let (segment, after) = if inside.starts_with('"') {
            let mut text = serde_json::Deserializer::from_str(inside).into_iter::<String>();
            let key = text.next()?.ok()?;
            (Segment::Key(key), inside.get(text.byte_offset()..)?)
        } else {
            let end = inside.find(']')?;
            (Segment::Index(inside[..end].parse().ok()?), &inside[end..])
        };
        return Some((segment, after.strip_prefix(']')?));
    }
    let plain = if outermost { path } else { path.strip_prefix('.')? };
    let end = plain.find(|c| !is_plain(c)).unwrap_or(plain.len());
    (end > 0).then(|| (Segment::Key(plain[..end].to_owned()), &plain[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_reads_back_as_itself() {
        let root = JsonPath::default();
        for (path, printed) in [
            (root.clone(), ""),
            (root.key("a").key("b").index(0).index(12).key("c"), "a.b[0][12].c"),
            (root.key("config_data").key("my-data"), "config_data.my-data"),
            (root.key("versions").key("v1.0").key("name"), r#"versions["v1.0"].name"#),
            (root.key("a.b").key("x"), r#"["a.b"].x"#),
            (root.key("").key("\"]\\\n").key("ü"), r#"[""]["\"]\\\n"]["ü"]"#),
            (root.index(3).key("0"), "[3].0"),
        ] {
            assert_eq!(path.to_string(), printed);
            assert_eq!(printed.parse(), Ok(path));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [".", "a.", "a..b", ".a", "a[", "a[0", "a[x]", "a[\"b]", "a[\"b\"", "a b", "a[0]b", "a[-1]"] {
            assert!(text.parse::<JsonPath>().is_err(), "{text}");
        }
    }
}
