//! Functions of texts.

use std::sync::Arc;

use gotmpl::{Result, Value};
use regex::Regex;

use super::{ANY, Function, boolean, count, elements, failed, function, list, map, string, text, whole};

/// In bytes: no function makes a longer text.
const LONGEST: usize = 1024 * 1024;

pub(super) const TABLE: &[Function] = &[
    function("toString", 1, 1, |a| Ok(string(text(&a[0])))),
    function("toStrings", 1, 1, |a| Ok(list(elements(&a[0])?.iter().map(|value| string(text(value)))))),
    function("trim", 1, 1, |a| Ok(string(text(&a[0]).trim()))),
    function("trimAll", 2, 2, |a| {
        let cut = text(&a[0]);
        Ok(string(text(&a[1]).trim_matches(|c| cut.contains(c))))
    }),
    function("trimPrefix", 2, 2, |a| {
        let whole = text(&a[1]);
        Ok(string(whole.strip_prefix(&*text(&a[0])).unwrap_or(&whole)))
    }),
    function("trimSuffix", 2, 2, |a| {
        let whole = text(&a[1]);
        Ok(string(whole.strip_suffix(&*text(&a[0])).unwrap_or(&whole)))
    }),
    function("upper", 1, 1, |a| Ok(string(text(&a[0]).to_uppercase()))),
    function("lower", 1, 1, |a| Ok(string(text(&a[0]).to_lowercase()))),
    function("title", 1, 1, |a| Ok(string(initials(&text(&a[0]), |c| c.to_uppercase().collect())))),
    function("untitle", 1, 1, |a| Ok(string(initials(&text(&a[0]), |c| c.to_lowercase().collect())))),
    function("nospace", 1, 1, |a| Ok(string(text(&a[0]).split_whitespace().collect::<String>()))),
    function("repeat", 2, 2, |a| {
        let (times, part) = (count(&a[0]), text(&a[1]));
        within(part.len().saturating_mul(times))?;
        Ok(string(part.repeat(times)))
    }),
    function("substr", 3, 3, |a| Ok(string(substring(whole(&a[0]), whole(&a[1]), &text(&a[2]))))),
    function("trunc", 2, 2, |a| Ok(string(truncated(whole(&a[0]), &text(&a[1]))))),
    function("contains", 2, 2, |a| boolean(text(&a[1]).contains(&*text(&a[0])))),
    function("hasPrefix", 2, 2, |a| boolean(text(&a[1]).starts_with(&*text(&a[0])))),
    function("hasSuffix", 2, 2, |a| boolean(text(&a[1]).ends_with(&*text(&a[0])))),
    function("quote", 0, ANY, |a| Ok(string(joined(a, " ", |value| format!("{:?}", &*text(value)))))),
    function("squote", 0, ANY, |a| Ok(string(joined(a, " ", |value| format!("'{}'", text(value)))))),
    function("cat", 0, ANY, |a| Ok(string(joined(a, " ", |value| text(value).to_string())))),
    function("indent", 2, 2, |a| Ok(string(indented(&a[0], &text(&a[1]))?))),
    function("nindent", 2, 2, |a| Ok(string(format!("\n{}", indented(&a[0], &text(&a[1]))?)))),
    function("replace", 3, 3, |a| {
        let (old, new, whole) = (text(&a[0]), text(&a[1]), text(&a[2]));
        let found = if old.is_empty() { whole.chars().count() + 1 } else { whole.matches(&*old).count() };
        within(whole.len().saturating_add(found.saturating_mul(new.len())))?;
        Ok(string(whole.replace(&*old, &new)))
    }),
    function("plural", 3, 3, |a| Ok(string(text(if whole(&a[2]) == 1 { &a[0] } else { &a[1] })))),
    function("split", 2, 2, |a| {
        let (separator, whole) = (text(&a[0]), text(&a[1]));
        let numbered = |(at, part): (usize, &str)| (Arc::from(format!("_{at}")), string(part));
        Ok(map(whole.split(&*separator).enumerate().map(numbered)))
    }),
    function("splitList", 2, 2, |a| Ok(list(text(&a[1]).split(&*text(&a[0])).map(string)))),
    function("join", 2, 2, |a| match &a[1] {
        Value::List(values) => Ok(string(joined(values, &text(&a[0]), |value| text(value).to_string()))),
        other => Ok(string(text(other))),
    }),
    function("sortAlpha", 1, 1, |a| {
        let mut texts: Vec<Arc<str>> = elements(&a[0])?.iter().map(text).collect();
        texts.sort_unstable();
        Ok(list(texts.into_iter().map(string)))
    }),
    function("regexMatch", 2, 2, |a| boolean(regex(&a[0])?.is_match(&text(&a[1])))),
    function("regexFind", 2, 2, |a| {
        let whole = text(&a[1]);
        Ok(string(regex(&a[0])?.find(&whole).map_or("", |found| found.as_str())))
    }),
    function("regexFindAll", 3, 3, |a| {
        let (whole, most) = (text(&a[1]), limit(&a[2]));
        Ok(list(regex(&a[0])?.find_iter(&whole).take(most).map(|found| string(found.as_str()))))
    }),
    function("regexReplaceAll", 3, 3, |a| Ok(string(regex(&a[0])?.replace_all(&text(&a[1]), &*text(&a[2])).as_ref()))),
    function("regexReplaceAllLiteral", 3, 3, |a| {
        let new = text(&a[2]);
        Ok(string(regex(&a[0])?.replace_all(&text(&a[1]), regex::NoExpand(&new)).as_ref()))
    }),
    function("regexSplit", 3, 3, |a| {
        let (regex, whole) = (regex(&a[0])?, text(&a[1]));
        Ok(list(regex.splitn(&whole, limit(&a[2])).map(string)))
    }),
    function("regexQuoteMeta", 1, 1, |a| Ok(string(regex::escape(&text(&a[0]))))),
];

