//! What a schema finds wrong, in the words of gojsonschema.

use boon::{ErrorKind, InstanceLocation, InstanceToken, ValidationError};
use serde_json::Value;

/// How many mistakes are told.
const MOST: usize = 100;

/// The mistakes that an error stands for, each with its place.
pub(super) fn tell(error: &ValidationError<'_, '_>, told: &mut Vec<String>) {
    if told.len() >= MOST {
        return;
    }
    let place = place(&error.instance_location);
    let words = words(&error.kind, &place);
    // What is wrong with the parts of an alternative is not wrong with the whole.
    let is_alternative = matches!(error.kind, ErrorKind::AnyOf | ErrorKind::OneOf(_) | ErrorKind::Not);
    if words.is_empty() && error.causes.is_empty() {
        told.push(format!("{place}: {}", error.kind));
    }
    told.extend(words.into_iter().map(|words| format!("{place}: {words}")));
    if !is_alternative {
        error.causes.iter().for_each(|cause| tell(cause, told));
    }
}

/// Source: gojsonschema, `JsonContext`.
fn place(location: &InstanceLocation<'_>) -> String {
    let name = |token: &InstanceToken<'_>| match token {
        InstanceToken::Prop(name) => name.to_string(),
        InstanceToken::Item(index) => index.to_string(),
    };
    let names: Vec<String> = location.tokens.iter().map(name).collect();
    if names.is_empty() { "(root)".to_owned() } else { names.join(".") }
}

/// Source: gojsonschema, `DefaultLocale`. Empty for what only stands for others, and for what it has no words for.
fn words(kind: &ErrorKind<'_, '_>, place: &str) -> Vec<String> {
    use ErrorKind as K;
    let one = |words: String| vec![words];
    match kind {
        K::Required { want } => want.iter().map(|name| format!("{name} is required")).collect(),
        K::AdditionalProperties { got } => {
            got.iter().map(|name| format!("Additional property {name} is not allowed")).collect()
        }
        K::Dependency { missing, .. } | K::DependentRequired { missing, .. } => {
            missing.iter().map(|name| format!("Has a dependency on {name}")).collect()
        }
        K::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|kind| kind.to_string()).collect();
            one(format!("Invalid type. Expected: {}, given: {got}", want.join(",")))
        }
        K::Enum { want } => {
            let want: Vec<String> = want.iter().map(Value::to_string).collect();
            one(format!("{place} must be one of the following: {}", want.join(", ")))
        }
        K::Const { want } => one(format!("{place} does not match: {want}")),
        K::PropertyName { prop } => one(format!("Property name of \"{prop}\" does not match")),
        K::Pattern { want, .. } => one(format!("Does not match pattern '{want}'")),
        K::Format { want, .. } => one(format!("Does not match format '{want}'")),
        K::MinLength { want, .. } => one(format!("String length must be greater than or equal to {want}")),
        K::MaxLength { want, .. } => one(format!("String length must be less than or equal to {want}")),
        K::Minimum { want, .. } => one(format!("Must be greater than or equal to {want}")),
        K::Maximum { want, .. } => one(format!("Must be less than or equal to {want}")),
        K::ExclusiveMinimum { want, .. } => one(format!("Must be greater than {want}")),
        K::ExclusiveMaximum { want, .. } => one(format!("Must be less than {want}")),
        K::MultipleOf { want, .. } => one(format!("Must be a multiple of {want}")),
        K::MinItems { want, .. } => one(format!("Array must have at least {want} items")),
        K::MaxItems { want, .. } => one(format!("Array must have at most {want} items")),
        K::AdditionalItems { .. } => one("No additional items allowed on array".to_owned()),
        K::UniqueItems { got: [first, second] } => one(format!("array items[{first},{second}] must be unique")),
        K::Contains => one("At least one of the items must match".to_owned()),
        K::MinProperties { want, .. } => one(format!("Must have at least {want} properties")),
        K::MaxProperties { want, .. } => one(format!("Must have at most {want} properties")),
        K::AllOf => one("Must validate all the schemas (allOf)".to_owned()),
        K::AnyOf => one("Must validate at least one schema (anyOf)".to_owned()),
        K::OneOf(_) => one("Must validate one and only one schema (oneOf)".to_owned()),
        K::Not => one("Must not validate the schema (not)".to_owned()),
        _ => Vec::new(),
    }
}
