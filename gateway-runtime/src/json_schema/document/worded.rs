//! What a schema finds wrong with a value of a request, in the words of kin-openapi. Source: kin-openapi, `SchemaError`.

use boon::{ErrorKind, InstanceLocation, InstanceToken, ValidationError};
use serde_json::Value;

/// The first mistake, by its place.
pub(super) fn first(error: &ValidationError<'_, '_>) -> String {
    let mut told = Vec::new();
    tell(error, &mut told);
    let told = told.into_iter().min().map(|(place, words)| match place.as_str() {
        "" => words,
        place => format!("Error at \"{place}\": {words}"),
    });
    told.unwrap_or_else(|| "doesn't match the schema".to_owned())
}

/// Each mistake with its place, a JSON pointer.
fn tell(error: &ValidationError<'_, '_>, told: &mut Vec<(String, String)>) {
    let place = place(&error.instance_location);
    match words(&error.kind, &place) {
        Some(words) => told.extend(words.into_iter().map(|(key, words)| match key {
            Some(key) => (format!("{place}/{key}"), words),
            None => (place.clone(), words),
        })),
        None if error.causes.is_empty() => told.push((place, error.kind.to_string())),
        None => error.causes.iter().for_each(|cause| tell(cause, told)),
    }
}

fn place(location: &InstanceLocation<'_>) -> String {
    let token = |token: &InstanceToken<'_>| match token {
        InstanceToken::Prop(name) => format!("/{name}"),
        InstanceToken::Item(index) => format!("/{index}"),
    };
    location.tokens.iter().map(token).collect()
}

type Words = Vec<(Option<String>, String)>;

/// The words for one kind of mistake, and where it is about a member, that. `None`: it stands for others, or there are no
/// words.
fn words(kind: &ErrorKind<'_, '_>, place: &str) -> Option<Words> {
    use ErrorKind as K;
    let one = |words: String| Some(vec![(None, words)]);
    match kind {
        K::Required { want } => {
            let missing = |name: &&str| (Some((*name).to_owned()), format!("property \"{name}\" is missing"));
            Some(want.iter().map(missing).collect())
        }
        K::AdditionalProperties { got } => {
            Some(got.iter().map(|name| (None, format!("property \"{name}\" is unsupported"))).collect())
        }
        K::FalseSchema => {
            let name = place.rsplit('/').next().unwrap_or_default();
            one(format!("readOnly property \"{name}\" in request"))
        }
        K::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|kind| kind.to_string()).filter(|kind| kind != "null").collect();
            if got.to_string() == "null" {
                return one("Value is not nullable".to_owned());
            }
            one(match want.as_slice() {
                [kind] => format!("value must be {} {kind}", article(kind)),
                kinds => format!("value must be one of {}", kinds.join(", ")),
            })
        }
        K::Enum { want } => one(format!("value is not one of the allowed values {}", Value::Array((*want).clone()))),
        K::Minimum { want, .. } => one(format!("number must be at least {want}")),
        K::Maximum { want, .. } => one(format!("number must be at most {want}")),
        K::ExclusiveMinimum { want, .. } => one(format!("number must be more than {want}")),
        K::ExclusiveMaximum { want, .. } => one(format!("number must be less than {want}")),
        K::MultipleOf { want, .. } => one(format!("number must be a multiple of {want}")),
        K::MinLength { want, .. } => one(format!("minimum string length is {want}")),
        K::MaxLength { want, .. } => one(format!("maximum string length is {want}")),
        K::Pattern { want, .. } => one(format!("string doesn't match the regular expression \"{want}\"")),
        K::Format { want, .. } if want.starts_with("int") => one(format!("number must be an {want}")),
        K::Format { want, .. } => one(format!("string doesn't match the format \"{want}\"")),
        K::MinItems { want, .. } => one(format!("minimum number of items is {want}")),
        K::MaxItems { want, .. } => one(format!("maximum number of items is {want}")),
        K::UniqueItems { .. } => one("duplicate items found".to_owned()),
        K::MinProperties { want, .. } => one(format!("there must be at least {want} properties")),
        K::MaxProperties { want, .. } => one(format!("there must be at most {want} properties")),
        K::AnyOf => one("doesn't match any schema from \"anyOf\"".to_owned()),
        K::OneOf(None) => one("value doesn't match any schema from \"oneOf\"".to_owned()),
        K::OneOf(Some((first, second))) => one(format!(
            "value matches more than one schema from \"oneOf\" (matches schemas at indices [{first} {second}])"
        )),
        K::Not => one("Doesn't match schema \"not\"".to_owned()),
        _ => None,
    }
}

fn article(kind: &str) -> &'static str {
    if matches!(kind, "array" | "object" | "integer") { "an" } else { "a" }
}
