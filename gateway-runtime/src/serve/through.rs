//! A request that another API serves than the one that it came to: all of that API's chain runs, from the start.

use std::pin::Pin;
use std::sync::Arc;

use gateway_sdk::exchange::Exchange;
use gateway_sdk::{HeaderValue, Response};

use super::{Peer, answered, run, serve};
use crate::apis::table::Route;
use crate::chain::{self, Elsewhere, Ignored, Journey};
use crate::error::RequestError;
use crate::gateway::Gateway;
use crate::middleware::version_check::VersionError;
use crate::request_path::set_path;

/// How many APIs one request may be handed on by. Those that hand it to each other would never end.
const MOST: u32 = 16;

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
            return refused(gateway, exchange, VersionError::TooManyApis { most: MOST });
        }
        Journey { apis: journey.apis + 1, ..journey }.keep(&mut exchange.request);
        Ignored::unset(&mut exchange.request);
        exchange.ctx.enter_api(Arc::clone(&to.api.definition));
        serve(gateway, peer, to, exchange).await
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
    let id = match to {
        Elsewhere::Api(id) => id,
        Elsewhere::Version { at, is_default } => {
            return Box::pin(version(gateway, peer, from, (at, is_default), exchange)).await;
        }
    };
    let Some(to) = gateway.table.load().inside(&id).cloned() else {
        return refused(gateway, exchange, VersionError::Unknown);
    };
    if from.api.definition.proxy.strip_listen_path && from.strips {
        let path = from.listen.strip(exchange.request.path()).into_owned();
        set_path(&mut exchange.request, &path);
    }
    through(gateway, peer, &to, exchange).await
}

/// Serves a request by one of the versions of its API, which has a chain of its own.
async fn version(
    gateway: &Gateway,
    peer: &Peer,
    route: &Route,
    (at, is_default): (usize, bool),
    exchange: &mut Exchange,
) -> Response {
    let Some(serving) = route.api.serving.as_ref().ok().and_then(|serving| serving.versions.get(at)) else {
        return refused(gateway, exchange, VersionError::UnknownHere);
    };
    let served = route.api.definition.version_data.versions.values().nth(at);
    if is_default
        && let (Some(header), Some(version)) = (&gateway.config.version_header, served)
        && let Ok(name) = HeaderValue::try_from(version.name.as_str())
    {
        exchange.ctx.set_response_header(header.clone(), name);
    }
    let served = run(gateway, peer, route, serving, exchange).await;
    answered(gateway, exchange, served)
}

fn refused(gateway: &Gateway, exchange: &mut Exchange, error: VersionError) -> Response {
    let error = RequestError::from(error);
    chain::log_refusal(exchange, "version_check", &error);
    answered(gateway, exchange, Err(error.into()))
}