/// `n` of Go's functions: below zero is all.
fn limit(value: &Value) -> usize {
    usize::try_from(whole(value)).unwrap_or(usize::MAX)
}

fn regex(value: &Value) -> Result<Regex> {
    Regex::new(&text(value)).map_err(|error| failed(error.to_string()))
}

/// # Errors
/// When a text is longer than any may be.
fn within(bytes: usize) -> Result<()> {
    if bytes > LONGEST { Err(failed(format!("it would make more than {LONGEST} bytes"))) } else { Ok(()) }
}

fn joined(values: &[Value], separator: &str, shown: impl Fn(&Value) -> String) -> String {
    // Source: sprig leaves nil out.
    let values = values.iter().filter(|value| !matches!(value, Value::Nil));
    values.map(shown).collect::<Vec<_>>().join(separator)
}

fn initials(text: &str, change: impl Fn(char) -> String) -> String {
    let mut begins = true;
    let mut changed = String::with_capacity(text.len());
    for c in text.chars() {
        if begins {
            changed.push_str(&change(c));
        } else {
            changed.push(c);
        }
        begins = c.is_whitespace();
    }
    changed
}

/// Bytes `start` to `end`; below zero is open. Source: sprig, `substring`.
fn substring(start: i64, end: i64, text: &str) -> String {
    let start = usize::try_from(start).unwrap_or_default();
    let end = usize::try_from(end).map_or(text.len(), |end| end.min(text.len()));
    String::from_utf8_lossy(text.as_bytes().get(start..end).unwrap_or_default()).into_owned()
}

/// The first bytes; below zero, the last.
fn truncated(length: i64, text: &str) -> String {
    let most = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX).min(text.len());
    let kept = if length < 0 { text.len() - most..text.len() } else { 0..most };
    String::from_utf8_lossy(&text.as_bytes()[kept]).into_owned()
}

fn indented(spaces: &Value, text: &str) -> Result<String> {
    let spaces = count(spaces);
    within(text.split('\n').count().saturating_mul(spaces).saturating_add(text.len()))?;
    let margin = " ".repeat(spaces);
    Ok(format!("{margin}{}", text.replace('\n', &format!("\n{margin}"))))
}
