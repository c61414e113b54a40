//! One line in the log for each request to an API. Source: gateway.md §8.6.

use std::net::SocketAddr;
use std::time::Duration;

use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::{HOST, USER_AGENT};
use gateway_sdk::{Method, StatusCode};

use crate::client_ip::client_ip;
use crate::journal::Asked;
use crate::session::key::obfuscated;
use crate::telemetry::one_line;

/// What a line may tell. Those of Tyk's that are not here are not known here.
pub(crate) const FIELDS: [&str; 17] = [
    "api_id",
    "api_key",
    "api_name",
    "client_ip",
    "host",
    "latency_gateway",
    "latency_total",
    "method",
    "org_id",
    "original_path",
    "path",
    "protocol",
    "remote_addr",
    "status",
    "upstream_addr",
    "upstream_latency",
    "user_agent",
];

/// Which fields lines have, and how keys are told.
#[derive(Debug)]
pub(crate) struct AccessLog {
    /// Empty: all of them.
    pub(crate) template: Vec<String>,
    /// A key is told by what it is stored under, and not by its end.
    pub(crate) hash_keys: bool,
    /// Which entry of `X-Forwarded-For` is the client's.
    pub(crate) xff_depth: i64,
}

/// What is known of a request while it is here, and is gone after.
pub(crate) struct Entry {
    method: Method,
    host: String,
    path: String,
    protocol: String,
    client_ip: String,
    remote_addr: SocketAddr,
    user_agent: String,
    answer: Option<Answer>,
}

/// What came of it.
struct Answer {
    /// The API that it was served by at last.
    api_id: String,
    api_name: String,
    org_id: String,
    do_not_track: bool,
    key: String,
    status: StatusCode,
}

impl AccessLog {
    /// Notes what a client asks for.
    pub(crate) fn begin(&self, exchange: &Exchange, remote_addr: SocketAddr) -> Entry {
        let request = &exchange.request;
        let header =
            |name| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let authority = request.uri().authority().map(ToString::to_string);
        Entry {
            method: request.method().clone(),
            host: authority.or_else(|| header(HOST)).unwrap_or_default(),
            path: request.uri().path().to_owned(),
            protocol: format!("{:?}", request.version()),
            client_ip: client_ip(exchange, self.xff_depth).map(|ip| ip.to_string()).unwrap_or_default(),
            remote_addr,
            user_agent: header(USER_AGENT).unwrap_or_default(),
            answer: None,
        }
    }

    /// Writes the line of a request that is over, and took `total`.
    pub(crate) fn write(&self, entry: &Entry, total: Duration, asked: Option<&Asked>) {
        let Some(Answer { api_id, api_name, org_id, do_not_track, key, status }) = &entry.answer else { return };
        let took = asked.and_then(|asked| asked.took);
        // Source: gateway.md §8.6.
        if *do_not_track && took.is_none() && status.as_u16() >= 400 {
            return;
        }
        let upstream = took.unwrap_or_default();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let wants = |field: &str| self.template.is_empty() || self.template.iter().any(|wanted| wanted == field);
        // A field that is not wanted is left out.
        let text = |field: &str, text: &str| wants(field).then(|| one_line(text.to_owned()));
        let time = |field: &str, time: Duration| wants(field).then(|| ms(time));
        tracing::info!(
            prefix = "access-log",
            api_id = text("api_id", api_id),
            api_key = text("api_key", key),
            api_name = text("api_name", api_name),
            client_ip = text("client_ip", &entry.client_ip),
            host = text("host", &entry.host),
            latency_gateway = time("latency_gateway", total.saturating_sub(upstream)),
            latency_total = time("latency_total", total),
            method = text("method", entry.method.as_str()),
            org_id = text("org_id", org_id),
            original_path = text("original_path", &entry.path),
            path = text("path", asked.map_or(&entry.path, |asked| &asked.path)),
            protocol = text("protocol", &entry.protocol),
            remote_addr = text("remote_addr", &entry.remote_addr.to_string()),
            status = wants("status").then(|| status.as_u16()),
            upstream_addr = text("upstream_addr", asked.map_or("", |asked| &asked.host)),
            upstream_latency = time("upstream_latency", upstream),
            user_agent = text("user_agent", &entry.user_agent),
            "request served"
        );
    }

    /// Who was calling, without the key itself.
    fn key(&self, exchange: &Exchange) -> String {
        let caller = &exchange.caller;
        match caller.session().map(|session| session.key_id.as_str()).filter(|key| !key.is_empty()) {
            None => String::new(),
            Some(_) if self.hash_keys => caller.id().map(ToString::to_string).unwrap_or_default(),
            Some(key) => obfuscated(key),
        }
    }
}

impl Entry {
    /// There is an answer.
    pub(crate) fn answered(&mut self, log: &AccessLog, exchange: &Exchange, status: StatusCode) {
        let api = exchange.ctx.api();
        self.answer = Some(Answer {
            api_id: api.api_id.clone(),
            api_name: api.name.clone(),
            org_id: api.org_id.clone(),
            do_not_track: api.do_not_track,
            key: log.key(exchange),
            status,
        });
    }
}
