//! One webhook: the request that tells an event. Source: Tyk, `gateway/event_handler_webhooks.go`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gateway_model::HandlerMeta;
use gateway_sdk::http::header::{CONTENT_TYPE, USER_AGENT};
use gateway_sdk::{Body, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Kind, Raised};
use crate::host::Outgoing;
use crate::later::Later;
use crate::metrics;
use crate::telemetry::in_full;
use crate::template::Template;

/// How long one may take, from its first byte to the last of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many requests to one webhook are on their way: one that does not answer holds up no other.
const AT_ONCE: usize = 32;

/// How much of an answer is read, in bytes.
const ANSWER: usize = 64 * 1024;

/// A webhook.
#[derive(Debug)]
pub(crate) struct WebHook {
    method: Method,
    target: Uri,
    headers: HeaderMap,
    template: Option<Template>,
    /// For how long the same request is not made again.
    silence: Option<Duration>,
    places: Arc<Semaphore>,
    /// It was told that there are more events than it takes.
    is_behind: AtomicBool,
}

/// The body of a webhook without a template.
#[derive(Serialize)]
struct Told<'a> {
    event: &'a str,
    message: &'a str,
    path: &'a str,
    origin: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
}

impl WebHook {
    /// `None`: it cannot be told, and `warn` says why, with the field.
    pub(super) fn of(meta: &HandlerMeta, warn: &mut dyn FnMut(&str, String)) -> Option<Self> {
        let target = target(&meta.target_path).map_err(|reason| warn("target_path", reason)).ok()?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static("Tyk-Hookshot"));
        let template = template(&meta.template_path).unwrap_or_else(|reason| {
            warn("template_path", format!("{reason}; the default body is sent"));
            None
        });
        if template.is_none() || meta.template_path.ends_with(".json") {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &meta.header_map {
            let parsed = name.parse::<HeaderName>().map_err(|error| error.to_string());
            let header =
                parsed.and_then(|name| Ok((name, value.parse::<HeaderValue>().map_err(|error| error.to_string())?)));
            let (name, value) = header.map_err(|error| warn("header_map", format!("`{name}`: {error}"))).ok()?;
            headers.insert(name, value);
        }
        let silence = u64::try_from(meta.event_timeout).ok().filter(|seconds| *seconds > 0);
        Some(Self {
            method: method(&meta.method, warn),
            target,
            headers,
            template,
            silence: silence.map(|seconds| Duration::from_secs(seconds).min(crate::config::LONGEST)),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            is_behind: AtomicBool::new(false),
        })
    }

    /// Tells an event, in a task of its own; what it has no place for is lost.
    pub(super) fn tell(self: &Arc<Self>, raised: &Raised, outgoing: &Arc<Outgoing>, store: &Later) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::event_dropped();
            if !self.is_behind.swap(true, Ordering::Relaxed) {
                let target = self.target.to_string();
                tracing::error!(
                    target,
                    at_once = AT_ONCE,
                    "a webhook takes fewer events than there are: some are lost"
                );
            }
            return;
        };
        self.is_behind.store(false, Ordering::Relaxed);
        let target = self.target.to_string();
        let body = match self.body(raised) {
            Ok(body) => body,
            Err(reason) => {
                let event = raised.kind.as_str();
                tracing::error!(event, target, reason, "the template of a webhook fails: the event is not sent");
                return;
            }
        };
        let (hook, outgoing, store, kind) = (Arc::clone(self), Arc::clone(outgoing), store.clone(), raised.kind);
        tokio::task::spawn_local(async move {
            if !hook.is_silent(&body, &store).await
                && let Err(reason) = hook.send(body, &outgoing).await
            {
                let event = kind.as_str();
                tracing::error!(event, target, reason, "an event is not told: the webhook failed");
            }
            drop(place);
        });
    }

    /// # Errors
    /// When the template fails.
    fn body(&self, raised: &Raised) -> Result<String, String> {
        match &self.template {
            None => serde_json::to_string_pretty(&told(raised.kind, &raised.meta)).map_err(|error| error.to_string()),
            Some(template) => {
                let stamp = humantime::format_rfc3339_seconds(raised.at).to_string();
                let data = json!({"Type": raised.kind.as_str(), "Meta": escaped(&raised.meta), "TimeStamp": stamp});
                template.render(&data).map_err(|error| error.reason)
            }
        }
    }

    /// Whether the same request was made a moment ago, by whatever gateway on the store.
    async fn is_silent(&self, body: &str, store: &Later) -> bool {
        let Some(silence) = self.silence else { return false };
        let hash = Md5::new().chain_update(self.method.as_str()).chain_update(self.target.to_string());
        let hash = hash.chain_update("\n").chain_update(body).finalize();
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let Some(store) = store.opened() else { return false };
        match store.counters().increment(&format!("webhook.cache.{name}"), 1, Some(silence)).wait().await {
            Ok(count) => count.value > 1,
            Err(error) => {
                tracing::warn!(%error, "whether an event was told before is not known: it is told");
                false
            }
        }
    }

    /// # Errors
    /// Why nobody knows whether the event has arrived.
    async fn send(&self, body: String, outgoing: &Outgoing) -> Result<(), String> {
        let mut request = hyper::Request::new(Body::from(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        let told = async {
            let mut response: Response =
                outgoing.fetch(Request::from(request), PATIENCE).await.map_err(|error| in_full(&error))?;
            // The connection may serve the next one.
            let _ = response.body_mut().bytes(ANSWER).await;
            let status = response.status();
            if status.is_success() { Ok(()) } else { Err(format!("it answered with status {}", status.as_u16())) }
        };
        let late = |_| Err(format!("it did not answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(late)
    }
}

fn target(text: &str) -> Result<Uri, String> {
    let told = || format!("`{text}` is not of the form `http://host[:port]/path`: nobody is told");
    let uri: Uri = text.parse().map_err(|_| told())?;
    let is_absolute = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if is_absolute { Ok(uri) } else { Err(told()) }
}

fn method(text: &str, warn: &mut dyn FnMut(&str, String)) -> Method {
    match text.to_ascii_uppercase().as_str() {
        "" | "GET" => Method::GET,
        "PUT" => Method::PUT,
        "POST" => Method::POST,
        "DELETE" => Method::DELETE,
        "PATCH" => Method::PATCH,
        _ => {
            warn("method", format!("`{text}` is not one of `GET`, `PUT`, `POST`, `DELETE`, `PATCH`: it is `GET`"));
            Method::GET
        }
    }
}

fn template(path: &str) -> Result<Option<Template>, String> {
    if path.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
    Template::compile(&text).map(Some).map_err(|error| format!("`{path}`: {error}"))
}

fn told(kind: Kind, meta: &Value) -> Told<'_> {
    let text = |pointer: &str| meta.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    Told {
        event: kind.as_str(),
        message: text("/Message"),
        path: text("/Path"),
        origin: text("/Origin"),
        key: text("/Key"),
        host: text("/HostInfo/CheckURL"),
    }
}

/// What Go's `html/template`, which Tyk renders webhooks with, makes of texts.
fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let mut written = String::with_capacity(text.len());
            for c in text.chars() {
                match c {
                    '&' => written.push_str("&amp;"),
                    '<' => written.push_str("&lt;"),
                    '>' => written.push_str("&gt;"),
                    '"' => written.push_str("&#34;"),
                    '\'' => written.push_str("&#39;"),
                    '+' => written.push_str("&#43;"),
                    other => written.push(other),
                }
            }
            written.into()
        }
        Value::Array(values) => values.iter().map(escaped).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), escaped(value))).collect())
        }
        other => other.clone(),
    }
}
