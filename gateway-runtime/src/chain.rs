//! The chain: runs the links of an API in order, stops at an answer, and contains every plugin's panic.

mod any_of;
mod elsewhere;
mod guarded;
mod instrumented;
mod limits_report;
pub(crate) mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gateway_model::Hook;
use gateway_sdk::exchange::{BoxFuture, Call, Exchange, Instance, Outcome};
use gateway_sdk::flow::Answer;
use gateway_sdk::registry::{HookEntry, Plugin};
use gateway_sdk::{Method, Response};
use tokio::sync::mpsc::UnboundedSender;

use crate::apis::listen_path::ListenPath;
use crate::apis::paths::OnPaths;
use crate::caller::{self, By, Save, Unsaved};
use crate::drivers::Resolved;
use crate::error::{Fault, RequestError};
use crate::keyring::Keyring;
use crate::metrics::plugins::Meter;
use crate::middleware::{Ran, Step, Then, dispatch};
use crate::statsd::Told;
use crate::telemetry::{one_line, panic_text};

pub(crate) use any_of::{AnyOf, Way};
pub(crate) use elsewhere::{Chosen, Elsewhere, Ignored, Journey, Loop};
pub(crate) use guarded::PluginRules;
pub(crate) use instrumented::{Instrumented, To};
pub(crate) use limits_report::LimitsReport;

/// One link of an API's chain.
pub(crate) enum Link {
    BuiltIn {
        name: &'static str,
        step: Box<dyn Step>,
    },
    Plugin(PluginCall),
    /// Per-path plugins: the first that matches path and method runs. `Err`: the plugin's name, which nothing in this
    /// binary has.
    Endpoints(OnPaths<Result<PluginCall, String>>),
    AnyOf(AnyOf),
    LimitsReport(LimitsReport),
    /// So many links after it are for callers that are known, and left out where nobody is asked who they are.
    UnlessIgnored(usize),
    /// `OPTIONS` goes straight to the upstream.
    Passthrough,
    /// The definition names a plugin that is not there: nothing passes.
    Unresolved {
        name: String,
        hook: Hook,
    },
}

/// Why the request steps ended before the upstream.
pub(crate) enum Stop {
    /// A step's answer: a mock, what is kept, a list of limits.
    Reply(Box<Response>),
    /// A plugin's answer.
    Answer(Box<Response>),
    /// What stands for the upstream's answer.
    InPlace(Box<Response>),
    /// A plugin refused, and wants the gateway's error body.
    Refused {
        head: Box<Response>,
        message: String,
    },
    /// Somebody else serves the request.
    Elsewhere(Elsewhere),
    Error(RequestError),
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        Self::Error(error)
    }
}

/// A plugin's function for one hook of one API.
pub(crate) struct PluginCall {
    plugin: &'static Plugin,
    pub(crate) entry: &'static HookEntry,
    instance: Arc<Running>,
    /// It was said that its sessions have no key.
    warned: AtomicBool,
    how: How,
    rules: PluginRules,
    meter: Arc<Meter>,
    /// Where its calls are told.
    told: Option<Told>,
}

/// How a plugin's function is called.
#[derive(Clone, Copy)]
enum How {
    Now(fn(&Instance, &mut Exchange) -> Outcome),
    /// The same, with a look at the clock.
    Timed(fn(&Instance, &mut Exchange) -> Outcome),
    /// On another thread.
    Blocking(fn(&Instance, &mut Exchange) -> Outcome),
    Async(for<'a> fn(&'a Instance, &'a mut Exchange) -> BoxFuture<'a, Outcome>),
}

/// A started plugin. When the last request that may call it is over, it is sent to be shut down.
pub(crate) struct Running {
    instance: Option<Instance>,
    retired: UnboundedSender<BoxFuture<'static, ()>>,
}

