//! Calls that have a bound, or that are counted: who is late ends its request, and nothing else.
//!
//! An `async fn` is cancelled at its deadline. A `fn` cannot be: it is noticed when it returns, or, if it is `blocking`,
//! left behind on its thread, with the request that it holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gateway_sdk::exchange::{BoxFuture, Call, Exchange, Instance, Outcome};
use gateway_sdk::http::Request as Head;
use gateway_sdk::registry::{Guard, Lapse};
use gateway_sdk::{Body, Request};
use tokio::sync::oneshot;

use super::threads::Threads;
use super::{Came, PluginCall};
use crate::config::{OpenTelemetry, PluginSettings};
use crate::error::RequestError;
use crate::journal;
use crate::keyring::Keyring;
use crate::metrics::plugins::Ended;

/// What holds for the plugins of a gateway, and then for one of them.
#[derive(Clone)]
pub(crate) struct PluginRules {
    pub(super) timeout: Option<Duration>,
    /// All calls are counted and timed.
    pub(super) measures: bool,
    /// Calls are spans.
    pub(crate) traces: bool,
    threads: Arc<Threads>,
}

impl PluginRules {
    pub(crate) fn new(settings: &PluginSettings, telemetry: &OpenTelemetry) -> Self {
        let PluginSettings { timeout, threads, metrics } = *settings;
        let (measures, traces) = (metrics || telemetry.metrics.is_some(), telemetry.traces.is_some());
        Self { timeout, measures, traces, threads: Arc::new(Threads::new(threads)) }
    }

    /// Somebody wants to know how long calls take.
    pub(super) fn is_timed(&self) -> bool {
        self.timeout.is_some() || self.measures || self.traces
    }

    /// What holds for a plugin with this guard.
    pub(super) fn of(&self, guard: &Guard) -> Self {
        Self { timeout: guard.timeout.or(self.timeout), ..self.clone() }
    }
}

/// When a call began, if anybody wants to know.
#[derive(Clone, Copy)]
struct Began(Option<Instant>);

impl PluginCall {
    /// Calls a function that is bound, or counted.
    #[inline(never)]
    pub(super) fn run_timed(
        &self,
        function: fn(&Instance, &mut Exchange) -> Outcome,
        exchange: &mut Exchange,
        keyring: &Arc<Keyring>,
    ) -> Came {
        let instance = match self.enter(exchange) {
            Ok(instance) => instance,
            Err(error) => return (Err(error.into()), None),
        };
        let began = self.begin();
        let called = catch_unwind(AssertUnwindSafe(|| function(instance, exchange)));
        self.end(called, began, exchange, keyring)
    }

    /// Calls an `async` function; at its deadline it is dropped.
    pub(super) async fn run_async(
        &self,
        function: for<'a> fn(&'a Instance, &'a mut Exchange) -> BoxFuture<'a, Outcome>,
        exchange: &mut Exchange,
        keyring: &Arc<Keyring>,
    ) -> Came {
        let instance = match self.enter(exchange) {
            Ok(instance) => instance,
            Err(error) => return (Err(error.into()), None),
        };
        let began = self.begin();
        let running = Contained(Some(function(instance, exchange)));
        let called = match self.rules.timeout {
            None => running.await,
            // Its timer is as large as all else that waits here.
            Some(limit) => match Box::pin(tokio::time::timeout(limit, running)).await {
                Ok(called) => called,
                Err(_) => return self.cancelled(limit, began, exchange, keyring),
            },
        };
        self.end(called, began, exchange, keyring)
    }

    /// Calls a function on a thread of the pool. It takes the request with it, and brings it back unless it is late.
    pub(super) async fn run_elsewhere(
        &self,
        function: fn(&Instance, &mut Exchange) -> Outcome,
        exchange: &mut Exchange,
        keyring: &Arc<Keyring>,
    ) -> Came {
        if let Err(error) = self.enter(exchange) {
            return (Err(error.into()), None);
        }
        let began = self.begin();
        let stand_in = stand_in(exchange);
        let mut lent = std::mem::replace(exchange, stand_in);
        let running = Arc::clone(&self.instance);
        let (told, answer) = oneshot::channel();
        let work = move || {
            // Nobody waits any more.
            if told.is_closed() {
                return;
            }
            let Some(instance) = &running.instance else { return };
            let called = catch_unwind(AssertUnwindSafe(|| function(instance, &mut lent)));
            let _ = told.send((called, lent));
        };
        let (plugin, hook) = (self.plugin.name, self.entry.hook);
        let busy = RequestError::PluginsBusy { plugin, hook };
        if self.rules.threads.run(Box::new(work)).is_err() {
            return (Err(busy.into()), None);
        }
        let answered = match self.rules.timeout {
            None => answer.await,
            Some(limit) => match tokio::time::timeout(limit, answer).await {
                Ok(answered) => answered,
                Err(_) => return self.cancelled(limit, began, exchange, keyring),
            },
        };
        match answered {
            Ok((called, mut lent)) => {
                (lent.draft, lent.journal) = (exchange.draft.take(), exchange.journal.take());
                *exchange = lent;
                self.end(called, began, exchange, keyring)
            }
            Err(_) => (Err(busy.into()), None),
        }
    }

