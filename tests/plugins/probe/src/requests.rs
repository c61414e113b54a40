//! Change what is asked, and whom.

use gateway_sdk::prelude::*;
use serde::Deserialize;

/// What to change; what is absent stays.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changes {
    method: Option<String>,
    uri: Option<String>,
    host: Option<String>,
    upstream: Option<String>,
}

/// Changes the request as its configuration says.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "Rewrite")]
fn rewrite(req: &mut Request, changes: &Config<Changes>) -> Result<(), Reject> {
    if let Some(method) = &changes.method {
        req.set_method(method.parse().map_err(Reject::internal)?);
    }
    if let Some(uri) = &changes.uri {
        req.set_uri(uri.parse().map_err(Reject::internal)?);
    }
    if let Some(host) = &changes.host {
        let host = host.parse().map_err(Reject::internal)?;
        req.headers_mut().insert("host", host);
    }
    if let Some(upstream) = &changes.upstream {
        req.set_upstream(upstream.parse().map_err(Reject::internal)?);
    }
    Ok(())
}

/// Tells the upstream the URI that a plugin sees.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "ShowUri")]
fn show_uri(req: &mut Request) -> Result<(), Reject> {
    let uri = HeaderValue::from_str(&req.uri().to_string()).map_err(Reject::internal)?;
    req.headers_mut().append("x-uri", uri);
    Ok(())
}
