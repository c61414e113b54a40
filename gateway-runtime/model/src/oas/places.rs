//! Where in the OpenAPI form the parts of the classic form come from.

use std::collections::BTreeMap;

use crate::json_path::{JsonPath, Segment};

/// Paths of the classic form, and the paths in the document that they were made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(BTreeMap<JsonPath, Place>);

#[derive(Clone, Debug, PartialEq)]
struct Place {
    at: JsonPath,
    /// What is within it looks the same in both forms.
    is_same: bool,
}

impl Places {
    pub(super) fn add(&mut self, classic: JsonPath, at: JsonPath, is_same: bool) {
        self.0.insert(classic, Place { at, is_same });
    }

    /// The path in the document that a path of the classic form stands for, or that of what is nearest around it.
    pub fn of(&self, classic: &JsonPath) -> JsonPath {
        let segments = classic.segments();
        for length in (1..=segments.len()).rev() {
            let outer: JsonPath = segments[..length].iter().cloned().collect();
            if let Some(Place { at, is_same }) = self.0.get(&outer) {
                let inner = segments[length..].iter().filter(|_| *is_same);
                return at.segments().iter().chain(inner).cloned().collect();
            }
        }
        let within = self.0.range(classic..).next().filter(|(path, _)| classic.contains(path));
        match within {
            Some((_, Place { at, .. })) if !segments.is_empty() => parent(at),
            _ => JsonPath::default().key(super::EXTENSION),
        }
    }

    /// Every part of the classic form that the document speaks of, and where.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&JsonPath, &JsonPath)> {
        self.0.iter().map(|(classic, place)| (classic, &place.at))
    }
}

fn parent(path: &JsonPath) -> JsonPath {
    let segments: &[Segment] = path.segments();
    segments[..segments.len().saturating_sub(1)].iter().cloned().collect()
}
