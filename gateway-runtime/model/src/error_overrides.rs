//! Answers in place of errors, the gateway's own and those of upstreams.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// By the status code of the error, such as `404`, or by its class, `4xx` or `5xx`. Source: gateway.md §5.11.
pub type ErrorOverrides = BTreeMap<String, Vec<ErrorOverride>>;

/// What is answered in place of some errors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ErrorOverride {
    /// Which of the errors with that status; `None` is all of them.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<ErrorMatch>,
    /// What is answered.
    pub response: ErrorResponse,
}

/// What tells errors apart: one of these is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ErrorMatch {
    /// The kind of error, such as `RLT`, which is a rate.
    pub flag: String,
    /// A regular expression, which is looked for in the message, or in the first 4 KiB of the upstream's body.
    pub message_pattern: String,
    /// Members of the upstream's JSON, joined by dots.
    pub body_field: String,
    /// What must be there.
    pub body_value: String,
}

/// An answer; what it leaves out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ErrorResponse {
    /// The status; 0 is that of the error.
    pub status_code: u16,
    /// The body, which may be a template.
    pub body: String,
    /// The message in the body that all errors have.
    pub message: String,
    /// The name of a file in the gateway's `template_path`, with or without its extension.
    pub template: String,
    /// Headers to set.
    pub headers: BTreeMap<String, String>,
}
