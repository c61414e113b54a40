//! What single paths of an API ask of the way upstream: a time within which there is an answer, and a circuit breaker.
//!
//! Source: Tyk, `gateway/reverse_proxy.go`, `gateway/model_apispec.go`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_model::{ApiDefinition, CircuitBreaker};
use gateway_sdk::{Request, Response};

use crate::apis::listen_path::ListenPath;
use crate::apis::matcher::{Entry, Matcher};
use crate::apis::paths::Planned;
use crate::clock::{Deadline, Exact};
use crate::events::Handlers;
use crate::upstream::breaker::{Breaker, Change, kept};
use crate::upstream::{self, Forward, ForwardError};

/// The kinds of entries in the matcher.
const TIMEOUT: usize = 0;
const BREAKER: usize = 1;

/// What an entry asks for.
pub(crate) enum PlannedPolicy {
    Timeout(Duration),
    Breaker(CircuitBreaker),
}

enum Policy {
    Timeout(Duration),
    Breaker(Arc<Breaker>),
}

/// The policies of an API.
pub(crate) struct Policies {
    api: Arc<ApiDefinition>,
    /// Who is told of breakers.
    events: Option<Arc<Handlers>>,
    matcher: Matcher<2>,
    /// What each entry of the matcher asks for.
    policies: Vec<Policy>,
    /// The time of an answer to what has none of its own.
    global: Option<Duration>,
}

impl Policies {
    /// `None` for an API that asks for nothing. Breakers of `previous` keep their state where they are the same.
    pub(crate) fn new(
        (api, events): (&Arc<ApiDefinition>, Option<&Arc<Handlers>>),
        planned: Vec<Planned<PlannedPolicy>>,
        global: Option<Duration>,
        previous: Option<&Self>,
    ) -> Option<Self> {
        if planned.is_empty() && global.is_none() {
            return None;
        }
        let previous: Vec<Arc<Breaker>> = previous.into_iter().flat_map(Self::breakers).map(Arc::clone).collect();
        let (mut entries, mut policies) = (Vec::new(), Vec::new());
        for Planned { pattern, method, what } in planned {
            let (kind, policy) = match what {
                PlannedPolicy::Timeout(time) => (TIMEOUT, Policy::Timeout(time)),
                PlannedPolicy::Breaker(entry) => (BREAKER, Policy::Breaker(kept(&entry, &previous))),
            };
            entries.push(Entry { pattern, method, kind });
            policies.push(policy);
        }
        let (api, events) = (Arc::clone(api), events.cloned());
        Some(Self { api, events, matcher: Matcher::new(entries), policies, global })
    }

    fn breakers(&self) -> impl Iterator<Item = &Arc<Breaker>> {
        self.policies.iter().filter_map(|policy| match policy {
            Policy::Breaker(breaker) => Some(breaker),
            Policy::Timeout(_) => None,
        })
    }

    /// What a request is under: its path counts as the client wrote it and, as with Tyk, as the upstream will see it.
    fn of(&self, request: &Request, how: &Forward<'_>, listen: &ListenPath) -> (Option<Duration>, Option<&Breaker>) {
        let (method, path) = (request.method().as_str(), request.path());
        let mut found = self.matcher.find(method, path, listen);
        let at_upstream = |path: &str| how.aim.target().join_path(path);
        let joined = how.strip.map_or_else(|| at_upstream(path), |strip| at_upstream(&strip.strip(path)));
        if let Some(joined) = joined.filter(|_| request.upstream().is_none()) {
            self.matcher.find_among(method, &joined, listen, &mut found);
        }
        let [timeout, breaker] = found.map(|at| self.policies.get(at?));
        let timeout = match timeout {
            Some(Policy::Timeout(time)) => Some(*time),
            _ => self.global,
        };
        let breaker = match breaker {
            Some(Policy::Breaker(breaker)) => Some(&**breaker),
            _ => None,
        };
        (timeout, breaker)
    }

    /// Forwards a request under what its path asks for.
    ///
    /// # Errors
    /// As [`upstream::forward`]; and when its time is over, or its breaker open.
    pub(crate) async fn forward(
        &self,
        request: &mut Request,
        mut how: Forward<'_>,
        listen: &ListenPath,
    ) -> Result<Response, ForwardError> {
        let (enforced, breaker) = self.of(request, &how, listen);
        how.enforced = enforced;
        let Some(breaker) = breaker else { return timed(request, how).await };
        let (admission, change) = breaker
            .admit(Instant::now())
            .map_err(|open| ForwardError::Open { entry: told(breaker), left: open.left })?;
        self.log(breaker, change);
        let answer = timed(request, how).await;
        let change = breaker.report(admission, has_failed(&answer), Instant::now());
        self.log(breaker, change);
        answer
    }

    fn log(&self, breaker: &Breaker, change: Option<Change>) {
        let (api_id, endpoint) = (&self.api.api_id, told(breaker));
        let open_s = breaker.entry.return_to_service_after;
        if let Some((events, change)) = self.events.as_ref().zip(change.as_ref()) {
            events.breaker(api_id, &breaker.entry.path, matches!(change, Change::Tripped));
        }
        match change {
            None => {}
            Some(Change::Tripped) => tracing::warn!(
                api_id,
                endpoint,
                open_s,
                event = "BreakerTripped",
                "circuit breaker opened: too many answers of the upstream are failures"
            ),
            Some(Change::Reset) => tracing::info!(api_id, endpoint, event = "BreakerReset", "circuit breaker closed"),
        }
    }
}

/// What a breaker is for, as the definition says it.
fn told(breaker: &Breaker) -> String {
    format!("{} {}", breaker.entry.method, breaker.entry.path)
}

/// Forwards by a clock that is as exact as the time that somebody has set.
async fn timed(request: &mut Request, how: Forward<'_>) -> Result<Response, ForwardError> {
    match how.enforced {
        None => upstream::forward(request, how, Deadline::new()).await,
        Some(_) => upstream::forward(request, how, Exact::default()).await,
    }
}

/// Whether the upstream is to blame. Source: Tyk, `gateway/reverse_proxy.go`.
fn has_failed(answer: &Result<Response, ForwardError>) -> bool {
    match answer {
        Ok(response) => response.status().is_server_error(),
        Err(error) => error.is_upstreams(),
    }
}
