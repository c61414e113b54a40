//! Which address a client has, as far as whoever forwarded its request can be believed.
//!
//! Source: Tyk, `request/real_ip.go`; gateway.md §5.10.

use std::net::IpAddr;

use gateway_sdk::HeaderName;
use gateway_sdk::exchange::Exchange;

static REAL: HeaderName = HeaderName::from_static("x-real-ip");
static FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: that of `X-Real-IP`, else the entry of `X-Forwarded-For` that `depth` says, else that of the
/// connection.
///
/// `depth` 0 is the first entry, n the n-th from the right. `None`: there are not so many entries, and who asks for one
/// of them believes nobody else.
pub(crate) fn client_ip(exchange: &Exchange, depth: i64) -> Option<IpAddr> {
    let headers = exchange.request.headers();
    let address = |text: &str| text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical());
    if let Some(real) = headers.get(&REAL).and_then(|value| address(value.to_str().ok()?)) {
        return Some(real);
    }
    if let Some(forwarded) = headers.get(&FORWARDED).and_then(|value| value.to_str().ok()).filter(|it| !it.is_empty()) {
        let entries: Vec<&str> = forwarded.split(',').collect();
        let entry = match depth {
            0 => entries.first(),
            _ => usize::try_from(depth).ok().and_then(|depth| entries.len().checked_sub(depth)).map(|at| &entries[at]),
        };
        if let Some(forwarded) = address(entry?) {
            return Some(forwarded);
        }
    }
    exchange.ctx.client_addr().map(|address| address.ip().to_canonical())
}
