//! What is noted of a request while it is on its way: nothing but what is known then, and cheap to have.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_sdk::analytics::{AnalyticsRecord, AnsweredBy, Draft};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::{CONTENT_LENGTH, USER_AGENT};
use gateway_sdk::{Body, HeaderMap, Request, Response, StatusCode};

use super::raw::{self, Recorded};
use super::{Over, Tracking};
use crate::apis::listen_path::decoded;
use crate::apis::table::Route;
use crate::chain::Stop;
use crate::client_ip::client_ip;
use crate::upstream::{self, Forward, upgrade};

/// A request to an API that is tracked begins.
pub(crate) fn begin(tracking: &Tracking, exchange: &mut Exchange) {
    let settings = &tracking.analytics.settings;
    let client = client_ip(exchange, settings.xff_depth);
    if client.is_some_and(|client| settings.ignored.contains(&client)) {
        return;
    }
    let request = &exchange.request;
    let record = AnalyticsRecord {
        method: request.method().as_str().to_owned(),
        content_length: content_length(request),
        user_agent: request.headers().get(USER_AGENT).map(text).unwrap_or_default(),
        ip_address: client.map(|client| client.to_string()).unwrap_or_default(),
        original_path: decoded(request.path()).into_owned(),
        ..AnalyticsRecord::default()
    };
    exchange.draft = Some(Box::new(Draft {
        record,
        begun: Instant::now(),
        upstream: Duration::ZERO,
        answered: AnsweredBy::Gateway,
        asked: None,
        raw_request: None,
    }));
}

/// The request goes on at another API, whose record it is from here on. When it began, and what it was then, stays.
pub(crate) fn begin_again(tracking: Option<&Arc<Tracking>>, exchange: &mut Exchange) {
    let before = exchange.draft.take();
    if let Some(tracking) = tracking {
        begin(tracking, exchange);
    }
    if let (Some(now), Some(before)) = (&mut exchange.draft, before) {
        now.begun = before.begun;
        now.record.original_path = before.record.original_path;
    }
}

/// In bytes; -1 if it is not known.
fn content_length(request: &Request) -> i64 {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    declared.unwrap_or(if request.body().is_empty() { 0 } else { -1 })
}

/// A header's value, whose bytes may be any.
fn text(value: &gateway_sdk::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The request is about to be sent: where, and by what path.
pub(crate) fn sending(route: &Route, exchange: &mut Exchange, how: &Forward<'_>) -> Option<Instant> {
    let tracking = route.api.tracking.as_ref()?;
    let draft = exchange.draft.as_mut()?;
    let request = &mut exchange.request;
    draft.asked = Some(decoded(request.path()).into_owned());
    tag_headers(tracking, request.headers(), &mut draft.record.tags);
    if let Some((host, path)) = upstream::destination(request, how) {
        if tracking.is_detailed(exchange.caller.session().map(|session| &**session))
            && !upgrade::is_wanted(request)
            && !raw::is_stream(request)
        {
            draft.raw_request = Some(raw::record_request(request, how, &host, &path));
        }
        draft.record.host = text(&host);
        draft.record.raw_path = decoded(path.path()).into_owned();
    }
    Some(Instant::now())
}

/// The upstream has answered, or has not.
pub(crate) fn answered(exchange: &mut Exchange, sent: Instant, has_answered: bool) {
    if let Some(draft) = exchange.draft.as_mut()
        && has_answered
    {
        draft.upstream = sent.elapsed();
        draft.answered = AnsweredBy::Upstream;
    }
}

/// The request has ended without the upstream's answer.
pub(crate) fn stopped(draft: &mut Draft, stop: &Stop) {
    if draft.answered.is_here() {
        return;
    }
    draft.answered = match stop {
        Stop::Reply(_) => AnsweredBy::Here,
        Stop::Answer(response) if response.status() < StatusCode::BAD_REQUEST => AnsweredBy::Here,
        Stop::Answer(_) | Stop::Refused { .. } => AnsweredBy::Plugin,
        Stop::Error(_) | Stop::Elsewhere(_) => AnsweredBy::Gateway,
    };
    if !draft.answered.is_here() {
        draft.upstream = Duration::ZERO;
    }
}

/// There is a response: the record is complete when the client has all of it, or has gone.
pub(crate) fn finish(route: &Route, exchange: &mut Exchange, response: Response) -> Response {
    let (Some(mut draft), Some(tracking)) = (exchange.draft.take(), &route.api.tracking) else { return response };
    draft.record.response_code = response.status().as_u16().into();
    let request = &exchange.request;
    // What went upstream is not here any more, and its headers are noted.
    let is_here = draft.asked.is_none();
    if is_here {
        tag_headers(tracking, request.headers(), &mut draft.record.tags);
    }
    if draft.answered != AnsweredBy::Upstream {
        draft.record.raw_path = path_of_client(route, &draft, request).into_owned();
    }
    let session = exchange.caller.session().map(Arc::clone);
    let is_detailed = tracking.is_detailed(session.as_deref()) && !raw::is_stream(request);
    if is_detailed && is_here {
        draft.raw_request = Some(raw::note_request(request));
    }
    let with_response = is_detailed
        && draft.answered != AnsweredBy::Plugin
        && (is_here || draft.raw_request.is_some())
        && !raw::is_endless(&response);
    let over = Box::new(Over { draft, session, tracking: Arc::clone(tracking), raw: 0 });
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // What follows is not of this request.
        over.end();
        return response;
    }
    let (head, body) = response.into_parts();
    let transcript = with_response.then(|| raw::note_response(&head));
    if transcript.is_none() && body.is_buffered() {
        over.end();
        return Response::from_parts(head, body);
    }
    let recorded = Recorded::new(body, transcript, Some(over));
    Response::from_parts(head, Body::stream(Box::pin(recorded)))
}

/// The path of a request that has no upstream's answer. Source: plugin-system.md §4.4.
fn path_of_client<'a>(route: &Route, draft: &'a Draft, request: &'a Request) -> Cow<'a, str> {
    let asked = draft.asked.as_deref().map_or_else(|| decoded(request.path()), Cow::Borrowed);
    let strips = route.api.definition.proxy.strip_listen_path && route.strips;
    if strips && !draft.answered.is_here() { Cow::Owned(route.listen.strip(&asked).into_owned()) } else { asked }
}

fn tag_headers(tracking: &Tracking, headers: &HeaderMap, tags: &mut Vec<String>) {
    for name in &tracking.headers {
        tags.extend(headers.get_all(name).iter().map(|value| format!("{name}-{}", text(value))));
    }
}
