//! The versions of an API, and what each does on single paths.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cache::CacheEntry;
use crate::duration::{DurationError, duration};
use crate::headers::HeaderTransform;
use crate::lists::{InternalPath, ListedPath, MockResponse, OlderPaths};
use crate::rewrite::{MethodTransform, UrlRewrite};

/// How requests name a version, and the APIs that are versions of this one. Source: Tyk, `VersionDefinition` in
/// `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct VersionDefinition {
    /// The versions are APIs of their own: `versions`.
    pub enabled: bool,
    /// What this API itself is called among them.
    pub name: String,
    /// The version of a request that names none; `self` is this API.
    pub default: String,
    /// Where a request names a version: `header`, `url-param`, or `url`, the first segment after the listen path.
    pub location: String,
    /// The name of the header, or of the parameter.
    pub key: String,
    /// An older name of `strip_versioning_data`, for the segment alone.
    pub strip_path: bool,
    /// The name of the version is taken out of the request.
    pub strip_versioning_data: bool,
    /// A segment is taken out only if it is like this.
    pub url_versioning_pattern: String,
    /// A request for a version that is not there is for the default one.
    pub fallback_to_default: bool,
    /// The ids of APIs, by the names of versions.
    pub versions: BTreeMap<String, String>,
    /// Kept: the id of the API that this one is a version of.
    pub base_id: String,
}

/// The versions of an API. Source: Tyk, `VersionData` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct VersionData {
    /// Every request is of the one version there is.
    pub not_versioned: bool,
    /// The version of a request that names none.
    pub default_version: String,
    /// The versions, by name.
    pub versions: BTreeMap<String, Version>,
}

impl VersionData {
    /// Whether requests say which of several versions they are for.
    pub fn is_versioned(&self) -> bool {
        !self.not_versioned && self.versions.len() > 1
    }
}

/// One version of an API. Source: Tyk, `VersionInfo` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Version {
    /// Its name, as a request gives it.
    pub name: String,
    /// When the version is switched off, as [`expiry`](crate::expiry::expiry) reads it.
    pub expires: String,
    /// Without it, `extended_paths` has no effect, and `paths` has.
    pub use_extended_paths: bool,
    /// An older form of the lists of `extended_paths`.
    pub paths: OlderPaths,
    /// What happens on single paths.
    pub extended_paths: ExtendedPaths,
    /// Paths of `extended_paths` match without regard to case.
    pub ignore_endpoint_case: bool,
    /// Where its requests go, in place of `proxy.target_url` and `proxy.target_list`.
    pub override_target: String,
    /// How long an answer may take where no `hard_timeouts` says so, as [`duration`](crate::duration()) reads it.
    pub global_enforce_timeout: String,
    /// Leaves `global_enforce_timeout` out.
    pub global_enforce_timeout_disabled: bool,
    /// Headers to take off every request, before any is put on.
    pub global_headers_remove: Vec<String>,
    /// Headers to put on every request, in place of those of the same name.
    pub global_headers: BTreeMap<String, String>,
    /// Leaves `global_headers` and `global_headers_remove` out.
    pub global_headers_disabled: bool,
    /// Headers to take off every response, before any is put on.
    pub global_response_headers_remove: Vec<String>,
    /// Headers to put on every response, in place of those of the same name.
    pub global_response_headers: BTreeMap<String, String>,
    /// Leaves both out, and what `response_processors` has for headers.
    pub global_response_headers_disabled: bool,
    /// How large the body of a request may be, in bytes; zero or less is any.
    pub global_size_limit: i64,
    /// Leaves `global_size_limit` out.
    pub global_size_limit_disabled: bool,
}

