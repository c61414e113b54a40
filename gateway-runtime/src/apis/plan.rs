//! `ApiDefinition` → [`Plan`]: every name resolved or refused, every pattern and configuration parsed. Nothing of a
//! plugin has run yet, so `gateway check` can do this too.
//!
//! `plan/version.rs` is what a version says, and what the built-in steps are made of.

mod legacy;
mod version;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use gateway_model::bundle::Bundles;
use gateway_model::oas::{Places, Twin};
use gateway_model::{
    AnalyticsPlugin, ApiDefinition, Finding, Hook, Identity, JsonPath, MiddlewareDefinition, Reading, Scheme, Severity,
    locate,
};
use gateway_sdk::HeaderName;
use gateway_sdk::init::Prepared;
use gateway_sdk::registry::Plugin;

use crate::apis::edge::ApiEdge;
use crate::apis::listen_path::{ListenPath, mistake};
use crate::apis::paths::{OnPaths, Planned as OnPath};
use crate::apis::policies::PlannedPolicy;
use crate::bundles::{self, Looked};
use crate::config::{Edge, Outbound, PathRules, RateHeaders, Trust};
use crate::control;
use crate::drivers::{self, Resolved, Unresolved, Wanted};
use crate::error::Errors;
use crate::error::overrides::{ApiOverrides, Overrides};
use crate::events::{self, Handlers, Of, Queue};
use crate::middleware::basic_auth::credentials::FromBody;
use crate::middleware::cache::CacheRules;
use crate::middleware::{Steps, jwt};
use crate::session::limits::EndpointLimit;
use crate::telemetry::panic_text;
use crate::upstream::balance::{Balancer, Targets};
use crate::upstream::health::{Check, CheckError, Marks};
use crate::upstream::target::{NOWHERE, Target};
use crate::upstream::transport::Transport;

pub(crate) use version::Planning;

/// What the gateway has for definitions.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) paths: PathRules,
    pub(crate) trust: Trust,
    /// The ports that it listens on.
    pub(crate) ports: Arc<[u16]>,
    /// The gateway's own paths are on these ports too.
    pub(crate) has_control: bool,
    /// The client's side: hosts, TLS.
    pub(crate) edge: Edge,
    /// The upstreams' side: TLS, HTTP/2, proxies.
    pub(crate) outbound: Arc<Outbound>,
    /// Which hosts are down.
    pub(crate) marks: Arc<Marks>,
    /// What answers tell of limits.
    pub(crate) rate_headers: RateHeaders,
    /// Where plugin bundles come from.
    pub(crate) bundles: Arc<bundles::Settings>,
    /// Whether there are analytics at all.
    pub(crate) has_analytics: bool,
    /// Of an answer that a template makes anew, in bytes; `None` is the gateway's own bound.
    pub(crate) max_response_body: Option<usize>,
    /// Where events go.
    pub(crate) events: Queue,
    /// What errors tell clients.
    pub(crate) errors: Arc<Errors>,
    /// Tells a client which version it got, where it has named none.
    pub(crate) version_header: Option<HeaderName>,
}

