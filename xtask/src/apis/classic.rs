//! The names of plugins in a definition of Tyk's classic form.
//!
//! What never runs is not asked for: a disabled entry, `auth_check` and `post_key_auth` of a keyless API, `auth_check`
//! that is not switched on, `extended_paths` without `use_extended_paths`. Source: Tyk, `gateway/api_loader.go`,
//! `gateway/server.go`, `gateway/api_definition.go`.

use gateway_model::bundle::Bundles;
use gateway_model::{ApiDefinition, Finding, Hook, JsonPath, Severity, locate};

use super::definitions::Found;

/// What per-path plugins are run by: their entries name no driver.
pub(super) const PER_PATH_DRIVER: &str = "goplugin";

pub(super) fn names(api: &ApiDefinition) -> Vec<Found> {
    let mut found: Vec<Found> = Hook::ALL.into_iter().flat_map(|hook| in_chain(api, hook)).collect();
    let versions = JsonPath::default().key("version_data").key("versions");
    for (key, version) in api.version_data.versions.iter().filter(|(_, version)| version.use_extended_paths) {
        let list = versions.key(key).key("extended_paths").key("go_plugin");
        let entries = version.extended_paths.go_plugin.iter().enumerate();
        found.extend(entries.filter(|(_, entry)| !entry.disabled).map(|(index, entry)| Found {
            hook: Hook::Endpoint,
            name: entry.func_name.clone(),
            path: entry.plugin_path.clone(),
            driver: PER_PATH_DRIVER.to_owned(),
            at: list.index(index).key("func_name"),
        }));
    }
    let analytics = &api.analytics_plugin;
    if analytics.enable && !api.do_not_track {
        found.push(Found {
            hook: Hook::Analytics,
            name: analytics.func_name.clone(),
            path: analytics.plugin_path.clone(),
            driver: PER_PATH_DRIVER.to_owned(),
            at: JsonPath::default().key("analytics_plugin").key("func_name"),
        });
    }
    found
}

fn in_chain(api: &ApiDefinition, hook: Hook) -> Vec<Found> {
    let applies = match hook {
        Hook::AuthCheck => !api.use_keyless && api.custom_auth_enabled(),
        Hook::PostKeyAuth => !api.use_keyless,
        _ => true,
    };
    let section = JsonPath::default().key("custom_middleware").key(hook.as_str());
    let entries = api.custom_middleware.entries(hook).iter().enumerate();
    // The plugins of a bundle take the place of the definition's own, and nobody has looked into it.
    let applies = applies && Bundles::of(api).is_none();
    let enabled = entries.filter(|(_, entry)| applies && entry.is_enabled());
    let found = enabled.map(|(index, entry)| Found {
        hook,
        name: entry.name.clone(),
        path: entry.path.clone(),
        driver: api.custom_middleware.driver.clone(),
        at: if hook == Hook::AuthCheck { section.clone() } else { section.index(index) }.key("name"),
    });
    found.collect()
}

/// What there is to say of a definition whose plugins come from a bundle.
pub(super) fn bundle(text: &str, api: &ApiDefinition) -> Option<Finding> {
    let bundles = Bundles::of(api)?;
    let path = "custom_middleware_bundle".to_owned();
    let reason = format!(
        "its plugins are those of `{}`, into which nobody has looked: name them with `--plugins`, and add `--features bundles`",
        bundles.text()
    );
    Some(Finding { severity: Severity::Warning, position: locate(text, &path), path, reason })
}
