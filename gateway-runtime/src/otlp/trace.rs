//! The spans of one request, as it goes: what is cheap to have then.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gateway_model::Hook;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::Version;
use gateway_sdk::http::header::USER_AGENT;
use gateway_sdk::registry::Plugin;
use gateway_sdk::{HeaderName, HeaderValue, Method, Response, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};

use super::Traces;
use super::context::{Context, TRACEPARENT, TRACESTATE, hex};
use crate::config::Sampling;
use crate::metrics::plugins::Ended;
use crate::session::key::obfuscated;

/// Tells a client what its request is called in traces. Source: gateway.md §8.8.
const TRACE_ID: HeaderName = HeaderName::from_static("x-tyk-trace-id");
/// A request has no more spans. One that goes round and round has many.
const MOST_SPANS: usize = 256;

/// A request that may be traced.
pub(crate) struct Trace {
    pub(super) context: Context,
    /// The caller's span.
    pub(super) parent: Option<[u8; 8]>,
    /// When it began, on the clock of the others.
    pub(super) at: SystemTime,
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) request: Request,
    pub(super) spans: Vec<Span>,
    /// The ids of its spans follow each other.
    next: u64,
}

/// What is told of the request as a whole.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) version: Version,
    pub(super) agent: String,
    pub(super) client: String,
    pub(super) api: Api,
    pub(super) caller: Option<Caller>,
    pub(super) status: Option<StatusCode>,
}

/// The API that it came to.
pub(super) struct Api {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) organisation: String,
    pub(super) tags: Vec<String>,
    pub(super) path: String,
}

/// Who has called, as far as it may be told.
pub(super) struct Caller {
    pub(super) key: String,
    pub(super) alias: String,
    pub(super) oauth: String,
}

/// A part of the request's way.
pub(super) struct Span {
    pub(super) id: [u8; 8],
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) what: What,
}

pub(super) enum What {
    Plugin {
        plugin: &'static Plugin,
        hook: Hook,
        ended: Ended,
        api: String,
    },
    /// A built-in step, and why it has refused.
    Step {
        name: &'static str,
        failed: Option<String>,
    },
    /// The upstream was asked.
    Upstream {
        method: Method,
        host: String,
        path: String,
        answered: Result<StatusCode, String>,
    },
}

impl Traces {
    /// A request to an API has come. `None`: the system has no random numbers.
    pub(crate) fn begin(&self, exchange: &mut Exchange) -> Option<Trace> {
        let parent = Context::of(exchange.request.headers());
        if parent.is_none() {
            // It is of a trace that is not known.
            exchange.request.headers_mut().remove(TRACESTATE);
        }
        let mut random = [0; 24];
        SystemRandom::new().fill(&mut random).ok()?;
        let (fresh, span) = random.split_first_chunk::<16>()?;
        let (trace, span) = (parent.map_or(*fresh, |parent| parent.trace), *span.first_chunk::<8>()?);
        let decided = parent.filter(|_| self.parent_based).map(|parent| parent.is_sampled);
        let is_sampled = decided.unwrap_or_else(|| self.takes(trace));
        let request = &exchange.request;
        let api = exchange.ctx.api();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some(Trace {
            context: Context { trace, span, is_sampled },
            parent: parent.map(|parent| parent.span),
            at: SystemTime::now(),
            began: Instant::now(),
            took: Duration::ZERO,
            request: Request {
                method: request.method().clone(),
                path: request.uri().path().to_owned(),
                version: request.version(),
                agent: request.headers().get(USER_AGENT).map(text).unwrap_or_default(),
                client: exchange.ctx.client_addr().map(|address| address.ip().to_string()).unwrap_or_default(),
                api: Api {
                    id: api.api_id.clone(),
                    name: api.name.clone(),
                    organisation: api.org_id.clone(),
                    tags: api.tags.clone(),
                    path: api.proxy.listen_path.clone(),
                },
                caller: None,
                status: None,
            },
            spans: Vec::new(),
            next: u64::from_be_bytes(span),
        })
    }

    /// Source: OpenTelemetry, `TraceIdRatioBased`: those who see a trace decide alike.
    fn takes(&self, trace: [u8; 16]) -> bool {
        match self.sampling {
            Sampling::All => true,
            Sampling::None => false,
            Sampling::Ratio(rate) => {
                let [.., a, b, c, d, _, _, _, _] = trace;
                f64::from(u32::from_be_bytes([a, b, c, d]) >> 1) < rate * f64::from(1_u32 << 31)
            }
        }
    }
}

impl Trace {
    /// A span's id, which no other one of the trace has but by chance.
    fn id(&mut self) -> [u8; 8] {
        self.next = self.next.wrapping_add(1).max(1);
        self.next.to_be_bytes()
    }

    fn span(&mut self, began: Instant, what: What) {
        if self.context.is_sampled && self.spans.len() < MOST_SPANS {
            let id = self.id();
            self.spans.push(Span { id, began, took: began.elapsed(), what });
        }
    }

    /// A plugin was called.
    pub(crate) fn called(&mut self, (plugin, hook): (&'static Plugin, Hook), api: &str, ended: Ended, began: Instant) {
        self.span(began, What::Plugin { plugin, hook, ended, api: api.to_owned() });
    }

    /// A built-in step has run.
    pub(crate) fn stepped(&mut self, name: &'static str, failed: Option<String>, began: Instant) {
        self.span(began, What::Step { name, failed });
    }

    /// The request is about to be sent: the upstream is told by which span.
    pub(crate) fn sending(&mut self, request: &mut gateway_sdk::Request) -> [u8; 8] {
        let span = self.id();
        if let Some(value) = (Context { span, ..self.context }).header() {
            request.headers_mut().insert(TRACEPARENT, value);
        }
        span
    }

    /// The upstream has answered, or has not. `id` is the span that it was told.
    pub(crate) fn asked(
        &mut self,
        id: [u8; 8],
        began: Instant,
        (host, path): (&str, &str),
        answered: Result<StatusCode, String>,
    ) {
        if self.context.is_sampled && self.spans.len() < MOST_SPANS {
            let (method, host, path) = (self.request.method.clone(), host.to_owned(), path.to_owned());
            let what = What::Upstream { method, host, path, answered };
            self.spans.push(Span { id, began, took: began.elapsed(), what });
        }
    }

    /// There is an answer.
    pub(crate) fn answered(&mut self, exchange: &Exchange, response: &mut Response) {
        if let Ok(value) = HeaderValue::try_from(self.trace_id()) {
            response.headers_mut().insert(TRACE_ID, value);
        }
        self.request.status = Some(response.status());
        self.request.caller = exchange.caller.session().map(|session| Caller {
            key: if session.key_id.is_empty() { String::new() } else { obfuscated(&session.key_id) },
            alias: session.alias.clone(),
            oauth: session.oauth_client_id.clone(),
        });
    }

    /// As logs and clients have it.
    pub(crate) fn trace_id(&self) -> String {
        hex(&self.context.trace)
    }

    /// A moment of the request, in nanoseconds since 1970.
    pub(super) fn nanos(&self, moment: Instant) -> u64 {
        let at = self.at + moment.saturating_duration_since(self.began);
        nanos(at)
    }
}

/// In nanoseconds since 1970.
pub(super) fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
