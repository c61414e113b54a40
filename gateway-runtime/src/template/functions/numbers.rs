//! Functions of numbers. Source: sprig, which makes whole numbers of whatever it is given.

use gotmpl::{Result, Value};

use super::{ANY, Function, count, failed, function, list, text, whole};

/// How many numbers `until` makes at most.
const MOST: usize = 100_000;

pub(super) const TABLE: &[Function] = &[
    function("int", 1, 1, |a| Ok(Value::Int(whole(&a[0])))),
    function("int64", 1, 1, |a| Ok(Value::Int(whole(&a[0])))),
    function("atoi", 1, 1, |a| Ok(Value::Int(whole(&a[0])))),
    function("float64", 1, 1, |a| Ok(Value::Float(float(&a[0])))),
    function("add", 0, ANY, |a| Ok(fold(a, 0, i64::wrapping_add))),
    function("add1", 1, 1, |a| Ok(Value::Int(whole(&a[0]).wrapping_add(1)))),
    function("sub", 2, 2, |a| Ok(Value::Int(whole(&a[0]).wrapping_sub(whole(&a[1]))))),
    function("mul", 1, ANY, |a| Ok(fold(a, 1, i64::wrapping_mul))),
    function("div", 2, 2, |a| divided(a, i64::checked_div)),
    function("mod", 2, 2, |a| divided(a, i64::checked_rem)),
    function("max", 1, ANY, |a| Ok(Value::Int(a.iter().map(whole).max().unwrap_or_default()))),
    function("min", 1, ANY, |a| Ok(Value::Int(a.iter().map(whole).min().unwrap_or_default()))),
    function("floor", 1, 1, |a| Ok(Value::Float(float(&a[0]).floor()))),
    function("ceil", 1, 1, |a| Ok(Value::Float(float(&a[0]).ceil()))),
    function("round", 2, 2, |a| Ok(Value::Float(rounded(float(&a[0]), whole(&a[1]))))),
    function("until", 1, 1, |a| match count(&a[0]) {
        n if n <= MOST => Ok(list((0..whole(&a[0])).map(Value::Int))),
        _ => Err(failed(format!("it would make more than {MOST} numbers"))),
    }),
];

fn fold(values: &[Value], first: i64, with: fn(i64, i64) -> i64) -> Value {
    Value::Int(values.iter().map(whole).fold(first, with))
}

fn divided(a: &[Value], with: fn(i64, i64) -> Option<i64>) -> Result<Value> {
    with(whole(&a[0]), whole(&a[1])).map(Value::Int).ok_or_else(|| failed("integer divide by zero"))
}

fn float(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.trim().parse().unwrap_or_default(),
        other => other.as_float().unwrap_or_else(|| text(other).parse().unwrap_or_default()),
    }
}

fn rounded(number: f64, places: i64) -> f64 {
    let scale = 10_f64.powi(i32::try_from(places.clamp(-300, 300)).unwrap_or_default());
    (number * scale).round() / scale
}
