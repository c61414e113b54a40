//! Leave a trace of when they ran: in the request for the upstream, in the response for the client.

use gateway_sdk::prelude::*;

const ORDER: HeaderName = HeaderName::from_static("x-order");

fn trace(req: &mut Request, ctx: &Ctx, mark: &'static str) {
    req.headers_mut().append(ORDER, HeaderValue::from_static(mark));
    ctx.append_response_header(ORDER, HeaderValue::from_static(mark));
}

/// Leaves `a`.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "OrderA")]
fn order_a(req: &mut Request, ctx: &Ctx) {
    trace(req, ctx, "a");
}

/// Leaves `b`.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "OrderB")]
fn order_b(req: &mut Request, ctx: &Ctx) {
    trace(req, ctx, "b");
}

/// Leaves `c`.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "OrderC")]
async fn order_c(req: &mut Request, ctx: &Ctx) {
    trace(req, ctx, "c");
}

/// Leaves `a` in the response.
#[gw_plugin(hook = "response", name = "ResponseA")]
fn response_a(res: &mut Response) {
    res.headers_mut().append(ORDER, HeaderValue::from_static("a"));
}

/// Leaves `b` in the response.
#[gw_plugin(hook = "response", name = "ResponseB")]
async fn response_b(res: &mut Response) {
    res.headers_mut().append(ORDER, HeaderValue::from_static("b"));
}