/// A definition whose every part was looked up.
pub(crate) struct Plan {
    pub(crate) definition: Arc<ApiDefinition>,
    pub(crate) listen: Arc<ListenPath>,
    pub(crate) edge: ApiEdge,
    pub(crate) targets: Targets,
    pub(crate) transport: Arc<Transport>,
    /// What the chain calls, by hook, in the definition's order.
    pub(crate) calls: BTreeMap<Hook, Vec<Result<Resolved, Unresolved>>>,
    /// How the hosts of its upstreams are watched.
    pub(crate) checks: Vec<Arc<Check>>,
    /// Per-path plugins.
    pub(crate) endpoints: Vec<OnPath<Result<Resolved, Unresolved>>>,
    pub(crate) policies: Vec<OnPath<PlannedPolicy>>,
    /// Rates of single paths.
    pub(crate) rates: Option<Arc<OnPaths<EndpointLimit>>>,
    /// Built-in steps that are made of the definition alone.
    pub(crate) steps: Steps,
    /// Which answers are kept.
    pub(crate) caching: Option<Arc<CacheRules>>,
    /// How passwords are found in bodies.
    pub(crate) from_body: Option<FromBody>,
    /// The time of an answer to what has none of its own.
    pub(crate) enforced: Option<Duration>,
    /// The plugins in use, each once, with its parsed configuration.
    pub(crate) plugins: Vec<(&'static Plugin, Prepared)>,
    /// Who is told of events.
    pub(crate) events: Option<Arc<Handlers>>,
    /// What is answered in place of errors.
    pub(crate) overrides: Option<Arc<ApiOverrides>>,
    /// Groups of ways of authentication of which one is enough.
    pub(crate) alternatives: Option<Vec<Vec<Scheme>>>,
    /// The versions that requests choose among, in the definition's order; each is planned as if it were the only one.
    pub(crate) versions: Vec<Plan>,
    /// Which of them this is.
    pub(crate) version: Option<String>,
}

/// What came of a definition's text.
pub(crate) struct Planned {
    /// The definition, if its text made sense; even one that cannot be served is known by its listen path.
    pub(crate) definition: Option<Arc<ApiDefinition>>,
    /// Whom the text is about, as far as it could be read.
    pub(crate) identity: Option<Identity>,
    /// It is no JSON, or holds values of the wrong types.
    pub(crate) is_malformed: bool,
    /// `None` when there is an error among the findings, but for unresolved plugins: those fail closed.
    pub(crate) plan: Option<Plan>,
    pub(crate) findings: Vec<Finding>,
}

/// Reads a definition and looks everything up. Nothing is fetched for it.
///
/// `document` is the OpenAPI document beside it, or why that cannot be read.
pub(crate) fn plan(text: &str, document: Option<&Result<Arc<str>, String>>, ground: &Ground) -> Planned {
    let reading = gateway_model::read(text);
    let looked = bundles::on_disk(wanted(&reading).as_ref(), &ground.bundles);
    plan_with(reading, &looked, text, document, ground)
}

/// The bundles that a definition names.
pub(crate) fn wanted(reading: &Reading) -> Option<Bundles> {
    reading.definition.as_ref().and_then(Bundles::of)
}

/// Looks everything up in a definition whose bundles were looked for.
pub(crate) fn plan_with(
    reading: Reading,
    looked: &Looked,
    text: &str,
    document: Option<&Result<Arc<str>, String>>,
    ground: &Ground,
) -> Planned {
    let Reading { definition, identity, is_malformed, mut findings, places } = reading;
    let Some(mut definition) = definition else {
        return Planned { definition: None, identity, is_malformed, plan: None, findings };
    };
    findings.extend(join(&mut definition, text, document));
    looked.take_up(&mut definition);
    let definition = Arc::new(definition);
    let beside = document.and_then(|document| document.as_deref().ok());
    let mut planner = Planner {
        text,
        places: places.as_deref(),
        beside,
        looked,
        definition: &definition,
        version: None,
        found: Vec::new(),
        broken: false,
    };
    planner.bundle();
    let plan = planner.plan(document, ground);
    let plan = plan.map(|plan| planner.with_versions(plan, document, ground));
    let (found, broken) = (planner.found, planner.broken);
    findings.extend(found);
    findings.sort_by_key(|finding| finding.position);
    Planned { plan: plan.filter(|_| !broken), definition: Some(definition), identity, is_malformed, findings }
}

/// Takes up what the document beside a definition adds to it, and tells what is wrong with that.
fn join(api: &mut ApiDefinition, text: &str, document: Option<&Result<Arc<str>, String>>) -> Vec<Finding> {
    let Some(Ok(document)) = document.filter(|_| api.is_oas && api.oas.is_none()) else { return Vec::new() };
    let Twin { oas, guards, told } = gateway_model::oas::twin(api, document);
    api.oas = oas;
    api.unhonoured_guards.extend(guards);
    let finding = |(path, reason): (JsonPath, String)| {
        let path = path.to_string();
        Finding { severity: Severity::Warning, position: locate(text, &path), path, reason }
    };
    told.into_iter().map(finding).collect()
}

struct Planner<'a> {
    text: &'a str,
    /// Where the parts of the classic form are in the text, if that is an OpenAPI document.
    places: Option<&'a Places>,
    /// The OpenAPI document beside the text, if that is in the classic form.
    beside: Option<&'a str>,
    /// What there is of its bundles.
    looked: &'a Looked,
    definition: &'a Arc<ApiDefinition>,
    /// Which of the versions that requests choose among is planned, if they do.
    version: Option<&'a str>,
    found: Vec<Finding>,
    broken: bool,
}

