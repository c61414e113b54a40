//! What `$tyk_context.` knows: the request as it was when the step of context variables ran, and what has become known
//! since. Each name is looked up when it is asked for.
//!
//! Source: gateway.md §5.7; Tyk, `gateway/mw_context_vars.go`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use gateway_sdk::caller::RateNow;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::{COOKIE, HOST};
use gateway_sdk::{HeaderMap, HeaderValue, Uri};
use serde_json::{Map, Value};

use super::written;
use crate::apis::listen_path::decoded;
use crate::session::limits;

/// A request as it was.
pub(crate) struct Context {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// The fields of a form, before those of the query.
    pub(crate) form: Vec<(String, String)>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) request_id: String,
    /// What it shows to say who is calling, whether or not that is believed.
    pub(crate) token: Option<String>,
    /// The same, where it is a JSON web token.
    pub(crate) jwt: Option<String>,
}

/// The request's [`Context`], beside the request.
#[derive(Clone)]
struct Known(Arc<Context>);

/// What the triggers of a rewrite have matched, by the names of its variables.
#[derive(Clone)]
struct Matched(Arc<BTreeMap<String, String>>);

/// From here on, variables are known.
pub(crate) fn remember(exchange: &mut Exchange, context: Context) {
    exchange.request.extensions_mut().insert(Known(Arc::new(context)));
}

/// Adds what triggers have matched, with or without a context.
pub(crate) fn remember_matches(exchange: &mut Exchange, mut matches: BTreeMap<String, String>) {
    if let Some(Matched(before)) = exchange.request.extensions_mut().remove() {
        before.iter().for_each(|(name, text)| _ = matches.entry(name.clone()).or_insert_with(|| text.clone()));
    }
    exchange.request.extensions_mut().insert(Matched(Arc::new(matches)));
}

/// The text of a context variable; `None` if there is none of that name.
pub(crate) fn context(exchange: &Exchange, name: &str) -> Option<String> {
    let extensions = exchange.request.extensions();
    if name.starts_with("trigger-") {
        return extensions.get::<Matched>()?.0.get(name).cloned();
    }
    let Known(known) = extensions.get()?;
    known.text(name).or_else(|| of_caller(exchange, known, name))
}

/// The same, for variables that are texts by themselves: no lists, no numbers.
pub(crate) fn context_text(exchange: &Exchange, name: &str) -> Option<String> {
    let is_text = !matches!(name, "request_data" | "path_parts")
        && !name.starts_with("rate_limit_")
        && !name.starts_with("quota_");
    is_text.then(|| context(exchange, name)).flatten()
}

impl Context {
    fn text(&self, name: &str) -> Option<String> {
        match name {
            "request_data" => return Some(self.all_data()),
            "path" => return Some(self.path().into_owned()),
            "path_parts" => return Some(self.path_parts()),
            "remote_addr" => return Some(self.client.map_or_else(String::new, |address| address.to_string())),
            "request_id" => return Some(self.request_id.clone()),
            "headers_Host" => return Some(self.host()),
            _ => {}
        }
        let of = |prefix: &str| name.strip_prefix(prefix);
        of("headers_")
            .and_then(|name| self.header(name))
            .or_else(|| of("cookies_").and_then(|name| self.cookie(name)))
            .or_else(|| of("request_data_").and_then(|name| self.data(name)))
    }

    fn path(&self) -> Cow<'_, str> {
        decoded(self.uri.path())
    }

    /// The segments of the path, joined by commas, without the empty one that they begin with.
    fn path_parts(&self) -> String {
        let parts = self.path().replace('/', ",");
        parts.strip_prefix(',').map(str::to_owned).unwrap_or(parts)
    }

    fn host(&self) -> String {
        let authority = || self.uri.authority().map(ToString::to_string);
        self.headers.get(HOST).map(text).or_else(authority).unwrap_or_default()
    }

    /// The first value of a header, by its canonical name with underscores.
    fn header(&self, name: &str) -> Option<String> {
        let is_it = |key: &&gateway_sdk::HeaderName| **key != HOST && canonical(key.as_str()).replace('-', "_") == name;
        let key = self.headers.keys().find(is_it)?;
        self.headers.get(key).map(text)
    }

    /// The value of a cookie, by its name with underscores; of several, the last.
    fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(COOKIE).iter().map(text).collect::<Vec<_>>();
        let pairs = lines.iter().flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.filter(|(key, _)| key.replace('-', "_") == name).map(|(_, value)| value).next_back()?;
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        Some(unquoted.unwrap_or(value).to_owned())
    }

    /// The pairs of the form, then those of the query.
    fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let form = self.form.iter().map(|(key, value)| (Cow::from(key), Cow::from(value)));
        form.chain(form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes()))
    }

    /// The first value of a field, by its name with underscores.
    fn data(&self, name: &str) -> Option<String> {
        self.pairs().find(|(key, _)| key.replace('-', "_") == name).map(|(_, value)| value.into_owned())
    }

    /// `a:1,2;b:3`.
    fn all_data(&self) -> String {
        let mut fields: BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> = BTreeMap::new();
        self.pairs().for_each(|(key, value)| fields.entry(key).or_default().push(value));
        fields.iter().map(|(key, values)| format!("{key}:{}", values.join(","))).collect::<Vec<_>>().join(";")
    }

    /// What a JSON web token says: its claims, else its header.
    fn claim(&self, name: &str) -> Option<Value> {
        let mut parts = self.jwt.as_deref()?.split('.');
        let mut object = || -> Option<Map<String, Value>> {
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()
        };
        let (mut header, mut claims) = (object()?, object()?);
        claims.remove(name).or_else(|| header.remove(name))
    }
}

