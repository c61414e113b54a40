//! Write a plugin for gw, the gateway you compile.
//!
//! A plugin is a function in a crate of its own. The operator names the crate when the gateway is built, and the
//! function in an API definition:
//!
//! ```
//! use gateway_sdk::prelude::*;
//!
//! /// Adds one header on the way to the upstream.
//! #[gw_plugin(hook = "post", name = "AddFooBarHeader")]
//! fn add_foo_bar(req: &mut Request) {
//!     req.headers_mut().append("foo", HeaderValue::from_static("Bar"));
//! }
//! # fn main() {}
//! ```
//!
//! - Hooks, arguments, return values: [`gw_plugin`].
//! - Messages: [`Request`], [`Response`], [`Body`].
//! - Answers: [`Flow`], [`Reject`], [`Json`].
//! - What is kept of a request: [`AnalyticsRecord`], [`Fate`].
//! - Everything else: [`Ctx`], which is also the log, the HTTP client and the store of [`Services`]; [`Config`],
//!   [`State`].
//! - Tests without a server: [`testing`].
//!
//! # Invariants
//! This crate knows no runtime and no socket: what a plugin may ask of the gateway is the trait [`host::Host`]. The
//! macro writes the only code that registers anything, and [`registry`] is the only file that knows how.

#![deny(missing_docs)]

pub mod analytics;
pub mod body;
pub mod caller;
pub mod client_tls;
pub mod config;
pub mod context;
pub mod exchange;
pub mod flow;
pub mod host;
pub mod init;
pub mod message;
pub mod registry;
pub mod schema;
pub mod testing;

mod bounds;

pub use analytics::{AnalyticsRecord, Fate};
pub use body::{Body, BodyError};
pub use bytes::Bytes;
pub use client_tls::ClientTls;
pub use config::{Config, State};
pub use context::{Ctx, Services};
pub use flow::{Flow, IntoResponse, Json, Reject};
pub use gateway_model::{ApiDefinition, Hook, OasDefinition, Session};
pub use host::{FetchError, StoreError};
pub use http;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
pub use init::{InitEnv, InitError};
pub use message::{Request, Response};
pub use plugin_macros::gw_plugin;
#[cfg(feature = "schemars")]
pub use schemars;

/// What nearly every plugin needs: `use gateway_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        AnalyticsRecord, ApiDefinition, Body, BodyError, Bytes, Config, Ctx, Fate, FetchError, Flow, HeaderMap,
        HeaderName, HeaderValue, InitEnv, InitError, IntoResponse, Json, Method, OasDefinition, Reject, Request,
        Response, Session, State, StatusCode, StoreError, Uri, gw_plugin,
    };
}

/// What the macro's expansion names. Not for people: it may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::bounds::{DefaultPlugin, DefaultState, FromConfigData};
    pub use crate::config::{Config, ConfigError, ConfigSource, State};
    pub use crate::context::Ctx;
    pub use crate::exchange::{BoxFuture, Call, Exchange, Instance, Outcome};
    pub use crate::flow::{IntoAuthOutcome, IntoOutcome, IntoRecordOutcome, IntoResponseOutcome};
    pub use crate::init::{InitEnv, InitError, IntoInit, Prepared};
    pub use crate::message::{Request, Response};
    pub use crate::registry::{Access, Crate, Guard, HookEntry, Lapse, PLUGINS, Package, Plugin, Takes};
    pub use crate::schema::{ConfigType, Known, SchemaOf, Unknown};
    pub use gateway_model::{ApiDefinition, Hook, Session};
    pub use inventory;
    pub use linkme;

    /// A text as an array, so that a static of it lies in a section byte by byte.
    #[must_use]
    pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(text.as_bytes());
        array
    }
}
