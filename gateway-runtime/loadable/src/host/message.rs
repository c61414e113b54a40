//! Messages: requests, responses, and headers alone.

use std::ffi::c_void;

use gateway_sdk::{Body, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http::Version;

use crate::abi::{self, Bytes, Code, HeaderVisitor};

/// What a handle of a message points to.
pub(super) enum Message {
    /// Those of a call are where its exchange has them.
    Request(*mut Request),
    Response(*mut Response),
    Headers(*mut HeaderMap),
    OwnRequest(Box<Request>),
    OwnResponse(Box<Response>),
}

// SAFETY: those of a call are used by the one thread that has the call; others are nobody else's.
unsafe impl Send for Message {}

impl Message {
    /// What a handle points to.
    ///
    /// # Safety
    /// The handle is null, or the plugin has it of us and nobody else uses it now.
    pub(super) unsafe fn of<'m>(handle: *mut abi::Message) -> Option<&'m mut Self> {
        // SAFETY: the caller vouches for it.
        unsafe { handle.cast::<Self>().as_mut() }
    }

    pub(super) fn handle(&mut self) -> *mut abi::Message {
        std::ptr::from_mut(self).cast()
    }

    /// A message of the plugin's own.
    pub(super) fn own(self) -> *mut abi::Message {
        Box::into_raw(Box::new(self)).cast()
    }

    fn request(&mut self) -> Option<&mut Request> {
        match self {
            // SAFETY: the exchange is there as long as the call, and nobody else uses it now.
            Self::Request(request) => Some(unsafe { &mut **request }),
            Self::OwnRequest(request) => Some(request),
            _ => None,
        }
    }

    fn response(&mut self) -> Option<&mut Response> {
        match self {
            // SAFETY: as above.
            Self::Response(response) => Some(unsafe { &mut **response }),
            Self::OwnResponse(response) => Some(response),
            _ => None,
        }
    }

    pub(super) fn headers(&mut self) -> &mut HeaderMap {
        match self {
            // SAFETY: as above.
            Self::Request(request) => unsafe { &mut **request }.headers_mut(),
            // SAFETY: as above.
            Self::Response(response) => unsafe { &mut **response }.headers_mut(),
            // SAFETY: as above.
            Self::Headers(headers) => unsafe { &mut **headers },
            Self::OwnRequest(request) => request.headers_mut(),
            Self::OwnResponse(response) => response.headers_mut(),
        }
    }

    pub(super) fn body(&mut self) -> Option<&mut Body> {
        match self {
            Self::Headers(_) => None,
            Self::Request(_) | Self::OwnRequest(_) => self.request().map(Request::body_mut),
            Self::Response(_) | Self::OwnResponse(_) => self.response().map(Response::body_mut),
        }
    }

    /// Puts `body` in place of the one that is there; `describe`: the headers tell of it.
    pub(super) fn set_body(&mut self, body: Body, describe: bool) -> Code {
        if describe {
            if let Some(request) = self.request() {
                request.set_body(body);
                return abi::OK;
            }
            if let Some(response) = self.response() {
                response.set_body(body);
                return abi::OK;
            }
        } else if let Some(place) = self.body() {
            *place = body;
            return abi::OK;
        }
        abi::INVALID
    }
}

pub(super) unsafe extern "C" fn new_request() -> *mut abi::Message {
    Message::OwnRequest(Box::new(http::Request::new(()).into())).own()
}

pub(super) unsafe extern "C" fn release(message: *mut abi::Message) {
    if !message.is_null() {
        // SAFETY: it is the plugin's own, and this ends it.
        drop(unsafe { Box::from_raw(message.cast::<Message>()) });
    }
}

pub(super) unsafe extern "C" fn line(message: *mut abi::Message, part: i32) -> Bytes {
    // SAFETY: the plugin gives a handle of ours.
    let Some(request) = unsafe { Message::of(message) }.and_then(Message::request) else { return Bytes::ABSENT };
    match part {
        abi::METHOD => Bytes::of(request.method().as_str().as_bytes()),
        abi::URI => uri(request),
        abi::UPSTREAM => upstream(request),
        abi::VERSION => Bytes::of(version(request.version())),
        _ => Bytes::ABSENT,
    }
}

pub(super) unsafe extern "C" fn head(message: *mut abi::Message, head: *mut abi::Head) -> Code {
    // SAFETY: the plugin gives a handle of ours.
    let Some(request) = unsafe { Message::of(message) }.and_then(Message::request) else { return abi::INVALID };
    let told = abi::Head {
        size: size_of::<abi::Head>(),
        method: Bytes::of(request.method().as_str().as_bytes()),
        uri: uri(request),
        version: Bytes::of(version(request.version())),
        upstream: upstream(request),
    };
    // SAFETY: the plugin has room for it.
    unsafe { head.write(told) };
    abi::OK
}

/// What is not one text anywhere is written once, and kept with the request.
#[derive(Clone)]
struct Written {
    uri: Option<(Uri, String)>,
    upstream: Option<(Uri, String)>,
}

fn uri(request: &mut Request) -> Bytes {
    // What clients send has neither scheme nor host: path and query lie side by side.
    if request.uri().authority().is_none()
        && let Some(path_and_query) = request.uri().path_and_query()
    {
        return Bytes::of(path_and_query.as_str().as_bytes());
    }
    let uri = request.uri().clone();
    let written = written(request);
    if written.uri.as_ref().is_none_or(|(of, _)| *of != uri) {
        written.uri = Some((uri.clone(), uri.to_string()));
    }
    Bytes::maybe(written.uri.as_ref().map(|(_, text)| text.as_bytes()))
}

fn upstream(request: &mut Request) -> Bytes {
    let Some(upstream) = request.upstream().cloned() else { return Bytes::ABSENT };
    let written = written(request);
    if written.upstream.as_ref().is_none_or(|(of, _)| *of != upstream) {
        written.upstream = Some((upstream.clone(), upstream.to_string()));
    }
    Bytes::maybe(written.upstream.as_ref().map(|(_, text)| text.as_bytes()))
}

fn written(request: &mut Request) -> &mut Written {
    request.extensions_mut().get_or_insert_with(|| Written { uri: None, upstream: None })
}

fn version(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"HTTP/1.1",
    }
}

