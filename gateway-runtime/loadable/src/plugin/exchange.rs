//! A call's exchange: made of what the function takes, and given back as the function left it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_model::Session;
use gateway_sdk::analytics::{AnsweredBy, Draft};
use gateway_sdk::caller::Caller;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::registry::{Access, HookEntry, Takes};
use gateway_sdk::{ClientTls, Ctx, Method, Request, Response, StatusCode, Uri};
use http::Version;

use super::body::{self, Was};
use super::frame::Frame;
use super::headers::Headers;
use super::host::{Asking, text};
use super::life::Held;
use super::{fail, gateway};
use crate::abi::{self, Bytes as Lent};
use crate::record;

/// An exchange of ours, and what is different in it when it is dropped is told the gateway: after a call that panicked, and
/// after one that was cancelled, too.
pub(super) struct Taken {
    /// There until this is dropped.
    frame: Option<Box<Frame>>,
    call: *mut abi::Call,
    takes: Takes,
    request: Option<WasRequest>,
    response: Option<WasResponse>,
    headers: Option<Headers>,
}

// SAFETY: what its pointers point to is the call's, which one thread at a time has.
unsafe impl Send for Taken {}

/// A request that may change.
struct WasRequest {
    message: *mut abi::Message,
    method: Method,
    uri: Uri,
    upstream: Option<Uri>,
    headers: Headers,
    body: Was,
}

/// A response that may change.
struct WasResponse {
    message: *mut abi::Message,
    status: StatusCode,
    headers: Headers,
    body: Was,
}

impl Taken {
    /// What `entry` takes of `call`. `None`: the gateway gave what is not valid, and has been told so.
    pub(super) fn new(call: *mut abi::Call, held: &Held, entry: &HookEntry) -> Option<Self> {
        let takes = entry.takes;
        let mut taken = Self { frame: Some(Frame::take()), call, takes, request: None, response: None, headers: None };
        let frame = taken.frame.as_deref_mut()?;
        if takes.request > Access::Nothing {
            taken.request = request(message(call, abi::REQUEST), takes.request == Access::Changes, frame);
        }
        if takes.response > Access::Nothing {
            taken.response = response(message(call, abi::RESPONSE), takes.response == Access::Changes, frame);
        }
        if takes.session > Access::Nothing {
            frame.exchange.caller = caller(call)?;
        }
        if takes.record > Access::Nothing {
            frame.exchange.draft = Some(draft(call)?);
        }
        if takes.ctx > Access::Nothing {
            taken.headers = Some(context(call, held, frame));
        }
        Some(taken)
    }

    pub(super) fn exchange(&mut self) -> &mut Exchange {
        &mut self.frame.as_deref_mut().expect("it is there until this is dropped").exchange
    }

