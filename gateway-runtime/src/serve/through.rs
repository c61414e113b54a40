//! A request that another API serves than the one that it came to: all of that API's chain runs, from the start.

use std::pin::Pin;
use std::sync::Arc;

use gateway_sdk::Response;
use gateway_sdk::exchange::Exchange;

use super::{Peer, serve, stopped};
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
    let Elsewhere::Api(id) = to;
    let Some(to) = gateway.table.load().inside(&id).cloned() else {
        return refused(gateway, exchange, VersionError::Unknown);
    };
    if from.api.definition.proxy.strip_listen_path && from.strips {
        let path = from.listen.strip(exchange.request.path()).into_owned();
        set_path(&mut exchange.request, &path);
    }
    through(gateway, peer, &to, exchange).await
}

fn refused(gateway: &Gateway, exchange: &mut Exchange, error: VersionError) -> Response {
    let error = RequestError::from(error);
    chain::log_refusal(exchange, "version_check", &error);
    stopped(gateway, exchange, error.into())
}
