//! The upstream's address in headers of responses becomes the one by which clients know the gateway: `header_transform`
//! among `response_processors`.

use gateway_model::HeaderCleanup;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{HeaderName, HeaderValue, Uri};

use super::super::{PlannedMiddleware, Ran, Step};
use super::response::options;
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(in crate::middleware) const STEP: PlannedMiddleware = PlannedMiddleware { name: "header_transform", plan };

/// Its name among the processors.
pub(super) const PROCESSOR: &str = "header_transform";

struct Cleanups(Vec<Cleanup>);

/// From an upstream's address to the gateway's.
#[derive(Debug)]
struct Cleanup {
    headers: Vec<HeaderName>,
    from: Address,
    to: Address,
}

/// Where paths begin: the paths end without a slash.
#[derive(Debug)]
struct Address {
    /// `http://`
    scheme: String,
    /// `host[:port]`
    host: String,
    path: String,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let processors = planning.api().response_processors.iter().enumerate();
    let asked = processors.filter(|(_, processor)| processor.name == PROCESSOR);
    let cleanups: Vec<Cleanup> = asked
        .filter_map(|(index, processor)| cleanup(planning, index, &processor.options.rev_proxy_header_cleanup))
        .collect();
    (!cleanups.is_empty()).then(|| Box::new(Cleanups(cleanups)) as Box<dyn Step>)
}

fn cleanup(planning: &mut Planning<'_, '_>, index: usize, written: &HeaderCleanup) -> Option<Cleanup> {
    let place = options(index).key("rev_proxy_header_cleanup");
    let mut headers = Vec::new();
    for (index, name) in written.headers.iter().enumerate() {
        match name.trim().parse() {
            Ok(name) => headers.push(name),
            Err(_) => {
                let reason = format!("`{name}` is no name that a header can have");
                planning.warn(&place.key("headers").index(index), reason);
            }
        }
    }
    let Some(mut to) = Address::of(&written.target_host) else {
        let reason = "say by which address clients know the gateway, such as `https://api.example.com`";
        planning.refuse(&place.key("target_host"), reason.to_owned());
        return None;
    };
    let proxy = &planning.api().proxy;
    // One that is none was refused already.
    let from = Address::of(&proxy.target_url)?;
    let listen = planning.listen().filter(|listen| proxy.strip_listen_path && !listen.is_pattern());
    to.path = listen.map_or_else(String::new, |listen| listen.as_str().trim_end_matches('/').to_owned());
    (!headers.is_empty()).then_some(Cleanup { headers, from, to })
}

impl Address {
    fn of(url: &str) -> Option<Self> {
        let uri = url.trim().parse::<Uri>().ok()?;
        let (scheme, host) = (uri.scheme_str()?, uri.authority()?.as_str());
        let path = uri.path().trim_end_matches('/').to_owned();
        Some(Self { scheme: format!("{scheme}://"), host: host.to_owned(), path })
    }
}

impl Cleanup {
    /// A value in which the gateway stands for the upstream.
    fn clean(&self, value: &str) -> String {
        let mut cleaned = String::with_capacity(value.len());
        let mut rest = value;
        if rest.starts_with('/') && !rest.starts_with("//") {
            rest = self.path(rest, &mut cleaned);
        }
        while let Some(at) = rest.find(&self.from.host) {
            let (before, found) = rest.split_at(at);
            let behind = &found[self.from.host.len()..];
            let is_whole = !before.ends_with(is_of_name) && !behind.starts_with(|c| is_of_name(c) || c == ':');
            if !is_whole {
                cleaned.push_str(before);
                cleaned.push_str(&self.from.host);
                rest = behind;
                continue;
            }
            match before.strip_suffix(&self.from.scheme) {
                Some(before) => cleaned.extend([before, &self.to.scheme]),
                None => cleaned.push_str(before),
            }
            cleaned.push_str(&self.to.host);
            rest = self.path(behind, &mut cleaned);
        }
        cleaned.push_str(rest);
        cleaned
    }

    /// Writes where a path begins for clients, and gives what follows of it.
    fn path<'v>(&self, behind: &'v str, cleaned: &mut String) -> &'v str {
        let below = behind.strip_prefix(&self.from.path);
        match below.filter(|below| !below.starts_with(|c: char| c.is_alphanumeric() || "-._~%".contains(c))) {
            Some(below) if behind.starts_with('/') => {
                cleaned.push_str(&self.to.path);
                below
            }
            _ => behind,
        }
    }
}

/// Whether a letter may be of a longer name.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || c == '-'
}

impl Step for Cleanups {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some(response) = &mut exchange.response else { return Ok(Ran::On) };
        for cleanup in &self.0 {
            for name in &cleanup.headers {
                let value = response.headers().get(name).and_then(|value| value.to_str().ok());
                let cleaned = value.filter(|value| !value.is_empty()).map(|value| cleanup.clean(value));
                // Parts of values, put together.
                if let Some(Ok(cleaned)) = cleaned.map(HeaderValue::try_from) {
                    response.headers_mut().insert(name.clone(), cleaned);
                }
            }
        }
        Ok(Ran::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(from: &str, listen: &str, value: &str) -> String {
        let address = |url| Address::of(url).expect("a URL");
        let to = Address { path: listen.to_owned(), ..address("https://api.up.example") };
        Cleanup { headers: Vec::new(), from: address(from), to }.clean(value)
    }

    #[test]
    fn the_gateway_stands_for_the_upstream() {
        for (from, listen, value, expected) in [
            (
                "http://up.example/base/",
                "/orders",
                "http://up.example/base/1?a=b",
                "https://api.up.example/orders/1?a=b",
            ),
            ("http://up.example/base", "/orders", "/base/1", "/orders/1"),
            ("http://up.example/base", "/orders", "/based/1", "/based/1"),
            ("http://up.example/base", "", "http://up.example/base/1", "https://api.up.example/1"),
            ("http://up.example", "/orders", "http://up.example/1", "https://api.up.example/orders/1"),
            ("http://up.example/", "/orders", "/1", "/orders/1"),
            ("http://up.example", "/orders", "http://up.example", "https://api.up.example"),
            ("http://up.example", "/orders", "http://other.up.example/1", "http://other.up.example/1"),
            ("http://up.example", "/orders", "http://up.example:81/1", "http://up.example:81/1"),
            ("http://up.example", "/orders", "a=b; Domain=up.example; Path=/", "a=b; Domain=api.up.example; Path=/"),
            (
                "http://up.example",
                "/o",
                "<http://up.example/1>; rel=next, <http://up.example/3>; rel=last",
                "<https://api.up.example/o/1>; rel=next, <https://api.up.example/o/3>; rel=last",
            ),
        ] {
            assert_eq!(cleaned(from, listen, value), expected, "{from} {listen} {value}");
        }
    }
}