    /// Shows it the record of a request that is over, and gives what it says.
    ///
    /// # Errors
    /// When it has panicked, or has ended.
    pub(crate) async fn show(&self, exchange: &mut Exchange) -> Result<Outcome, RequestError> {
        let instance = self.enter(exchange)?;
        let called = match self.entry.call {
            Call::Sync(function) => catch_unwind(AssertUnwindSafe(|| function(instance, exchange))),
            Call::Async(function) => Contained(Some(function(instance, exchange))).await,
        };
        called.map_err(|panic| self.told(panic.as_ref()))
    }

    fn begin(&self) -> Began {
        Began((self.rules.is_timed() || self.told.is_some()).then(Instant::now))
    }

    /// A call has returned, or panicked.
    fn end(
        &self,
        called: std::thread::Result<Outcome>,
        Began(began): Began,
        exchange: &mut Exchange,
        keyring: &Arc<Keyring>,
    ) -> Came {
        let took = began.map(|began| began.elapsed());
        let limit = self.rules.timeout.filter(|limit| took > Some(*limit));
        let ended = match &called {
            Err(_) => Ended::Panicked,
            Ok(_) if limit.is_some() => Ended::Late,
            Ok(outcome) => Ended::of(outcome),
        };
        self.tell(ended, took, began, exchange);
        if let (Some(took), Ok(_)) = (took, &called) {
            if self.rules.measures {
                self.meter.count(ended, Some(took));
            } else if limit.is_some() {
                self.meter.count(Ended::Late, None);
            }
            if let Some(limit) = limit
                && let Err(error) = self.late(limit, exchange)
            {
                return (Err(error.into()), None);
            }
        }
        self.conclude(called, exchange, keyring)
    }

    /// Tells whoever is to know of each call.
    fn tell(&self, ended: Ended, took: Option<Duration>, began: Option<Instant>, exchange: &mut Exchange) {
        if let (Some(told), Some(took)) = (&self.told, took) {
            told.call(took);
        }
        if let Some(began) = began.filter(|_| self.rules.traces) {
            journal::called(exchange, (self.plugin, self.entry.hook), ended, began);
        }
    }

    /// A call was late, and is waited for no longer.
    #[cold]
    fn cancelled(&self, limit: Duration, Began(began): Began, exchange: &mut Exchange, keyring: &Arc<Keyring>) -> Came {
        let took = began.map(|began| began.elapsed());
        self.tell(Ended::Late, took, began, exchange);
        self.meter.count(Ended::Late, took.filter(|_| self.rules.measures));
        match self.late(limit, exchange) {
            Ok(()) => {
                exchange.ctx.asked_mut().session = None;
                self.conclude(Ok(Outcome::Continue), exchange, keyring)
            }
            Err(error) => (Err(error.into()), None),
        }
    }

    /// Whether a request goes on whose plugin was late.
    #[cold]
    fn late(&self, limit: Duration, exchange: &Exchange) -> Result<(), RequestError> {
        let error = RequestError::PluginTimedOut { plugin: self.plugin.name, hook: self.entry.hook, limit };
        self.go_on(self.entry.guard.on_timeout, error, exchange)
    }

    /// Whether a request goes on whose plugin panicked.
    #[cold]
    pub(super) fn panicked(&self, error: RequestError, exchange: &mut Exchange) -> Result<Outcome, RequestError> {
        self.meter.count(Ended::Panicked, None);
        exchange.ctx.asked_mut().session = None;
        self.go_on(self.entry.guard.on_panic, error, exchange).map(|()| Outcome::Continue)
    }

    fn go_on(&self, lapse: Lapse, error: RequestError, exchange: &Exchange) -> Result<(), RequestError> {
        match lapse {
            // It is logged where it becomes an answer.
            Lapse::Fail => Err(error),
            Lapse::Continue => {
                let api_id = &exchange.ctx.api().api_id;
                tracing::error!(api_id, fault = %error.fault(), %error, "a plugin failed, and the request goes on");
                Ok(())
            }
        }
    }
}

/// What is left here of a request that a plugin holds: enough to answer it with an error.
fn stand_in(exchange: &mut Exchange) -> Exchange {
    let (mut head, ()) = Head::new(()).into_parts();
    head.method = exchange.request.method().clone();
    head.uri = exchange.request.uri().clone();
    head.version = exchange.request.version();
    head.headers = exchange.request.headers().clone();
    Exchange {
        request: Request::from_parts(head, Body::empty()),
        response: None,
        caller: exchange.caller.clone(),
        ctx: exchange.ctx.stand_in(),
        // A request that is answered without it has a record too.
        draft: exchange.draft.take(),
        journal: exchange.journal.take(),
    }
}

/// A plugin's future: a panic in any of its polls ends it, and one as it is dropped ends there.
struct Contained<'a, T>(Option<BoxFuture<'a, T>>);

impl<T> Future for Contained<'_, T> {
    type Output = std::thread::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let ended = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panic) => Err(panic),
        };
        self.release();
        Poll::Ready(ended)
    }
}

impl<T> Contained<'_, T> {
    fn release(&mut self) {
        if let Some(future) = self.0.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
        }
    }
}

impl<T> Drop for Contained<'_, T> {
    fn drop(&mut self) {
        self.release();
    }
}
