//! `/tyk/cache`: what is kept for a while goes, stored responses and public keys. Source: gateway.md §2.9, §7.7.

use gateway_sdk::Response;

use super::call::Call;
use super::refusal::Refusal;
use super::reply;
use crate::middleware::jwt;

const INVALIDATED: &str = "cache invalidated";

/// The public keys of all APIs.
pub(super) fn forget_keys(call: &Call<'_>) -> Response {
    call.gateway.key_sets.forget(None);
    reply::ok(INVALIDATED)
}

/// Those that an API names. That none is there afterwards is all that is asked for: an API that is not known has none.
pub(super) fn forget_keys_of(call: &Call<'_>) -> Response {
    let table = call.gateway.table.load();
    if let Some(api) = table.by_id(call.argument()) {
        call.gateway.key_sets.forget(Some(&jwt::urls(&api.definition)));
    }
    reply::ok(INVALIDATED)
}

/// The stored responses of an API.
pub(super) async fn invalidate(call: Call<'_>) -> Result<Response, Refusal> {
    let api_id = call.argument();
    call.gateway.responses.forget(api_id).await.map_err(|error| {
        tracing::error!(api_id, %error, "stored responses of an API stay");
        Refusal::Cache
    })?;
    Ok(reply::ok(INVALIDATED))
}
