//! Use what the gateway does for plugins: its HTTP client, its store, its log.

use std::time::Duration;

use gateway_sdk::http;
use gateway_sdk::prelude::*;
use serde::Deserialize;

/// Whom to ask, and for how long.
#[derive(Deserialize)]
struct Whom {
    uri: String,
    #[serde(default = "long")]
    timeout_ms: u64,
}

fn long() -> u64 {
    30_000
}

/// Asks another server, and tells the upstream what it answered, or why it did not.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "Fetch")]
async fn fetch(req: &mut Request, whom: &Config<Whom>, ctx: &Ctx) -> Result<Flow, Reject> {
    let asked = http::Request::post(&whom.uri).header("x-asked-by", "a plugin").body("question");
    let asked = asked.map_err(Reject::internal)?;
    let told = match ctx.fetch_within(Duration::from_millis(whom.timeout_ms), asked).await {
        Ok(mut response) => {
            let body = response.body_bytes(100).await?;
            format!("{} {}", response.status().as_u16(), String::from_utf8_lossy(&body))
        }
        Err(error) => error.to_string(),
    };
    let told = HeaderValue::from_str(&told).map_err(Reject::internal)?;
    req.headers_mut().insert("x-fetched", told);
    Ok(Flow::Continue)
}

/// Counts in the store, which all APIs of a gateway share, and tells the client the sum.
#[gw_plugin(hook = ["pre", "post"], name = "Count")]
async fn count(ctx: &Ctx) -> Result<(), Reject> {
    let sum = ctx.store().increment("calls", 1, None).await.map_err(Reject::internal)?;
    ctx.append_response_header(HeaderName::from_static("x-sum"), HeaderValue::from(sum));
    Ok(())
}

/// Logs what the client sent.
#[gw_plugin(hook = "pre", name = "LogHeader")]
fn log_header(req: &Request, ctx: &Ctx) {
    ctx.warn(format_args!("the client says\n{}", req.header("x-say").unwrap_or_default()));
}
