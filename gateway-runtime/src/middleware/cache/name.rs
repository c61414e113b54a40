//! Who asks the same: the name of the answer to a request. Source: gateway.md §5.13.

use gateway_sdk::exchange::Exchange;
use gateway_sdk::{Method, Request};
use md5::{Digest, Md5};
use regex::bytes::Regex;

use super::CacheRules;
use crate::client_ip::client_ip;
use crate::responses::Responses;
use crate::session::hash::murmur128;

/// Methods whose bodies tell apart who asks something else.
const WITH_BODY: [Method; 3] = [Method::POST, Method::PUT, Method::PATCH];

/// Whether the body of a request is part of the name.
pub(super) fn needs_body(request: &Request) -> bool {
    WITH_BODY.contains(request.method())
}

/// Who is asking; `None` is somebody who cannot be told from others.
///
/// Callers are told apart by their key, and where nobody is asked who they are by their address.
pub(super) fn who(exchange: &Exchange, depth: i64) -> Option<String> {
    match exchange.caller.session() {
        None => Some(client_ip(exchange, depth).map_or_else(String::new, |address| address.to_string())),
        Some(session) if session.key_id.is_empty() => None,
        Some(_) => exchange.caller.id().map(ToString::to_string),
    }
}

/// The name; `body` is the body where [`needs_body`] says so, and what of it counts.
pub(super) fn name(
    rules: &CacheRules,
    exchange: &Exchange,
    who: &str,
    body: Option<(&[u8], Option<&Regex>)>,
) -> String {
    let (request, api_id) = (&exchange.request, exchange.ctx.api().api_id.as_str());
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut text = Md5::new_with_prefix(request.method().as_str());
    text.update("-");
    text.update(target);
    if !rules.by_headers.is_empty() {
        text.update("-");
    }
    for (written, name) in &rules.by_headers {
        text.update(written);
        text.update("-");
        text.update(request.headers().get(name).map_or(&b""[..], |value| value.as_bytes()));
    }
    if let Some(version) = &rules.version {
        text.update("-");
        text.update(version);
    }
    if let Some((body, part)) = body {
        let part = part.map_or(Some(body), |part| part.find(body).map(|found| found.as_bytes()));
        if let Some(part) = part {
            text.update("-");
            text.update(murmur128(part));
        }
    }
    Responses::name(api_id, &[api_id, who, &hexadecimal(text.finalize().as_slice())].concat())
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
