//! `ApiDefinition` → [`Plan`]: every name resolved or refused, every pattern and configuration parsed. Nothing of a
//! plugin has run yet, so `gateway check` can do this too.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use gateway_model::{
    ApiDefinition, Finding, Hook, Identity, JsonPath, MiddlewareDefinition, Segment, Severity, locate,
};
use gateway_sdk::init::Prepared;
use gateway_sdk::registry::Plugin;
use regex::Regex;

use crate::apis::edge::ApiEdge;
use crate::apis::endpoints;
use crate::apis::listen_path::ListenPath;
use crate::config::{Edge, Outbound, PathRules};
use crate::control;
use crate::drivers::{self, Resolved, Unresolved, Wanted};
use crate::middleware::version_check::default_version;
use crate::telemetry::panic_text;
use crate::upstream::target::Target;
use crate::upstream::transport::Transport;

/// A definition whose every part was looked up.
pub(crate) struct Plan {
    pub(crate) definition: Arc<ApiDefinition>,
    pub(crate) listen: ListenPath,
    pub(crate) edge: ApiEdge,
    pub(crate) target: Target,
    pub(crate) transport: Transport,
    /// What the chain calls, by hook, in the definition's order.
    pub(crate) calls: BTreeMap<Hook, Vec<Result<Resolved, Unresolved>>>,
    pub(crate) endpoints: Vec<PlannedEndpoint>,
    /// The plugins in use, each once, with its parsed configuration.
    pub(crate) plugins: Vec<(&'static Plugin, Prepared)>,
}

/// A per-path plugin.
pub(crate) struct PlannedEndpoint {
    pub(crate) method: String,
    pub(crate) pattern: Regex,
    pub(crate) plugin: Result<Resolved, Unresolved>,
}

/// What came of a definition's text.
pub(crate) struct Planned {
    /// The definition, if its text made sense; even one that cannot be served is known by its listen path.
    pub(crate) definition: Option<Arc<ApiDefinition>>,
    /// Whom the text is about, as far as it could be read.
    pub(crate) identity: Option<Identity>,
    /// `None` when there is an error among the findings, but for unresolved plugins: those fail closed.
    pub(crate) plan: Option<Plan>,
    pub(crate) findings: Vec<Finding>,
}

/// Reads a definition and looks everything up.
pub(crate) fn plan(text: &str, rules: PathRules, (edge, outbound): (&Edge, &Outbound)) -> Planned {
    let reading = gateway_model::read(text);
    let (mut findings, identity) = (reading.findings, reading.identity);
    let Some(definition) = reading.definition.map(Arc::new) else {
        return Planned { definition: None, identity, plan: None, findings };
    };
    let mut planner = Planner { text, definition: &definition, found: Vec::new(), broken: false };
    let plan = planner.plan(rules, edge, outbound);
    let (found, broken) = (planner.found, planner.broken);
    findings.extend(found);
    findings.sort_by_key(|finding| finding.position);
    Planned { plan: plan.filter(|_| !broken), definition: Some(definition), identity, findings }
}

struct Planner<'a> {
    text: &'a str,
    definition: &'a Arc<ApiDefinition>,
    found: Vec<Finding>,
    broken: bool,
}

