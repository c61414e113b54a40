//! End a request, or add to whatever ends it.

use gateway_sdk::prelude::*;
use serde::Deserialize;

/// What to answer with.
#[derive(Deserialize)]
struct Said {
    status: u16,
    #[serde(default)]
    body: String,
}

/// Answers with a status and a body.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "Answer")]
fn answer(said: &Config<Said>) -> Result<Flow, Reject> {
    let status = StatusCode::from_u16(said.status).map_err(Reject::internal)?;
    Ok(Flow::Respond(Response::new(status).with_body(said.body.clone())))
}

/// Adds `X-Set: <hook order>` to the final response, whoever makes it.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "SetResponseHeader")]
fn set_response_header(ctx: &Ctx) {
    ctx.set_response_header(HeaderName::from_static("x-set"), HeaderValue::from_static("by a plugin"));
}

/// Refuses in words of its own, which the gateway puts into its error.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "Refuse")]
fn refuse(said: &Config<Said>) -> Result<Flow, Reject> {
    let status = StatusCode::from_u16(said.status).map_err(Reject::internal)?;
    Err(Reject::error(status, said.body.clone()).because("its configuration says so"))
}
