//! Mistakes of meaning: values of the right type that cannot be honoured, or that have no effect.

use crate::api_definition::ApiDefinition;
use crate::bundle::Bundles;
use crate::custom_middleware::{HONOURED_DRIVERS, Hook, KNOWN_DRIVERS, MiddlewareDefinition};
use crate::expiry::expiry;
use crate::finding::Severity;
use crate::json_path::JsonPath;
use crate::nearest::nearest;
use crate::version::{GoPlugin, Version};

mod bodies;
mod credentials;
mod jwt;
mod lists;
mod rewrites;
mod traffic;

/// One mistake, not yet located.
pub(crate) type Mistake = (Severity, JsonPath, String);

/// Every mistake of meaning in a definition.
pub(crate) fn check(api: &ApiDefinition) -> Vec<Mistake> {
    let mut check = Check { api, mistakes: Vec::new() };
    check.identity();
    check.proxy();
    check.domain();
    check.traffic();
    check.expiry(path(&["expiration"]), &api.expiration);
    check.versions();
    for (name, version) in &api.version_data.versions {
        check.version(&path(&["version_data", "versions"]).key(name), version);
    }
    check.analytics();
    match Bundles::of(api) {
        None => check.plugins(),
        Some(_) => check.replaced(),
    }
    check.identity_provider();
    check.credentials();
    check.jwt();
    check.mistakes
}

/// Mistakes of meaning in the plugins of a definition, wherever they come from.
pub fn plugin_mistakes(api: &ApiDefinition) -> Vec<(Severity, JsonPath, String)> {
    let mut check = Check { api, mistakes: Vec::new() };
    check.plugins();
    check.mistakes
}

struct Check<'a> {
    api: &'a ApiDefinition,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn error(&mut self, path: JsonPath, reason: impl Into<String>) {
        self.mistakes.push((Severity::Error, path, reason.into()));
    }

    fn warning(&mut self, path: JsonPath, reason: impl Into<String>) {
        self.mistakes.push((Severity::Warning, path, reason.into()));
    }

    fn identity(&mut self) {
        if let Err(reason) = api_id(&self.api.api_id) {
            self.error(path(&["api_id"]), reason);
        }
    }

    fn proxy(&mut self) {
        let proxy = &self.api.proxy;
        let target_url = path(&["proxy", "target_url"]);
        if let Err(reason) = listen_path(&proxy.listen_path) {
            self.error(path(&["proxy", "listen_path"]), reason);
        }
        if proxy.target_url.is_empty() {
            // A list is asked for its own targets.
            if !proxy.enable_load_balancing {
                self.error(target_url, "is empty; say where requests go, such as `http://orders:80/`");
            }
        } else if !has_scheme_and_host(&proxy.target_url) {
            self.error(target_url, format!("`{}` is not of the form `scheme://host[:port][/path]`", proxy.target_url));
        }
    }

    fn domain(&mut self) {
        if let Some(Err(reason)) = self.api.custom_domain().map(host_mistake) {
            self.error(path(&["domain"]), reason);
        }
    }

    fn expiry(&mut self, at: JsonPath, text: &str) {
        if let Err(error) = expiry(text) {
            self.error(at, error.to_string());
        }
    }

    fn versions(&mut self) {
        let data = &self.api.version_data;
        if !data.not_versioned && data.versions.len() == 1 {
            let reason = "is false, and there is one version: it is served to everybody, whatever version a request \
                          asks for, and without one; set it to true";
            self.warning(path(&["version_data", "not_versioned"]), reason);
        }
        if data.is_versioned() && !self.api.definition.enabled && self.api.definition.fallback_to_default {
            let reason =
                "has no effect on versions within a definition: a request for one that is not there is refused";
            self.warning(path(&["definition", "fallback_to_default"]), reason);
        }
        let is_known = data.default_version.is_empty() || data.versions.contains_key(&data.default_version);
        if data.is_versioned() && !self.api.definition.enabled && !is_known {
            let reason =
                format!("`{}` is none of `versions`: requests that name no version are refused", data.default_version);
            self.warning(path(&["version_data", "default_version"]), reason);
        }
    }

    fn version(&mut self, at: &JsonPath, version: &Version) {
        self.expiry(at.key("expires"), &version.expires);
        if !version.override_target.is_empty() && !has_scheme_and_host(&version.override_target) {
            let reason = format!("`{}` is not of the form `scheme://host[:port][/path]`", version.override_target);
            self.error(at.key("override_target"), reason);
        }
        self.version_traffic(at, version);
        self.rewrites(at, version);
        self.version_lists(at, version);
        self.bodies(at, version);
        let list = at.key("extended_paths").key("go_plugin");
        let enabled = || version.extended_paths.go_plugin.iter().enumerate().filter(|(_, entry)| !entry.disabled);
        if !version.use_extended_paths {
            if enabled().next().is_some() {
                self.warning(list, "has no effect: `use_extended_paths` of this version is false");
            }
            return;
        }
        for (index, GoPlugin { path, func_name, .. }) in enabled() {
            if path.is_empty() {
                self.error(list.index(index).key("path"), "is empty; say which path the plugin is for");
            }
            if func_name.is_empty() {
                self.error(list.index(index).key("func_name"), "is empty; say which plugin runs");
            }
        }
    }

    /// Source: plugin-system.md §5.
    fn analytics(&mut self) {
        if self.api.analytics_plugin.enable && self.api.do_not_track {
            self.warning(path(&["analytics_plugin"]), "has no effect: `do_not_track` is true");
        }
    }

    fn plugins(&mut self) {
        self.driver();
        self.entries();
        self.authentication();
    }

    /// Plugins of the definition's own beside a bundle. Source: plugin-system.md §7.3.
    fn replaced(&mut self) {
        if self.names_plugins() {
            let reason = "has no effect: its place is taken by what the manifest of `custom_middleware_bundle` says; name \
                          these plugins there";
            self.warning(path(&["custom_middleware"]), reason);
        }
    }

    fn names_plugins(&self) -> bool {
        let section = &self.api.custom_middleware;
        Hook::ALL.into_iter().flat_map(|hook| section.entries(hook)).any(MiddlewareDefinition::is_enabled)
    }

    fn driver(&mut self) {
        let driver = self.api.custom_middleware.driver.as_str();
        let used = self.names_plugins();
        let at = path(&["custom_middleware", "driver"]);
        if driver.is_empty() {
            if used {
                self.warning(at, "is empty, so its plugins are not found; set `\"driver\": \"goplugin\"`");
            }
        } else if !KNOWN_DRIVERS.contains(&driver) {
            let hint = match nearest(driver, &KNOWN_DRIVERS) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("drivers are `{}`", KNOWN_DRIVERS.join("`, `")),
            };
            self.error(at, format!("unknown driver `{driver}`; {hint}"));
        } else if used && !HONOURED_DRIVERS.contains(&driver) {
            let instead = "plugins are linked, with `\"driver\": \"goplugin\"`";
            self.warning(at, format!("driver `{driver}` is not honoured: its plugins are not found; {instead}"));
        }
    }

    fn entries(&mut self) {
        for hook in Hook::ALL {
            for (index, entry) in self.api.custom_middleware.entries(hook).iter().enumerate() {
                let list = path(&["custom_middleware", hook.as_str()]);
                // There is one `auth_check`, and exports write it in full when there is none.
                let (at, meant) = match hook {
                    Hook::AuthCheck => (list, !entry.path.is_empty()),
                    _ => (list.index(index), true),
                };
                if meant && !entry.disabled && entry.name.is_empty() {
                    self.warning(at.key("name"), "is empty, so the entry is left out; say which plugin runs");
                }
            }
        }
    }

    /// Plugins that guard an API on paper only. Source: Tyk, `gateway/api_loader.go`.
    fn authentication(&mut self) {
        let section = &self.api.custom_middleware;
        let auth_check = path(&["custom_middleware", "auth_check"]);
        if section.auth_check.is_enabled() {
            if self.api.use_keyless {
                self.warning(auth_check, "has no effect: `use_keyless` is true");
            } else if !self.api.custom_auth_enabled() {
                self.warning(auth_check, "has no effect: set `\"custom_plugin_auth_enabled\": true`");
            }
        }
        if self.api.use_keyless && section.post_key_auth.iter().any(MiddlewareDefinition::is_enabled) {
            self.warning(path(&["custom_middleware", "post_key_auth"]), "has no effect: `use_keyless` is true");
        }
    }

    fn identity_provider(&mut self) {
        let base = self.api.base_identity_provided_by.as_str();
        let known = ["", "auth_token", "custom_auth", "basic_auth_user", "hmac_key", "jwt_claim"];
        if !known.contains(&base) && !self.api.use_keyless {
            let reason = format!(
                "`{base}` says who is calling nowhere in this gateway, so that no session is set; write `auth_token`, \
                 `custom_auth`, `basic_auth_user`, `hmac_key`, `jwt_claim`, or nothing for the last of them"
            );
            self.warning(path(&["base_identity_provided_by"]), reason);
        }
    }
}

