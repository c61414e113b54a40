//! [`Plan`] → [`Api`]: starts the plugins and builds the chain.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_model::{ApiDefinition, AuthMethod, Hook, MiddlewareDefinition, Scheme};
use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::host::Host;
use gateway_sdk::init::Prepared;
use gateway_sdk::registry::{Access, Plugin};
use tokio::sync::mpsc::UnboundedSender;

use crate::analytics::{Analytics, Tracking};
use crate::apis::edge::ApiEdge;
use crate::apis::listen_path::ListenPath;
use crate::apis::paths::{OnPaths, Planned};
use crate::apis::plan::{Ground, Plan};
use crate::apis::policies::Policies;
use crate::chain::{AnyOf, Instrumented, LimitsReport, Link, PluginCall, PluginRules, Running, To, Way};
use crate::config::RateHeaders;
use crate::drivers::{Resolved, Stamps, Unresolved};
use crate::error::overrides::ApiOverrides;
use crate::events::Handlers;
use crate::keyring::Keyring;
use crate::limiter::Limiter;
use crate::middleware::certificate_check::CertificateCheck;
use crate::middleware::headers::request::may_hide_client;
use crate::middleware::jwt::sets::KeySets;
use crate::middleware::lists;
use crate::middleware::{self, Building, ORDER, RESPONSE, Row, Step, Steps};
use crate::responses::Responses;
use crate::statsd::{StatsD, Told, tyk_name};
use crate::telemetry::panic_text;
use crate::tls::clients::Allowed;
use crate::upstream::balance::Targets;
use crate::upstream::health::Check;
use crate::upstream::transport::Transport;

/// How long a plugin's `init` may take.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// An API as requests meet it.
pub(crate) struct Api {
    pub(crate) definition: Arc<ApiDefinition>,
    /// The file and text it was made from: the same text needs no new `Api`.
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    /// The OpenAPI document that it was made with.
    pub(crate) document: Option<Result<Arc<str>, String>>,
    /// The files that its plugins were looked for in, as they were.
    pub(crate) stamps: Stamps,
    pub(crate) listen: Arc<ListenPath>,
    pub(crate) edge: ApiEdge,
    /// `Err`: why no request can be served.
    pub(crate) serving: Result<Serving, String>,
    /// How its requests are written down; `None`: they are not.
    pub(crate) tracking: Option<Arc<Tracking>>,
    /// Who is told of its events.
    pub(crate) events: Option<Arc<Handlers>>,
    /// What is answered in place of errors.
    pub(crate) overrides: Option<Arc<ApiOverrides>>,
    /// Which plugin serves which hook here.
    pub(crate) uses: Vec<(&'static Plugin, Hook)>,
    pub(crate) unresolved: Vec<Unresolved>,
}

/// The working part of an [`Api`].
pub(crate) struct Serving {
    pub(crate) targets: Targets,
    /// How targets that a plugin chooses are reached.
    pub(crate) transport: Arc<Transport>,
    /// How the hosts of its upstreams are watched.
    pub(crate) checks: Vec<Arc<Check>>,
    /// What single paths ask of the way upstream.
    pub(crate) policies: Option<Policies>,
    pub(crate) request: Vec<Link>,
    pub(crate) response: Vec<Link>,
    /// The response's chain asks for the request: its head is kept while the upstream works.
    pub(crate) keeps_request: bool,
    /// A request may be one whose client the upstream is not told.
    pub(crate) may_hide_client: bool,
    /// The versions that requests choose among: then this chain chooses, and theirs serve.
    pub(crate) versions: Vec<Serving>,
}

/// What definitions are read against, and what plugins need to start.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) key_sets: Arc<KeySets>,
    /// `None`: there are none.
    pub(crate) analytics: Option<Arc<Analytics>>,
    /// Where answers are kept.
    pub(crate) responses: Arc<Responses>,
    pub(crate) rate_headers: RateHeaders,
    /// What the gateway has for definitions.
    pub(crate) ground: Ground,
    /// How long plugins may take, and what is counted of them.
    pub(crate) plugins: PluginRules,
    /// `None`: the gateway is not instrumented.
    pub(crate) statsd: Option<StatsD>,
    /// Who is told of spans and of metrics.
    #[cfg(feature = "otlp")]
    pub(crate) telemetry: Arc<crate::otlp::Telling>,
    /// Where plugins go that are no longer used.
    pub(crate) retired: UnboundedSender<BoxFuture<'static, ()>>,
}

