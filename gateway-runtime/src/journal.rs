//! What is noted of a request from its head to the end of its answer, for the access log. Where nobody asks for it
//! there is none.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{Body, BodyError, Response, StatusCode};
use http_body::{Frame, SizeHint};

use crate::access_log::{AccessLog, Entry};
use crate::gateway::Gateway;
use crate::serve::Peer;
use crate::upstream::{self, Forward, ForwardError};

/// The notes of one request.
pub(crate) struct Journal {
    began: Instant,
    entry: Option<(Arc<AccessLog>, Entry)>,
    asked: Option<Asked>,
}

/// How the upstream was asked, for the last time if it was more than once.
pub(crate) struct Asked {
    began: Instant,
    /// Its host, and port.
    pub(crate) host: String,
    pub(crate) path: String,
    /// Until the head of its answer; `None`: there was none.
    pub(crate) took: Option<Duration>,
}

/// A request to an API has come.
#[cold]
pub(crate) fn begin(gateway: &Gateway, peer: &Peer, exchange: &mut Exchange) {
    let log = gateway.config.access_log.as_ref();
    let entry = log.map(|log| (Arc::clone(log), log.begin(exchange, peer.address)));
    exchange.journal = Some(Box::new(Journal { began: Instant::now(), entry, asked: None }));
}

fn of(exchange: &mut Exchange) -> Option<&mut Journal> {
    exchange.journal.as_mut()?.downcast_mut()
}

/// The request is about to be sent.
#[cold]
pub(crate) fn sending(exchange: &mut Exchange, how: &Forward<'_>) {
    let Some((host, path)) = upstream::destination(&exchange.request, how) else { return };
    let (host, path) = (String::from_utf8_lossy(host.as_bytes()).into_owned(), path.path().to_owned());
    if let Some(journal) = of(exchange) {
        journal.asked = Some(Asked { began: Instant::now(), host, path, took: None });
    }
}

/// The upstream has answered, or has not.
#[cold]
pub(crate) fn answered(exchange: &mut Exchange, forwarded: &Result<Response, ForwardError>) {
    if let Some(asked) = of(exchange).and_then(|journal| journal.asked.as_mut()) {
        asked.took = forwarded.is_ok().then(|| asked.began.elapsed());
    }
}

/// There is a response: the notes are complete when the client has all of it, or has gone.
#[cold]
pub(crate) fn finish(exchange: &mut Exchange, response: Response) -> Response {
    let Some(journal) = exchange.journal.take() else { return response };
    let Ok(mut journal) = journal.downcast::<Journal>() else { return response };
    let status = response.status();
    if let Some((log, entry)) = &mut journal.entry {
        entry.answered(log, exchange, status);
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
        let Self { began, entry, asked } = *self;
        if let Some((log, entry)) = entry {
            log.write(&entry, began.elapsed(), asked.as_ref());
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
