//! [`Ctx`]: everything else a plugin may ask for, beside its arguments; [`Services`]: the part that exists at load too.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway_model::{ApiDefinition, OasDefinition, Session};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::client_tls::ClientTls;
use crate::host::{FetchError, Host, Level, LogRecord, StoreError};
use crate::message::{Request, Response};
use crate::registry::Plugin;

/// How long [`Services::fetch`] waits for the head of a response.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// What the gateway does for a plugin, in a request and while the API loads.
pub struct Services {
    host: Arc<dyn Host>,
    api: Arc<ApiDefinition>,
    plugin: Option<&'static Plugin>,
    request_id: Option<OnceLock<String>>,
}

impl Services {
    /// The services for a plugin of an API, while that API loads.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, api: Arc<ApiDefinition>, plugin: Option<&'static Plugin>) -> Self {
        Self { host, api, plugin, request_id: None }
    }

    /// The definition of the API.
    #[must_use]
    pub fn api(&self) -> &ApiDefinition {
        &self.api
    }

    /// The OpenAPI document that the API was made from, or that stands beside its definition.
    #[must_use]
    pub fn oas(&self) -> Option<&OasDefinition> {
        self.api.oas.as_deref()
    }

    /// Who does all this. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// Which plugin asks. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn plugin(&self) -> Option<&'static Plugin> {
        self.plugin
    }

    /// Writes a line of any level. For the runtime.
    #[doc(hidden)]
    pub fn log_at(&self, level: Level, message: &str) {
        self.log(level, format_args!("{message}"));
    }

    /// The definition, to keep it. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn shared_api(&self) -> &Arc<ApiDefinition> {
        &self.api
    }

    /// Writes a debug line to the gateway's log.
    pub fn debug(&self, message: impl fmt::Display) {
        self.log(Level::Debug, format_args!("{message}"));
    }

    /// Writes an information line to the gateway's log.
    pub fn info(&self, message: impl fmt::Display) {
        self.log(Level::Info, format_args!("{message}"));
    }

    /// Writes a warning to the gateway's log.
    pub fn warn(&self, message: impl fmt::Display) {
        self.log(Level::Warn, format_args!("{message}"));
    }

    /// Writes an error line to the gateway's log.
    pub fn error(&self, message: impl fmt::Display) {
        self.log(Level::Error, format_args!("{message}"));
    }

    /// Sends a request to any server. The gateway's connections are pooled; the URI must be absolute.
    ///
    /// # Errors
    /// When there is no response within [`FETCH_TIMEOUT`].
    pub async fn fetch(&self, request: impl Into<Request>) -> Result<Response, FetchError> {
        self.host.fetch(request.into(), FETCH_TIMEOUT).await
    }

    /// The same with a bound of your own on connecting and waiting for the head.
    ///
    /// # Errors
    /// When there is no response in time.
    pub async fn fetch_within(&self, timeout: Duration, request: impl Into<Request>) -> Result<Response, FetchError> {
        self.host.fetch(request.into(), timeout).await
    }

    /// This plugin's keys in the gateway's key-value store.
    #[must_use]
    pub fn store(&self) -> Keys<'_> {
        Keys { services: self }
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        if self.host.logs(level) {
            self.host.log(&LogRecord {
                level,
                plugin: self.plugin,
                api_id: &self.api.api_id,
                request_id: self.request_id.as_ref().map(|id| id.get_or_init(new_request_id).as_str()),
                message,
            });
        }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plugin = self.plugin.map(|plugin| plugin.name);
        f.debug_struct("Services").field("api_id", &self.api.api_id).field("plugin", &plugin).finish()
    }
}

/// One plugin crate's part of the key-value store.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    services: &'a Services,
}

impl Keys<'_> {
    /// The value under `key`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.services.host.store().get(&self.own(key)).await
    }

    /// Puts `value` under `key`, for `ttl` or for good.
    ///
    /// # Errors
    /// When the store is full or does not answer.
    pub async fn set(&self, key: &str, value: impl Into<Bytes>, ttl: Option<Duration>) -> Result<(), StoreError> {
        self.services.host.store().set(&self.own(key), value.into(), ttl).await
    }

    /// Adds `by` to the number under `key` (0 if there is none) and gives the sum; `ttl` counts from the first.
    ///
    /// # Errors
    /// When the value is not a number, or the store is full or does not answer.
    pub async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        self.services.host.store().increment(&self.own(key), by, ttl).await
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.services.host.store().delete(&self.own(key)).await
    }

    fn own(&self, key: &str) -> String {
        let krate = self.services.plugin.map_or("", |plugin| plugin.package.name);
        format!("{krate}/{key}")
    }
}