/// What has become known since, by who is calling.
fn of_caller(exchange: &Exchange, known: &Context, name: &str) -> Option<String> {
    let session = exchange.caller.session()?;
    if let Some(claim) = name.strip_prefix("jwt_claims_") {
        return known.claim(claim).as_ref().map(written);
    }
    let counted = exchange.caller.counted();
    let rate = |of: fn(&RateNow) -> i64| counted.and_then(|counted| counted.rate.as_ref()).map(of);
    let quota = limits::quota(session, &exchange.ctx.api().api_id);
    let now = counted.and_then(|counted| counted.quota.as_ref());
    let number = match name {
        "token" => {
            let id = || exchange.caller.id().map(ToString::to_string);
            return known.token.clone().or_else(id);
        }
        "rate_limit_limit" => rate(|rate| rate.limit)?,
        "rate_limit_remaining" => rate(|rate| rate.remaining)?,
        "rate_limit_reset" => rate(|rate| rate.resets)?,
        "quota_limit" => quota.max,
        "quota_remaining" => now.map_or(quota.remaining, |now| now.remaining),
        "quota_reset" => now.map_or(quota.renews, |now| now.renews),
        _ => return None,
    };
    Some(number.to_string())
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// A header's name as Go writes it: `X-Api-Key`.
pub(crate) fn canonical(name: &str) -> String {
    let mut is_first = true;
    let letter = |c: char| {
        let written = if is_first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        is_first = c == '-';
        written
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(uri: &str, headers: &[(&'static str, &'static str)], form: &[(&str, &str)]) -> Context {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers
            .iter()
            .map(|(name, value)| (gateway_sdk::HeaderName::from_static(name), HeaderValue::from_static(value)));
        Context {
            uri: uri.parse().expect("a URI"),
            headers: headers.collect(),
            form: form.iter().map(pair).collect(),
            client: "10.0.0.7".parse().ok(),
            request_id: "some-id".to_owned(),
            token: None,
            jwt: Some("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEiLCJuIjo3fQ.x".to_owned()),
        }
    }

    #[test]
    fn a_request_is_known_by_its_parts() {
        let headers = [("host", "h:1"), ("x-api-key", "k"), ("cookie", "a-b=1; c=\"2\"; a-b=3")];
        let known = known("/l/a%20b/c?q=1&q=2&p-q=%2F", &headers, &[("q", "0")]);
        for (name, expected) in [
            ("path", "/l/a b/c"),
            ("path_parts", "l,a b,c"),
            ("remote_addr", "10.0.0.7"),
            ("request_id", "some-id"),
            ("headers_Host", "h:1"),
            ("headers_X_Api_Key", "k"),
            ("cookies_a_b", "3"),
            ("cookies_c", "2"),
            ("request_data_q", "0"),
            ("request_data_p_q", "/"),
            ("request_data", "p-q:/;q:0,1,2"),
        ] {
            assert_eq!(known.text(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["headers_x_api_key", "headers_X-Api-Key", "cookies_x", "request_data_x", "nothing", "headers"] {
            assert_eq!(known.text(name), None, "{name}");
        }
    }

    #[test]
    fn a_web_token_is_known_by_its_claims_and_its_header() {
        let known = known("/", &[], &[]);
        let claim = |name: &str| known.claim(name).as_ref().map(written);
        assert_eq!(
            ["sub", "n", "alg"].map(claim),
            [Some("ada"), Some("7"), Some("HS256")].map(|it| it.map(str::to_owned))
        );
        assert_eq!(claim("aud"), None);
    }
}
