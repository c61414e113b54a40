//! The data of gw: what an API definition says, what a key may do, and how mistakes in them are told.
//!
//! | module | what it holds |
//! |---|---|
//! | [`api_definition`] | [`ApiDefinition`], the root; its parts are [`auth`], [`proxy`], [`transport`], [`cors`], [`version`], [`lists`] |
//! | [`custom_middleware`] | [`Hook`], [`MiddlewareSection`], [`MiddlewareDefinition`]: which plugins run, and where |
//! | [`bundle`] | [`Bundles`](bundle::Bundles) that plugins come from, and their [`Manifest`](bundle::Manifest)s |
//! | [`on_path`] | [`OnPath`], what the entries of `extended_paths` have in common |
//! | [`plugin_name`] | the crate that a name and a path in a definition mean |
//! | [`oas`] | definitions that are OpenAPI documents; [`OasDefinition`], such a document |
//! | [`rewrite`] | [`UrlRewrite`], [`MethodTransform`]: what upstreams get instead of what clients send |
//! | [`session`] | [`Session`], what a key may do; its parts are in [`access`] |
//! | [`policy`] | [`Policy`], what many keys may do; [`read_policy`] and [`read_policies`] |
//! | [`security`] | which ways of authentication are enough, by the OpenAPI document beside a definition |
//! | [`configuration`] | the keys of the gateway's own file that are honoured, and what is said of the others |
//! | [`duration`](mod@duration) | times as Go writes them |
//! | [`uptime`] | how the hosts of an API are watched |
//! | [`expiry`](mod@expiry) | when an API or a version of it is switched off |
//! | [`document`] | [`read`]: from text to an [`ApiDefinition`] and every [`Finding`] about it |
//! | [`finding`] | [`Finding`], [`Severity`], [`Position`]: `file:line:column: path: reason` |
//! | [`locate`](mod@locate), [`json_path`] | from a path in a document to its position in the text |
//!
//! # Invariants
//!
//! - No I/O: text comes in, values go out.
//! - No HTTP library: methods, headers and URLs are strings here; the runtime resolves them.
//! - A field of a definition is either honoured, and then it is in a struct here, or [`read`] warns about it.
//! - A definition in which anything is wrong is not handed out: [`Reading::definition`] is `None`. Who it is for is, as
//!   far as it can be read: [`Reading::identity`].

#![deny(missing_docs)]
// A test that unwraps fails where it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
pub mod api_definition;
pub mod auth;
pub mod bundle;
pub mod cache;
pub mod configuration;
pub mod cors;
pub mod custom_middleware;
pub mod document;
pub mod duration;
pub mod error_overrides;
pub mod events;
pub mod expiry;
pub mod finding;
pub mod headers;
pub mod json_path;
mod jwt;
pub mod lists;
pub mod locate;
pub mod oas;
pub mod on_path;
pub mod plugin_name;
pub mod policy;
pub mod proxy;
pub mod rewrite;
pub mod security;
pub mod session;
pub mod transport;
pub mod uptime;
pub mod version;

mod meaning;
mod nearest;
mod shape;
mod unhonoured;
mod zero;

pub use access::{
    AccessDefinition, AccessLimit, AccessSpec, Endpoint, EndpointMethod, FieldAccess, FieldLimits, RateLimit,
    TypeFields,
};
pub use api_definition::{AnalyticsPlugin, ApiDefinition, GlobalRateLimit};
pub use auth::{AuthConfig, BasicAuth, SIGNATURES, TOKEN_SIGNATURES, TokenSignature};
pub use cache::{CacheEntry, CacheOptions, SAFE_METHODS};
pub use cors::Cors;
pub use custom_middleware::{Hook, MiddlewareDefinition, MiddlewareSection, UnknownHook};
pub use document::{Identity, Reading, read};
pub use duration::{DurationError, duration};
pub use error_overrides::{ErrorMatch, ErrorOverride, ErrorOverrides, ErrorResponse};
pub use events::{EventHandler, EventHandlers, HandlerMeta};
pub use expiry::expiry;
pub use finding::{Finding, Position, Severity};
pub use headers::{HeaderCleanup, HeaderTransform, ProcessorOptions, ResponseProcessor};
pub use json_path::{JsonPath, Segment};
pub use jwt::{JwksUri, SIGNING_METHODS, ScopeClaim, Scopes};
pub use lists::{InternalPath, ListedPath, MethodAction, MockResponse, OlderPaths};
pub use locate::locate;
pub use meaning::{host_mistake, plugin_mistakes};
pub use oas::OasDefinition;
pub use on_path::OnPath;
pub use policy::{Partitions, PoliciesReading, Policy, PolicyReading, read_policies, read_policy};
pub use proxy::Proxy;
pub use rewrite::{METHODS_TO, MethodTransform, RewriteTrigger, TriggerOptions, UrlRewrite, ValueMatch};
pub use security::{AuthMethod, Scheme, alternatives, asks_for_alternatives};
pub use session::{BasicAuthData, JwtData, Monitor, Session};
pub use transport::{Transport, tls_version};
pub use uptime::{CheckCommand, HostCheck, UptimeTests};
pub use version::{
    BodyTemplate, CircuitBreaker, EndpointRate, ExtendedPaths, GoPlugin, HardTimeout, SizeLimit, TemplateData,
    TrackedPath, ValidateJson, ValidateRequest, Version, VersionData, VersionDefinition,
};
