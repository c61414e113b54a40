//! What is said of an operation and read where the document is: `mockResponse`, an answer of the gateway's own, fixed or
//! one of the document's examples, which has no classic form; and `validateRequest`. Source: gateway.md §4.4, §4.5.

use serde::Deserialize;
use serde_json::Value;

use crate::json_path::{JsonPath, Segment};
use crate::nearest::nearest;
use crate::shape;
use crate::unhonoured::NO_EFFECT;

/// An answer of the gateway's own to an operation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub struct OasMock {
    /// Without it, there is none.
    pub enabled: bool,
    /// The status; 0 is 200.
    pub code: i64,
    /// The body.
    pub body: String,
    /// The headers.
    pub headers: Vec<MockHeader>,
    /// The answer is an example of the document instead.
    #[serde(rename = "fromOASExamples")]
    pub from_examples: FromExamples,
}

/// That requests have to be what the document says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub struct OasValidation {
    /// Without it, nothing is asked of them.
    pub enabled: bool,
    /// The status of the answer to those that are not; 0 is 422.
    pub error_response_code: i64,
}

/// A header of an answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct MockHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Which example is the answer, where a request does not say so.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub struct FromExamples {
    /// Without it, the answer is a fixed one.
    pub enabled: bool,
    /// The status; 0 is 200.
    pub code: i64,
    /// The media type; empty is `application/json`.
    pub content_type: String,
    /// The name of the example; empty is any.
    pub example_name: String,
}

/// What is to be told of a place.
type Told = (JsonPath, String);

impl OasMock {
    /// What is written at `at`: with the values of wrong types, and what has no effect.
    #[must_use]
    pub fn read(written: &Value, at: &JsonPath) -> (Self, Vec<Told>, Vec<Told>) {
        read(written, at)
    }
}

impl OasValidation {
    /// The same of what is validated.
    #[must_use]
    pub fn read(written: &Value, at: &JsonPath) -> (Self, Vec<Told>, Vec<Told>) {
        read(written, at)
    }
}

fn read<'v, T: Deserialize<'v> + Default>(written: &'v Value, at: &JsonPath) -> (T, Vec<Told>, Vec<Told>) {
    let (settings, notes) = shape::read::<T>(written);
    let within = |path: &JsonPath| at.segments().iter().chain(path.segments()).cloned().collect::<JsonPath>();
    let wrong = notes.mistakes.iter().map(|(path, reason)| (within(path), reason.clone())).collect();
    let idle = |unknown: &shape::Unknown| {
        let key = match unknown.path.segments().last() {
            Some(Segment::Key(key)) => key.as_str(),
            _ => "",
        };
        let reason = match nearest(key, unknown.fields) {
            Some(nearest) => format!("{NO_EFFECT}; did you mean `{nearest}`?"),
            None => NO_EFFECT.to_owned(),
        };
        (within(&unknown.path), reason)
    };
    (settings, wrong, notes.unknown.iter().map(idle).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_has_its_place_and_the_rest_is_read() {
        let written = json!({
            "enabled": true, "code": "x", "Body": "b", "header": [],
            "fromOASExamples": {"enabled": true, "contentType": "text/plain", "exampleName": 7},
        });
        let (mock, wrong, idle) = OasMock::read(&written, &JsonPath::default().key("m"));
        assert!(mock.enabled && mock.body == "b" && mock.from_examples.content_type == "text/plain");
        let places: Vec<String> = wrong.iter().map(|(place, _)| place.to_string()).collect();
        assert_eq!(places, ["m.code", "m.fromOASExamples.exampleName"]);
        assert_eq!(
            idle,
            [(JsonPath::default().key("m").key("header"), format!("{NO_EFFECT}; did you mean `headers`?"))]
        );
    }
}