impl Planner<'_> {
    fn plan(&mut self, rules: PathRules, edge: &Edge, outbound: &Outbound) -> Option<Plan> {
        let definition = Arc::clone(self.definition);
        let listen = ListenPath::new(&definition.proxy.listen_path)
            .map_err(|error| self.refuse("proxy.listen_path", last_line(&error)))
            .ok();
        if listen.as_ref().is_some_and(|listen| control::is_under_control(listen.as_str())) {
            let reason = "the gateway's own paths under `/tyk/` come first: no request reaches this API here";
            self.find(Severity::Warning, "proxy.listen_path", reason.to_owned());
        }
        let (edge, mut told) = ApiEdge::of(&definition, edge);
        let transport = Transport::of(&definition, outbound, &mut told);
        for (severity, path, reason) in told {
            self.broken |= severity == Severity::Error;
            self.find(severity, &path, reason);
        }
        let target = transport.as_ref().and_then(|transport| {
            let target = Target::parse(&definition.proxy, transport);
            target.map_err(|error| self.refuse("proxy.target_url", error.to_string())).ok()
        });
        let mut calls = BTreeMap::new();
        for hook in Hook::ALL {
            calls.insert(hook, self.calls(&definition, hook));
        }
        let endpoints = self.endpoints(&definition, rules);
        let plugins = self.prepare(&definition, &calls, &endpoints);
        let (target, transport) = (target?, transport?);
        Some(Plan { listen: listen?, edge, target, transport, calls, endpoints, plugins, definition })
    }

    /// The entries of one hook. Source: Tyk, `gateway/server.go` (which are taken), `gateway/api_loader.go` (when).
    fn calls(&mut self, api: &ApiDefinition, hook: Hook) -> Vec<Result<Resolved, Unresolved>> {
        let applies = match hook {
            Hook::AuthCheck => !api.use_keyless && api.custom_auth_enabled(),
            Hook::PostKeyAuth => !api.use_keyless,
            _ => true,
        };
        if !applies {
            return Vec::new();
        }
        let entries = api.custom_middleware.entries(hook).iter().enumerate();
        let enabled: Vec<_> = entries.filter(|(_, entry)| entry.is_enabled()).collect();
        enabled.into_iter().map(|(index, entry)| self.entry(api, hook, index, entry)).collect()
    }

    fn entry(
        &mut self,
        api: &ApiDefinition,
        hook: Hook,
        index: usize,
        entry: &MiddlewareDefinition,
    ) -> Result<Resolved, Unresolved> {
        let section = JsonPath::default().key("custom_middleware").key(hook.as_str());
        let path = if hook == Hook::AuthCheck { section } else { section.index(index) };
        let driver = &api.custom_middleware.driver;
        let wanted = Wanted { driver, name: &entry.name, path: &entry.path, hook };
        drivers::resolve(&wanted).inspect_err(|unresolved| self.report(&path.key("name").to_string(), unresolved))
    }

    fn endpoints(&mut self, api: &ApiDefinition, rules: PathRules) -> Vec<PlannedEndpoint> {
        let Ok(Some((key, version))) = default_version(&api.version_data) else { return Vec::new() };
        if !version.use_extended_paths {
            return Vec::new();
        }
        let list: JsonPath = ["version_data", "versions", key, "extended_paths", "go_plugin"]
            .map(|key| Segment::Key(key.to_owned()))
            .into_iter()
            .collect();
        let mut planned = Vec::new();
        for (index, entry) in version.extended_paths.go_plugin.iter().enumerate() {
            if entry.disabled {
                continue;
            }
            let place = list.index(index);
            let wanted =
                Wanted { driver: "goplugin", name: &entry.func_name, path: &entry.plugin_path, hook: Hook::Endpoint };
            let plugin = drivers::resolve(&wanted)
                .inspect_err(|unresolved| self.report(&place.key("func_name").to_string(), unresolved));
            match endpoints::pattern(&entry.path, rules) {
                Ok(pattern) => planned.push(PlannedEndpoint { method: entry.method.clone(), pattern, plugin }),
                Err(error) => self.refuse(&place.key("path").to_string(), last_line(&error)),
            }
        }
        planned
    }

    /// Parses the configuration of every plugin in use.
    fn prepare(
        &mut self,
        api: &ApiDefinition,
        calls: &BTreeMap<Hook, Vec<Result<Resolved, Unresolved>>>,
        endpoints: &[PlannedEndpoint],
    ) -> Vec<(&'static Plugin, Prepared)> {
        let in_chain = calls.values().flatten();
        let on_paths = endpoints.iter().map(|endpoint| &endpoint.plugin);
        let mut plugins: Vec<(&'static Plugin, Prepared)> = Vec::new();
        let mut seen: Vec<&'static Plugin> = Vec::new();
        for found in in_chain.chain(on_paths).flatten() {
            let plugin = found.plugin;
            if seen.iter().any(|other| std::ptr::eq(*other, plugin)) {
                continue;
            }
            seen.push(plugin);
            // `Deserialize` is the plugin's code.
            match catch_unwind(AssertUnwindSafe(|| plugin.prepare(api))) {
                Ok(Ok(prepared)) => plugins.push((plugin, prepared)),
                Ok(Err(error)) => {
                    let reason = format!("{}, as plugin `{}` expects it", error.reason, plugin.name);
                    self.refuse(&error.path, reason);
                }
                Err(panic) => {
                    let panic = panic_text(panic.as_ref());
                    let reason = format!("plugin `{}` panicked while it read its configuration: {panic}", plugin.name);
                    self.refuse("config_data", reason);
                }
            }
        }
        plugins
    }

    /// The API cannot be served.
    fn refuse(&mut self, path: &str, reason: String) {
        self.broken = true;
        self.find(Severity::Error, path, reason);
    }

    /// The API is served, and what needs the plugin fails closed.
    fn report(&mut self, path: &str, unresolved: &Unresolved) {
        self.find(Severity::Error, path, unresolved.to_string());
    }

    fn find(&mut self, severity: Severity, path: &str, reason: String) {
        let position = locate(self.text, path);
        self.found.push(Finding { severity, path: path.to_owned(), position, reason });
    }
}

/// regex draws a picture of the mistake; its last line says what it is.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default().trim();
    format!("not a regular expression: {}", line.strip_prefix("error: ").unwrap_or(line))
}
