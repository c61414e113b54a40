//! `/tyk/cache/jwks`: public keys are forgotten, and fetched again when a token asks for them. Source: gateway.md §2.9.

use gateway_sdk::Response;

use super::call::Call;
use super::reply;
use crate::middleware::jwt;

const INVALIDATED: &str = "cache invalidated";

/// Those of all APIs.
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