/// The request's context: what a plugin may ask for beside its arguments.
///
/// The log, the HTTP client and the key-value store are those of [`Services`], to which this derefs.
#[derive(Debug)]
pub struct Ctx {
    services: Services,
    client: Option<SocketAddr>,
    tls: Option<Arc<ClientTls>>,
    asked: Mutex<Asked>,
}

/// What plugins asked for during their calls; the runtime acts upon it after each.
#[derive(Debug, Default)]
pub struct Asked {
    /// A session to take from here on, and whether to save it.
    pub session: Option<(Box<Session>, bool)>,
    /// Headers for the final response.
    pub response_headers: HeaderMap,
}

impl Ctx {
    /// The context of a request to `api` from `client`.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, api: Arc<ApiDefinition>, client: Option<SocketAddr>) -> Self {
        let services = Services { host, api, plugin: None, request_id: Some(OnceLock::new()) };
        Self { services, client, tls: None, asked: Mutex::default() }
    }

    /// The same, on a connection with TLS.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<ClientTls>>) -> Self {
        Self { tls, ..self }
    }

    /// A name for this request: the same in every log line about it.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.services.request_id.as_ref().map_or("", |id| id.get_or_init(new_request_id))
    }

    /// Who is connected: the peer's address, without regard to `X-Forwarded-For`.
    #[must_use]
    pub fn client_addr(&self) -> Option<SocketAddr> {
        self.client
    }

    /// What is known of the client by its TLS connection; `None` if it has none.
    #[must_use]
    pub fn client_tls(&self) -> Option<&ClientTls> {
        self.tls.as_deref()
    }

    /// Sets or replaces the session of this request, from the next plugin on. `persist` asks for it to be saved under
    /// its `key_id`, as a key that `/tyk/keys` knows from then on. A session without a `key_id` is not saved, and its limits
    /// count for everybody without one together.
    pub fn set_session(&self, session: Session, persist: bool) {
        self.asked().session = Some((Box::new(session), persist));
    }

    /// Sets a header of the final response, whoever makes it: the upstream, a later plugin, or the gateway.
    pub fn set_response_header(&self, name: HeaderName, value: HeaderValue) {
        self.asked().response_headers.insert(name, value);
    }

    /// Adds a header to the final response, whoever makes it.
    pub fn append_response_header(&self, name: HeaderName, value: HeaderValue) {
        self.asked().response_headers.append(name, value);
    }

    /// A context for the same request, for when this one stays with a plugin. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn stand_in(&mut self) -> Self {
        let response_headers = self.asked_mut().response_headers.clone();
        // Both have the same.
        let _ = self.request_id();
        let Services { host, api, plugin, request_id } = &self.services;
        let (host, api, request_id) = (Arc::clone(host), Arc::clone(api), request_id.clone());
        Self {
            services: Services { host, api, plugin: *plugin, request_id },
            client: self.client,
            tls: self.tls.clone(),
            asked: Mutex::new(Asked { session: None, response_headers }),
        }
    }

    /// Which plugin is called next. For the runtime.
    #[doc(hidden)]
    pub fn enter(&mut self, plugin: &'static Plugin) {
        self.services.plugin = Some(plugin);
    }

    /// Which API serves the request from here on. For the runtime.
    #[doc(hidden)]
    pub fn enter_api(&mut self, api: Arc<ApiDefinition>) {
        self.services.api = api;
        self.services.plugin = None;
    }

    /// What was asked for so far. For the runtime.
    #[doc(hidden)]
    pub fn asked_mut(&mut self) -> &mut Asked {
        self.asked.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Ctx {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

/// Unique across restarts (a random half) and within a process (a counter).
fn new_request_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u8));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}{:016x}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed))
}