pub(super) unsafe extern "C" fn set_line(message: *mut abi::Message, part: i32, value: Bytes) -> Code {
    // SAFETY: the plugin gives a handle of ours, and what it lends is there until we return.
    let (message, value) = unsafe { (Message::of(message), value.text()) };
    let (Some(request), Some(value)) = (message.and_then(Message::request), value) else { return abi::INVALID };
    let is_set = match part {
        abi::METHOD => value.parse::<Method>().map(|method| request.set_method(method)).is_ok(),
        abi::URI => value.parse::<Uri>().map(|uri| request.set_uri(uri)).is_ok(),
        abi::UPSTREAM => value.parse::<Uri>().map(|base| request.set_upstream(base)).is_ok(),
        _ => false,
    };
    if is_set { abi::OK } else { abi::INVALID }
}

pub(super) unsafe extern "C" fn status(message: *const abi::Message) -> i32 {
    // SAFETY: the plugin gives a handle of ours.
    let response = unsafe { Message::of(message.cast_mut()) }.and_then(Message::response);
    response.map_or(0, |response| i32::from(response.status().as_u16()))
}

pub(super) unsafe extern "C" fn set_status(message: *mut abi::Message, status: i32) -> Code {
    // SAFETY: the plugin gives a handle of ours.
    let response = unsafe { Message::of(message) }.and_then(Message::response);
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let (Some(response), Some(status)) = (response, status) else { return abi::INVALID };
    response.set_status(status);
    abi::OK
}

pub(super) unsafe extern "C" fn headers(message: *const abi::Message, visit: HeaderVisitor, to: *mut c_void) -> usize {
    // SAFETY: the plugin gives a handle of ours.
    let Some(message) = (unsafe { Message::of(message.cast_mut()) }) else { return 0 };
    let headers = message.headers();
    for (name, value) in &*headers {
        // SAFETY: the plugin's function is given what it has asked for.
        unsafe { visit(to, Bytes::of(name.as_str().as_bytes()), Bytes::of(value.as_bytes())) };
    }
    headers.len()
}

pub(super) unsafe extern "C" fn header(message: *const abi::Message, name: Bytes) -> Bytes {
    // SAFETY: the plugin gives a handle of ours, and what it lends is there until we return.
    let (message, name) = unsafe { (Message::of(message.cast_mut()), name.text()) };
    let (Some(message), Some(name)) = (message, name) else { return Bytes::ABSENT };
    Bytes::maybe(message.headers().get(name).map(HeaderValue::as_bytes))
}

pub(super) unsafe extern "C" fn set_header(message: *mut abi::Message, name: Bytes, value: Bytes) -> Code {
    // SAFETY: as of `change`.
    unsafe { change(message, name, Some(value), |headers, name, value| headers.try_insert(name, value).is_ok()) }
}

pub(super) unsafe extern "C" fn add_header(message: *mut abi::Message, name: Bytes, value: Bytes) -> Code {
    // SAFETY: as of `change`.
    unsafe { change(message, name, Some(value), |headers, name, value| headers.try_append(name, value).is_ok()) }
}

pub(super) unsafe extern "C" fn remove_header(message: *mut abi::Message, name: Bytes) -> Code {
    // SAFETY: as of `change`.
    unsafe {
        change(message, name, None, |headers, name, _| {
            headers.remove(name);
            true
        })
    }
}

/// # Safety
/// The handle is one of ours, and what is lent is there until this returns.
unsafe fn change(
    message: *mut abi::Message,
    name: Bytes,
    value: Option<Bytes>,
    act: fn(&mut HeaderMap, HeaderName, HeaderValue) -> bool,
) -> Code {
    // SAFETY: the caller vouches for it.
    let (message, name) = unsafe { (Message::of(message), name.get()) };
    let Some(message) = message else { return abi::INVALID };
    let Ok(name) = HeaderName::from_bytes(name.unwrap_or_default()) else { return abi::INVALID };
    // SAFETY: as above.
    let value = value.map_or(Some(&[][..]), |value| unsafe { value.get() });
    let Some(Ok(value)) = value.map(HeaderValue::from_bytes) else { return abi::INVALID };
    if act(message.headers(), name, value) { abi::OK } else { abi::FULL }
}
