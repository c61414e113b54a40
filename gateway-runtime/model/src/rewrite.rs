//! How the URL and the method of a request are rewritten on single paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The methods that a request may be given. Source: gateway.md §3.4.
pub const METHODS_TO: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Another method for the upstream. Source: Tyk, `MethodTransformMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct MethodTransform {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method that clients send.
    pub method: String,
    /// The method that the upstream gets, one of [`METHODS_TO`] whatever its case. With any other, requests are refused.
    pub to_method: String,
}

/// Another URL for the upstream. Source: Tyk, `URLRewriteMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct UrlRewrite {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// A regular expression that has to match path and query, listen path included; else nothing is rewritten.
    pub match_pattern: String,
    /// What takes the place of path and query: a path, a URL of another upstream, or `tyk://…` for another API. `$1` is
    /// what the first group of `match_pattern` matched; variables begin with `$tyk_context.` and `$tyk_meta.`.
    pub rewrite_to: String,
    /// What may say where instead; the first that fires counts.
    pub triggers: Vec<RewriteTrigger>,
}

/// A condition, and what is rewritten to when it holds. Source: Tyk, `RoutingTrigger` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct RewriteTrigger {
    /// `any`: one match is enough; `all`: every group of options must match.
    pub on: String,
    /// What is looked at.
    pub options: TriggerOptions,
    /// As in [`UrlRewrite::rewrite_to`].
    pub rewrite_to: String,
}

/// What a trigger looks at. Source: Tyk, `RoutingTriggerOptions` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct TriggerOptions {
    /// Values of headers, by name.
    pub header_matches: BTreeMap<String, ValueMatch>,
    /// Values of query parameters, by name.
    pub query_val_matches: BTreeMap<String, ValueMatch>,
    /// Segments of the path; names are labels.
    pub path_part_matches: BTreeMap<String, ValueMatch>,
    /// Values in the `meta_data` of the session, by name.
    pub session_meta_matches: BTreeMap<String, ValueMatch>,
    /// Context variables, by name.
    pub request_context_matches: BTreeMap<String, ValueMatch>,
    /// The body.
    pub payload_matches: ValueMatch,
}

/// A regular expression for a value. Source: Tyk, `StringRegexMap` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ValueMatch {
    /// The regular expression.
    pub match_rx: String,
    /// A value matches if the expression does not.
    pub reverse: bool,
}
