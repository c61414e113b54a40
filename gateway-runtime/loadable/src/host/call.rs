//! One call of a plugin: in a hook, while an API loads, or when it is gone.

use std::any::Any;
use std::panic::resume_unwind;
use std::ptr;
use std::sync::Arc;

use gateway_model::{ApiDefinition, Session};
use gateway_sdk::caller::Caller;
use gateway_sdk::config::ConfigSource;
use gateway_sdk::exchange::{Exchange, Outcome};
use gateway_sdk::flow::Answer;
use gateway_sdk::host::{Host, Level};
use gateway_sdk::registry::Plugin;
use gateway_sdk::{Ctx, Reject, Response, StatusCode};

use super::message::Message;
use super::process;
use crate::abi::{self, Bytes, Code};
use crate::record;

/// What a handle of a call points to.
pub(super) struct Call {
    subject: Subject,
    request: Message,
    response: Message,
    headers: Message,
    rest: Option<Box<Rest>>,
}

/// What most calls have none of.
#[derive(Default)]
struct Rest {
    /// Made when it is first asked for.
    answer: Option<Message>,
    refusal: Option<Refusal>,
    failure: Option<Failure>,
    /// What was written for the plugin to read.
    texts: Vec<Box<[u8]>>,
}

/// What a call is about.
enum Subject {
    /// A request, with all that its plugins may touch. The exchange is there as long as the call.
    Hook(*mut Exchange),
    /// An API that uses the plugin.
    Api { plugin: &'static Plugin, api: Arc<ApiDefinition>, host: Option<Arc<dyn Host>> },
    /// A file.
    File,
}

// SAFETY: what it points to is the exchange, which goes with the call from thread to thread.
unsafe impl Send for Call {}

/// A refusal, as the plugin has said it.
#[derive(Default)]
struct Refusal {
    message: Option<String>,
    reason: Option<String>,
}

/// Why something failed, as the plugin has said it.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// A place in the definition.
    pub(super) place: Option<String>,
    pub(super) text: String,
}

impl Call {
    fn new(subject: Subject) -> Self {
        let none = || Message::Headers(ptr::null_mut());
        Self { subject, request: none(), response: none(), headers: none(), rest: None }
    }

    /// A call in a hook. The exchange must not move, nor be used otherwise, until the call is over.
    pub(super) fn in_hook(exchange: &mut Exchange) -> Self {
        let request = Message::Request(&raw mut exchange.request);
        let response = exchange.response.as_mut().map(|response| Message::Response(ptr::from_mut(response)));
        let headers = Message::Headers(&raw mut exchange.ctx.asked_mut().response_headers);
        let mut call = Self::new(Subject::Hook(exchange));
        (call.request, call.headers) = (request, headers);
        if let Some(response) = response {
            call.response = response;
        }
        call
    }

    pub(super) fn of_api(plugin: &'static Plugin, api: Arc<ApiDefinition>, host: Option<Arc<dyn Host>>) -> Self {
        Self::new(Subject::Api { plugin, api, host })
    }

    pub(super) fn of_file() -> Self {
        Self::new(Subject::File)
    }

    /// What a handle points to.
    ///
    /// # Safety
    /// The handle is null, or the plugin has it of us and the call is under way.
    pub(super) unsafe fn of<'c>(handle: *const abi::Call) -> Option<&'c Self> {
        // SAFETY: the caller vouches for it.
        unsafe { handle.cast::<Self>().as_ref() }
    }

    /// The same, to change it.
    ///
    /// # Safety
    /// As of [`Call::of`], and nobody else uses it now.
    unsafe fn of_mut<'c>(handle: *mut abi::Call) -> Option<&'c mut Self> {
        // SAFETY: the caller vouches for it.
        unsafe { handle.cast::<Self>().as_mut() }
    }

