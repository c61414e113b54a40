//! What steps did, and how long that took, told to StatsD by UDP. Source: plugin-system.md §8.1; gateway.md §8.7.
//!
//! A step puts a note into a bounded queue; what has no room there is dropped, and counted. One task makes packets of the
//! notes. Of a gateway that is not instrumented there is none of this, nor of what its steps would tell.

mod packets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_model::ApiDefinition;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::upstream::dns;
use packets::{Names, Packets};

/// Notes that wait for their packet.
const QUEUE: usize = 16 * 1024;
/// Nothing waits longer.
const FLUSH: Duration = Duration::from_millis(100);
/// Until a host is looked up again that nobody knew.
const AGAIN: Duration = Duration::from_secs(30);

/// Notes that had no room.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Notes that were dropped, since the process began.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Where notes go.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// May be empty.
    pub(crate) prefix: String,
}

/// Where steps are told to.
#[derive(Clone)]
pub(crate) struct StatsD {
    prefix: Arc<str>,
    queue: mpsc::Sender<Note>,
}

/// A call of a step.
struct Note {
    step: Arc<Names>,
    took: Duration,
}

impl StatsD {
    /// Starts the task that sends, on the thread of the caller.
    pub(crate) fn start(settings: Settings) -> Self {
        let (queue, notes) = mpsc::channel(QUEUE);
        let prefix = settings.prefix.as_str().into();
        tokio::task::spawn_local(send(settings, notes));
        Self { prefix, queue }
    }

    /// Where the calls of one step are told.
    pub(crate) fn step(&self, name: &str) -> Told {
        Told { names: Arc::new(Names::of(&self.prefix, name)), queue: self.queue.clone() }
    }
}

/// Tells of one step.
#[derive(Clone)]
pub(crate) struct Told {
    names: Arc<Names>,
    queue: mpsc::Sender<Note>,
}

impl Told {
    /// It was called, and took so long, whatever came of it.
    pub(crate) fn call(&self, took: Duration) {
        if self.queue.try_send(Note { step: Arc::clone(&self.names), took }).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The name that Tyk's dashboards know a step by; `None`: it is of the response's chain, of which nothing is told, or is
/// no step there. Source: gateway.md §5.3.
pub(crate) fn tyk_name(step: &str, api: &ApiDefinition) -> Option<&'static str> {
    Some(match step {
        "version_check" | "expiry" | "lists" => "VersionCheck",
        "cors" => "CORSMiddleware",
        "ip_access" if api.allowed_ips.is_empty() => "IPBlackListMiddleware",
        "ip_access" => "IPWhiteListMiddleware",
        "certificate_check" => "CertificateCheckMW",
        "organisation" => "OrganizationMonitor",
        "size_limits" => "RequestSizeLimitMiddleware",
        "context_vars" => "MiddlewareContextVars",
        "track_endpoint" => "TrackEndpointMiddleware",
        "basic_auth" => "BasicAuthKeyIsValid",
        "http_signature" => "HTTPSignatureValidationMiddleware",
        "jwt" => "JWTMiddleware",
        "auth_token" => "AuthKey",
        "strip_auth" => "StripAuth",
        "key_expired" => "KeyExpired",
        "access_rights" => "AccessRightsCheck",
        "granular_access" => "GranularAccessMiddleware",
        "rate_limit" | "quota" => "RateLimitAndQuotaCheck",
        "api_rate_limit" => "RateLimitForAPI",
        "validate_json" => "ValidateJSON",
        "validate_request" => "ValidateRequest",
        "transform" => "RequestTransformMiddleware",
        "transform_headers" => "TransformHeaders",
        "url_rewrite" => "URLRewriteMiddleware",
        "method_transform" => "TransformMethod",
        "mock_response" => "MockResponseMiddleware",
        "response_cache" => "RedisCacheMiddleware",
        _ => return None,
    })
}

/// Sends notes until nobody has any more.
async fn send(settings: Settings, mut notes: mpsc::Receiver<Note>) {
    let Settings { host, port, .. } = &settings;
    let socket = loop {
        match connect(host, *port).await {
            Ok(socket) => break socket,
            Err(reason) => {
                let again_in_s = AGAIN.as_secs();
                tracing::warn!(host, port, reason, again_in_s, "StatsD cannot be told: see `statsd_connection_string`");
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let mut packets = Packets::default();
    while let Some(note) = notes.recv().await {
        let flush = tokio::time::sleep(FLUSH);
        tokio::pin!(flush);
        let mut next = Some(note);
        while let Some(note) = next {
            for packet in packets.add(&note.step, note.took) {
                // A server that is not there is none of anybody's business here.
                let _ = socket.send(&packet).await;
            }
            next = tokio::select! {
                note = notes.recv() => note,
                () = &mut flush => None,
            };
        }
        if let Some(packet) = packets.rest() {
            let _ = socket.send(&packet).await;
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<UdpSocket, String> {
    let mut addresses = dns::resolve(host, port).await.map_err(|error| error.to_string())?;
    // Nobody tells whether a packet came: of two families the one is taken that servers listen to, as Tyk does.
    addresses.sort_by_key(|address| !address.is_ipv4());
    let mut last = "the host has no address".to_owned();
    for address in addresses {
        let any: &str = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        match UdpSocket::bind(any).await {
            Ok(socket) => match socket.connect(address).await {
                Ok(()) => return Ok(socket),
                Err(error) => last = error.to_string(),
            },
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}
