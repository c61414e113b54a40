//! API definitions in Tyk's classic form.

use std::fmt;
use std::net::SocketAddr;

use serde_json::{Value, json};

/// A definition.
#[derive(Debug, Clone)]
pub struct Definition(pub Value);

/// The smallest API: keyless, on `/<id>/`, which is stripped.
#[must_use]
pub fn api(id: &str, upstream: SocketAddr) -> Definition {
    Definition(json!({
        "api_id": id,
        "name": id,
        "org_id": "default",
        "active": true,
        "use_keyless": true,
        "proxy": {
            "listen_path": format!("/{id}/"),
            "target_url": format!("http://{upstream}/"),
            "strip_listen_path": true,
        },
        "version_data": {
            "not_versioned": true,
            "versions": {"Default": {"name": "Default", "use_extended_paths": true}},
        },
        "custom_middleware": {"driver": "goplugin"},
    }))
}

impl Definition {
    /// Sets the value at a JSON pointer, such as `/proxy/strip_listen_path`.
    ///
    /// # Panics
    /// When there is nothing to set it in.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        self.0.pointer_mut(parent).expect("the parent is there")[key] = value.into();
        self
    }

    /// Names plugins in a hook, in this order. An item is `Name`, or `Name@file` for a path other than `plugin.so`.
    #[must_use]
    pub fn plugins(self, hook: &str, names: &[&str]) -> Self {
        let entries: Vec<Value> = names.iter().map(|name| entry(name)).collect();
        self.set(&format!("/custom_middleware/{hook}"), entries)
    }

    /// Names the plugin that authenticates, and asks for it.
    #[must_use]
    pub fn auth(self, name: &str) -> Self {
        let section = self.set("/use_keyless", false).set("/custom_plugin_auth_enabled", true);
        section.set("/custom_middleware/auth_check", entry(name))
    }

    /// Names a plugin for a path and a method.
    ///
    /// # Panics
    /// When the definition has no version `Default`.
    #[must_use]
    pub fn endpoint(mut self, method: &str, path: &str, name: &str) -> Self {
        let named = entry(name);
        let entry = json!({
            "path": path, "method": method, "func_name": named["name"], "plugin_path": named["path"],
        });
        let version = self.0.pointer_mut("/version_data/versions/Default").expect("the version is there");
        match version["extended_paths"]["go_plugin"].as_array_mut() {
            Some(list) => list.push(entry),
            None => version["extended_paths"]["go_plugin"] = json!([entry]),
        }
        self
    }

    /// Configures a plugin.
    #[must_use]
    pub fn config(mut self, plugin: &str, value: Value) -> Self {
        self.0["config_data"][plugin] = value;
        self
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.json", self.0["api_id"].as_str().unwrap_or("nameless"))
    }
}

fn entry(name: &str) -> Value {
    let (name, file) = name.split_once('@').unwrap_or((name, "plugin"));
    json!({"name": name, "path": format!("{file}.so")})
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#}", self.0)
    }
}