/// What a version does on single paths. Source: Tyk, `ExtendedPathsSet` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ExtendedPaths {
    /// Paths that the gateway answers itself, before anybody is asked who they are.
    pub mock_response: Vec<MockResponse>,
    /// Paths on which nobody is asked who they are, and on which no key is limited.
    pub ignored: Vec<ListedPath>,
    /// Paths that are refused.
    pub black_list: Vec<ListedPath>,
    /// Where there are some, all other paths are refused.
    pub white_list: Vec<ListedPath>,
    /// Paths that only the gateway itself asks for.
    pub internal: Vec<InternalPath>,
    /// Plugins that answer or change requests to one path; the first that matches runs.
    pub go_plugin: Vec<GoPlugin>,
    /// How long the upstream may take for its answer; the first that matches counts.
    pub hard_timeouts: Vec<HardTimeout>,
    /// When an upstream that fails is left alone for a while; the first that matches counts.
    pub circuit_breakers: Vec<CircuitBreaker>,
    /// The rate of all requests to one path together; the first that matches counts.
    pub rate_limit: Vec<EndpointRate>,
    /// Headers of requests; the first that matches counts.
    pub transform_headers: Vec<HeaderTransform>,
    /// Headers of responses; the first that matches counts.
    pub transform_response_headers: Vec<HeaderTransform>,
    /// How large the body of a request may be; the first that matches counts.
    pub size_limits: Vec<SizeLimit>,
    /// Other methods for the upstream; the first that matches counts.
    pub method_transforms: Vec<MethodTransform>,
    /// Other URLs for the upstream; the first that matches counts.
    pub url_rewrites: Vec<UrlRewrite>,
    /// Paths whose answers to `GET`, `HEAD` and `OPTIONS` are kept.
    pub cache: Vec<String>,
    /// The same with more to say; the first that matches counts, after those of `cache`.
    pub advance_cache_config: Vec<CacheEntry>,
    /// Paths whose analytics records carry the path of the entry in place of the request's; the first that matches counts.
    pub track_endpoints: Vec<TrackedPath>,
    /// Paths that have no analytics records.
    pub do_not_track_endpoints: Vec<TrackedPath>,
    /// What bodies are to be; the first that matches counts.
    pub validate_json: Vec<ValidateJson>,
    /// Requests that are to be what the OpenAPI document beside the definition says.
    pub validate_request: Vec<ValidateRequest>,
    /// What is made of bodies of requests; the first that matches counts.
    pub transform: Vec<BodyTemplate>,
    /// What is made of bodies of responses; the first that matches counts.
    pub transform_response: Vec<BodyTemplate>,
}

/// A path that analytics records are made of, or not. Source: Tyk, `TrackEndpointMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct TrackedPath {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
}

/// How large a request to one path may be. Source: Tyk, `RequestSizeMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct SizeLimit {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// In bytes.
    pub size_limit: i64,
}

/// What is made of the bodies of one path and method. Source: Tyk, `TemplateMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct BodyTemplate {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// The template.
    pub template_data: TemplateData,
}

/// A template of bodies. Source: Tyk, `TemplateData` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct TemplateData {
    /// What the body is: `json` or `xml`.
    pub input_type: String,
    /// Where the template is: `file`, or `blob`, in base64.
    pub template_mode: String,
    /// The template is given the `meta_data` of the session, as `_tyk_meta`.
    pub enable_session: bool,
    /// The file, or the template.
    pub template_source: String,
}

/// What the bodies of one path and method are to be. Source: Tyk, `ValidatePathMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ValidateJson {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// The JSON schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Map<String, Value>>,
    /// The same in base64, where there is no `schema`.
    pub schema_b64: String,
    /// The status of the answer to a body that is not like it; 0 is 422.
    pub error_response_code: i64,
}

/// That requests to one path and method are to be what the OpenAPI document says. Source: Tyk, `ValidateRequestMeta` in
/// `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ValidateRequest {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path, as the document has it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// Without it, nothing is asked of requests.
    pub enabled: bool,
    /// The status of the answer to those that are not; 0 is 422.
    pub error_response_code: i64,
}

/// The rate of one path and method. Source: Tyk, `RateLimitMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct EndpointRate {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// Requests per [`per`](Self::per); zero or less means no limit of its own.
    pub rate: f64,
    /// The window of [`rate`](Self::rate), in seconds.
    pub per: f64,
}

/// A plugin on one path and method. Source: Tyk, `GoPluginMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct GoPlugin {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it serves.
    pub method: String,
    /// Where Tyk finds the plugin's file; the stem chooses between linked plugins of one name.
    pub plugin_path: String,
    /// The plugin's name.
    pub func_name: String,
}

/// A time within which the upstream has to answer. Source: Tyk, `HardTimeoutMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct HardTimeout {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// In seconds.
    pub timeout: i64,
    /// The same as [`duration`](crate::duration()) reads it; it counts where it is not zero.
    pub duration: String,
}

impl HardTimeout {
    /// The time; `None` where the entry sets none.
    ///
    /// # Errors
    /// When `duration` is no duration.
    pub fn limit(&self) -> Result<Option<Duration>, DurationError> {
        let written = duration(&self.duration)?;
        let seconds = u64::try_from(self.timeout).map(Duration::from_secs).unwrap_or_default();
        Ok([written, seconds].into_iter().find(|time| !time.is_zero()))
    }
}

/// When an upstream is left alone. Source: Tyk, `CircuitBreakerMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct CircuitBreaker {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// The share of failures that opens the breaker, from 0 to 1.
    pub threshold_percent: f64,
    /// How many answers there must be before the share counts.
    pub samples: i64,
    /// How long the breaker stays open, in seconds.
    pub return_to_service_after: i64,
    /// Lets nothing through while it is open, not even a request that tries whether the upstream is back.
    pub disable_half_open_state: bool,
}
