//! Call a plugin without a server.
//!
//! ```
//! use gateway_sdk::prelude::*;
//! use gateway_sdk::{Hook, http, testing};
//!
//! #[gw_plugin(hook = "post", name = "AddFooBarHeader")]
//! fn add_foo_bar(req: &mut Request) {
//!     req.headers_mut().append("foo", HeaderValue::from_static("Bar"));
//! }
//!
//! # fn main() {
//! let plugin = testing::plugin("AddFooBarHeader").start();
//! let done = plugin.call(Hook::Post, http::Request::get("/get").body("").unwrap());
//! assert!(done.answer.is_none(), "it goes on to the upstream");
//! assert_eq!(done.request.header("foo"), Some("Bar"));
//! # }
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_model::{ApiDefinition, Hook, Session};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::analytics::{AnalyticsRecord, AnsweredBy, Draft};
use crate::caller::Caller;
use crate::context::Ctx;
use crate::exchange::{BoxFuture, Call, Exchange, Instance, Outcome};
use crate::flow::{Answer, Reject};
use crate::host::{FetchError, Host, Level, LogRecord, Store, StoreError};
use crate::init::InitError;
use crate::message::{Request, Response};
use crate::registry::{Plugin, plugins};

/// A plugin of this crate (or of one that this test links), by the name that definitions use.
///
/// # Panics
/// When there is none; the message lists those there are.
#[must_use]
pub fn plugin(name: &str) -> TestPlugin {
    let Some(plugin) = plugins().iter().find(|plugin| plugin.name == name) else {
        let known: Vec<_> = plugins().iter().map(|plugin| plugin.name).collect();
        panic!("no plugin is named `{name}`; linked are {known:?}");
    };
    let api = ApiDefinition { api_id: "test".into(), name: "Test".into(), ..ApiDefinition::default() };
    TestPlugin { plugin, api, server: Box::new(|_| Response::new(StatusCode::NOT_FOUND)) }
}

/// Runs a future to its end on this thread. Plugins that need a runtime's timers or sockets need a real gateway.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

type Server = dyn Fn(Request) -> Response + Send + Sync;

/// A plugin about to be started for an API.
pub struct TestPlugin {
    plugin: &'static Plugin,
    api: ApiDefinition,
    server: Box<Server>,
}

impl TestPlugin {
    /// The API's `config_data`.
    ///
    /// # Panics
    /// When `config` is not a JSON object.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        let Value::Object(config) = config else { panic!("config_data is an object, not {config}") };
        self.api.config_data = Some(config);
        self
    }

    /// The API's definition, in place of a nearly empty one.
    #[must_use]
    pub fn api(mut self, api: ApiDefinition) -> Self {
        self.api = api;
        self
    }

    /// What answers the plugin's own HTTP requests; otherwise they get 404.
    #[must_use]
    pub fn server(mut self, server: impl Fn(Request) -> Response + Send + Sync + 'static) -> Self {
        self.server = Box::new(server);
        self
    }

    /// Parses the configuration and runs `init`.
    ///
    /// # Panics
    /// When the plugin does not start; [`TestPlugin::try_start`] gives the error instead.
    #[must_use]
    pub fn start(self) -> Running {
        let name = self.plugin.name;
        self.try_start().unwrap_or_else(|error| panic!("`{name}` does not start: {error}"))
    }

    /// Parses the configuration and runs `init`.
    ///
    /// # Errors
    /// When the configuration is not what the plugin expects, or `init` fails.
    pub fn try_start(self) -> Result<Running, InitError> {
        let host = Arc::new(TestHost { server: self.server, ..TestHost::default() });
        let api = Arc::new(self.api);
        let prepared = self.plugin.prepare(&api)?;
        let start = self.plugin.start(prepared, Arc::clone(&api), host.clone());
        let instance = block_on(start)?;
        Ok(Running { plugin: self.plugin, api, host, instance })
    }
}

/// A started plugin; its state lives as long as this.
pub struct Running {
    plugin: &'static Plugin,
    api: Arc<ApiDefinition>,
    host: Arc<TestHost>,
    instance: Instance,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("plugin", &self.plugin.name).finish_non_exhaustive()
    }
}

impl Running {
    /// Calls the plugin in one of its hooks, with a request or an [`Input`].
    ///
    /// # Panics
    /// When the plugin does not serve `hook`, or panics itself.
    pub fn call(&self, hook: Hook, input: impl Into<Input>) -> Done {
        let Some(entry) = self.plugin.hook(hook) else {
            let serves: Vec<_> = self.plugin.hooks.iter().map(|entry| entry.hook.as_str()).collect();
            panic!("`{}` serves {serves:?}, not `{hook}`", self.plugin.name);
        };
        let Input { request, response, session, record } = input.into();
        let mut ctx = Ctx::new(self.host.clone(), Arc::clone(&self.api), None);
        ctx.enter(self.plugin);
        let response = (hook == Hook::Response).then(|| response.unwrap_or_else(|| Response::new(StatusCode::OK)));
        let caller = session.map(Caller::from).unwrap_or_default();
        let draft = (hook == Hook::Analytics).then(|| {
            let (begun, upstream, answered) = (Instant::now(), Duration::ZERO, AnsweredBy::Upstream);
            let record = record.unwrap_or_default();
            Box::new(Draft { record, begun, upstream, answered, asked: None, raw_request: None })
        });
        let mut exchange = Exchange { request, response, caller, ctx, draft, journal: None };
        let outcome = match entry.call {
            Call::Sync(call) => call(&self.instance, &mut exchange),
            Call::Async(call) => block_on(call(&self.instance, &mut exchange)),
        };
        Done::new(outcome, exchange, self.host.take_log())
    }