    pub(super) fn handle(&mut self) -> *mut abi::Call {
        ptr::from_mut(self).cast()
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// The context of the request.
    fn ctx(&self) -> Option<&Ctx> {
        match &self.subject {
            // SAFETY: the exchange is there as long as the call, and what changes its context is asked by nobody else now.
            Subject::Hook(exchange) => Some(unsafe { &(**exchange).ctx }),
            _ => None,
        }
    }

    fn exchange(&mut self) -> Option<&mut Exchange> {
        match &mut self.subject {
            // SAFETY: the exchange is there as long as the call, and nobody else uses it now.
            Subject::Hook(exchange) => Some(unsafe { &mut **exchange }),
            _ => None,
        }
    }

    fn api(&self) -> Option<&ApiDefinition> {
        match &self.subject {
            Subject::Hook(_) => self.ctx().map(|ctx| ctx.api()),
            Subject::Api { api, .. } => Some(api),
            Subject::File => None,
        }
    }

    pub(super) fn host(&self) -> Option<Arc<dyn Host>> {
        match &self.subject {
            Subject::Hook(_) => self.ctx().map(|ctx| Arc::clone(ctx.host())),
            Subject::Api { host, .. } => host.clone(),
            Subject::File => None,
        }
    }

    pub(super) fn plugin(&self) -> Option<&'static Plugin> {
        match &self.subject {
            Subject::Hook(_) => self.ctx()?.plugin(),
            Subject::Api { plugin, .. } => Some(plugin),
            Subject::File => None,
        }
    }

    pub(super) fn failure(&mut self) -> Failure {
        self.rest().failure.take().unwrap_or_default()
    }

    /// What the call came to. A panic goes on from here, as that of a linked plugin would.
    pub(super) fn conclude(&mut self, code: Code) -> Outcome {
        match code {
            abi::CONTINUE => Outcome::Continue,
            abi::RESPOND => Outcome::Respond(Box::new(self.answered())),
            abi::REJECT => {
                let Refusal { message, reason } = self.rest().refusal.take().unwrap_or_default();
                let head = self.answered();
                Outcome::Reject(Reject::from_answer(
                    match message {
                        Some(message) => Answer::Gateway { head, message },
                        None => Answer::Own(head),
                    },
                    reason,
                ))
            }
            abi::MISSING_SESSION => Outcome::MissingSession,
            abi::DISCARD => Outcome::Discard,
            abi::PANICKED => resume_unwind(self.panic()),
            abi::FAILED => Outcome::Reject(Reject::internal(self.failure().text)),
            other => {
                Outcome::Reject(Reject::internal(format_args!("the plugin returned {other}, which means nothing")))
            }
        }
    }

    /// What the plugin's panic said.
    pub(super) fn panic(&mut self) -> Box<dyn Any + Send> {
        Box::new(self.failure().text)
    }

    fn answered(&mut self) -> Response {
        match self.rest().answer.take() {
            Some(Message::OwnResponse(response)) => *response,
            _ => Response::new(StatusCode::OK),
        }
    }

    fn keep(&mut self, text: impl Into<Vec<u8>>) -> Bytes {
        let text = text.into().into_boxed_slice();
        let lent = Bytes::of(&text);
        self.rest().texts.push(text);
        lent
    }

    fn text(&mut self, which: i32) -> Option<Bytes> {
        let json = |value: serde_json::Result<Vec<u8>>| value.ok();
        Some(match which {
            abi::TEXT_REQUEST_ID => Bytes::of(self.ctx()?.request_id().as_bytes()),
            abi::TEXT_API_ID => Bytes::of(self.api()?.api_id.as_bytes()),
            abi::TEXT_GATEWAY_VERSION => Bytes::of(env!("CARGO_PKG_VERSION").as_bytes()),
            abi::TEXT_SERVER_NAME => Bytes::of(self.ctx()?.client_tls()?.server_name().unwrap_or("").as_bytes()),
            abi::TEXT_CERTIFICATE => Bytes::of(self.ctx()?.client_tls()?.digest()?),
            abi::TEXT_CLIENT_ADDRESS => {
                let address = self.ctx()?.client_addr()?.to_string();
                self.keep(address)
            }
            abi::TEXT_DEFINITION => {
                let definition = json(serde_json::to_vec(self.api()?))?;
                self.keep(definition)
            }
            abi::TEXT_DOCUMENT => {
                let document = json(serde_json::to_vec(self.api()?.oas.as_deref()?.document()))?;
                self.keep(document)
            }
            abi::TEXT_CONFIG => {
                let (api, plugin) = (self.api()?, self.plugin()?);
                let config = json(serde_json::to_vec(ConfigSource::of(api, plugin.name).value()))?;
                self.keep(config)
            }
            abi::TEXT_SESSION => {
                let session = json(serde_json::to_vec(self.exchange()?.caller.get()?))?;
                self.keep(session)
            }
            abi::TEXT_SESSION_KEY => {
                let key = self.exchange()?.caller.get()?.key_id.clone();
                self.keep(key)
            }
            abi::TEXT_RECORD => {
                let record = json(record::written(&self.exchange()?.draft.as_ref()?.record))?;
                self.keep(record)
            }
            _ => return None,
        })
    }

