//! [`Request`] and [`Response`]: what a plugin reads and changes.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use serde::Serialize;

use crate::body::{Body, BodyError};

/// A client's request on its way to the upstream.
///
/// Plugins see the path as the client sent it, listen path included; it is stripped last. What they change reaches the
/// plugins after them, and the upstream.
#[derive(Debug)]
pub struct Request {
    head: http::request::Parts,
    body: Body,
    upstream: Option<Box<Uri>>,
}

impl Request {
    /// A request from its parts.
    #[must_use]
    pub fn from_parts(head: http::request::Parts, body: Body) -> Self {
        Self { head, body, upstream: None }
    }

    /// The head and the body.
    #[must_use]
    pub fn into_parts(self) -> (http::request::Parts, Body) {
        (self.head, self.body)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Changes the method; the upstream gets the new one.
    pub fn set_method(&mut self, method: Method) {
        self.head.method = method;
    }

    /// The target as the client sent it.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// Changes path and query. Scheme and host of `uri` are not used: they are the API's (see
    /// [`Request::set_upstream`]).
    pub fn set_uri(&mut self, uri: Uri) {
        self.head.uri = uri;
    }

    /// The path, listen path included.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The first value of a query parameter, decoded.
    #[must_use]
    pub fn query_param(&self, name: &str) -> Option<Cow<'_, str>> {
        let query = self.head.uri.query()?;
        form_urlencoded::parse(query.as_bytes()).find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The protocol version the client spoke.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The headers, to be changed. The gateway still removes the hop-by-hop ones and adds `X-Forwarded-For`.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// A header's first value as text; `None` if it is absent or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, to be read or taken.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Reads the whole body, up to `limit` bytes, and keeps it for those who come after.
    ///
    /// # Errors
    /// See [`Body::bytes`].
    pub async fn body_bytes(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        self.body.bytes(limit).await
    }

    /// Replaces the body. Headers that describe the old one (`Content-Length`, `Transfer-Encoding`,
    /// `Content-Encoding`) are replaced or removed.
    pub fn set_body(&mut self, body: impl Into<Body>) {
        self.body = body.into();
        describe(&mut self.head.headers, &self.body);
    }

    /// Sends this request to another upstream than the API's `target_url`: `http://host[:port][/base]`.
    pub fn set_upstream(&mut self, base: Uri) {
        self.upstream = Some(Box::new(base));
    }

    /// Takes method, target, headers and body out, as they go upstream: what is left is a request without any. For the
    /// runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn take(&mut self) -> http::Request<Body> {
        let mut taken = http::Request::new(std::mem::take(&mut self.body));
        std::mem::swap(taken.method_mut(), &mut self.head.method);
        std::mem::swap(taken.uri_mut(), &mut self.head.uri);
        std::mem::swap(taken.headers_mut(), &mut self.head.headers);
        taken
    }

    /// Puts back what was taken. For the runtime.
    #[doc(hidden)]
    pub fn restore(&mut self, taken: http::Request<Body>) {
        let (head, body) = taken.into_parts();
        self.body = body;
        self.head.method = head.method;
        self.head.uri = head.uri;
        self.head.headers = head.headers;
    }

    /// All parts, the upstream that was chosen among them. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn parts_mut(&mut self) -> (&mut http::request::Parts, &mut Body, &mut Option<Box<Uri>>) {
        (&mut self.head, &mut self.body, &mut self.upstream)
    }

    /// What the runtime keeps with a request.
    #[doc(hidden)]
    #[must_use]
    pub fn extensions(&self) -> &http::Extensions {
        &self.head.extensions
    }

    /// The same, to change it.
    #[doc(hidden)]
    pub fn extensions_mut(&mut self) -> &mut http::Extensions {
        &mut self.head.extensions
    }

    /// The upstream that a plugin chose, if one did.
    #[must_use]
    pub fn upstream(&self) -> Option<&Uri> {
        self.upstream.as_deref()
    }
}

impl<B: Into<Body>> From<http::Request<B>> for Request {
    fn from(request: http::Request<B>) -> Self {
        let (head, body) = request.into_parts();
        Self::from_parts(head, body.into())
    }
}

/// The response on its way to the client.
#[derive(Debug)]
pub struct Response {
    head: http::response::Parts,
    body: Body,
}

impl Response {
    /// A response without headers and body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = status;
        Self { head, body: Body::empty() }
    }

    /// `value` as JSON, with `Content-Type: application/json`.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, such as a map whose keys are not strings.
    pub fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(value)?;
        Ok(Self::new(status).with_header(CONTENT_TYPE, HeaderValue::from_static("application/json")).with_body(body))
    }

    /// A response from its parts.
    #[must_use]
    pub fn from_parts(head: http::response::Parts, body: Body) -> Self {
        Self { head, body }
    }

    /// The head and the body.
    #[must_use]
    pub fn into_parts(self) -> (http::response::Parts, Body) {
        (self.head, self.body)
    }

    /// All parts. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn parts_mut(&mut self) -> (&mut http::response::Parts, &mut Body) {
        (&mut self.head, &mut self.body)
    }

    /// The same with one header set.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.head.headers.insert(name, value);
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.set_body(body);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Changes the status.
    pub fn set_status(&mut self, status: StatusCode) {
        self.head.status = status;
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// A header's first value as text; `None` if it is absent or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, to be read or taken.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Reads the whole body, up to `limit` bytes, and keeps it for those who come after.
    ///
    /// # Errors
    /// See [`Body::bytes`]. It is a [`BodyError::OfResponse`]: passed on with `?`, the client gets a 500.
    pub async fn body_bytes(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        self.body.bytes(limit).await.map_err(|error| BodyError::OfResponse(Box::new(error)))
    }

    /// Replaces the body. Headers that describe the old one (`Content-Length`, `Transfer-Encoding`,
    /// `Content-Encoding`) are replaced or removed.
    pub fn set_body(&mut self, body: impl Into<Body>) {
        self.body = body.into();
        describe(&mut self.head.headers, &self.body);
    }
}

/// Makes the headers tell the truth about a body that was put in place of another.
fn describe(headers: &mut HeaderMap, body: &Body) {
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_ENCODING);
    match body.len() {
        Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        None => headers.remove(CONTENT_LENGTH),
    };
}
