//! The functions of templates beside Go's own: `jsonMarshal`, `xmlMarshal`, and those of sprig that need neither a clock,
//! a network, a random number nor the environment. Source: gateway.md §5.9; sprig 3.

mod data;
mod lists;
mod numbers;
mod texts;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gotmpl::{FuncMap, Result, TemplateError, ToValue, Value, ValueFunc};

pub(super) use data::of_json;

/// One function.
struct Function {
    name: &'static str,
    /// How many arguments it takes.
    least: usize,
    most: usize,
    call: fn(&[Value]) -> Result<Value>,
}

/// As many as there are.
const ANY: usize = usize::MAX;

/// A function that takes between `least` and `most` arguments.
const fn function(name: &'static str, least: usize, most: usize, call: fn(&[Value]) -> Result<Value>) -> Function {
    Function { name, least, most, call }
}

/// All tables.
const TABLES: [&[Function]; 4] = [texts::TABLE, numbers::TABLE, lists::TABLE, data::TABLE];

static ALL: LazyLock<FuncMap> = LazyLock::new(|| {
    let called = |function: &'static Function| {
        let call: ValueFunc = Arc::new(move |arguments: &[Value]| {
            let Function { name, least, most, call } = function;
            if arguments.len() < *least || arguments.len() > *most {
                let got = arguments.len();
                return Err(failed(format!("wrong number of args for {name}: want {least} got {got}")));
            }
            call(arguments).map_err(|error| failed(format!("error calling {name}: {error}")))
        });
        (function.name.to_owned(), call)
    };
    TABLES.into_iter().flatten().map(called).collect()
});

/// All of them, by their names.
pub(super) fn all() -> FuncMap {
    ALL.clone()
}

/// Whether there is one of that name.
pub(super) fn has(name: &str) -> bool {
    ALL.contains_key(name)
}

fn failed(reason: impl Into<String>) -> TemplateError {
    TemplateError::Exec(reason.into())
}

/// What a value reads as. Source: sprig, `strval`.
fn text(value: &Value) -> Arc<str> {
    match value {
        Value::String(text) => Arc::clone(text),
        other => other.to_string().into(),
    }
}

fn string(text: impl Into<Arc<str>>) -> Value {
    Value::String(text.into())
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::List(values.into_iter().collect())
}

fn map(entries: impl IntoIterator<Item = (Arc<str>, Value)>) -> Value {
    Value::Map(Arc::new(entries.into_iter().collect::<BTreeMap<_, _>>()))
}

/// The elements of a list.
fn elements(value: &Value) -> Result<&[Value]> {
    match value {
        Value::List(values) => Ok(values),
        Value::Nil => Ok(&[]),
        other => Err(failed(format!("expected a list, got {}", other.type_name()))),
    }
}

/// The members of a map.
fn members(value: &Value) -> Result<&BTreeMap<Arc<str>, Value>> {
    match value {
        Value::Map(members) => Ok(members),
        other => Err(failed(format!("expected a map, got {}", other.type_name()))),
    }
}

/// A whole number, out of whatever it is. Source: spf13/cast, `ToInt64`, which makes zero of what is none.
fn whole(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        Value::Uint(number) => i64::try_from(*number).unwrap_or(i64::MAX),
        Value::Float(number) => truncated(*number),
        Value::Bool(is_one) => i64::from(*is_one),
        Value::String(text) => text.trim().parse().unwrap_or_default(),
        _ => 0,
    }
}

/// The part of a number before its point; what is too large is the largest.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and that is what is meant")]
fn truncated(number: f64) -> i64 {
    number as i64
}

/// A count or a place, which is never below zero.
fn count(value: &Value) -> usize {
    usize::try_from(whole(value)).unwrap_or_default()
}

fn boolean(is_true: bool) -> Result<Value> {
    Ok(is_true.to_value())
}
