//! `Request` and `Response`: heads that stay true to their bodies.

use gateway_sdk::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use gateway_sdk::http::{self, Version};
use gateway_sdk::prelude::*;

use crate::get;

fn old_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_LENGTH, HeaderValue::from_static("999")),
        (CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        (TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        (CONTENT_TYPE, HeaderValue::from_static("text/plain")),
    ])
}

fn check_described(headers: &HeaderMap, length: Option<&str>) {
    let found = headers.get(CONTENT_LENGTH).map(|value| value.to_str().expect("it is ASCII"));
    assert_eq!(found, length);
    assert!(!headers.contains_key(CONTENT_ENCODING));
    assert!(!headers.contains_key(TRANSFER_ENCODING));
    assert_eq!(headers[CONTENT_TYPE], "text/plain", "it is not about the bytes");
}

/// A body whose length is not known.
fn stream() -> Body {
    struct Unknown;
    impl http_body::Body for Unknown {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
            std::task::Poll::Ready(None)
        }
    }
    Body::stream(Box::pin(Unknown))
}

#[test]
fn headers_describe_the_body_that_was_set() {
    for (body, length) in [(Body::from("four"), Some("4")), (Body::empty(), Some("0")), (stream(), None)] {
        let mut request = get();
        *request.headers_mut() = old_headers();
        request.set_body(body);
        check_described(request.headers(), length);
    }
    let mut response = Response::new(StatusCode::OK);
    *response.headers_mut() = old_headers();
    check_described(response.with_body("four").headers(), Some("4"));
}

#[test]
fn a_body_that_is_only_read_changes_no_header() {
    let mut request = get();
    *request.headers_mut() = old_headers();
    gateway_sdk::testing::block_on(request.body_bytes(9)).expect("it is empty");
    assert_eq!(*request.headers(), old_headers());
}

#[test]
fn a_request_tells_its_parts_and_changes_them() {
    let request = http::Request::put("/a/b?x=1%202&y&x=3")
        .version(Version::HTTP_2)
        .header("x-a", "1")
        .header("x-bin", HeaderValue::from_bytes(b"\xff").expect("it is a value"))
        .body("body");
    let mut request = Request::from(request.expect("it is a request"));
    assert_eq!(request.method(), Method::PUT);
    assert_eq!(request.path(), "/a/b");
    assert_eq!(request.version(), Version::HTTP_2);
    assert_eq!(request.query_param("x").as_deref(), Some("1 2"));
    assert_eq!(request.query_param("y").as_deref(), Some(""));
    assert_eq!(request.query_param("z"), None);
    assert_eq!(request.header("x-a"), Some("1"));
    assert_eq!(request.header("x-bin"), None);
    assert_eq!(request.body().len(), Some(4));

    request.set_method(Method::POST);
    request.set_uri(Uri::from_static("/c"));
    assert!(request.upstream().is_none());
    request.set_upstream(Uri::from_static("http://other:81/base"));
    assert_eq!(request.upstream().expect("it was set").host(), Some("other"));
    let (head, body) = request.into_parts();
    assert_eq!((head.method, head.uri.path()), (Method::POST, "/c"));
    assert_eq!(body.len(), Some(4));
}
