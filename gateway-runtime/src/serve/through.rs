//! A request that another API serves than the one that it came to, or the same one anew: all of that API's chain runs,
//! from the start.

use std::pin::Pin;
use std::sync::Arc;

use gateway_sdk::caller::Caller;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{Method, Response};

use super::{Peer, reach, run, serve, settle, stopped};
use crate::analytics;
use crate::apis::compile::Serving;
use crate::apis::table::Route;
use crate::chain::{self, Chosen, Elsewhere, Ignored, Journey, Link, Loop, Stop};
use crate::error::RequestError;
use crate::events;
use crate::gateway::Gateway;
use crate::middleware::version_check::VersionError;
use crate::middleware::{self, cache};
use crate::request_path::set_path;

/// How many APIs one request may be handed on by. Those that hand it to each other would never end.
const MOST: u32 = 16;

/// How often a request goes round where its rewrites say nothing of it. Source: gateway.md §5.6.
const ROUNDS: u32 = 5;

/// How often it may go round, whatever they say: each round waits for the next.
const MOST_ROUNDS: u32 = 50;

/// An answer that nothing but this core waits for.
pub(super) type Answer<'a> = Pin<Box<dyn Future<Output = Response> + 'a>>;

/// Serves a request by another API, as if it had come to that one: its listen path is taken off if the path begins with
/// it. What was set for the final response so far stays, and so does the session.
pub(super) fn through<'a>(
    gateway: &'a Gateway,
    peer: &'a Peer,
    to: &'a Route,
    exchange: &'a mut Exchange,
) -> Answer<'a> {
    Box::pin(async move {
        let journey = Journey::of(&exchange.request);
        if journey.apis >= MOST {
            return refused(gateway, to, exchange, VersionError::TooManyApis { most: MOST }.into());
        }
        Journey { apis: journey.apis + 1, ..journey }.keep(&mut exchange.request);
        Ignored::unset(&mut exchange.request);
        cache::forget(&mut exchange.request);
        exchange.ctx.enter_api(Arc::clone(&to.api.definition));
        analytics::begin_again(to.api.tracking.as_ref(), exchange);
        let response = if journey.loops > 0 {
            looped(gateway, peer, to, exchange).await
        } else {
            serve(gateway, peer, to, exchange).await
        };
        if exchange.draft.is_none() { response } else { analytics::finish(to, exchange, response) }
    })
}

/// Serves a request by whomever the API's chain has found for it.
pub(super) async fn elsewhere(
    gateway: &Gateway,
    peer: &Peer,
    from: &Route,
    to: Elsewhere,
    exchange: &mut Exchange,
) -> Response {
    let table = &gateway.table;
    let (to, missing) = match to {
        Elsewhere::Version(chosen) => return Box::pin(version(gateway, peer, from, chosen, exchange)).await,
        Elsewhere::Loop(to) => return round(gateway, peer, from, to, exchange).await,
        Elsewhere::Api(id) => (table.load().inside(&id).cloned(), VersionError::Unknown.into()),
        Elsewhere::Target(name) => {
            (table.load().named(&name).cloned(), RequestError::TargetApi(name.as_ref().to_owned()))
        }
    };
    let Some(to) = to else { return refused(gateway, from, exchange, missing) };
    if from.api.definition.proxy.strip_listen_path && from.strips {
        let path = from.listen.strip(exchange.request.path()).into_owned();
        set_path(&mut exchange.request, &path);
    }
    through(gateway, peer, &to, exchange).await
}

