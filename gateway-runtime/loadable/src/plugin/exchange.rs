//! A call's exchange: made of what the function takes, and given back as the function left it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_model::Session;
use gateway_sdk::analytics::{AnsweredBy, Draft};
use gateway_sdk::caller::Caller;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::registry::{Access, HookEntry};
use gateway_sdk::{ClientTls, Ctx, Method, Request, Response, StatusCode, Uri};
use http::Version;

use super::body::{self, Was};
use super::headers::Headers;
use super::host::{Asking, text};
use super::life::Held;
use super::{fail, gateway};
use crate::abi::{self, Bytes as Lent};
use crate::record;

/// An exchange of ours, and what is different in it when it is dropped is told the gateway: after a call that panicked, and
/// after one that was cancelled, too.
pub(super) struct Taken {
    pub(super) exchange: Exchange,
    call: *mut abi::Call,
    entry: HookEntry,
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
    pub(super) fn new(call: *mut abi::Call, held: &Held, entry: HookEntry) -> Option<Self> {
        let takes = entry.takes;
        let (request, was_request) = match takes.request {
            Access::Nothing => (http::Request::new(()).into(), None),
            access => request(message(call, abi::REQUEST), access == Access::Changes),
        };
        let (response, was_response) = match takes.response {
            Access::Nothing => (None, None),
            access => {
                let (response, was) = response(message(call, abi::RESPONSE), access == Access::Changes);
                (Some(response), was)
            }
        };
        let caller = match takes.session {
            Access::Nothing => Caller::default(),
            _ => caller(call)?,
        };
        let draft = match takes.record {
            Access::Nothing => None,
            _ => Some(draft(call)?),
        };
        let (mut ctx, headers) = context(call, held, takes.ctx > Access::Nothing);
        ctx.enter(held.plugin);
        let exchange = Exchange { request, response, caller, ctx, draft, journal: None };
        Some(Self { exchange, call, entry, request: was_request, response: was_response, headers })
    }

    fn give_session_back(&mut self) {
        if let Some((session, persists)) = self.exchange.ctx.asked_mut().session.take() {
            give_session(self.call, if persists { abi::SESSION_PERSIST } else { abi::SESSION_NEXT }, &session);
        }
        if !self.exchange.caller.is_raw() {
            return;
        }
        // The one that was there is known by its id, which it was given here.
        let how = if self.exchange.caller.id().is_some() { abi::SESSION_CHANGED } else { abi::SESSION_CALLER };
        if let Some(session) = std::mem::take(&mut self.exchange.caller).into_session() {
            give_session(self.call, how, &session);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(was) = self.request.take() {
            was.give_back(&mut self.exchange.request);
        }
        if let (Some(was), Some(response)) = (self.response.take(), &mut self.exchange.response) {
            was.give_back(response);
        }
        self.give_session_back();
        if self.entry.takes.record == Access::Changes
            && let Some(draft) = &self.exchange.draft
            && let Ok(json) = record::written(&draft.record)
        {
            // SAFETY: the call is under way, and what is lent is there until it returns.
            unsafe { (gateway().set_record)(self.call, Lent::of(&json)) };
        }
        if let Some(headers) = self.headers.take() {
            headers.give_back(&self.exchange.ctx.asked_mut().response_headers);
        }
    }
}

fn message(call: *mut abi::Call, which: i32) -> *mut abi::Message {
    // SAFETY: the call is under way.
    unsafe { (gateway().message)(call, which) }
}

/// A part of a request's first line. It is there until the message changes.
fn line<'m>(message: *mut abi::Message, part: i32) -> Option<&'m str> {
    // SAFETY: the message is there.
    let text = unsafe { (gateway().line)(message, part) };
    // SAFETY: nobody here keeps it until the message changes.
    unsafe { text.text() }
}

fn set_line(message: *mut abi::Message, part: i32, text: &str) {
    // SAFETY: the message is there, and what is lent is until it returns.
    unsafe { (gateway().set_line)(message, part, Lent::of(text.as_bytes())) };
}

fn request(message: *mut abi::Message, changes: bool) -> (Request, Option<WasRequest>) {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = line(message, abi::METHOD).and_then(|text| text.parse().ok()).unwrap_or_default();
    head.uri = line(message, abi::URI).and_then(|text| text.parse().ok()).unwrap_or_default();
    head.version = version(line(message, abi::VERSION));
    let (headers, map) = Headers::of(message);
    head.headers = map;
    let upstream: Option<Uri> = line(message, abi::UPSTREAM).and_then(|text| text.parse().ok());
    let (method, uri) = (head.method.clone(), head.uri.clone());
    let (was, body) = if changes {
        let (body_was, body) = body::take(message);
        let was = WasRequest { message, method, uri, upstream: upstream.clone(), headers, body: body_was };
        (Some(was), body)
    } else {
        (None, body::look(message))
    };
    let mut request = Request::from_parts(head, body);
    if let Some(upstream) = upstream {
        request.set_upstream(upstream);
    }
    (request, was)
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

fn response(message: *mut abi::Message, changes: bool) -> (Response, Option<WasResponse>) {
    let (mut head, ()) = http::Response::new(()).into_parts();
    // SAFETY: the message is there.
    let status = unsafe { (gateway().status)(message) };
    head.status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_default();
    let (headers, map) = Headers::of(message);
    head.headers = map;
    let (was, body) = if changes {
        let (body_was, body) = body::take(message);
        (Some(WasResponse { message, status: head.status, headers, body: body_was }), body)
    } else {
        (None, body::look(message))
    };
    (Response::from_parts(head, body), was)
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

fn version(text: Option<&str>) -> Version {
    match text {
        Some("HTTP/0.9") => Version::HTTP_09,
        Some("HTTP/1.0") => Version::HTTP_10,
        Some("HTTP/2.0") => Version::HTTP_2,
        Some("HTTP/3.0") => Version::HTTP_3,
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

/// The context; one that nobody takes knows nothing.
fn context(call: *mut abi::Call, held: &Held, is_taken: bool) -> (Ctx, Option<Headers>) {
    let (host, api) = (Arc::new(Asking::new(call, held.plugin)), Arc::clone(&held.api));
    if !is_taken {
        return (Ctx::new(host, api, None), None);
    }
    let client = text(call, abi::TEXT_CLIENT_ADDRESS).and_then(|text| text.parse::<SocketAddr>().ok());
    let mut ctx = Ctx::new(host, api, client).with_tls(client_tls(call));
    let (headers, map) = Headers::of(message(call, abi::FINAL));
    ctx.asked_mut().response_headers = map;
    (ctx, Some(headers))
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