    fn message(&mut self, which: i32) -> *mut abi::Message {
        let is_hook = matches!(self.subject, Subject::Hook(_));
        match which {
            abi::REQUEST if is_hook => self.request.handle(),
            abi::RESPONSE if matches!(self.response, Message::Response(_)) => self.response.handle(),
            abi::FINAL if is_hook => self.headers.handle(),
            abi::ANSWER if is_hook => {
                let answer = || Message::OwnResponse(Box::new(Response::new(StatusCode::OK)));
                self.rest().answer.get_or_insert_with(answer).handle()
            }
            _ => ptr::null_mut(),
        }
    }

    fn set_session(&mut self, how: i32, session: Session) -> Option<()> {
        let exchange = self.exchange()?;
        match how {
            abi::SESSION_CALLER => exchange.caller = session.into(),
            abi::SESSION_CHANGED => match exchange.caller.get_mut() {
                Some(place) => *place = session,
                None => exchange.caller = Caller::from(session),
            },
            abi::SESSION_NEXT => exchange.ctx.set_session(session, false),
            abi::SESSION_PERSIST => exchange.ctx.set_session(session, true),
            _ => return None,
        }
        Some(())
    }

    fn log(&self, level: Level, text: &str) {
        match (&self.subject, self.ctx()) {
            (Subject::Api { plugin, api, host: Some(host) }, _) => {
                gateway_sdk::context::Services::new(Arc::clone(host), Arc::clone(api), Some(plugin))
                    .log_at(level, text);
            }
            (_, Some(ctx)) => ctx.log_at(level, text),
            _ => log_alone(level, text),
        }
    }
}

fn log_alone(level: Level, text: &str) {
    if let Some(process) = process() {
        (process.log)(level, text);
    }
}

fn level(number: i32) -> Level {
    match number {
        abi::DEBUG => Level::Debug,
        abi::INFO => Level::Info,
        abi::WARN => Level::Warn,
        _ => Level::Error,
    }
}

/// A text of the plugin's; what is not UTF-8 in it is replaced.
///
/// # Safety
/// It is there until this returns.
unsafe fn told(text: Bytes) -> Option<String> {
    // SAFETY: the caller vouches for it.
    unsafe { text.get() }.map(|text| String::from_utf8_lossy(text).into_owned())
}

pub(super) unsafe extern "C" fn logs(call: *const abi::Call, number: i32) -> i32 {
    // SAFETY: the plugin gives a handle of ours, or null.
    let host = unsafe { Call::of(call) }.and_then(Call::host);
    i32::from(host.is_none_or(|host| host.logs(level(number))))
}

pub(super) unsafe extern "C" fn log(call: *const abi::Call, number: i32, text: Bytes) {
    // SAFETY: what is lent is there until we return.
    let text = unsafe { told(text) }.unwrap_or_default();
    // SAFETY: the plugin gives a handle of ours, or null.
    match unsafe { Call::of(call) } {
        Some(call) => call.log(level(number), &text),
        None => log_alone(level(number), &text),
    }
}

