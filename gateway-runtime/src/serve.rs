//! One request: from hyper, through the chain and the upstream, back to hyper.

pub(crate) mod body;
mod normal;
pub(crate) mod rates;
mod through;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gateway_sdk::analytics::AnsweredBy;
use gateway_sdk::caller::Caller;
use gateway_sdk::context::Ctx;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use gateway_sdk::http::uri::Authority;
use gateway_sdk::http::{Version, request};
use gateway_sdk::{Body, ClientTls, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::analytics;
use crate::apis::closed::Closed;
use crate::apis::compile::Serving;
use crate::apis::table::Route;
use crate::chain::{self, Link, Stop};
use crate::clock::Deadline;
use crate::control;
use crate::error::{self, RequestError};
use crate::events;
use crate::gateway::{Entrance, Gateway, Phase};
use crate::journal;
use crate::middleware::dispatch;
use crate::middleware::headers::request::HiddenClient;
use crate::middleware::version_check::VersionError;
use crate::upstream::balance::AllDown;
use crate::upstream::headers::{self, Hosts};
use crate::upstream::{self, Forward, ForwardError, upgrade};

/// Who is at the other end of a connection.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) forwarded: HeaderValue,
    /// Where it came in.
    pub(crate) entrance: Entrance,
    /// `None`: the connection has no TLS.
    pub(crate) tls: Option<Arc<ClientTls>>,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, entrance: Entrance) -> Self {
        // A socket for both families shows IPv4 clients as mapped ones.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { address, forwarded: headers::forwarded(address.ip()), entrance, tls: None }
    }
}

/// Answers one request. `read` turns true when its body was read to the end; `finish` makes the answer the connection's.
pub(crate) async fn answer<B>(
    gateway: &Arc<Gateway>,
    peer: &Peer,
    request: hyper::Request<Incoming>,
    read: Option<Arc<AtomicBool>>,
    finish: impl FnOnce(hyper::Response<Body>) -> hyper::Response<B>,
) -> Result<hyper::Response<B>, Infallible> {
    let (mut head, incoming) = request.into_parts();
    if gateway.config.upgrades {
        upgrade::remember(&mut head);
    }
    let hosts = headers::from_client(&mut head.headers);
    if head.uri.authority().is_some() {
        normal::of_url(&mut head);
    }
    if let Some(uri) = normal::normalized(&head.uri) {
        head.uri = uri;
    }
    let mut response = if !has_host(hosts, head.version) {
        RequestError::Host.response(&gateway.config, &head.headers)
    } else if control::is_control(&gateway.config, peer.entrance, head.uri.path()) {
        let body = body::of_operator(incoming, read, &gateway.config);
        Box::pin(control::answer(gateway, peer, &head, body)).await
    } else {
        match route(gateway, &head) {
            Routed::To(route) => match body::of_client(incoming, read, &gateway.config, &head.headers) {
                Ok(body) => {
                    let api = Arc::clone(&route.api.definition);
                    let ctx = Ctx::new(Arc::clone(&gateway.host), api, Some(peer.address)).with_tls(peer.tls.clone());
                    let request = Request::from_parts(head, body);
                    let (caller, draft, journal) = (Caller::default(), None, None);
                    let mut exchange = Exchange { request, response: None, caller, ctx, draft, journal };
                    if let Some(tracking) = &route.api.tracking {
                        analytics::begin(tracking, &mut exchange);
                    }
                    if gateway.keeps_journals {
                        journal::begin(gateway, peer, &mut exchange);
                    }
                    let mut response = serve(gateway, peer, &route, &mut exchange).await;
                    if exchange.draft.is_some() {
                        response = analytics::finish(&route, &mut exchange, response);
                    }
                    if exchange.journal.is_some() { journal::finish(&mut exchange, response) } else { response }
                }
                Err(error) => refused(gateway, &route, &error, &head.headers),
            },
            Routed::Elsewhere(location) => Response::new(StatusCode::MOVED_PERMANENTLY).with_header(LOCATION, location),
            Routed::Nowhere => not_routed(gateway, &head),
        }
    };
    let closes = gateway.config.close_connections || gateway.phase() == Phase::Closing;
    if closes && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let (head, body) = response.into_parts();
    Ok(finish(hyper::Response::from_parts(head, body)))
}