    /// Ends the plugin: runs its `shutdown`, if it has one.
    pub fn shutdown(self) {
        block_on(self.instance.shutdown());
    }
}

/// What a plugin is called with.
#[derive(Debug)]
pub struct Input {
    request: Request,
    response: Option<Response>,
    session: Option<Session>,
    record: Option<AnalyticsRecord>,
}

impl Input {
    /// A request without a session.
    pub fn new(request: impl Into<Request>) -> Self {
        Self { request: request.into(), response: None, session: None, record: None }
    }

    /// The record of a request, for the hook `analytics`.
    #[must_use]
    pub fn record(record: AnalyticsRecord) -> Self {
        Self { record: Some(record), ..Self::new(http::Request::new(())) }
    }

    /// The same with a session, as after authentication.
    #[must_use]
    pub fn session(mut self, session: Session) -> Self {
        self.session = Some(session);
        self
    }

    /// The same with the upstream's response, for the response hook.
    #[must_use]
    pub fn response(mut self, response: Response) -> Self {
        self.response = Some(response);
        self
    }
}

impl<R: Into<Request>> From<R> for Input {
    fn from(request: R) -> Self {
        Self::new(request)
    }
}

/// What a call came to.
#[derive(Debug)]
pub struct Done {
    /// What the plugin answered; `None` if it went on.
    pub answer: Option<Response>,
    /// Why it refused, as it told the log.
    pub reason: Option<String>,
    /// The request as the plugin left it.
    pub request: Request,
    /// The response as the plugin left it, in the response hook.
    pub response: Option<Response>,
    /// The session from here on.
    pub session: Option<Session>,
    /// Whether that session is to be saved: the plugin called `ctx.set_session(session, true)`.
    pub saves_session: bool,
    /// The record that is kept, in the hook `analytics`.
    pub record: Option<AnalyticsRecord>,
    /// What the plugin added to the final response.
    pub response_headers: HeaderMap,
    /// The lines it logged, as `level: message`.
    pub log: Vec<String>,
}

impl Done {
    fn new(outcome: Outcome, mut exchange: Exchange, log: Vec<String>) -> Self {
        let asked = std::mem::take(exchange.ctx.asked_mut());
        let (session, saves_session) = match asked.session {
            Some((session, saves)) => (Some(*session), saves),
            None => (exchange.caller.into_session(), false),
        };
        let record = exchange.draft.take().map(|draft| draft.record);
        let record = record.filter(|_| matches!(outcome, Outcome::Continue));
        let (answer, reason) = match outcome {
            Outcome::Continue | Outcome::Discard => (None, None),
            Outcome::Respond(response) => (Some(*response), None),
            Outcome::Reject(reject) => {
                let reason = reject.reason().map(str::to_owned);
                (Some(answer_of(reject)), reason)
            }
            Outcome::MissingSession => {
                (Some(Response::new(StatusCode::BAD_REQUEST)), Some("no session is set".to_owned()))
            }
        };
        Self {
            answer,
            reason,
            request: exchange.request,
            response: exchange.response,
            session,
            saves_session,
            record,
            response_headers: asked.response_headers,
            log,
        }
    }

    /// The answer's body as text, or of the response if the plugin went on.
    ///
    /// # Panics
    /// When there is neither, or it is not in memory, or not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        let response = self.answer.as_ref().or(self.response.as_ref()).expect("there is a response");
        let body = response.body().buffered().expect("the body is in memory");
        String::from_utf8(body.into()).expect("the body is UTF-8")
    }
}

fn answer_of(reject: Reject) -> Response {
    match reject.into_answer() {
        Answer::Own(response) => response,
        Answer::Gateway { head, message } => head.with_body(serde_json::json!({ "error": message }).to_string()),
    }
}

/// The gateway's stand-in: collects the log, answers `fetch` by a closure, keeps a store in memory.
struct TestHost {
    server: Box<Server>,
    log: Mutex<Vec<String>>,
    store: MemoryStore,
}

impl Default for TestHost {
    fn default() -> Self {
        let server = Box::new(|_| Response::new(StatusCode::NOT_FOUND));
        Self { server, log: Mutex::default(), store: MemoryStore::default() }
    }
}

impl TestHost {
    fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Host for TestHost {
    fn logs(&self, _level: Level) -> bool {
        true
    }

    fn log(&self, record: &LogRecord<'_>) {
        let level = format!("{:?}", record.level).to_lowercase();
        let line = format!("{level}: {}", record.message);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn fetch(&self, request: Request, _timeout: Duration) -> BoxFuture<'static, Result<Response, FetchError>> {
        let response = (self.server)(request);
        Box::pin(async move { Ok(response) })
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }
}

/// A store without expiry: nothing in a unit test lives that long.
#[derive(Default)]
struct MemoryStore(Mutex<HashMap<String, Bytes>>);

impl MemoryStore {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Bytes>) -> T) -> BoxFuture<'_, T>
    where
        T: Send + 'static,
    {
        let result = act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(result))
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.with(|map| Ok(map.get(key).cloned()))
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, _ttl: Option<Duration>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.with(|map| {
            map.insert(key.to_owned(), value);
            Ok(())
        })
    }

    fn increment<'a>(
        &'a self,
        key: &'a str,
        by: i64,
        _ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.with(|map| {
            let old = map.get(key).map_or(Ok(0), |value| {
                std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(StoreError::NotANumber)
            })?;
            let sum: i64 = old + by;
            map.insert(key.to_owned(), sum.to_string().into());
            Ok(sum)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.with(|map| {
            map.remove(key);
            Ok(())
        })
    }
}