/// A plugin did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("plugin `{plugin}` did not start: {reason}")]
    Init { plugin: &'static str, reason: String },
    #[error("plugin `{plugin}` did not start: its `init` took longer than {} s", INIT_TIMEOUT.as_secs())]
    Timeout { plugin: &'static str },
}

/// Starts the plugins of a plan and builds the chain. What `previous`, the same API as it was, knows of its upstreams
/// goes on.
///
/// # Errors
/// When a plugin's `init` fails, panics, or takes too long.
pub(crate) async fn compile(
    plan: Plan,
    (file, text): (Arc<str>, Arc<str>),
    services: &Services,
    previous: Option<&Api>,
) -> Result<Api, StartError> {
    let before = previous.and_then(|api| api.serving.as_ref().ok());
    let (mut plan, mut started) = (plan, Started::new());
    let versions = std::mem::take(&mut plan.versions);
    let chain = if versions.is_empty() { Chain::Whole } else { Chain::Choice };
    let mut api =
        compile_one(plan, chain, (Arc::clone(&file), Arc::clone(&text)), (services, before), &mut started).await?;
    for (at, version) in versions.into_iter().enumerate() {
        let origin = (Arc::clone(&file), Arc::clone(&text));
        let before = before.and_then(|before| before.versions.get(at));
        api.take_in(compile_one(version, Chain::Whole, origin, (services, before), &mut started).await?);
    }
    Ok(api)
}

/// Plugins that run.
type Started = Vec<(&'static Plugin, Arc<Running>)>;

/// How much of a request's way an API's own chain is.
#[derive(Clone, Copy)]
enum Chain {
    Whole,
    /// It chooses among versions, each of which has a chain of its own.
    Choice,
}

/// An API, or one of its versions; what was started for another of them is used here too.
async fn compile_one(
    plan: Plan,
    chain: Chain,
    (file, text): (Arc<str>, Arc<str>),
    (services, previous): (&Services, Option<&Serving>),
    started: &mut Started,
) -> Result<Api, StartError> {
    let Plan {
        definition,
        listen,
        edge,
        targets,
        transport,
        checks,
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
        versions: _,
        version,
    } = plan;
    start_all(plugins, started, &definition, services).await?;
    let (uses, unresolved) = register(&calls, &endpoints);
    let builder =
        Builder { calls, steps, alternatives, ..Builder::new(&definition, started, edge.allowed.clone(), services) };
    let building = Building {
        api: &definition,
        keyring: &services.keyring,
        certificates: &services.ground.edge.certificates,
        limiter: &services.limiter,
        key_sets: &services.key_sets,
        responses: &services.responses,
        rate_headers: services.rate_headers,
        depth: services.ground.trust.xff_depth,
        caching,
        listen: &listen,
        rates,
        from_body: from_body.map(Arc::new),
        version: version.as_deref(),
        overrides: overrides.as_ref(),
    };
    let request = builder.request_of(chain, &building, endpoints, &unresolved);
    let (response, keeps_request) = builder.response(&building);
    let before = previous.and_then(|serving| serving.policies.as_ref());
    let policies = Policies::new((&definition, events.as_ref()), policies, enforced, before);
    let may_hide_client = may_hide_client(&definition);
    let serving = Serving {
        targets,
        transport,
        checks,
        policies,
        request,
        response,
        keeps_request,
        may_hide_client,
        versions: Vec::new(),
    };
    Ok(Api {
        tracking: builder.tracking(services),
        definition,
        file,
        text,
        document: None,
        stamps: Stamps::default(),
        listen,
        edge,
        serving: Ok(serving),
        events,
        overrides,
        uses,
        unresolved,
    })
}

/// Starts the plugins that do not run yet.
async fn start_all(
    plugins: Vec<(&'static Plugin, Prepared)>,
    started: &mut Started,
    definition: &Arc<ApiDefinition>,
    services: &Services,
) -> Result<(), StartError> {
    for (plugin, prepared) in plugins {
        if !started.iter().any(|(other, _)| std::ptr::eq(*other, plugin)) {
            started.push((plugin, start(plugin, prepared, definition, services).await?));
        }
    }
    Ok(())
}

/// Runs a plugin's `init`, in a task of its own: its panic, if any, is an error here.
async fn start(
    plugin: &'static Plugin,
    prepared: Prepared,
    definition: &Arc<ApiDefinition>,
    services: &Services,
) -> Result<Arc<Running>, StartError> {
    let task = tokio::spawn(plugin.start(prepared, Arc::clone(definition), Arc::clone(&services.host)));
    let abort = task.abort_handle();
    let fail = |reason: String| StartError::Init { plugin: plugin.name, reason };
    match tokio::time::timeout(INIT_TIMEOUT, task).await {
        Ok(Ok(Ok(instance))) => Ok(Arc::new(Running::new(instance, services.retired.clone()))),
        Ok(Ok(Err(error))) => Err(fail(error.to_string())),
        Ok(Err(ended)) => Err(fail(match ended.try_into_panic() {
            Ok(panic) => format!("its `init` panicked: {}", panic_text(panic.as_ref())),
            Err(_) => "it was cancelled".to_owned(),
        })),
        Err(_) => {
            abort.abort();
            Err(StartError::Timeout { plugin: plugin.name })
        }
    }
}

/// Whether `OPTIONS` goes straight to the upstream. Nothing goes by a guard that is not there. Source: gateway.md §5.3.
fn passes_options(api: &ApiDefinition) -> bool {
    api.cors.options_passthrough && api.unhonoured_guards.is_empty()
}

/// Which plugin serves which hook, each once, and what nothing serves.
fn register(calls: &Calls, endpoints: &[Endpoint]) -> (Vec<(&'static Plugin, Hook)>, Vec<Unresolved>) {
    let mut uses: Vec<(&'static Plugin, Hook)> = Vec::new();
    let mut unresolved = Vec::new();
    let in_chain = calls.iter().flat_map(|(hook, calls)| calls.iter().map(move |call| (*hook, call)));
    let on_paths = endpoints.iter().map(|endpoint| (Hook::Endpoint, &endpoint.what));
    for (hook, call) in in_chain.chain(on_paths) {
        match call {
            Ok(found) if uses.iter().any(|(plugin, other)| std::ptr::eq(*plugin, found.plugin) && *other == hook) => {}
            Ok(found) => uses.push((found.plugin, hook)),
            Err(missing) => unresolved.push(missing.clone()),
        }
    }
    (uses, unresolved)
}

/// What a definition calls, by hook.
type Calls = BTreeMap<Hook, Vec<Result<Resolved, Unresolved>>>;

/// A per-path plugin.
type Endpoint = Planned<Result<Resolved, Unresolved>>;

struct Builder {
    api: Arc<ApiDefinition>,
    started: Started,
    calls: Calls,
    steps: Steps,
    allowed: Option<Arc<Allowed>>,
    alternatives: Option<Vec<Vec<Scheme>>>,
    plugins: PluginRules,
    statsd: Option<StatsD>,
    /// The names of those that StatsD is told of.
    named: RefCell<Vec<&'static str>>,
}

impl Builder {
    /// One for an API that has nothing yet.
    fn new(api: &Arc<ApiDefinition>, started: &Started, allowed: Option<Arc<Allowed>>, services: &Services) -> Self {
        Self {
            api: Arc::clone(api),
            started: started.clone(),
            calls: Calls::default(),
            steps: Steps::default(),
            allowed,
            alternatives: None,
            plugins: services.plugins.clone(),
            statsd: services.statsd.clone(),
            named: RefCell::default(),
        }
    }

    /// The request's chain, in the order of [`ORDER`].
    fn request(&self, building: &Building<'_>, endpoints: Vec<Endpoint>) -> Vec<Link> {
        let mut endpoints = self.endpoints(endpoints, building.listen).map(Link::Endpoints);
        let mut links: Vec<Link> = self.limits_report(building).into_iter().collect();
        // Whoever asks for a report has no other chain.
        self.named.borrow_mut().clear();
        links.extend(passes_options(building.api).then_some(Link::Passthrough));
        for row in ORDER {
            match row {
                Row::Plugins(Hook::Endpoint) => links.extend(endpoints.take()),
                row => links.extend(self.unless_ignored(row, building)),
            }
        }
        links
    }

    /// The request's chain, of which there may be less than all.
    fn request_of(
        &self,
        chain: Chain,
        building: &Building<'_>,
        endpoints: Vec<Endpoint>,
        unresolved: &[Unresolved],
    ) -> Vec<Link> {
        let mut request = match chain {
            Chain::Whole => self.request(building, endpoints),
            Chain::Choice => self.choice(building),
        };
        // A response that a plugin would have to see, and none does, is not asked for.
        let missing = unresolved.iter().find(|missing| missing.hook == Hook::Response);
        request.extend(missing.map(|missing| Link::Unresolved { name: missing.name.clone(), hook: missing.hook }));
        request
    }

    /// The response's chain, and whether that asks for the request.
    fn response(&self, building: &Building<'_>) -> (Vec<Link>, bool) {
        let response: Vec<Link> = RESPONSE.iter().flat_map(|row| self.row(row, building)).collect();
        let keeps_request = response.iter().any(|link| match link {
            Link::Plugin(call) => call.entry.takes.request > Access::Nothing,
            _ => true,
        });
        (response, keeps_request)
    }

    /// What chooses among versions, each of which has a chain of its own.
    fn choice(&self, building: &Building<'_>) -> Vec<Link> {
        let passthrough = passes_options(building.api).then_some(Link::Passthrough);
        passthrough.into_iter().chain(middleware::choice().flat_map(|row| self.row(row, building))).collect()
    }

    /// What tells a caller its limits, where anybody is asked who they are.
    fn limits_report(&self, building: &Building<'_>) -> Option<Link> {
        let links = || middleware::access().flat_map(|row| self.unless_ignored(row, building)).collect();
        (!building.api.use_keyless).then(|| Link::LimitsReport(LimitsReport(links())))
    }

    /// A row, which is left out on some paths if the API says so.
    fn unless_ignored(&self, row: &Row, building: &Building<'_>) -> Vec<Link> {
        let mut links = self.row(row, building);
        if !links.is_empty() && row.is_for_callers() && lists::ignores(building.api) {
            links.insert(0, Link::UnlessIgnored(links.len()));
        }
        links
    }

    fn row(&self, row: &Row, building: &Building<'_>) -> Vec<Link> {
        match row {
            Row::BuiltIn(middleware) => {
                let step = (middleware.build)(building);
                step.map(|step| self.built_in(middleware.name, step)).into_iter().collect()
            }
            Row::Planned(middleware) => {
                let step = self.steps.get(middleware.name).map(Arc::clone);
                step.map(|step| self.built_in(middleware.name, Box::new(step))).into_iter().collect()
            }
            Row::ClientCertificate(name) => {
                let link = |allowed| self.built_in(name, Box::new(CertificateCheck(allowed)));
                self.allowed.clone().map(link).into_iter().collect()
            }
            Row::Authentication(ways) => match &self.alternatives {
                None => ways.iter().flat_map(|(_, row)| self.row(row, building)).collect(),
                Some(groups) => vec![Link::AnyOf(AnyOf::new(self.ways(ways, building), groups))],
            },
            Row::Plugins(hook) => self.links(*hook).collect(),
        }
    }

    /// A built-in step, which StatsD is told of if the gateway is instrumented, and which is a span if the API asks for it.
    fn built_in(&self, name: &'static str, step: Box<dyn Step>) -> Link {
        let known = tyk_name(name, &self.api);
        let told = self.statsd.as_ref().zip(known.filter(|known| self.is_first(known)));
        let told = told.map(|(statsd, known)| statsd.step(known));
        let span = (self.plugins.traces && self.api.detailed_tracing).then_some(known.unwrap_or(name));
        if told.is_none() && span.is_none() {
            return Link::BuiltIn { name, step };
        }
        Link::BuiltIn { name, step: Box::new(Instrumented { step, to: To { told, span } }) }
    }

    /// Whether no step before it in the chain has its name: what is one step of Tyk's counts once for a request.
    fn is_first(&self, known: &'static str) -> bool {
        let mut named = self.named.borrow_mut();
        let is_first = !named.contains(&known);
        named.extend(is_first.then_some(known));
        is_first
    }

    /// The ways of authentication that the API has. The last one of a group says who is calling, whatever
    /// `base_identity_provided_by` says.
    fn ways(&self, ways: &[(AuthMethod, Row)], building: &Building<'_>) -> Vec<(AuthMethod, Way)> {
        let api = ApiDefinition { base_identity_provided_by: String::new(), ..building.api.clone() };
        let (rates, from_body) = (building.rates.clone(), building.from_body.clone());
        // Nobody authenticates by answers that are kept.
        let building = Building { api: &api, rates, from_body, caching: None, ..*building };
        let way = |link| match link {
            Link::BuiltIn { step, .. } => Some(Way::BuiltIn(step)),
            Link::Plugin(call) => Some(Way::Plugin(call)),
            Link::Unresolved { name, hook } => Some(Way::Unresolved { name, hook }),
            Link::Endpoints(_)
            | Link::AnyOf(_)
            | Link::LimitsReport(_)
            | Link::UnlessIgnored(_)
            | Link::Passthrough => None,
        };
        let of = |(method, row): &(AuthMethod, Row)| {
            let method = *method;
            self.row(row, &building).into_iter().filter_map(way).map(move |way| (method, way)).collect::<Vec<_>>()
        };
        ways.iter().flat_map(of).collect()
    }

    fn links(&self, hook: Hook) -> impl Iterator<Item = Link> {
        let entries = self.api.custom_middleware.entries(hook).iter().filter(|entry| entry.is_enabled());
        let calls = self.calls.get(&hook).into_iter().flatten();
        calls.zip(entries).map(move |(call, entry)| match call {
            Ok(found) => Link::Plugin(self.call(found, self.told(hook, entry))),
            Err(missing) => Link::Unresolved { name: missing.name.clone(), hook: missing.hook },
        })
    }

    fn endpoints(
        &self,
        planned: Vec<Endpoint>,
        listen: &Arc<ListenPath>,
    ) -> Option<OnPaths<Result<PluginCall, String>>> {
        let call = |Planned { pattern, method, what }: Endpoint| {
            // All of them have one name. Source: plugin-system.md §8.1.
            let told = self.statsd.as_ref().map(|statsd| statsd.step("GoPluginMiddleware: :"));
            let what = what.map(|found| self.call(&found, told)).map_err(|missing| missing.name);
            Planned { pattern, method, what }
        };
        OnPaths::new(planned.into_iter().map(call).collect(), listen)
    }

    /// How requests are written down.
    fn tracking(&self, services: &Services) -> Option<Arc<Tracking>> {
        services.analytics.as_ref().filter(|_| !self.api.do_not_track).map(|analytics| {
            let plugin = self.calls.get(&Hook::Analytics).and_then(|calls| calls.first());
            let plugin =
                plugin.map(|call| call.as_ref().map(|found| self.call(found, None)).map_err(|it| it.name.clone()));
            Tracking::new(analytics, &self.api, plugin, &services.host)
        })
    }

    /// Where the calls of an entry are told: those of response plugins are not. Source: plugin-system.md §8.1.
    fn told(&self, hook: Hook, entry: &MiddlewareDefinition) -> Option<Told> {
        let statsd = self.statsd.as_ref().filter(|_| hook != Hook::Response)?;
        Some(statsd.step(&format!("GoPluginMiddleware: {}:{}", entry.path, entry.name)))
    }

    fn call(&self, found: &Resolved, told: Option<Told>) -> PluginCall {
        let started = self.started.iter().find(|(plugin, _)| std::ptr::eq(*plugin, found.plugin));
        let (_, instance) = started.expect("every resolved plugin was started");
        PluginCall::new(found, Arc::clone(instance), &self.plugins, told, &self.api.api_id)
    }
}

impl Api {
    /// An API that is known, and that answers every request with an error: with a hole in its place, requests would
    /// fall through to an API with a shorter listen path.
    pub(crate) fn broken(
        definition: Arc<ApiDefinition>,
        listen: Arc<ListenPath>,
        (file, text): (Arc<str>, Arc<str>),
        edge: ApiEdge,
        reason: String,
    ) -> Self {
        Self {
            definition,
            file,
            text,
            document: None,
            stamps: Stamps::default(),
            listen,
            edge,
            serving: Err(reason),
            tracking: None,
            events: None,
            overrides: None,
            uses: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// Serves one more version, with what that uses.
    fn take_in(&mut self, version: Self) {
        if let (Ok(serving), Ok(version)) = (&mut self.serving, version.serving) {
            serving.versions.push(version);
        }
        for (plugin, hook) in version.uses {
            if !self.uses.iter().any(|(other, used)| std::ptr::eq(*other, plugin) && *used == hook) {
                self.uses.push((plugin, hook));
            }
        }
        for missing in version.unresolved {
            if !self.unresolved.iter().any(|other| other.name == missing.name && other.hook == missing.hook) {
                self.unresolved.push(missing);
            }
        }
    }

    /// Whether all is served that the definition says.
    pub(crate) fn is_whole(&self) -> bool {
        self.serving.is_ok() && self.unresolved.is_empty()
    }
}
