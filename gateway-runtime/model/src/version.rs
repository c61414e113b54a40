//! The versions of an API, and what each does on single paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The versions of an API. Source: Tyk, `VersionData` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct VersionData {
    /// Every request is of the one version there is.
    pub not_versioned: bool,
    /// The version of a request that names none.
    pub default_version: String,
    /// The versions, by name.
    pub versions: BTreeMap<String, Version>,
}

/// One version of an API. Source: Tyk, `VersionInfo` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Version {
    /// Its name, as a request gives it.
    pub name: String,
    /// When the version is switched off, as [`expiry`](crate::expiry::expiry) reads it.
    pub expires: String,
    /// Without it, `extended_paths` has no effect.
    pub use_extended_paths: bool,
    /// What happens on single paths.
    pub extended_paths: ExtendedPaths,
}

/// What a version does on single paths. Source: Tyk, `ExtendedPathsSet` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ExtendedPaths {
    /// Plugins that answer or change requests to one path; the first that matches runs.
    pub go_plugin: Vec<GoPlugin>,
}

/// A plugin on one path and method. Source: Tyk, `GoPluginMeta` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
