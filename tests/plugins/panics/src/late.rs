//! Plugins with a bound on their time, which do what the request asks for in `X-Act`: `panic`, `overrun`, or else go on.
//! Whoever goes on has a session, so that they can stand in `auth_check` too.

use std::future::pending;
use std::thread::sleep;
use std::time::Duration;

use gateway_sdk::prelude::*;

/// A little more than the bound of [`late_sync`]: nobody can end it before it returns.
const A_LITTLE_LATE: Duration = Duration::from_millis(110);
/// Much more than any bound here.
const LONG: Duration = Duration::from_secs(2);

fn act(req: &Request, ctx: &Ctx, overrun: Duration) {
    match req.header("x-act") {
        #[expect(clippy::panic, reason = "that is what it is for")]
        Some("panic") => panic!("asked to panic"),
        Some("overrun") => sleep(overrun),
        _ => ctx.set_session(Session::new().with_alias("acted"), false),
    }
}

fn goes_on(req: &Request, ctx: &Ctx, overrun: Duration) -> Flow {
    act(req, ctx, overrun);
    Flow::Continue
}

#[gw_plugin(
    hook = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"],
    name = "LateSync",
    timeout = "100ms"
)]
fn late_sync(req: &Request, ctx: &Ctx) -> Flow {
    goes_on(req, ctx, A_LITTLE_LATE)
}

#[gw_plugin(
    hook = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"],
    name = "LateAsync",
    timeout = "100ms"
)]
async fn late_async(req: &Request, ctx: &Ctx) -> Flow {
    if req.header("x-act") == Some("overrun") {
        pending::<()>().await;
    }
    goes_on(req, ctx, LONG)
}

/// Is left behind.
#[gw_plugin(
    hook = ["pre", "auth_check", "post_key_auth", "post", "response", "endpoint"],
    name = "LateBlocking",
    timeout = "100ms",
    blocking
)]
fn late_blocking(req: &Request, ctx: &Ctx) -> Flow {
    goes_on(req, ctx, LONG)
}

/// Each of its methods fails as it is asked to, and the request goes on.
#[derive(Default)]
struct Harmless;

#[gw_plugin(name = "Harmless", on_panic = "continue", timeout = "50ms")]
impl Harmless {
    #[hook("pre", on_timeout = "continue")]
    async fn never(&self, req: &Request, ctx: &Ctx) {
        if req.header("x-act") == Some("overrun") {
            ctx.set_response_header(HeaderName::from_static("x-was-late"), HeaderValue::from_static("pre"));
            pending::<()>().await;
        }
        act(req, ctx, LONG);
    }

    #[hook("post", on_timeout = "continue")]
    fn late(&self, req: &Request, ctx: &Ctx) -> Flow {
        goes_on(req, ctx, Duration::from_millis(60))
    }

    /// Its panics are harmless; it is never late.
    #[hook("response", blocking)]
    fn elsewhere(&self, req: &Request, ctx: &Ctx) {
        act(req, ctx, Duration::ZERO);
    }
}

/// Has no bound of its own, and waits for ever if it is asked to.
#[gw_plugin(hook = "pre", name = "Unbound")]
async fn unbound(req: &Request) {
    if req.header("x-act") == Some("overrun") {
        pending::<()>().await;
    }
}

/// Changes the request on another thread.
#[gw_plugin(hook = "post", name = "BlockingHeader", blocking)]
fn blocking_header(req: &mut Request, ctx: &Ctx) -> Flow {
    let thread = std::thread::current();
    let name = HeaderValue::from_str(thread.name().unwrap_or_default());
    req.headers_mut().insert("x-thread", name.unwrap_or(HeaderValue::from_static("?")));
    ctx.set_response_header(HeaderName::from_static("x-blocking"), HeaderValue::from_static("1"));
    Flow::Continue
}