#[cold]
fn not_routed(gateway: &Gateway, head: &request::Parts) -> Response {
    // For the server as a whole, which is this one. RFC 9110 §9.3.7.
    if head.uri.path() == "*" {
        return match head.method {
            Method::OPTIONS => Response::new(StatusCode::OK),
            _ => error::plain(StatusCode::BAD_REQUEST, "Bad Request"),
        };
    }
    if gateway.config.track_404_logs {
        tracing::info!(method = %head.method, path = head.uri.path(), "no API listens on this path");
    }
    RequestError::NotRouted.response(&gateway.config, &head.headers)
}

#[cold]
fn refused(gateway: &Gateway, route: &Route, error: &RequestError, headers: &HeaderMap) -> Response {
    let api_id = &route.api.definition.api_id;
    tracing::info!(api_id, fault = %error.fault(), %error, "request refused");
    error.response(&gateway.config, headers)
}

enum Routed {
    To(Arc<Route>),
    /// A cleaner path to the same place.
    Elsewhere(HeaderValue),
    Nowhere,
}

/// One `Host`, unless the client speaks a protocol older than it. Source: RFC 9112 §3.2.
fn has_host(hosts: Hosts, version: Version) -> bool {
    match hosts {
        Hosts::One => true,
        Hosts::None => version < Version::HTTP_11,
        Hosts::Several => false,
    }
}

/// Routes by the decoded path, as upstreams and Tyk read it: an escape must not lead around a guarded listen path.
fn route(gateway: &Gateway, head: &request::Parts) -> Routed {
    let rules = gateway.config.paths;
    let path = normal::decoded(head.uri.path());
    if !rules.keep_unclean
        && normal::is_unclean(&path)
        && let Some(location) = normal::cleaned(&head.uri, &path)
    {
        return Routed::Elsewhere(location);
    }
    match gateway.table.load().find(|| host(head), &path, rules.strict_routes) {
        Some(route) => Routed::To(Arc::clone(route)),
        None => Routed::Nowhere,
    }
}

/// The host that a request is for: that of its target, if it names one. Source: RFC 9112 §3.2.2.
fn host(head: &request::Parts) -> Option<&str> {
    let target = head.uri.authority().map(Authority::as_str);
    target.or_else(|| head.headers.get(HOST)?.to_str().ok())
}

/// A request that belongs to an API.
async fn serve(gateway: &Gateway, peer: &Peer, route: &Route, exchange: &mut Exchange) -> Response {
    let served = match &route.api.serving {
        Ok(serving) => run(gateway, peer, route, serving, exchange).await,
        Err(closed) => Err(closed.error().into()),
    };
    settle(gateway, peer, route, served, exchange).await
}

/// What the client gets of what a request came to.
async fn settle(
    gateway: &Gateway,
    peer: &Peer,
    route: &Route,
    served: Result<Response, Stop>,
    exchange: &mut Exchange,
) -> Response {
    // What request plugins set for the final response is under what a plugin answered, and beside what the upstream did.
    let mut asked = std::mem::take(&mut exchange.ctx.asked_mut().response_headers);
    if !asked.is_empty() {
        // Framing is the gateway's business.
        headers::toward_client(&mut asked);
        asked.remove(CONTENT_LENGTH);
    }
    match served {
        Ok(mut response) => {
            if !asked.is_empty() {
                append(response.headers_mut(), asked);
            }
            response
        }
        Err(Stop::Elsewhere(to)) => {
            exchange.ctx.asked_mut().response_headers = asked;
            Box::pin(through::elsewhere(gateway, peer, route, to, exchange)).await
        }
        Err(Stop::InPlace(response)) => {
            exchange.ctx.asked_mut().response_headers = asked;
            // They are rare: who has none has no room for one either.
            let served = Box::pin(in_place(gateway, route, *response, exchange)).await;
            Box::pin(settle(gateway, peer, route, served, exchange)).await
        }
        Err(stop) => {
            if let Some(draft) = &mut exchange.draft {
                analytics::stopped(draft, &stop);
            }
            if let Some(handlers) = &route.api.events {
                events::stopped(handlers, &stop, exchange, gateway.config.trust);
            }
            let mut response = stopped(gateway, route, exchange, stop);
            rates::on_refusal(&gateway.config, response.headers_mut(), exchange);
            fill(response.headers_mut(), asked);
            response
        }
    }
}

/// The chain, the upstream, and the response's chain.
async fn run(
    gateway: &Gateway,
    peer: &Peer,
    route: &Route,
    serving: &Serving,
    exchange: &mut Exchange,
) -> Result<Response, Stop> {
    // Also where it is empty: the compiler makes one way of it, and not a fast one and a slow one.
    chain::run_request(&serving.request, exchange, &route.listen, &gateway.keyring).await?;
    reach(gateway, peer, route, serving, exchange).await
}

