//! A request that may have to be sent again: kept as it was written.
//!
//! hyper takes a request for good. A copy of its headers, made for every request in case its connection is closed under it, would
//! cost more than any other part of forwarding; the bytes that go to the socket are copied for next to nothing, and
//! read again in the rare case.

use gateway_sdk::http::{HeaderName, HeaderValue, Method, Uri};
use gateway_sdk::{Body, Request};

use crate::written::Written;

/// hyper writes as many headers as it reads, and the gateway adds a few.
const MOST_HEADERS: usize = 256;

fn read(bytes: &[u8]) -> Option<hyper::Request<Body>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    head.parse(bytes).ok()?.is_complete().then_some(())?;
    let mut request = hyper::Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(head.method?.as_bytes()).ok()?;
    *request.uri_mut() = head.path?.parse::<Uri>().ok()?;
    for header in head.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

/// How a request can be sent again.
pub(super) enum Spare {
    /// Its connection keeps what it writes.
    Written,
    Copy(Box<hyper::Request<Body>>),
}

impl Spare {
    /// Of a request that means the same when it is sent twice; `None` for others. Source: RFC 9110 §9.2.2.
    pub(super) fn of(request: &Request, written: &Written) -> Option<Self> {
        if !request.method().is_idempotent() {
            return None;
        }
        if request.body().is_buffered() && request.body().is_empty() {
            // There is no body, so that the head is what is written first.
            written.ask();
            return Some(Self::Written);
        }
        let mut copy = Box::new(hyper::Request::new(Body::from(request.body().buffered()?)));
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Some(Self::Copy(copy))
    }

    /// The request, once more.
    pub(super) fn request(self, written: &Written) -> Option<hyper::Request<Body>> {
        match self {
            Self::Written => written.with_bytes(read),
            Self::Copy(copy) => Some(*copy),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    fn get() -> Request {
        Request::from(hyper::Request::get("/a?b=c").body(Body::empty()).expect("a request"))
    }

    #[test]
    fn what_was_written_first_is_the_request() {
        let written = Written::default();
        let spare = Spare::of(&get(), &written).expect("it may be sent twice");
        let parts = [&b"GET /a?b=c HTTP/1.1\r\nhost: up\r\nx: 1\r\n"[..], b"x: 2\r\n\r\n"];
        written.note(&parts.map(IoSlice::new));
        written.note(&[IoSlice::new(b"something else")]);
        let request = spare.request(&written).expect("the request");
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::GET, "/a?b=c"));
        assert_eq!(request.headers().get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(request.headers()["host"], "up");
    }

    #[test]
    fn what_was_not_written_is_not_made_up() {
        let written = Written::default();
        written.note(&[IoSlice::new(b"GET /old HTTP/1.1\r\n\r\n")]);
        let spare = Spare::of(&get(), &written).expect("it may be sent twice");
        assert!(spare.request(&written).is_none());
    }

    #[test]
    fn what_means_something_else_when_sent_twice_has_no_spare() {
        let mut post = get();
        post.set_method(Method::POST);
        assert!(Spare::of(&post, &Written::default()).is_none());
        let mut put = get();
        put.set_method(Method::PUT);
        put.set_body("all of it");
        let written = Written::default();
        let spare = Spare::of(&put, &written).expect("it may be sent twice");
        let copy = spare.request(&written).expect("a copy");
        assert_eq!(copy.body().buffered().expect("in memory"), "all of it");
    }
}
