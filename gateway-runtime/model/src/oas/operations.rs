//! `middleware.operations`: what happens on single paths. Each entry belongs to the operation of the document whose
//! `operationId` it is under, and becomes an entry of a list of `extended_paths`.

use serde_json::{Map, Value, json};

use super::form::Form::{First, Pairs, Seconds};
use super::paths;
use super::rewrites;
use super::rule::{self, Notes, Rule, get, not, rule, same};
use crate::json_path::JsonPath;

/// Where they are in the extension.
pub(super) const AT: &str = "middleware.operations";

/// What may be said of an operation, and the list that it becomes an entry of.
pub(super) struct Kind {
    pub(super) oas: &'static str,
    pub(super) list: &'static str,
    pub(super) rules: &'static [Rule],
    pub(super) shape: Shape,
}

/// What is special about one kind.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Plain,
    /// It is a list, of which the first counts.
    List,
    /// Its source is a file (`path`) or there itself (`body`): the names of how, and of the source, in the classic form.
    Source(&'static str, &'static str),
    /// It has triggers.
    Rewrite,
}

const SWITCH: Rule = not("enabled", "disabled");
const LISTED: &[Rule] = &[SWITCH, same("ignoreCase", "ignore_case")];
const HEADERS: &[Rule] =
    &[SWITCH, same("remove", "delete_headers"), rule("add", "add_headers", Pairs("name", "value"))];
const BODY: &[Rule] = &[SWITCH, same("format", "template_data.input_type")];
const BODY_SOURCE: Shape = Shape::Source("template_data.template_mode", "template_data.template_source");

const fn kind(oas: &'static str, list: &'static str, rules: &'static [Rule]) -> Kind {
    Kind { oas, list, rules, shape: Shape::Plain }
}

/// Source: gateway.md §4.4, §4.6; plugin-system.md §2.3.
pub(super) const KINDS: &[Kind] = &[
    kind("allow", "white_list", LISTED),
    kind("block", "black_list", LISTED),
    kind("ignoreAuthentication", "ignored", LISTED),
    kind("internal", "internal", &[SWITCH]),
    kind("transformRequestMethod", "method_transforms", &[SWITCH, same("toMethod", "to_method")]),
    Kind { shape: BODY_SOURCE, ..kind("transformRequestBody", "transform", BODY) },
    Kind { shape: BODY_SOURCE, ..kind("transformResponseBody", "transform_response", BODY) },
    kind("transformRequestHeaders", "transform_headers", HEADERS),
    kind("transformResponseHeaders", "transform_response_headers", HEADERS),
    Kind {
        shape: Shape::Rewrite,
        ..kind(
            "urlRewrite",
            "url_rewrites",
            &[SWITCH, same("pattern", "match_pattern"), same("rewriteTo", "rewrite_to")],
        )
    },
    kind(
        "cache",
        "advance_cache_config",
        &[
            SWITCH,
            same("cacheByRegex", "cache_key_regex"),
            same("cacheResponseCodes", "cache_response_codes"),
            same("timeout", "timeout"),
        ],
    ),
    kind("enforceTimeout", "hard_timeouts", &[SWITCH, same("value", "timeout"), same("duration", "duration")]),
    kind(
        "validateRequest",
        "validate_request",
        &[SWITCH, same("enabled", "enabled"), same("errorResponseCode", "error_response_code")],
    ),
    Kind {
        shape: Shape::Source("function_source_type", "function_source_uri"),
        ..kind(
            "virtualEndpoint",
            "virtual",
            &[
                SWITCH,
                same("functionName", "response_function_name").or("name"),
                same("proxyOnError", "proxy_on_error"),
                same("requireSession", "use_session"),
            ],
        )
    },
    Kind { shape: Shape::List, ..kind("postPlugins", "go_plugin", PLUGIN) },
    kind(
        "circuitBreaker",
        "circuit_breakers",
        &[
            SWITCH,
            same("threshold", "threshold_percent"),
            same("sampleSize", "samples"),
            same("coolDownPeriod", "return_to_service_after"),
            not("halfOpenStateEnabled", "disable_half_open_state"),
        ],
    ),
    kind("trackEndpoint", "track_endpoints", &[SWITCH]),
    kind("doNotTrackEndpoint", "do_not_track_endpoints", &[SWITCH]),
    kind("requestSizeLimit", "size_limits", &[SWITCH, same("value", "size_limit")]),
    kind("rateLimit", "rate_limit", &[SWITCH, same("rate", "rate"), rule("per", "per", Seconds)]),
];

const PLUGIN: &[Rule] = &[SWITCH, same("functionName", "func_name").or("name"), same("path", "plugin_path")];

