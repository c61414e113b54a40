//! What a version lets through, refuses or answers itself on single paths. Source: gateway.md §3.4, §5.4.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A path of `ignored`, `white_list` or `black_list`. Source: Tyk, `EndPointMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ListedPath {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for; empty is any.
    pub method: String,
    /// The path matches without regard to case.
    pub ignore_case: bool,
    /// An older form: what is done, by method. Where there are some, the entry is for these methods alone.
    pub method_actions: BTreeMap<String, MethodAction>,
}

/// What is done on a path for one method. Source: Tyk, `EndpointMethodMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct MethodAction {
    /// `no_action`: what the list says; `reply`: the gateway answers.
    pub action: String,
    /// The status of the answer.
    pub code: i64,
    /// The body of the answer.
    pub data: String,
    /// The headers of the answer.
    pub headers: BTreeMap<String, String>,
}

impl MethodAction {
    /// What the list says is done.
    pub const NONE: &'static str = "no_action";
    /// The gateway answers.
    pub const REPLY: &'static str = "reply";
}

/// An answer of the gateway's own. Source: Tyk, `MockResponseMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct MockResponse {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// The path matches without regard to case.
    pub ignore_case: bool,
    /// The status.
    pub code: i64,
    /// The body.
    pub body: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
}

/// A path that only the gateway itself asks for. Source: Tyk, `InternalMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct InternalPath {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
}

/// The older form of the lists, for any method. Source: Tyk, `VersionInfo.Paths` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct OlderPaths {
    /// Nobody is asked who they are.
    pub ignored: Vec<String>,
    /// What is not listed is refused.
    pub white_list: Vec<String>,
    /// What is listed is refused.
    pub black_list: Vec<String>,
}
