//! Functions of lists and maps, and those that choose among values. Nothing is changed in place: `set` and `unset`, which
//! do that, are left out.

use std::sync::Arc;

use gotmpl::{Result, Value};

use super::{ANY, Function, boolean, count, elements, failed, function, list, map, members, string, text};

pub(super) const TABLE: &[Function] = &[
    function("list", 0, ANY, |a| Ok(list(a.iter().cloned()))),
    function("first", 1, 1, |a| Ok(elements(&a[0])?.first().cloned().unwrap_or(Value::Nil))),
    function("last", 1, 1, |a| Ok(elements(&a[0])?.last().cloned().unwrap_or(Value::Nil))),
    function("rest", 1, 1, |a| Ok(list(elements(&a[0])?.iter().skip(1).cloned()))),
    function("initial", 1, 1, |a| {
        let all = elements(&a[0])?;
        Ok(list(all.iter().take(all.len().saturating_sub(1)).cloned()))
    }),
    function("append", 2, 2, |a| Ok(list(elements(&a[0])?.iter().chain([&a[1]]).cloned()))),
    function("prepend", 2, 2, |a| Ok(list([&a[1]].into_iter().chain(elements(&a[0])?).cloned()))),
    function("concat", 0, ANY, |a| {
        let lists: Vec<&[Value]> = a.iter().map(elements).collect::<Result<_>>()?;
        Ok(list(lists.concat()))
    }),
    function("reverse", 1, 1, |a| Ok(list(elements(&a[0])?.iter().rev().cloned()))),
    function("uniq", 1, 1, |a| Ok(list(unique(elements(&a[0])?)?))),
    function("without", 1, ANY, |a| Ok(list(elements(&a[0])?.iter().filter(|one| !a[1..].contains(one)).cloned()))),
    function("has", 2, 2, |a| boolean(elements(&a[1])?.contains(&a[0]))),
    function("compact", 1, 1, |a| Ok(list(elements(&a[0])?.iter().filter(|one| one.is_truthy()).cloned()))),
    function("slice", 1, 3, |a| {
        let bound = |at: usize| a.get(at).map(|value| i64::try_from(count(value)).unwrap_or(i64::MAX));
        a[0].slice(bound(1), bound(2))
    }),
    function("dict", 0, ANY, |a| {
        let value = |pair: &[Value]| pair.get(1).cloned().unwrap_or_else(|| string(""));
        Ok(map(a.chunks(2).map(|pair| (text(&pair[0]), value(pair)))))
    }),
    function("get", 2, 2, |a| Ok(members(&a[0])?.get(&text(&a[1])).cloned().unwrap_or_else(|| string("")))),
    function("hasKey", 2, 2, |a| boolean(members(&a[0])?.contains_key(&text(&a[1])))),
    function("keys", 1, ANY, |a| {
        let maps = a.iter().map(members).collect::<Result<Vec<_>>>()?;
        Ok(list(maps.into_iter().flat_map(|map| map.keys()).map(|key| string(Arc::clone(key)))))
    }),
    function("values", 1, 1, |a| Ok(list(members(&a[0])?.values().cloned()))),
    function("pick", 1, ANY, |a| chosen(a, true)),
    function("omit", 1, ANY, |a| chosen(a, false)),
    function("pluck", 1, ANY, |a| {
        let name = text(&a[0]);
        let maps = a[1..].iter().map(members).collect::<Result<Vec<_>>>()?;
        Ok(list(maps.into_iter().filter_map(|map| map.get(&name)).cloned()))
    }),
    // What the first has is not overwritten.
    function("merge", 1, ANY, |a| {
        let maps = a.iter().rev().map(members).collect::<Result<Vec<_>>>()?;
        Ok(map(maps.into_iter().flatten().map(|(name, value)| (Arc::clone(name), value.clone()))))
    }),
    function("default", 1, 2, |a| Ok(a.get(1).filter(|given| given.is_truthy()).unwrap_or(&a[0]).clone())),
    function("empty", 1, 1, |a| boolean(!a[0].is_truthy())),
    function("coalesce", 0, ANY, |a| Ok(a.iter().find(|one| one.is_truthy()).cloned().unwrap_or(Value::Nil))),
    function("ternary", 3, 3, |a| Ok(if a[2].is_truthy() { a[0].clone() } else { a[1].clone() })),
    function("all", 0, ANY, |a| boolean(a.iter().all(Value::is_truthy))),
    function("any", 0, ANY, |a| boolean(a.iter().any(Value::is_truthy))),
    function("fail", 1, 1, |a| Err(failed(text(&a[0]).as_ref()))),
    function("kindOf", 1, 1, |a| Ok(string(kind(&a[0])))),
    function("kindIs", 2, 2, |a| boolean(kind(&a[1]) == &*text(&a[0]))),
];

/// As Go's `reflect` names it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "invalid",
        Value::List(_) => "slice",
        other => other.type_name(),
    }
}

/// # Errors
/// When there are so many that comparing each with each would take long.
fn unique(values: &[Value]) -> Result<Vec<Value>> {
    const MOST: usize = 2_000;
    let mut seen: Vec<Value> = Vec::new();
    for value in values {
        if seen.len() > MOST {
            return Err(failed(format!("the list has more than {MOST} different values")));
        }
        if !seen.contains(value) {
            seen.push(value.clone());
        }
    }
    Ok(seen)
}

/// The members of the first argument whose names are among the others; or those whose names are not.
fn chosen(a: &[Value], is_named: bool) -> Result<Value> {
    let names: Vec<Arc<str>> = a[1..].iter().map(text).collect();
    let wanted = members(&a[0])?.iter().filter(|(name, _)| names.contains(name) == is_named);
    Ok(map(wanted.map(|(name, value)| (Arc::clone(name), value.clone()))))
}