/// The entries of `extended_paths`, in the order of the paths. What is under an id that no operation has is a mistake.
pub(super) fn extract(document: &Value, (from, at): (&Value, &JsonPath), to: &JsonPath, notes: &mut Notes) -> Value {
    let mut lists = Map::new();
    let Some(entries) = from.as_object() else { return Value::Object(lists) };
    let operations = paths::operations(document);
    for (id, entry) in entries.iter().filter(|(_, entry)| !entry.is_null()) {
        if !operations.iter().any(|operation| operation.id == Some(id.as_str())) {
            let reason = format!(
                "no operation under `paths` has the `operationId` `{id}`, so this belongs to no path; name one that is \
                 there, or take this away"
            );
            notes.error(at.key(id.as_str()), reason);
        } else if !entry.is_object() {
            notes.wrong_type::<()>(&at.key(id.as_str()), entry, "an object");
        }
    }
    for operation in operations {
        let Some((id, entry)) = operation.id.and_then(|id| entries.get(id).map(|entry| (id, entry))) else { continue };
        for kind in KINDS {
            let Some(value) = get(entry, kind.oas) else { continue };
            let list = lists.entry(kind.list).or_insert_with(|| json!([]));
            let Value::Array(list) = list else { continue };
            let to = to.key(kind.list).index(list.len());
            if let Some(mut made) = kind.extract((value, &at.key(id).key(kind.oas)), &to, notes) {
                // Where the path comes from is where a mistake in it is told.
                notes.places.add(to.key("path"), operation.at(), false);
                made.insert("path".to_owned(), operation.path.into());
                made.insert("method".to_owned(), operation.method.to_uppercase().into());
                list.push(made.into());
            }
        }
    }
    lists.retain(|_, list| !rule::is_zero(list));
    lists.into()
}

impl Kind {
    fn extract(
        &self,
        (value, at): (&Value, &JsonPath),
        to: &JsonPath,
        notes: &mut Notes,
    ) -> Option<Map<String, Value>> {
        let (value, at) = match self.shape {
            Shape::List => {
                let made = First(PLUGIN).extract(Some(value), at, to, notes)?;
                return made.as_object().cloned();
            }
            _ => (value, at),
        };
        if !value.is_object() {
            return notes.wrong_type(at, value, "an object");
        }
        let mut made = Value::Object(Map::new());
        notes.places.add(to.clone(), at.clone(), false);
        rule::extract(self.rules, (value, at), (&mut made, to), notes);
        match self.shape {
            Shape::Source(how, source) => self.extract_source((value, at), (how, source), (&mut made, to), notes),
            Shape::Rewrite => rewrites::extract((value, at), (&mut made, to), notes),
            Shape::Plain | Shape::List => {}
        }
        made.as_object().cloned()
    }

    /// Source: Tyk, `apidef/oas/middleware.go`: what is there itself wins over a file.
    fn extract_source(
        &self,
        (value, at): (&Value, &JsonPath),
        (how, source): (&str, &str),
        (made, to): (&mut Value, &JsonPath),
        notes: &mut Notes,
    ) {
        let (key, kind) = if get(value, "body").is_some_and(|body| !rule::is_zero(body)) {
            ("body", "blob")
        } else {
            ("path", "file")
        };
        rule::put(made, how, kind.into());
        rule::put(made, source, get(value, key).cloned().unwrap_or_else(|| "".into()));
        notes.places.add(rule::join(to, source), at.key(key), true);
    }

    /// What an entry of the list is in the OpenAPI form.
    fn fill(&self, entry: &Value) -> Value {
        if self.shape == Shape::List {
            let mut item = Value::Object(Map::new());
            rule::fill(PLUGIN, entry, &mut item);
            return json!([item]);
        }
        let mut made = Value::Object(Map::new());
        rule::fill(self.rules, entry, &mut made);
        match self.shape {
            Shape::Source(how, source) => {
                let key = if get(entry, how).and_then(Value::as_str) == Some("blob") { "body" } else { "path" };
                if let Some(source) = get(entry, source).filter(|source| !rule::is_zero(source)) {
                    rule::put(&mut made, key, source.clone());
                }
            }
            Shape::Rewrite => rewrites::fill(entry, &mut made),
            Shape::Plain | Shape::List => {}
        }
        made
    }
}

/// Puts the entries of `extended_paths` under the operations that they are for, which are made where the document has
/// none.
pub(super) fn fill(extended: &Value, document: &mut Value, into: &mut Value) {
    for kind in KINDS {
        for entry in get(extended, kind.list).and_then(Value::as_array).into_iter().flatten() {
            let text = |key| get(entry, key).and_then(Value::as_str).unwrap_or_default();
            let id = paths::operation_id(document, text("path"), text("method"));
            let of = rule::object(rule::object(into).entry(id).or_insert(Value::Null));
            // The first that matches counts, in the classic form too.
            of.entry(kind.oas).or_insert_with(|| kind.fill(entry));
        }
    }
}

/// Moves what is in older places of an entry to the newer ones.
pub(super) fn renew(entry: &mut Value) {
    for kind in KINDS {
        let Some(value) = entry.as_object_mut().and_then(|entry| entry.get_mut(kind.oas)) else { continue };
        match (kind.shape, value) {
            (Shape::List, Value::Array(items)) => items.iter_mut().for_each(|item| rule::renew(PLUGIN, item)),
            (_, value) => rule::renew(kind.rules, value),
        }
    }
}