    fn give_session_back(call: *mut abi::Call, exchange: &mut Exchange) {
        if let Some((session, persists)) = exchange.ctx.asked_mut().session.take() {
            give_session(call, if persists { abi::SESSION_PERSIST } else { abi::SESSION_NEXT }, &session);
        }
        if !exchange.caller.is_raw() {
            return;
        }
        // The one that was there is known by its id, which it was given here.
        let how = if exchange.caller.id().is_some() { abi::SESSION_CHANGED } else { abi::SESSION_CALLER };
        if let Some(session) = std::mem::take(&mut exchange.caller).into_session() {
            give_session(call, how, &session);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(mut frame) = self.frame.take() else { return };
        let exchange = &mut frame.exchange;
        if let Some(was) = self.request.take() {
            was.give_back(&mut exchange.request);
        }
        if let (Some(was), Some(response)) = (self.response.take(), &mut exchange.response) {
            was.give_back(response);
        }
        Self::give_session_back(self.call, exchange);
        if self.takes.record == Access::Changes
            && let Some(draft) = &exchange.draft
            && let Ok(json) = record::written(&draft.record)
        {
            // SAFETY: the call is under way, and what is lent is there until it returns.
            unsafe { (gateway().set_record)(self.call, Lent::of(&json)) };
        }
        if let Some(headers) = self.headers.take() {
            headers.give_back(&exchange.ctx.asked_mut().response_headers);
        }
        frame.release(self.takes.ctx > Access::Nothing);
    }
}

fn message(call: *mut abi::Call, which: i32) -> *mut abi::Message {
    // SAFETY: the call is under way.
    unsafe { (gateway().message)(call, which) }
}

fn set_line(message: *mut abi::Message, part: i32, text: &str) {
    // SAFETY: the message is there, and what is lent is until it returns.
    unsafe { (gateway().set_line)(message, part, Lent::of(text.as_bytes())) };
}

fn request(message: *mut abi::Message, changes: bool, frame: &mut Frame) -> Option<WasRequest> {
    let Frame { exchange, memory } = frame;
    let (head, body, upstream) = exchange.request.parts_mut();
    let mut told = abi::Head::NONE;
    // SAFETY: the message is there, and there is room for its head.
    unsafe { (gateway().head)(message, &raw mut told) };
    // SAFETY: nobody here keeps them until the message changes.
    let part = |part: Lent| unsafe { part.get() }.unwrap_or_default();
    head.method = Method::from_bytes(part(told.method)).unwrap_or_default();
    memory.reserve();
    head.uri = Uri::from_maybe_shared(memory.keep(part(told.uri))).unwrap_or_default();
    head.version = version(part(told.version));
    let headers = Headers::of(message, &mut head.headers, memory);
    let chosen = part(told.upstream);
    if !chosen.is_empty() {
        *upstream = Uri::try_from(chosen).ok().map(Box::new);
    }
    if !changes {
        *body = body::look(message);
        return None;
    }
    let (was, taken) = body::take(message);
    *body = taken;
    let (method, uri) = (head.method.clone(), head.uri.clone());
    Some(WasRequest { message, method, uri, upstream: upstream.as_deref().cloned(), headers, body: was })
}

impl WasRequest {
    fn give_back(self, request: &mut Request) {
        let Self { message, method, uri, upstream, headers, body } = self;
        if *request.method() != method {
            set_line(message, abi::METHOD, request.method().as_str());
        }
        if *request.uri() != uri {
            set_line(message, abi::URI, &request.uri().to_string());
        }
        if let Some(chosen) = request.upstream().filter(|chosen| Some(*chosen) != upstream.as_ref()) {
            set_line(message, abi::UPSTREAM, &chosen.to_string());
        }
        headers.give_back(request.headers());
        body.give_back(message, std::mem::take(request.body_mut()));
    }
}

fn response(message: *mut abi::Message, changes: bool, frame: &mut Frame) -> Option<WasResponse> {
    let Frame { exchange, memory } = frame;
    // SAFETY: the message is there.
    let status = unsafe { (gateway().status)(message) };
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_default();
    let (head, body) = exchange.response.insert(Response::new(status)).parts_mut();
    let headers = Headers::of(message, &mut head.headers, memory);
    if !changes {
        *body = body::look(message);
        return None;
    }
    let (was, taken) = body::take(message);
    *body = taken;
    Some(WasResponse { message, status, headers, body: was })
}

impl WasResponse {
    fn give_back(self, response: &mut Response) {
        let Self { message, status, headers, body } = self;
        if response.status() != status {
            set_status(message, response.status());
        }
        headers.give_back(response.headers());
        body.give_back(message, std::mem::take(response.body_mut()));
    }
}

pub(super) fn set_status(message: *mut abi::Message, status: StatusCode) {
    // SAFETY: the message is there.
    unsafe { (gateway().set_status)(message, i32::from(status.as_u16())) };
}

fn version(text: &[u8]) -> Version {
    match text {
        b"HTTP/0.9" => Version::HTTP_09,
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/2.0" => Version::HTTP_2,
        b"HTTP/3.0" => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

fn caller(call: *mut abi::Call) -> Option<Caller> {
    let Some(json) = text(call, abi::TEXT_SESSION) else { return Some(Caller::default()) };
    match serde_json::from_str::<Session>(json) {
        Ok(session) => {
            let session = session.with_key_id(text(call, abi::TEXT_SESSION_KEY).unwrap_or_default());
            let mut caller = Caller::default();
            caller.set(Arc::new(session), "".into(), true);
            Some(caller)
        }
        Err(error) => {
            fail(call, None, &format!("the session cannot be read: {error}"));
            None
        }
    }
}

fn give_session(call: *mut abi::Call, how: i32, session: &Session) {
    // A session whose metadata is JSON, as all of it is, can be written.
    let Ok(json) = serde_json::to_vec(session) else { return };
    // SAFETY: the call is under way, and what is lent is there until it returns.
    unsafe { (gateway().set_session)(call, how, Lent::of(&json), Lent::of(session.key_id.as_bytes())) };
}

fn draft(call: *mut abi::Call) -> Option<Box<Draft>> {
    match record::read(text(call, abi::TEXT_RECORD).unwrap_or("{}").as_bytes()) {
        Ok(record) => {
            let (begun, upstream, answered) = (Instant::now(), Duration::ZERO, AnsweredBy::Upstream);
            Some(Box::new(Draft { record, begun, upstream, answered, asked: None, raw_request: None }))
        }
        Err(error) => {
            fail(call, None, &format!("the record cannot be read: {error}"));
            None
        }
    }
}

fn context(call: *mut abi::Call, held: &Held, frame: &mut Frame) -> Headers {
    let (host, api) = (Arc::new(Asking::new(call, held.plugin)), Arc::clone(&held.api));
    let client = text(call, abi::TEXT_CLIENT_ADDRESS).and_then(|text| text.parse::<SocketAddr>().ok());
    let Frame { exchange, memory } = frame;
    exchange.ctx = Ctx::new(host, api, client).with_tls(client_tls(call));
    exchange.ctx.enter(held.plugin);
    Headers::of(message(call, abi::FINAL), &mut exchange.ctx.asked_mut().response_headers, memory)
}

fn client_tls(call: *mut abi::Call) -> Option<Arc<ClientTls>> {
    // Empty where the client has not asked for a name, absent where there is no TLS.
    let server_name = text(call, abi::TEXT_SERVER_NAME)?;
    let certificate = |index| {
        // SAFETY: the call is under way.
        let der = unsafe { (gateway().certificate)(call, index) };
        // SAFETY: it is there until the call is over.
        unsafe { der.get() }.map(<[u8]>::to_vec)
    };
    let certificates: Vec<_> = (0..).map_while(certificate).collect();
    // SAFETY: the call is under way.
    let digest = unsafe { (gateway().text)(call, abi::TEXT_CERTIFICATE) };
    // SAFETY: it is there until the call is over.
    let digest = unsafe { digest.get() }.and_then(|digest| <[u8; 32]>::try_from(digest).ok());
    let server_name = Some(server_name).filter(|name| !name.is_empty());
    Some(Arc::new(ClientTls::new(server_name, certificates, digest)))
}
