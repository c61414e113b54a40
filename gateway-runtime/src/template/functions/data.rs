//! Values as JSON, XML, base64 and hashes, and back.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gotmpl::{Result, Value};
use serde_json::{Number, Value as Json};

use super::{Function, failed, function, list, map, string, text};
use crate::xml;

pub(super) const TABLE: &[Function] = &[
    function("jsonMarshal", 1, 1, |a| Ok(string(written(&a[0], false)?))),
    function("toJson", 1, 1, |a| Ok(string(written(&a[0], false)?))),
    function("toPrettyJson", 1, 1, |a| Ok(string(written(&a[0], true)?))),
    // What is no JSON is nothing. Source: sprig, `fromJson`.
    function("fromJson", 1, 1, |a| {
        Ok(serde_json::from_str(&text(&a[0])).map_or(Value::Nil, |json| of_json(&floats(json))))
    }),
    function("xmlMarshal", 1, 1, |a| Ok(string(xml::write(&to_json(&a[0])?)))),
    function("b64enc", 1, 1, |a| Ok(string(STANDARD.encode(text(&a[0]).as_bytes())))),
    function("b64dec", 1, 1, |a| {
        let decoded = STANDARD.decode(text(&a[0]).as_bytes()).map_err(|error| failed(error.to_string()))?;
        Ok(string(String::from_utf8_lossy(&decoded).as_ref()))
    }),
    function("sha256sum", 1, 1, |a| {
        Ok(string(hexadecimal(ring::digest::digest(&ring::digest::SHA256, text(&a[0]).as_bytes()).as_ref())))
    }),
];

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON as data of a template.
pub(in crate::template) fn of_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(is_true) => Value::Bool(*is_true),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(whole)) => Value::Uint(whole),
            _ => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => string(text.as_str()),
        Json::Array(elements) => list(elements.iter().map(of_json)),
        Json::Object(members) => map(members.iter().map(|(name, value)| (Arc::from(name.as_str()), of_json(value)))),
    }
}

/// The same document with every number a `float64`, as Go reads JSON.
pub(crate) fn floats(json: Json) -> Json {
    match json {
        Json::Number(number) => number.as_f64().and_then(Number::from_f64).map_or(Json::Null, Json::Number),
        Json::Array(elements) => Json::Array(elements.into_iter().map(floats).collect()),
        Json::Object(members) => Json::Object(members.into_iter().map(|(name, value)| (name, floats(value))).collect()),
        other => other,
    }
}

/// # Errors
/// For what JSON has no word for.
fn to_json(value: &Value) -> Result<Json> {
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(is_true) => Json::Bool(*is_true),
        Value::Int(number) => Json::from(*number),
        Value::Uint(number) => Json::from(*number),
        Value::Float(number) => float(*number)?,
        Value::String(text) => Json::from(&**text),
        Value::List(values) => Json::Array(values.iter().map(to_json).collect::<Result<_>>()?),
        Value::Map(members) => {
            let member = |(name, value): (&Arc<str>, &Value)| Ok((name.to_string(), to_json(value)?));
            Json::Object(members.iter().map(member).collect::<Result<_>>()?)
        }
        _ => return Err(failed("json: unsupported type: func")),
    })
}

/// Go writes a whole number without a point.
fn float(number: f64) -> Result<Json> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Ok(Json::from(super::truncated(number)));
    }
    Number::from_f64(number).map(Json::Number).ok_or_else(|| failed(format!("json: unsupported value: {number}")))
}

/// JSON as Go writes it: what would mean something in HTML is written as its number.
fn written(value: &Value, is_pretty: bool) -> Result<String> {
    let json = to_json(value)?;
    let text = if is_pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    let text = text.map_err(|error| failed(error.to_string()))?;
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}