/// Serves a request anew, where a rewrite leads. Who was let in by another API is asked again, if anybody is there.
async fn round(gateway: &Gateway, peer: &Peer, from: &Route, to: Loop, exchange: &mut Exchange) -> Response {
    let journey = Journey::of(&exchange.request);
    let bound = if journey.most == 0 { ROUNDS } else { journey.most };
    if journey.loops > bound {
        return refused(gateway, from, exchange, RequestError::LoopTooDeep(bound));
    }
    let Loop { name, most, checks_limits } = to;
    let most = if journey.most == 0 { most.min(MOST_ROUNDS) } else { journey.most };
    let is_self = name.is_none();
    Journey { loops: journey.loops + 1, most, is_self, checks_limits, ..journey }.keep(&mut exchange.request);
    Ignored::unset(&mut exchange.request);
    cache::forget(&mut exchange.request);
    let Some(name) = name else { return looped(gateway, peer, from, exchange).await };
    let Some(to) = gateway.table.load().named(&name).cloned() else {
        return refused(gateway, from, exchange, RequestError::LoopTarget(name.as_ref().to_owned()));
    };
    if !to.api.definition.use_keyless {
        exchange.caller = Caller::default();
    }
    exchange.ctx.enter_api(Arc::clone(&to.api.definition));
    analytics::begin_again(to.api.tracking.as_ref(), exchange);
    let response = looped(gateway, peer, &to, exchange).await;
    if exchange.draft.is_none() { response } else { analytics::finish(&to, exchange, response) }
}

/// Serves a request that goes round: some of the steps are left out.
fn looped<'a>(gateway: &'a Gateway, peer: &'a Peer, to: &'a Route, exchange: &'a mut Exchange) -> Answer<'a> {
    Box::pin(async move {
        let served = match &to.api.serving {
            Ok(serving) => match walk(gateway, to, serving, exchange).await {
                Ok(()) => reach(gateway, peer, to, serving, exchange).await,
                Err(stop) => Err(stop),
            },
            Err(closed) => Err(closed.error().into()),
        };
        settle(gateway, peer, to, served, exchange).await
    })
}

/// Serves a request by one of the versions of its API.
async fn version(gateway: &Gateway, peer: &Peer, route: &Route, chosen: Chosen, exchange: &mut Exchange) -> Response {
    let serving = route.api.serving.as_ref().ok().and_then(|serving| serving.versions.get(chosen.at));
    let Some(serving) = serving else {
        return refused(gateway, route, exchange, VersionError::UnknownHere.into());
    };
    if let Some(draft) = &mut exchange.draft {
        chosen.name.as_ref().clone_into(&mut draft.record.api_version);
    }
    chosen.keep(&mut exchange.request);
    let served = if Journey::of(&exchange.request).loops == 0 {
        run(gateway, peer, route, serving, exchange).await
    } else {
        match walk(gateway, route, serving, exchange).await {
            Ok(()) => reach(gateway, peer, route, serving, exchange).await,
            Err(stop) => Err(stop),
        }
    };
    settle(gateway, peer, route, served, exchange).await
}

async fn walk(gateway: &Gateway, to: &Route, serving: &Serving, exchange: &mut Exchange) -> Result<(), Stop> {
    let passes = || serving.request.iter().any(|link| matches!(link, Link::Passthrough));
    if exchange.request.method() == Method::OPTIONS && passes() {
        let last = chain::last_step(&serving.request);
        return chain::run_request(last, exchange, &to.listen, &gateway.keyring).await;
    }
    let (journey, is_known) = (Journey::of(&exchange.request), !exchange.caller.is_none());
    let is_left_out = |link: &Link| match link {
        Link::BuiltIn { name, .. } => middleware::is_left_out(name, journey, is_known),
        _ => false,
    };
    for links in serving.request.split(is_left_out) {
        chain::run_request(links, exchange, &to.listen, &gateway.keyring).await?;
    }
    Ok(())
}

fn refused(gateway: &Gateway, at: &Route, exchange: &mut Exchange, error: RequestError) -> Response {
    chain::log_refusal(exchange, "elsewhere", &error);
    if let Some(handlers) = &at.api.events {
        events::refused(handlers, &error, exchange, gateway.config.trust);
    }
    stopped(gateway, at, exchange, error.into())
}
