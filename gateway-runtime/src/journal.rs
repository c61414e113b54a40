//! What is noted of a request from its head to the end of its answer, for the access log and for spans. Where nobody asks
//! for it there is none.

#[cfg(feature = "otlp")]
use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_model::Hook;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::registry::Plugin;
use gateway_sdk::{Body, BodyError, Response, StatusCode};
use http_body::{Frame, SizeHint};

use crate::access_log::{AccessLog, Entry};
use crate::gateway::Gateway;
use crate::metrics::plugins::Ended;
#[cfg(feature = "otlp")]
use crate::otlp::{Trace, Traces};
use crate::serve::Peer;
use crate::upstream::{self, Forward, ForwardError};

/// The notes of one request.
pub(crate) struct Journal {
    began: Instant,
    entry: Option<(Arc<AccessLog>, Entry)>,
    asked: Option<Asked>,
    #[cfg(feature = "otlp")]
    trace: Option<(Arc<Traces>, Box<Trace>)>,
}

/// How the upstream was asked, for the last time if it was more than once.
pub(crate) struct Asked {
    began: Instant,
    /// Its host, and port.
    pub(crate) host: String,
    pub(crate) path: String,
    /// Until the head of its answer; `None`: there was none.
    pub(crate) took: Option<Duration>,
    /// The span that the upstream was told.
    #[cfg(feature = "otlp")]
    span: [u8; 8],
}

/// A request to an API has come.
#[cold]
pub(crate) fn begin(gateway: &Gateway, peer: &Peer, exchange: &mut Exchange) {
    let log = gateway.config.access_log.as_ref();
    let entry = log.map(|log| (Arc::clone(log), log.begin(exchange, peer.address)));
    #[cfg(feature = "otlp")]
    let trace = gateway.traces.as_ref();
    #[cfg(feature = "otlp")]
    let trace = trace.and_then(|traces| Some((Arc::clone(traces), Box::new(traces.begin(exchange)?))));
    exchange.journal = Some(Box::new(Journal {
        began: Instant::now(),
        entry,
        asked: None,
        #[cfg(feature = "otlp")]
        trace,
    }));
}

fn of(exchange: &mut Exchange) -> Option<&mut Journal> {
    exchange.journal.as_mut()?.downcast_mut()
}

/// The request is about to be sent.
#[cold]
pub(crate) fn sending(exchange: &mut Exchange, how: &Forward<'_>) {
    let Some((host, path)) = upstream::destination(&exchange.request, how) else { return };
    let (host, path) = (String::from_utf8_lossy(host.as_bytes()).into_owned(), path.path().to_owned());
    let Exchange { request, journal, .. } = exchange;
    let Some(journal) = journal.as_mut().and_then(|journal| journal.downcast_mut::<Journal>()) else { return };
    #[cfg(feature = "otlp")]
    let span = journal.trace.as_mut().map(|(_, trace)| trace.sending(request)).unwrap_or_default();
    #[cfg(not(feature = "otlp"))]
    let _ = request;
    journal.asked = Some(Asked {
        began: Instant::now(),
        host,
        path,
        took: None,
        #[cfg(feature = "otlp")]
        span,
    });
}

/// A plugin was called.
#[cold]
pub(crate) fn called(exchange: &mut Exchange, plugin: (&'static Plugin, Hook), ended: Ended, began: Instant) {
    #[cfg(feature = "otlp")]
    {
        let Exchange { journal, ctx, .. } = exchange;
        if let Some((_, trace)) = traced(journal) {
            trace.called(plugin, &ctx.api().api_id, ended, began);
        }
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (exchange, plugin, ended, began);
}

/// A built-in step has run.
#[cold]
pub(crate) fn stepped(exchange: &mut Exchange, name: &'static str, failed: Option<String>, began: Instant) {
    #[cfg(feature = "otlp")]
    if let Some((_, trace)) = traced(&mut exchange.journal) {
        trace.stepped(name, failed, began);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (exchange, name, failed, began);
}

#[cfg(feature = "otlp")]
fn traced(journal: &mut Option<Box<dyn Any + Send + Sync>>) -> Option<&mut (Arc<Traces>, Box<Trace>)> {
    journal.as_mut()?.downcast_mut::<Journal>()?.trace.as_mut()
}

/// The upstream has answered, or has not.
#[cold]
pub(crate) fn answered(exchange: &mut Exchange, forwarded: &Result<Response, ForwardError>) {
    let Some(journal) = of(exchange) else { return };
    let Some(asked) = &mut journal.asked else { return };
    asked.took = forwarded.is_ok().then(|| asked.began.elapsed());
    #[cfg(feature = "otlp")]
    if let Some((_, trace)) = &mut journal.trace {
        let answered = forwarded.as_ref().map(Response::status).map_err(ToString::to_string);
        trace.asked(asked.span, asked.began, (&asked.host, &asked.path), answered);
    }
}

/// There is a response: the notes are complete when the client has all of it, or has gone.
#[cold]
#[cfg_attr(not(feature = "otlp"), allow(unused_mut, reason = "a client is told its trace"))]
pub(crate) fn finish(exchange: &mut Exchange, mut response: Response) -> Response {
    let Some(journal) = exchange.journal.take() else { return response };
    let Ok(mut journal) = journal.downcast::<Journal>() else { return response };
    let status = response.status();
    if let Some((log, entry)) = &mut journal.entry {
        entry.answered(log, exchange, status);
    }
    #[cfg(feature = "otlp")]
    if let Some((_, trace)) = &mut journal.trace {
        trace.answered(exchange, &mut response);
    }
    // What follows another protocol's beginning is not of this request.
    if status == StatusCode::SWITCHING_PROTOCOLS || response.body().is_buffered() {
        journal.end();
        return response;
    }
    let (head, body) = response.into_parts();
    Response::from_parts(head, Body::stream(Box::pin(Followed { body, journal: Some(journal) })))
}

impl Journal {
    fn end(self: Box<Self>) {
        let journal = *self;
        #[cfg(feature = "otlp")]
        if let Some((traces, trace)) = journal.trace {
            traces.end(trace);
        }
        if let Some((log, entry)) = journal.entry {
            log.write(&entry, journal.began.elapsed(), journal.asked.as_ref());
        }
    }
}

/// A body whose end is noted. When it is gone, so is whoever took it.
struct Followed {
    body: Body,
    journal: Option<Box<Journal>>,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.end();
        }
    }
}
