//! Events: what happens to requests, upstreams and keys, told to the log and to webhooks.
//!
//! | to find | look in |
//! |---|---|
//! | which events there are, and how one is raised | here |
//! | who is told, as a definition says it | `plan.rs` |
//! | which refusal of a request is which event | `refusal.rs` |
//! | how they are told, aside of all requests | `deliver.rs`, `webhook.rs` |
//!
//! # Invariants
//! - Who raises an event waits for nobody: it goes into a queue with an end, and what has no place there is counted and
//!   lost.
//! - What nobody is to be told of costs a look at a pointer.
//!
//! Source: gateway.md §8.9; Tyk, `gateway/event_system.go`.

mod deliver;
mod plan;
mod refusal;
mod webhook;

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::metrics;

pub(crate) use deliver::deliver;
pub(crate) use plan::{Of, Planned, plan};
pub(crate) use refusal::{refused, stopped};
use webhook::WebHook;

/// How many events may wait to be told.
const QUEUED: usize = 1024;

/// The events and their names; and those that Tyk has, and this gateway never raises.
macro_rules! events {
    ($($kind:ident = $name:literal,)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind { $($kind,)+ }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)+];

            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

events! {
    QuotaExceeded = "QuotaExceeded",
    RateLimitExceeded = "RatelimitExceeded",
    AuthFailure = "AuthFailure",
    KeyExpired = "KeyExpired",
    VersionFailure = "VersionFailure",
    OrgQuotaExceeded = "OrgQuotaExceeded",
    OrgRateLimitExceeded = "OrgRateLimitExceeded",
    BreakerTriggered = "BreakerTriggered",
    BreakerTripped = "BreakerTripped",
    BreakerReset = "BreakerReset",
    HostDown = "HostDown",
    HostUp = "HostUp",
    TokenCreated = "TokenCreated",
    TokenUpdated = "TokenUpdated",
    TokenDeleted = "TokenDeleted",
}

/// Events of Tyk that nothing here raises.
const NEVER: &[&str] = &[
    "TriggerExceeded",
    "CertificateExpiringSoon",
    "CertificateExpired",
    "RateLimitSmoothingUp",
    "RateLimitSmoothingDown",
    "UpstreamOAuthError",
    "OAuth2Exchange",
];

impl Kind {
    /// It is of a key, and no API's: `event_handlers` of the gateway's configuration say who is told.
    pub(crate) fn is_of_gateway(self) -> bool {
        matches!(self, Self::TokenCreated | Self::TokenUpdated | Self::TokenDeleted)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// One who is told.
#[derive(Debug)]
pub(crate) enum Handler {
    Log { prefix: String },
    WebHook(Arc<WebHook>),
}

/// An event on its way to those who are told.
pub(crate) struct Raised {
    kind: Kind,
    /// What the handlers are given, beside the kind and the time.
    meta: Value,
    at: SystemTime,
    handlers: Arc<[Handler]>,
}

/// Where events wait. Without its end they are nobody's.
#[derive(Clone, Default)]
pub(crate) struct Queue(Option<mpsc::Sender<Raised>>);

/// A queue, and what comes out of it.
pub(crate) fn queue() -> (Queue, mpsc::Receiver<Raised>) {
    let (sender, receiver) = mpsc::channel(QUEUED);
    (Queue(Some(sender)), receiver)
}

/// Who is told of the events of an API, or of the gateway.
pub(crate) struct Handlers {
    queue: Queue,
    planned: Planned,
}

impl Handlers {
    /// `None`: nobody is told of anything.
    pub(crate) fn new(planned: &Planned, queue: &Queue) -> Option<Arc<Self>> {
        let (planned, queue) = (planned.clone(), queue.clone());
        (!planned.is_empty()).then(|| Arc::new(Self { queue, planned }))
    }

    /// Tells whoever is to know; `meta` is made for nobody else.
    pub(crate) fn raise(&self, kind: Kind, meta: impl FnOnce() -> Value) {
        let Some((_, handlers)) = self.planned.iter().find(|(of, _)| *of == kind) else { return };
        let Queue(Some(queue)) = &self.queue else { return };
        let raised = Raised { kind, meta: meta(), at: SystemTime::now(), handlers: Arc::clone(handlers) };
        if let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(raised) {
            metrics::event_dropped();
        }
    }

    /// A circuit breaker opened, or closed again. Source: Tyk, `EventCurcuitBreakerMeta`.
    pub(crate) fn breaker(&self, api_id: &str, path: &str, is_open: bool) {
        // The numbers are those of the library that Tyk has its breakers from.
        let (kind, message, number) = if is_open {
            (Kind::BreakerTripped, "Breaker Tripped", 0)
        } else {
            (Kind::BreakerReset, "Breaker Reset", 1)
        };
        for kind in [Kind::BreakerTriggered, kind] {
            self.raise(kind, || {
                json!({
                    "Message": message, "OriginatingRequest": "", "Path": path, "APIID": api_id, "CircuitEvent": number,
                })
            });
        }
    }

    /// A host went down, or came back. Source: Tyk, `EventHostStatusMeta`.
    pub(crate) fn host(&self, api_id: &str, url: &str, reason: &str, is_down: bool) {
        let (kind, message) =
            if is_down { (Kind::HostDown, "Uptime test failed") } else { (Kind::HostUp, "Uptime test succeeded") };
        self.raise(kind, || {
            json!({
                "Message": message, "OriginatingRequest": "",
                "HostInfo": {"CheckURL": url, "Reason": reason, "MetaData": {"api_id": api_id}},
            })
        });
    }

    /// A key was written or deleted. Source: Tyk, `EventTokenMeta`.
    pub(crate) fn token(&self, kind: Kind, org_id: &str, key: &str) {
        let message = match kind {
            Kind::TokenCreated => "Key generated.",
            Kind::TokenDeleted => "Key deleted.",
            _ => "Key modified.",
        };
        self.raise(kind, || json!({"Message": message, "OriginatingRequest": "", "Org": org_id, "Key": key}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_place_in_the_queue_is_lost_and_nobody_waits() {
        let (queue, mut raised) = queue();
        let handlers: Arc<[Handler]> = [Handler::Log { prefix: String::new() }].into();
        let handlers = Handlers::new(&vec![(Kind::HostUp, handlers)], &queue).expect("somebody is told");
        let before = metrics::events_dropped();
        for _ in 0..QUEUED + 3 {
            handlers.raise(Kind::HostUp, || json!({}));
            handlers.raise(Kind::HostDown, || panic!("nobody is told"));
        }
        assert_eq!(metrics::events_dropped() - before, 3);
        assert_eq!(std::iter::from_fn(|| raised.try_recv().ok()).count(), QUEUED);
    }
}