impl Planner<'_> {
    fn plan(&mut self, document: Option<&Result<Arc<str>, String>>, ground: &Ground) -> Option<Plan> {
        let definition = Arc::clone(self.definition);
        self.listener(&definition, ground);
        let listen = ListenPath::new(&definition.proxy.listen_path)
            .map_err(|error| self.refuse("proxy.listen_path", mistake(&error)))
            .map(Arc::new)
            .ok();
        if ground.has_control && listen.as_ref().is_some_and(|listen| control::is_under_control(listen.as_str())) {
            let reason = "the gateway's own paths under `/tyk/` come first: no request reaches this API here";
            self.find(Severity::Warning, "proxy.listen_path", reason.to_owned());
        }
        let (edge, mut told) = ApiEdge::of(&definition, &ground.edge);
        let transport = Transport::of(&definition, &ground.outbound, &mut told).map(Arc::new);
        for (severity, path, reason) in told {
            self.broken |= severity == Severity::Error;
            self.find(severity, &path, reason);
        }
        let targets = transport.as_ref().and_then(|transport| self.targets(&definition, &ground.marks, transport));
        let events = self.events(&definition, &ground.events);
        let watching = |transport| self.checks(&definition, &ground.marks, transport, events.as_ref());
        let checks = transport.as_ref().map(watching);
        let mut calls = BTreeMap::new();
        for hook in Hook::ALL {
            calls.insert(hook, self.calls(&definition, hook));
        }
        let mut version = self.version(ground, listen.as_ref());
        let endpoints = version.endpoints();
        let (policies, enforced) = version.policies();
        let (rates, steps) = (version.rates(), version.steps());
        let caching = CacheRules::plan(&mut version).map(Arc::new);
        let from_body =
            FromBody::of(&definition).map_err(|(field, error)| self.refuse(field, mistake(&error))).ok().flatten();
        for (path, reason) in jwt::mistakes(&definition) {
            self.refuse(&path, reason);
        }
        let plugins = self.prepare(&definition, &calls, &endpoints);
        let overrides = self.overrides(&definition, &ground.errors);
        let alternatives = self.alternatives(&definition, document);
        Some(Plan {
            listen: listen?,
            edge,
            targets: targets?,
            transport: transport?,
            checks: checks?,
            calls,
            endpoints,
            policies,
            rates,
            steps,
            caching,
            from_body,
            enforced,
            plugins,
            events,
            overrides,
            alternatives,
            versions: Vec::new(),
            version: self.version.map(str::to_owned),
            definition,
        })
    }

    /// The entries of one hook. Source: Tyk, `gateway/server.go` (which are taken), `gateway/api_loader.go` (when).
    fn calls(&mut self, api: &ApiDefinition, hook: Hook) -> Vec<Result<Resolved, Unresolved>> {
        if hook == Hook::Analytics {
            return self.of_analytics(api).into_iter().collect();
        }
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

    /// The plugin of analytics records. Its driver need not be said. Source: plugin-system.md §5.
    fn of_analytics(&mut self, api: &ApiDefinition) -> Option<Result<Resolved, Unresolved>> {
        let AnalyticsPlugin { enable, plugin_path: path, func_name: name } = &api.analytics_plugin;
        if !enable || api.do_not_track {
            return None;
        }
        let found = drivers::resolve(&Wanted { driver: "goplugin", name, path, hook: Hook::Analytics });
        Some(found.inspect_err(|missing| self.report("analytics_plugin.func_name", missing)))
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

    /// Which ways of authentication are enough. Without a document that says so, all are asked for.
    fn alternatives(
        &mut self,
        api: &ApiDefinition,
        document: Option<&Result<Arc<str>, String>>,
    ) -> Option<Vec<Vec<Scheme>>> {
        if !gateway_model::asks_for_alternatives(api) {
            return None;
        }
        // A document that is the definition is the one to ask.
        let own = self.places.map(|_| self.text);
        let document = own.map(Ok).or_else(|| document.map(|document| document.as_deref().map_err(Clone::clone)));
        let reason = match document {
            Some(Ok(document)) => match gateway_model::alternatives(api, document) {
                Ok(alternatives) => {
                    self.missing(api, alternatives.iter().flatten());
                    return alternatives;
                }
                Err(error) => error.to_string(),
            },
            Some(Err(reason)) => reason,
            None => "it is not there".to_owned(),
        };
        let reason = format!(
            "the OpenAPI document beside the definition (its name ends in `-oas.json`) does not say whether one of these \
             groups is enough: {reason}; all ways of authentication are asked for"
        );
        self.find(Severity::Warning, "security_requirements", reason);
        None
    }

    /// Tells of groups that let nobody in, since a scheme of theirs means nothing.
    fn missing<'g>(&mut self, api: &ApiDefinition, groups: impl Iterator<Item = &'g Vec<Scheme>>) {
        let written = api.security_requirements.iter().enumerate().filter(|(_, group)| !group.is_empty());
        for ((at, _), group) in written.zip(groups) {
            for (index, scheme) in group.iter().enumerate().filter(|(_, scheme)| scheme.method.is_none()) {
                let path = JsonPath::default().key("security_requirements").index(at).index(index);
                let reason = format!(
                    "this group lets nobody in: `{}` stands for no way of authentication that the definition switches on, \
                     or for one that the group asks for already; describe it under `components.securitySchemes` of the \
                     OpenAPI document (`apiKey`, or `http` with `basic` or `bearer`), call it `hmac` or `custom` and enable \
                     that under `x-tyk-api-gateway.server.authentication`, or leave it out",
                    scheme.name
                );
                self.find(Severity::Warning, &path.to_string(), reason);
            }
        }
    }

    /// An API that wants a listener of its own must not be served by another: its port may be what guards it.
    fn listener(&mut self, api: &ApiDefinition, ground: &Ground) {
        let wanted = u16::try_from(api.listen_port).unwrap_or(0);
        if wanted != 0 && !ground.ports.contains(&wanted) {
            let ports: Vec<String> = ground.ports.iter().map(ToString::to_string).collect();
            let ports = ports.join(", ");
            let reason = format!(
                "the gateway does not listen on {wanted}, but on {ports}: an API has no listener of its own; leave it out, or \
                 serve the API by a gateway with `listen_port` {wanted}"
            );
            self.refuse("listen_port", reason);
        }
        if api.protocol.trim() == "https" && ground.edge.tls.is_none() {
            let reason = "clients are to speak TLS, and this gateway listens without it; leave it out if somebody else \
                          ends TLS in front of the gateway";
            self.refuse("protocol", reason.to_owned());
        }
    }

    /// Where requests go; each target is parsed, and the wrong ones are told one by one.
    fn targets(&mut self, api: &ApiDefinition, marks: &Marks, transport: &Transport) -> Option<Targets> {
        let proxy = &api.proxy;
        if let Some((place, url)) = version::override_target(api) {
            let target = Target::parse(url, proxy, transport);
            return target.map(Targets::One).map_err(|error| self.refuse(&place, error.to_string())).ok();
        }
        if !proxy.enable_load_balancing {
            let url = proxy.target_api().map_or(&*proxy.target_url, |_| NOWHERE);
            let target = Target::parse(url, proxy, transport);
            return target.map(Targets::One).map_err(|error| self.refuse("proxy.target_url", error.to_string())).ok();
        }
        let mut members = Vec::new();
        for (index, url) in proxy.targets(&api.protocol).enumerate() {
            match Target::parse(&url, proxy, transport) {
                Ok(target) if proxy.check_host_against_uptime_tests => {
                    let mark = marks.of(&target.origin);
                    members.push((target, mark));
                }
                Ok(target) => members.push((target, Arc::default())),
                Err(error) => self.refuse(&format!("proxy.target_list[{index}]"), error.to_string()),
            }
        }
        (!members.is_empty()).then(|| Targets::Many(Balancer::new(members)))
    }

    /// What is answered in place of errors.
    fn overrides(&mut self, api: &ApiDefinition, errors: &Arc<Errors>) -> Option<Arc<ApiOverrides>> {
        let mut tell = |severity, path: JsonPath, reason| {
            self.broken |= severity == Severity::Error;
            self.find(severity, &path.to_string(), reason);
        };
        let own = if api.error_overrides_disabled {
            None
        } else {
            Overrides::plan(&api.error_overrides, &errors.templates, &mut tell)
        };
        ApiOverrides::new(own, errors)
    }

    /// Who is told of events; what cannot be told is warned about.
    fn events(&mut self, api: &ApiDefinition, queue: &Queue) -> Option<Arc<Handlers>> {
        let warn = &mut |path: JsonPath, reason| self.find(Severity::Warning, &path.to_string(), reason);
        Handlers::new(&events::plan(&api.event_handlers, Of::Api, warn), queue)
    }

    fn checks(
        &mut self,
        api: &Arc<ApiDefinition>,
        marks: &Marks,
        transport: &Arc<Transport>,
        events: Option<&Arc<Handlers>>,
    ) -> Vec<Arc<Check>> {
        let mut checks = Vec::new();
        for (index, entry) in api.uptime_tests.check_list.iter().enumerate() {
            if api.uptime_tests.disabled {
                continue;
            }
            match Check::new(api, entry, marks, transport) {
                Ok(check) => checks.push(Arc::new(check.telling(events))),
                Err((field, error)) => {
                    let path = format!("uptime_tests.check_list[{index}].{field}");
                    match error {
                        CheckError::Tls => self.find(Severity::Warning, &path, error.to_string()),
                        _ => self.refuse(&path, error.to_string()),
                    }
                }
            }
        }
        checks
    }

    /// What is to be said of its bundles, and of the plugins that come from there.
    fn bundle(&mut self) {
        if let Some((severity, reason)) = self.looked.told() {
            self.broken |= severity == Severity::Error;
            self.find(severity, bundles::FIELD, reason);
        }
        if let Looked::Found(bundle) = self.looked {
            bundle.warnings.iter().for_each(|told| self.find(Severity::Warning, bundles::FIELD, told.clone()));
            for (severity, path, reason) in gateway_model::plugin_mistakes(self.definition) {
                self.broken |= severity == Severity::Error;
                self.find(severity, &path.to_string(), reason);
            }
        }
    }

    /// Parses the configuration of every plugin in use.
    fn prepare(
        &mut self,
        api: &ApiDefinition,
        calls: &BTreeMap<Hook, Vec<Result<Resolved, Unresolved>>>,
        endpoints: &[OnPath<Result<Resolved, Unresolved>>],
    ) -> Vec<(&'static Plugin, Prepared)> {
        let in_chain = calls.values().flatten();
        let on_paths = endpoints.iter().map(|endpoint| &endpoint.what);
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

    /// The same at a place of the OpenAPI document.
    fn find_in_document(&mut self, severity: Severity, place: &JsonPath, reason: &str) {
        self.broken |= severity == Severity::Error;
        let place = place.to_string();
        let finding = match (self.places, self.beside) {
            (None, Some(document)) => {
                let (position, path) = (locate(document, &place), "is_oas".to_owned());
                let reason =
                    format!("the OpenAPI document beside this file (`-oas.json`), {position}: {place}: {reason}");
                Finding { severity, position: locate(self.text, &path), path, reason }
            }
            _ => Finding { severity, position: locate(self.text, &place), path: place, reason: reason.to_owned() },
        };
        self.found.push(finding);
    }

    fn find(&mut self, severity: Severity, path: &str, reason: String) {
        let (path, reason) = self.looked.place(path, reason);
        let path = match self.places {
            Some(places) => places.of(&path.parse().unwrap_or_default()).to_string(),
            None => path,
        };
        self.found.push(Finding { severity, position: locate(self.text, &path), path, reason });
    }
}