pub(super) unsafe extern "C" fn panicked(location: Bytes, text: Bytes) {
    // SAFETY: what is lent is there until we return.
    let (location, text) = unsafe { (told(location), told(text)) };
    if let Some(process) = process() {
        (process.panicked)(&location.unwrap_or_default(), &text.unwrap_or_default());
    }
}

pub(super) unsafe extern "C" fn text(call: *mut abi::Call, which: i32) -> Bytes {
    if matches!(which, abi::TEXT_REQUEST_ID | abi::TEXT_API_ID) {
        // Any thread may ask for these: nothing is written for them.
        // SAFETY: the plugin gives a handle of ours.
        let call = unsafe { Call::of(call) };
        let text = match which {
            abi::TEXT_REQUEST_ID => call.and_then(Call::ctx).map(Ctx::request_id),
            _ => call.and_then(Call::api).map(|api| &*api.api_id),
        };
        return Bytes::maybe(text.map(str::as_bytes));
    }
    // SAFETY: the plugin gives a handle of ours, and uses it nowhere else now.
    unsafe { Call::of_mut(call) }.and_then(|call| call.text(which)).unwrap_or(Bytes::ABSENT)
}

pub(super) unsafe extern "C" fn certificate(call: *mut abi::Call, index: usize) -> Bytes {
    // SAFETY: the plugin gives a handle of ours.
    let tls = unsafe { Call::of(call) }.and_then(Call::ctx).and_then(Ctx::client_tls);
    Bytes::maybe(tls.and_then(|tls| tls.certificates().get(index)).map(Vec::as_slice))
}

pub(super) unsafe extern "C" fn message(call: *mut abi::Call, which: i32) -> *mut abi::Message {
    // SAFETY: the plugin gives a handle of ours, and uses it nowhere else now.
    unsafe { Call::of_mut(call) }.map_or(ptr::null_mut(), |call| call.message(which))
}

pub(super) unsafe extern "C" fn set_session(call: *mut abi::Call, how: i32, json: Bytes, key: Bytes) -> Code {
    // SAFETY: the plugin gives a handle of ours, and uses it nowhere else now.
    let call = unsafe { Call::of_mut(call) };
    // SAFETY: what is lent is there until we return.
    let (json, key) = unsafe { (json.get(), key.text()) };
    let session = serde_json::from_slice::<Session>(json.unwrap_or_default());
    let (Some(call), Ok(session)) = (call, session) else { return abi::INVALID };
    let session = session.with_key_id(key.unwrap_or_default());
    call.set_session(how, session).map_or(abi::INVALID, |()| abi::OK)
}

pub(super) unsafe extern "C" fn set_record(call: *mut abi::Call, json: Bytes) -> Code {
    // SAFETY: the plugin gives a handle of ours, and uses it nowhere else now.
    let call = unsafe { Call::of_mut(call) };
    // SAFETY: what is lent is there until we return.
    let record = record::read(unsafe { json.get() }.unwrap_or_default());
    let draft = call.and_then(Call::exchange).and_then(|exchange| exchange.draft.as_mut());
    let (Some(draft), Ok(record)) = (draft, record) else { return abi::INVALID };
    draft.record = record;
    abi::OK
}

pub(super) unsafe extern "C" fn reject(call: *mut abi::Call, message: Bytes, reason: Bytes) {
    // SAFETY: the plugin gives a handle of ours, and uses it nowhere else now.
    if let Some(call) = unsafe { Call::of_mut(call) } {
        // SAFETY: what is lent is there until we return.
        let (message, reason) = unsafe { (told(message), told(reason)) };
        call.rest().refusal = Some(Refusal { message, reason });
    }
}

pub(super) unsafe extern "C" fn fail(call: *mut abi::Call, place: Bytes, text: Bytes) {
    // SAFETY: the plugin gives a handle of ours, and uses it nowhere else now.
    if let Some(call) = unsafe { Call::of_mut(call) } {
        // SAFETY: what is lent is there until we return.
        let (place, text) = unsafe { (told(place), told(text)) };
        call.rest().failure = Some(Failure { place, text: text.unwrap_or_default() });
    }
}