/// Whether an API can go by this id, which is also a segment of URLs: `/<api_id>/`.
///
/// # Errors
/// Why not.
pub(crate) fn api_id(id: &str) -> Result<(), String> {
    let foreign = |c: char| matches!(c, '/' | '?' | '#' | '{' | '}' | '%') || c.is_whitespace() || c.is_control();
    match id {
        "" => Err("is empty; every API needs one of its own".to_owned()),
        "." | ".." => Err(format!("is `{id}`, which cannot be a segment of a URL")),
        _ => match id.chars().find(|c| foreign(*c)) {
            Some(c) => Err(format!("contains {c:?}, which cannot be in a segment of a URL")),
            None => Ok(()),
        },
    }
}

/// Whether an API can listen on this path.
///
/// # Errors
/// Why not.
pub(crate) fn listen_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        Err("is empty; say where the API listens, such as `/orders/`")
    } else if path.contains(char::is_whitespace) {
        Err("contains whitespace; no request can match it")
    } else if !has_balanced_braces(path) {
        Err("has unbalanced braces; a variable is `{name}` or `{name:regex}`")
    } else {
        Ok(())
    }
}

/// Whether this can be the host of requests.
///
/// # Errors
/// Why not.
pub fn host_mistake(domain: &str) -> Result<(), &'static str> {
    let mut depth = 0_usize;
    let mut outside = domain.chars().filter(|c| {
        depth += usize::from(*c == '{');
        let is_outside = depth == 0;
        depth = depth.saturating_sub(usize::from(*c == '}'));
        is_outside
    });
    if !has_balanced_braces(domain) {
        Err("has unbalanced braces; a variable is `{name}` or `{name:regex}`")
    } else if outside.any(|c| c == '/' || c.is_whitespace()) {
        Err("is not a host; write it as clients do in `Host`, such as `orders.example.com`, without scheme and path")
    } else {
        Ok(())
    }
}

fn path(keys: &[&str]) -> JsonPath {
    keys.iter().fold(JsonPath::default(), |path, key| path.key(*key))
}

fn has_balanced_braces(text: &str) -> bool {
    let depth = text.chars().try_fold(0_usize, |depth, c| match c {
        '{' => depth.checked_add(1),
        '}' => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}

fn has_scheme_and_host(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(scheme_char)
        && !host.is_empty()
        && !host.starts_with(':')
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}
