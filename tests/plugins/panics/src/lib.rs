//! Three plugins for every hook that do what the request asks for in `X-Act`: `panic`, `answer`, `refuse`, or else go
//! on. One does it in a plain function, one before its first `await`, one after it.

#![forbid(unsafe_code)]

mod late;
mod life;
mod records;

use std::future::poll_fn;
use std::task::Poll;

use gateway_sdk::prelude::*;

/// In a plain function.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"], name = "ActSync")]
fn act_sync(req: &Request, ctx: &Ctx) -> Result<Flow, Reject> {
    act(req, ctx)
}

/// In an async function, before it waits for anything.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"], name = "ActBeforeAwait")]
async fn act_before_await(req: &Request, ctx: &Ctx) -> Result<Flow, Reject> {
    let acted = act(req, ctx);
    give_way().await;
    acted
}

/// In an async function, after it has waited.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"], name = "ActAfterAwait")]
async fn act_after_await(req: &Request, ctx: &Ctx) -> Result<Flow, Reject> {
    give_way().await;
    act(req, ctx)
}

/// Does what the request asks for. Whoever goes on has a session, so that this can stand in `auth_check` too.
#[expect(clippy::panic, reason = "that is what it is for")]
fn act(req: &Request, ctx: &Ctx) -> Result<Flow, Reject> {
    match req.header("x-act") {
        Some("panic") => panic!("asked to panic"),
        Some("answer") => Ok(Flow::respond((StatusCode::CREATED, "answered"))),
        Some("refuse") => Err(Reject::error(StatusCode::CONFLICT, "refused")),
        _ => {
            ctx.set_session(Session::new().with_alias("acted"), false);
            Ok(Flow::Continue)
        }
    }
}

/// Waits once: the future is polled again by whoever drives it.
async fn give_way() {
    let mut waited = false;
    poll_fn(|cx| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