/// The upstream, and the response's chain.
async fn reach(
    gateway: &Gateway,
    peer: &Peer,
    route: &Route,
    serving: &Serving,
    exchange: &mut Exchange,
) -> Result<Response, Stop> {
    let is_head = exchange.request.method() == Method::HEAD;
    let mut response = forward(gateway, peer, route, serving, exchange).await?;
    // After it comes another protocol, not a response that anybody could change.
    let is_final = response.status() != StatusCode::SWITCHING_PROTOCOLS;
    if is_final && !serving.response.is_empty() {
        exchange.response = Some(response);
        response = Box::pin(respond(gateway, &serving.response, exchange, is_head)).await?;
    }
    rates::on_answer(gateway.config.rate_headers, response.headers_mut(), exchange);
    Ok(response)
}

/// The response's chain, for what stands for the upstream's answer.
async fn in_place(
    gateway: &Gateway,
    route: &Route,
    response: Response,
    exchange: &mut Exchange,
) -> Result<Response, Stop> {
    let serving = route.api.serving.as_ref().map_err(Closed::error)?;
    let is_head = exchange.request.method() == Method::HEAD;
    exchange.response = Some(response);
    let mut response = Box::pin(respond(gateway, &serving.response, exchange, is_head)).await?;
    rates::on_answer(gateway.config.rate_headers, response.headers_mut(), exchange);
    if let Some(draft) = &mut exchange.draft {
        draft.answered = AnsweredBy::Here;
    }
    Ok(response)
}

