//! [`Plan`] → [`Api`]: starts the plugins and builds the chain.

use std::sync::Arc;
use std::time::Duration;

use gateway_model::{ApiDefinition, Hook};
use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::host::Host;
use gateway_sdk::registry::Plugin;
use tokio::sync::mpsc::UnboundedSender;

use crate::apis::endpoints::{Endpoint, Endpoints};
use crate::apis::listen_path::ListenPath;
use crate::apis::plan::Plan;
use crate::chain::{Link, PluginCall, Running};
use crate::drivers::{Resolved, Unresolved};
use crate::middleware::{ORDER, Row};
use crate::telemetry::panic_text;
use crate::upstream::target::Target;

/// How long a plugin's `init` may take.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// An API as requests meet it.
pub(crate) struct Api {
    pub(crate) definition: Arc<ApiDefinition>,
    /// The file and text it was made from: the same text needs no new `Api`.
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) listen: Arc<ListenPath>,
    /// `Err`: why no request can be served.
    pub(crate) serving: Result<Serving, String>,
    /// Which plugin serves which hook here.
    pub(crate) uses: Vec<(&'static Plugin, Hook)>,
    pub(crate) unresolved: Vec<Unresolved>,
}

/// The working part of an [`Api`].
pub(crate) struct Serving {
    pub(crate) target: Target,
    pub(crate) request: Vec<Link>,
    pub(crate) response: Vec<Link>,
    /// A response plugin takes the request: its head is kept while the upstream works.
    pub(crate) keeps_request: bool,
}

/// What plugins need to start.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) host: Arc<dyn Host>,
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

/// Starts the plugins of a plan and builds the chain.
///
/// # Errors
/// When a plugin's `init` fails, panics, or takes too long.
pub(crate) async fn compile(
    plan: Plan,
    (file, text): (Arc<str>, Arc<str>),
    services: &Services,
) -> Result<Api, StartError> {
    let Plan { definition, listen, target, calls, endpoints, plugins } = plan;
    let mut started: Vec<(&'static Plugin, Arc<Running>)> = Vec::new();
    for (plugin, prepared) in plugins {
        let api = Arc::clone(&definition);
        // A task of its own: its panic, if any, is an error here.
        let start = tokio::spawn(plugin.start(prepared, api, Arc::clone(&services.host)));
        let abort = start.abort_handle();
        let fail = |reason: String| StartError::Init { plugin: plugin.name, reason };
        let instance = match tokio::time::timeout(INIT_TIMEOUT, start).await {
            Ok(Ok(instance)) => instance.map_err(|error| fail(error.to_string()))?,
            Ok(Err(panic)) => {
                let reason = panic.try_into_panic().map_or_else(
                    |_| "it was cancelled".to_owned(),
                    |panic| format!("its `init` panicked: {}", panic_text(panic.as_ref())),
                );
                return Err(fail(reason));
            }
            Err(_) => {
                abort.abort();
                return Err(StartError::Timeout { plugin: plugin.name });
            }
        };
        started.push((plugin, Arc::new(Running::new(instance, services.retired.clone()))));
    }
    let builder = Builder { started: &started };
    let mut uses: Vec<(&'static Plugin, Hook)> = Vec::new();
    let mut unresolved: Vec<Unresolved> = Vec::new();
    let planned = calls.iter().flat_map(|(hook, calls)| calls.iter().map(move |call| (*hook, call)));
    let on_paths = endpoints.iter().map(|endpoint| (Hook::Endpoint, &endpoint.plugin));
    for (hook, call) in planned.chain(on_paths) {
        match call {
            Ok(resolved) => uses.push((resolved.plugin, hook)),
            Err(missing) => unresolved.push(missing.clone()),
        }
    }
    uses.dedup_by(|a, b| std::ptr::eq(a.0, b.0) && a.1 == b.1);
    let links = |hook: Hook| calls.get(&hook).into_iter().flatten().map(|call| builder.link(call));
    let mut endpoints = Some(endpoints).filter(|list| !list.is_empty());
    let mut request = Vec::new();
    for row in ORDER {
        match row {
            Row::BuiltIn(middleware) => {
                let step = (middleware.build)(&definition);
                request.extend(step.map(|step| Link::BuiltIn { name: middleware.name, step }));
            }
            Row::Plugins(Hook::Endpoint) => {
                let list = endpoints.take().into_iter().flatten();
                let list: Vec<_> = list
                    .map(|planned| Endpoint {
                        method: planned.method,
                        pattern: planned.pattern,
                        call: planned.plugin.map(|found| builder.call(&found)).map_err(|missing| missing.name),
                    })
                    .collect();
                request.extend((!list.is_empty()).then_some(Link::Endpoints(Endpoints(list))));
            }
            Row::Plugins(hook) => request.extend(links(*hook)),
        }
    }
    let response: Vec<Link> = links(Hook::Response).collect();
    // A response that a plugin would have to see, and none does, is not asked for.
    let missing = unresolved.iter().find(|missing| missing.hook == Hook::Response);
    request.extend(missing.map(|missing| Link::Unresolved { name: missing.name.clone(), hook: missing.hook }));
    let keeps_request = response.iter().any(|link| matches!(link, Link::Plugin(call) if call.entry.takes_request));
    let serving = Ok(Serving { target, request, response, keeps_request });
    Ok(Api { definition, file, text, listen: Arc::new(listen), serving, uses, unresolved })
}

struct Builder<'a> {
    started: &'a [(&'static Plugin, Arc<Running>)],
}

impl Builder<'_> {
    fn link(&self, call: &Result<Resolved, Unresolved>) -> Link {
        match call {
            Ok(found) => Link::Plugin(self.call(found)),
            Err(missing) => Link::Unresolved { name: missing.name.clone(), hook: missing.hook },
        }
    }

    fn call(&self, found: &Resolved) -> PluginCall {
        let started = self.started.iter().find(|(plugin, _)| std::ptr::eq(*plugin, found.plugin));
        let (_, instance) = started.expect("every resolved plugin was started");
        PluginCall { plugin: found.plugin, entry: found.entry, instance: Arc::clone(instance) }
    }
}

impl Api {
    /// An API that is known, and that answers every request with an error: with a hole in its place, requests would
    /// fall through to an API with a shorter listen path.
    pub(crate) fn broken(
        definition: Arc<ApiDefinition>,
        listen: Arc<ListenPath>,
        (file, text): (Arc<str>, Arc<str>),
        reason: String,
    ) -> Self {
        Self { definition, file, text, listen, serving: Err(reason), uses: Vec::new(), unresolved: Vec::new() }
    }
}