impl Running {
    pub(crate) fn new(instance: Instance, retired: UnboundedSender<BoxFuture<'static, ()>>) -> Self {
        Self { instance: Some(instance), retired }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            // Its own code ends it, in a task of its own. If nobody receives any more the process is ending, and it is
            // dropped here: a panic of it must not end more than itself.
            let _ = catch_unwind(AssertUnwindSafe(|| self.retired.send(instance.shutdown())));
        }
    }
}

/// What a plugin's call came to; and a session to be saved first, whatever it came to.
type Came = (Result<(), Stop>, Option<Unsaved>);

/// What has to be waited for.
enum Waits<'a> {
    Step(&'static str, BoxFuture<'static, Then>),
    Plugin(&'a PluginCall),
    AnyOf(&'a AnyOf),
    /// Nothing comes after it.
    Report(&'a LimitsReport),
    /// A plugin was called; what it came to holds once its session is saved.
    Save(Save, Result<(), Stop>),
}

/// Runs the request's steps. Nearly all are functions: only what must be waited for is a future.
pub(crate) async fn run_request(
    mut links: &[Link],
    exchange: &mut Exchange,
    listen: &ListenPath,
    keyring: &Arc<Keyring>,
) -> Result<(), Stop> {
    while let Some((waits, rest)) = advance(links, exchange, listen, keyring)? {
        links = rest;
        match waits {
            Waits::Plugin(call) => call.run(exchange, keyring).await?,
            Waits::AnyOf(groups) => groups.run(exchange, keyring).await?,
            Waits::Report(report) => {
                // Source: gateway.md §8.1.
                exchange.draft = None;
                return Err(report.run(exchange, listen, keyring).await);
            }
            // They are rare: who does not wait for them has no room for them either.
            Waits::Step(name, answer) => Box::pin(finish(name, answer, exchange)).await?,
            Waits::Save(save, came) => {
                save.await;
                came?;
            }
        }
    }
    Ok(())
}

/// Runs one step alone, whatever it waits for.
pub(crate) async fn run_step(name: &str, step: &dyn Step, exchange: &mut Exchange) -> Result<(), Stop> {
    match step.run(exchange) {
        Ok(Ran::On) => Ok(()),
        Ok(Ran::Wait(answer)) => Box::pin(finish(name, answer, exchange)).await,
        Ok(Ran::Answer(response)) => Err(Stop::Reply(response)),
        Ok(Ran::InPlace(response)) => Err(Stop::InPlace(response)),
        Ok(Ran::Elsewhere(to)) => Err(Stop::Elsewhere(to)),
        Err(error) => {
            log_refusal(exchange, name, &error);
            Err(error.into())
        }
    }
}

/// Waits for whatever a step waits for, until it has let the request go on.
async fn finish(name: &str, mut answer: BoxFuture<'static, Then>, exchange: &mut Exchange) -> Result<(), Stop> {
    loop {
        match answer.await(exchange) {
            Ok(Ran::On) => return Ok(()),
            Ok(Ran::Wait(next)) => answer = next,
            Ok(Ran::Answer(response)) => return Err(Stop::Reply(response)),
            Ok(Ran::InPlace(response)) => return Err(Stop::InPlace(response)),
            Ok(Ran::Elsewhere(to)) => return Err(Stop::Elsewhere(to)),
            Err(error) => {
                log_refusal(exchange, name, &error);
                return Err(error.into());
            }
        }
    }
}

/// Runs steps up to the first that must be waited for; gives that, and those after it.
fn advance<'a>(
    links: &'a [Link],
    exchange: &mut Exchange,
    listen: &ListenPath,
    keyring: &Arc<Keyring>,
) -> Result<Option<(Waits<'a>, &'a [Link])>, Stop> {
    let mut rest = links;
    while let Some((link, after)) = rest.split_first() {
        rest = after;
        let call = match link {
            Link::BuiltIn { name, step } => match step.run(exchange) {
                Ok(Ran::On) => continue,
                Ok(Ran::Wait(answer)) => return Ok(Some((Waits::Step(name, answer), rest))),
                Ok(Ran::Answer(response)) => return Err(Stop::Reply(response)),
                Ok(Ran::InPlace(response)) => return Err(Stop::InPlace(response)),
                Ok(Ran::Elsewhere(to)) => return Err(Stop::Elsewhere(to)),
                Err(error) => {
                    log_refusal(exchange, name, &error);
                    return Err(error.into());
                }
            },
            Link::Plugin(call) => call,
            Link::Endpoints(endpoints) => match endpoints.find(&exchange.request) {
                Some(Ok(call)) => call,
                Some(Err(name)) => {
                    return Err(RequestError::UnresolvedPlugin { name: name.clone(), hook: Hook::Endpoint }.into());
                }
                None => continue,
            },
            Link::AnyOf(groups) => return Ok(Some((Waits::AnyOf(groups), rest))),
            Link::LimitsReport(report) if report.is_asked(exchange, listen) => {
                return Ok(Some((Waits::Report(report), &[])));
            }
            Link::UnlessIgnored(links_after) if Ignored::is_set(&exchange.request) => {
                rest = after.get(*links_after..).unwrap_or_default();
                continue;
            }
            Link::Passthrough if exchange.request.method() == Method::OPTIONS => {
                rest = last_step(after);
                continue;
            }
            Link::LimitsReport(_) | Link::UnlessIgnored(_) | Link::Passthrough => continue,
            Link::Unresolved { name, hook } => {
                return Err(RequestError::UnresolvedPlugin { name: name.clone(), hook: *hook }.into());
            }
        };
        let (came, unsaved) = match call.how {
            How::Now(function) => call.run_now(function, exchange, keyring),
            How::Timed(function) => call.run_timed(function, exchange, keyring),
            How::Blocking(_) | How::Async(_) => return Ok(Some((Waits::Plugin(call), rest))),
        };
        match unsaved.and_then(|unsaved| unsaved.save(keyring)) {
            None => came?,
            Some(save) => return Ok(Some((Waits::Save(save, came), rest))),
        }
    }
    Ok(None)
}

/// The step that says where a request goes, if there is one.
pub(crate) fn last_step(links: &[Link]) -> &[Link] {
    match links {
        [.., last @ Link::BuiltIn { name, .. }] if *name == dispatch::NAME => std::slice::from_ref(last),
        _ => &[],
    }
}

/// A refusal that is the gateway's own fault is logged where it becomes an answer.
pub(crate) fn log_refusal(exchange: &Exchange, step: &str, error: &RequestError) {
    let api_id = &exchange.ctx.api().api_id;
    if error.fault() == Fault::Store && !error.status().is_server_error() {
        tracing::error!(api_id, step, fault = %error.fault(), %error, "request refused");
    } else if !error.status().is_server_error() {
        tracing::info!(api_id, step, fault = %error.fault(), %error, "request refused");
    }
}

impl PluginCall {
    /// Its plugin's name.
    pub(crate) fn name(&self) -> &'static str {
        self.plugin.name
    }

    /// `api_id` is the API that calls it.
    pub(crate) fn new(
        Resolved { plugin, entry }: &Resolved,
        instance: Arc<Running>,
        rules: &PluginRules,
        told: Option<Told>,
        api_id: &str,
    ) -> Self {
        let rules = rules.of(&entry.guard);
        let how = match entry.call {
            Call::Sync(function) if entry.guard.blocking => How::Blocking(function),
            Call::Sync(function) if rules.is_timed() || told.is_some() => How::Timed(function),
            Call::Sync(function) => How::Now(function),
            Call::Async(function) => How::Async(function),
        };
        let meter = Meter::of(plugin, entry.hook, api_id);
        Self { plugin, entry, instance, warned: AtomicBool::new(false), how, rules, meter, told }
    }

    pub(crate) async fn run(&self, exchange: &mut Exchange, keyring: &Arc<Keyring>) -> Result<(), Stop> {
        let (came, unsaved) = self.call(exchange, keyring).await;
        if let Some(save) = unsaved.and_then(|unsaved| unsaved.save(keyring)) {
            save.await;
        }
        came
    }

    /// Calls it, and leaves it to the caller to save its session.
    async fn call(&self, exchange: &mut Exchange, keyring: &Arc<Keyring>) -> Came {
        match self.how {
            How::Now(function) => self.run_now(function, exchange, keyring),
            How::Timed(function) => self.run_timed(function, exchange, keyring),
            How::Blocking(function) => Box::pin(self.run_elsewhere(function, exchange, keyring)).await,
            How::Async(function) => self.run_async(function, exchange, keyring).await,
        }
    }

    fn run_now(
        &self,
        function: fn(&Instance, &mut Exchange) -> Outcome,
        exchange: &mut Exchange,
        keyring: &Arc<Keyring>,
    ) -> Came {
        let instance = match self.enter(exchange) {
            Ok(instance) => instance,
            Err(error) => return (Err(error.into()), None),
        };
        let called = catch_unwind(AssertUnwindSafe(|| function(instance, exchange)));
        if matches!(called, Ok(Outcome::Continue))
            && exchange.ctx.asked_mut().session.is_none()
            && !exchange.caller.is_raw()
        {
            return (Ok(()), None);
        }
        self.conclude(called, exchange, keyring)
    }

    /// Its panic, as an error.
    fn told(&self, panic: &(dyn std::any::Any + Send)) -> RequestError {
        let message = one_line(panic_text(panic).to_owned());
        RequestError::PluginPanicked { plugin: self.plugin.name, hook: self.entry.hook, message }
    }

    fn enter(&self, exchange: &mut Exchange) -> Result<&Instance, RequestError> {
        exchange.ctx.enter(self.plugin);
        self.instance.instance.as_ref().ok_or_else(|| RequestError::Broken("the plugin has ended".to_owned()))
    }

    /// What a call came to, for the request.
    fn conclude(&self, called: std::thread::Result<Outcome>, exchange: &mut Exchange, keyring: &Arc<Keyring>) -> Came {
        let outcome = match called {
            Ok(outcome) => outcome,
            Err(panic) => match self.panicked(self.told(panic.as_ref()), exchange) {
                Ok(outcome) => outcome,
                Err(error) => return (Err(error.into()), None),
            },
        };
        let by = By { plugin: self.plugin.name, warned: &self.warned };
        match caller::take(exchange, &by, keyring) {
            Ok(unsaved) => (self.answer(outcome, exchange), unsaved),
            Err(error) => (Err(error.into()), None),
        }
    }

    fn answer(&self, outcome: Outcome, exchange: &Exchange) -> Result<(), Stop> {
        match outcome {
            Outcome::Continue | Outcome::Discard => Ok(()),
            Outcome::MissingSession => Err(RequestError::SessionMissing.into()),
            Outcome::Respond(response) => {
                self.log_answer(exchange, response.status().as_u16(), None);
                Err(Stop::Answer(response))
            }
            Outcome::Reject(reject) => {
                self.log_answer(exchange, reject.status().as_u16(), reject.reason());
                Err(match reject.into_answer() {
                    Answer::Own(response) => Stop::Answer(Box::new(response)),
                    Answer::Gateway { head, message } => Stop::Refused { head: Box::new(head), message },
                })
            }
        }
    }

    fn log_answer(&self, exchange: &Exchange, status: u16, reason: Option<&str>) {
        let api_id = &exchange.ctx.api().api_id;
        let (plugin, hook) = (self.plugin.name, self.entry.hook.as_str());
        match status {
            500.. => tracing::error!(api_id, plugin, hook, status, reason, "plugin answered with an error"),
            400.. => tracing::info!(api_id, plugin, hook, status, reason, "plugin refused the request"),
            _ => tracing::debug!(api_id, plugin, hook, status, "plugin answered the request"),
        }
    }
}
