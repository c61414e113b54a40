//! A definition read from a JSON value, with every mistake of shape instead of the first.
//!
//! A value of the wrong type is noted and then read as the zero value of the type that was expected, so that reading
//! goes on. What Go's JSON does and serde's does not is done here too: `null` is the zero value, keys match whatever
//! their case, and an array is never an object. Source: Go, `encoding/json`.

use std::cell::RefCell;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Error, Value};

use crate::json_path::{JsonPath, Segment};

/// What was noted on the way.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Values of the wrong type, and why.
    pub(crate) mistakes: Vec<(JsonPath, String)>,
    /// Members of objects that have no such field.
    pub(crate) unknown: Vec<Unknown>,
}

/// A member of an object that has no such field.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) path: JsonPath,
    /// The fields that there are instead.
    pub(crate) fields: &'static [&'static str],
}

/// Reads `value` as a `T`, whatever is wrong in it.
///
/// `T` may be made of booleans, numbers (`i64`, `f64`), strings, lists, maps, objects and [`Value`]s: these are what can be wrong one by one.
/// A mistake in anything else ends the reading, and is noted for the document as a whole.
pub(crate) fn read<'v, T: Deserialize<'v> + Default>(value: &'v Value) -> (T, Notes) {
    let notes = RefCell::default();
    let result = T::deserialize(Node { value, trail: &Trail::Root, notes: &notes });
    let mut notes: Notes = notes.into_inner();
    let read = result.unwrap_or_else(|error| {
        notes.mistakes.push((JsonPath::default(), error.to_string()));
        T::default()
    });
    (read, notes)
}

/// How a value was reached.
enum Trail<'p> {
    Root,
    Key(&'p Trail<'p>, &'p str),
    Index(&'p Trail<'p>, usize),
}

impl Trail<'_> {
    fn path(&self) -> JsonPath {
        match self {
            Self::Root => JsonPath::default(),
            Self::Key(parent, key) => parent.path().key(*key),
            Self::Index(parent, index) => parent.path().then(Segment::Index(*index)),
        }
    }
}

#[derive(Clone, Copy)]
struct Node<'v, 'p> {
    value: &'v Value,
    trail: &'p Trail<'p>,
    notes: &'p RefCell<Notes>,
}

impl<'v> Node<'v, '_> {
    /// The value if `pick` finds it there; else the zero value, and a mistake is noted unless it was `null`.
    fn expect<T: Default>(&self, wanted: &dyn Expected, pick: impl FnOnce(&'v Value) -> Option<T>) -> T {
        pick(self.value).unwrap_or_else(|| {
            if !self.value.is_null() {
                let reason = Error::invalid_type(unexpected(self.value), wanted).to_string();
                let mistake = (self.trail.path(), reason);
                self.notes.borrow_mut().mistakes.push(mistake);
            }
            T::default()
        })
    }

    /// The members, each under the name of the field that it is for; the others are noted.
    fn fields(&self, members: Vec<(&'v str, &'v Value)>, fields: &'static [&'static str]) -> Vec<(&'v str, &'v Value)> {
        let mut found: Vec<(&str, &Value)> = Vec::with_capacity(members.len());
        for &(key, value) in &members {
            let is_taken = |field: &&str| members.iter().chain(&found).any(|(name, _)| name == field);
            let is_folded = |field: &&str| field.eq_ignore_ascii_case(key) && !is_taken(field);
            if fields.contains(&key) {
                found.push((key, value));
            } else if let Some(field) = fields.iter().copied().find(is_folded) {
                found.push((field, value));
            } else {
                let path = self.trail.path().key(key);
                self.notes.borrow_mut().unknown.push(Unknown { path, fields });
            }
        }
        found
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => Unexpected::Unsigned(value),
            (_, Some(value)) => Unexpected::Signed(value),
            _ => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(value) => Unexpected::Str(value),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

fn members(value: &Value) -> Option<Vec<(&str, &Value)>> {
    value.as_object().map(|object| object.iter().map(|(key, value)| (key.as_str(), value)).collect())
}

impl<'de> Deserializer<'de> for Node<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.expect(&visitor, Value::as_bool);
        visitor.visit_bool(value)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.expect(&"a whole number", Value::as_i64);
        visitor.visit_i64(value)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.expect(&"a number", Value::as_f64);
        visitor.visit_f64(value)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.expect(&visitor, Value::as_str);
        visitor.visit_borrowed_str(value)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let elements = self.expect(&visitor, |value| value.as_array().map(Vec::as_slice));
        visitor.visit_seq(Elements { of: self, rest: elements.iter().enumerate() })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let members = self.expect(&visitor, members);
        visitor.visit_map(Members { of: self, rest: members.into_iter(), next: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let members = self.fields(self.expect(&visitor, members), fields);
        visitor.visit_map(Members { of: self, rest: members.into_iter(), next: None })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

struct Elements<'v, 'p> {
    of: Node<'v, 'p>,
    rest: std::iter::Enumerate<std::slice::Iter<'v, Value>>,
}

impl<'v> SeqAccess<'v> for Elements<'v, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'v>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.rest.next() else {
            return Ok(None);
        };
        let trail = Trail::Index(self.of.trail, index);
        seed.deserialize(Node { value, trail: &trail, notes: self.of.notes }).map(Some)
    }
}

struct Members<'v, 'p> {
    of: Node<'v, 'p>,
    rest: std::vec::IntoIter<(&'v str, &'v Value)>,
    next: Option<(&'v str, &'v Value)>,
}

impl<'v> MapAccess<'v> for Members<'v, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'v>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next = self.rest.next();
        let Some((key, _)) = self.next else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'v>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some((key, value)) = self.next.take() else {
            return Err(Error::custom("a value was asked for twice"));
        };
        let trail = Trail::Key(self.of.trail, key);
        seed.deserialize(Node { value, trail: &trail, notes: self.of.notes })
    }
}
