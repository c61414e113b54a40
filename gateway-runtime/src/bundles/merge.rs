//! What the manifests of an API's bundles say together, with paths within their folder. Source: plugin-system.md §6.3,
//! §7.3, §7.6.

use std::path::{Path, PathBuf};

use gateway_model::bundle::Manifest;
use gateway_model::custom_middleware::HONOURED_DRIVERS;
use gateway_model::{AnalyticsPlugin, MiddlewareDefinition, MiddlewareSection};

/// Bundles do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeError {
    #[error("it has an `auth_check`, and an earlier bundle has one already; an API has one: leave one of them out")]
    AuthCheck,
    #[error("bundle \"{name}\" declares driver \"{driver}\" but earlier bundles set \"{earlier}\"; write one driver")]
    Driver { name: String, driver: String, earlier: String },
    #[error("the path `{0}` of a plugin leads out of the bundle; name a file of it")]
    Path(String),
}

/// What a bundle of several says.
pub(super) struct Part {
    pub(super) name: String,
    /// Its folder, within the folder of all.
    pub(super) within: Option<String>,
    pub(super) manifest: Manifest,
}

/// What takes the place of a definition's own plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) section: MiddlewareSection,
    pub(super) analytics: Option<AnalyticsPlugin>,
}

/// One bundle is taken as it is; several are put together in their order.
///
/// # Errors
/// With the name of the bundle that does not go with those before it.
pub(super) fn merge(root: &Path, mut parts: Vec<Part>) -> Result<Merged, (String, MergeError)> {
    let mut merged = match parts.as_mut_slice() {
        [Part { within: None, manifest, .. }] => {
            let Manifest { custom_middleware, traffic_logs, .. } = std::mem::take(manifest);
            Merged { section: custom_middleware, analytics: analytics(traffic_logs) }
        }
        // The plugins of analytics that several bundles have are left out.
        several => {
            let mut section = MiddlewareSection::default();
            for part in several {
                add(&mut section, part).map_err(|error| (part.name.clone(), error))?;
            }
            Merged { section, analytics: None }
        }
    };
    if HONOURED_DRIVERS.contains(&merged.section.driver.as_str()) {
        let MiddlewareSection { pre, auth_check, post_key_auth, post, response, driver: _ } = &mut merged.section;
        let lists = [pre, post_key_auth, post, response].into_iter().flatten();
        for entry in lists.chain([auth_check]) {
            entry.path = joined(root, &entry.path).map_err(|error| (String::new(), error))?;
        }
        if let Some(plugin) = merged.analytics.as_mut().filter(|plugin| !plugin.plugin_path.starts_with('/')) {
            plugin.plugin_path = joined(root, &plugin.plugin_path).map_err(|error| (String::new(), error))?;
        }
    }
    Ok(merged)
}

fn analytics(entry: MiddlewareDefinition) -> Option<AnalyticsPlugin> {
    let MiddlewareDefinition { name: func_name, path: plugin_path, .. } = entry.is_enabled().then_some(entry)?;
    Some(AnalyticsPlugin { enable: true, plugin_path, func_name })
}

fn add(to: &mut MiddlewareSection, part: &mut Part) -> Result<(), MergeError> {
    let MiddlewareSection { pre, auth_check, post_key_auth, post, response, driver } =
        std::mem::take(&mut part.manifest.custom_middleware);
    if !driver.is_empty() && !to.driver.is_empty() && driver != to.driver {
        return Err(MergeError::Driver { name: part.name.clone(), driver, earlier: to.driver.clone() });
    }
    if to.driver.is_empty() {
        to.driver = driver;
    }
    let within = Path::new(part.within.as_deref().unwrap_or_default());
    let lists = [
        (&mut to.pre, pre),
        (&mut to.post_key_auth, post_key_auth),
        (&mut to.post, post),
        (&mut to.response, response),
    ];
    for (list, entries) in lists {
        for mut entry in entries {
            entry.path = joined(within, &entry.path)?;
            list.push(entry);
        }
    }
    if !auth_check.name.is_empty() {
        if !to.auth_check.name.is_empty() {
            return Err(MergeError::AuthCheck);
        }
        to.auth_check = MiddlewareDefinition { path: joined(within, &auth_check.path)?, ..auth_check };
    }
    Ok(())
}

/// A path within a folder, even if it looks absolute; no path stays none.
fn joined(folder: &Path, path: &str) -> Result<String, MergeError> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let parts = || path.split('/').filter(|part| !matches!(*part, "" | "."));
    if parts().any(|part| part == "..") {
        return Err(MergeError::Path(path.to_owned()));
    }
    let whole: PathBuf = folder.join(parts().collect::<PathBuf>());
    Ok(whole.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
