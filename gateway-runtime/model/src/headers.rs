//! Headers that are taken off messages and put on them, and what else is done to responses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Headers of one path and method. Source: Tyk, `HeaderInjectionMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct HeaderTransform {
    /// Leaves the entry out.
    pub disabled: bool,
    /// The path below the listen path, or a pattern for it.
    pub path: String,
    /// The method it is for.
    pub method: String,
    /// Headers to take off, before any is put on.
    pub delete_headers: Vec<String>,
    /// Headers to put on, in place of those of the same name.
    pub add_headers: BTreeMap<String, String>,
    /// Kept: the list that an entry is in says which way it acts.
    pub act_on: bool,
}

/// Something that is done to responses. Source: Tyk, `ResponseProcessor` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ResponseProcessor {
    /// What: `header_injector`, `header_transform`.
    pub name: String,
    /// How.
    pub options: ProcessorOptions,
}

/// The options of all processors together. Source: Tyk, `gateway/res_handler_header_injector.go` and
/// `gateway/res_handler_header_transform.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ProcessorOptions {
    /// Of `header_injector`: headers to take off, before any is put on.
    pub remove_headers: Vec<String>,
    /// Of `header_injector`: headers to put on, in place of those of the same name.
    pub add_headers: BTreeMap<String, String>,
    /// Of `header_transform`: where clients find what an upstream names by its own address.
    pub rev_proxy_header_cleanup: HeaderCleanup,
}

/// Headers in which an upstream's address becomes the gateway's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct HeaderCleanup {
    /// Their names.
    pub headers: Vec<String>,
    /// The address by which clients know the gateway: `https://host[:port]`.
    pub target_host: String,
}
