//! One value of a JSON text, which may break off behind it.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The value at `path`, as text: a string without its quotes.
pub(super) fn field(json: &[u8], path: &[String]) -> Option<String> {
    let mut found = None;
    // Whatever comes behind the value, or in place of it.
    let _ = Seek { path, found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(json));
    found.map(|value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}

struct Seek<'p> {
    path: &'p [String],
    found: &'p mut Option<Value>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = Some(serde::Deserialize::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Some((wanted, path)) = self.path.split_first() else { return Ok(()) };
        while let Some(name) = members.next_key::<String>()? {
            if name == *wanted && self.found.is_none() {
                members.next_value_seed(Seek { path, found: &mut *self.found })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((wanted, path)) = self.path.split_first() else { return Ok(()) };
        let Ok(wanted) = wanted.parse::<usize>() else { return Ok(()) };
        for _ in 0..wanted {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        items.next_element_seed(Seek { path, found: &mut *self.found })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_whatever_comes_behind_it() {
        for (json, path, expected) in [
            (r#"{"a": {"b": "c"}}"#, "a.b", Some("c")),
            (r#"{"z": [1, {}], "a": {"b": 7, "d"#, "a.b", Some("7")),
            (r#"[{"a": true}, {"a": fal"#, "0.a", Some("true")),
            (r#"{"a": [1, 2]}"#, "a.2", None),
            (r#"{"a": null}"#, "a", Some("")),
            (r#"{"a": 1}"#, "a.b", None),
            (r#"{"a": "brok"#, "a", None),
            ("no JSON", "a", None),
        ] {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            assert_eq!(field(json.as_bytes(), &path).as_deref(), expected, "{json}");
        }
    }
}