async fn forward(
    gateway: &Gateway,
    peer: &Peer,
    route: &Route,
    serving: &Serving,
    exchange: &mut Exchange,
) -> Result<Response, Stop> {
    let sent_elsewhere = exchange.request.upstream().is_some();
    let aim = serving.targets.aim(sent_elsewhere).map_err(|AllDown| RequestError::from(ForwardError::AllDown))?;
    let kept = serving.keeps_request.then(|| head_of(&exchange.request));
    // It decides between JSON and XML, should there be an error from here on.
    let media_type = exchange.request.headers().get(CONTENT_TYPE).cloned();
    let proxy = &route.api.definition.proxy;
    let is_hidden = serving.may_hide_client && exchange.request.extensions_mut().remove::<HiddenClient>().is_some();
    let how = Forward {
        aim,
        transport: &serving.transport,
        enforced: None,
        strip: (proxy.strip_listen_path && route.strips).then_some(&*route.listen),
        keep_host: proxy.preserve_host_header,
        client: (!is_hidden).then_some(&peer.forwarded),
        rules: gateway.rules,
    };
    if exchange.journal.is_some() {
        journal::sending(exchange, &how);
    }
    let sent = if exchange.draft.is_some() { analytics::sending(route, exchange, &how) } else { None };
    let forwarded = match &serving.policies {
        None => upstream::forward(&mut exchange.request, how, Deadline::new()).await,
        Some(policies) => Box::pin(policies.forward(&mut exchange.request, how, &route.listen)).await,
    };
    if exchange.journal.is_some() {
        journal::answered(exchange, &forwarded);
    }
    if let Some(sent) = sent {
        analytics::answered(exchange, sent, forwarded.is_ok());
    }
    if let Some(mut kept) = kept {
        dispatch::hand_over(&mut exchange.request, &mut kept);
        exchange.request = kept;
    } else if let Some(media_type) = media_type.filter(|_| forwarded.is_err() || !serving.response.is_empty()) {
        exchange.request.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    match forwarded {
        Ok(response) => Ok(response),
        Err(error) => {
            let error = RequestError::from(error);
            chain::log_refusal(exchange, "forward", &error);
            Err(error.into())
        }
    }
}

/// The response's chain. What a plugin answers or refuses with takes the upstream's place, and those after it see that.
async fn respond(gateway: &Gateway, links: &[Link], exchange: &mut Exchange, is_head: bool) -> Result<Response, Stop> {
    for link in links {
        match link {
            Link::Plugin(call) => match call.run(exchange, &gateway.keyring).await {
                Ok(()) => {}
                Err(Stop::Reply(response) | Stop::Answer(response)) => exchange.response = Some(*response),
                Err(stop) => return Err(stop),
            },
            Link::Unresolved { name, hook } => {
                return Err(RequestError::UnresolvedPlugin { name: name.clone(), hook: *hook }.into());
            }
            Link::BuiltIn { name, step } => chain::run_step(name, &**step, exchange).await?,
            Link::Endpoints(_)
            | Link::AnyOf(_)
            | Link::LimitsReport(_)
            | Link::UnlessIgnored(_)
            | Link::Passthrough => {}
        }
    }
    let response = exchange.response.take().unwrap_or_else(|| Response::new(StatusCode::BAD_GATEWAY));
    Ok(written_by_plugin(response, is_head)?)
}

/// Makes what a plugin left fit for the wire: its own framing, and a status that can be final.
fn written_by_plugin(mut response: Response, is_head: bool) -> Result<Response, RequestError> {
    let status = response.status();
    if status.is_informational() {
        return Err(RequestError::NotFinal { status });
    }
    headers::toward_client(response.headers_mut());
    let bodiless = is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // A plugin may have changed the body and not its length, or the length and not the body.
    if !bodiless && let Some(length) = response.body().len() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    // What has no content has no length either. RFC 9110 §8.6.
    if status == StatusCode::NO_CONTENT {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(response)
}

/// What a plugin answers a client with, or the gateway's error if that cannot be sent.
fn sent_by_plugin(gateway: &Gateway, at: &Route, exchange: &Exchange, response: Response) -> Response {
    let is_head = exchange.request.method() == Method::HEAD;
    written_by_plugin(response, is_head).unwrap_or_else(|error| stopped(gateway, at, exchange, error.into()))
}

/// The response to a request that ended before, or without, an upstream's.
fn stopped(gateway: &Gateway, at: &Route, exchange: &Exchange, stop: Stop) -> Response {
    let (config, headers) = (&gateway.config, exchange.request.headers());
    let overrides = at.api.overrides.as_deref();
    match stop {
        // What stands for the upstream's answer has met the response's chain: nothing there makes another.
        Stop::Reply(response) | Stop::Answer(response) | Stop::InPlace(response) => {
            sent_by_plugin(gateway, at, exchange, *response)
        }
        Stop::Refused { head, message } => {
            let told = error::told(&config.errors, headers, (*head, &message), None, overrides);
            sent_by_plugin(gateway, at, exchange, told)
        }
        // It was taken where it came up: nothing behind the chain comes to it.
        Stop::Elsewhere(_) => RequestError::from(VersionError::Unknown).response(config, headers),
        Stop::Error(error) => {
            let api_id = &exchange.ctx.api().api_id;
            if error.status().is_server_error() {
                tracing::error!(api_id, fault = %error.fault(), %error, "request failed");
            }
            error.response_at(config, headers, overrides)
        }
    }
}

fn append(headers: &mut HeaderMap, asked: HeaderMap) {
    let mut last = None;
    for (name, value) in asked {
        last = name.or(last);
        if let Some(name) = &last {
            headers.append(name.clone(), value);
        }
    }
}

/// Adds the headers whose names are not there yet.
fn fill(headers: &mut HeaderMap, mut asked: HeaderMap) {
    for name in headers.keys() {
        asked.remove(name);
    }
    append(headers, asked);
}

/// The head alone, for response plugins.
fn head_of(request: &Request) -> Request {
    let (mut head, ()) = hyper::Request::new(()).into_parts();
    head.method = request.method().clone();
    head.uri = request.uri().clone();
    head.version = request.version();
    head.headers = request.headers().clone();
    Request::from_parts(head, Body::empty())
}

#[cfg(test)]
mod tests {
    use gateway_sdk::HeaderName;

    use super::*;

    #[test]
    fn a_mapped_client_is_told_as_what_it_is() {
        let peer = Peer::new("[::ffff:10.0.0.1]:9".parse().expect("an address"), Entrance::Both);
        assert_eq!(peer.forwarded, "10.0.0.1");
        assert_eq!(peer.address.to_string(), "10.0.0.1:9");
    }

    #[test]
    fn headers_that_an_answer_has_are_not_filled_in() {
        let named = |name| HeaderName::from_static(name);
        let mut answer = HeaderMap::new();
        answer.insert(HOST, HeaderValue::from_static("answer"));
        let mut asked = HeaderMap::new();
        asked.append(HOST, HeaderValue::from_static("asked"));
        asked.append(named("x-a"), HeaderValue::from_static("1"));
        asked.append(named("x-a"), HeaderValue::from_static("2"));
        fill(&mut answer, asked);
        assert_eq!(answer.get_all(HOST).iter().collect::<Vec<_>>(), ["answer"]);
        assert_eq!(answer.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
