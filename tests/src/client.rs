//! A client that keeps its connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::feed::{Payload, whole};
use crate::within_deadline;

/// A request about to be sent.
#[derive(Debug)]
pub struct Ask(http::request::Builder, Payload);

/// `GET`.
#[must_use]
pub fn get(path: &str) -> Ask {
    ask(Method::GET, path)
}

/// `POST` with a body.
#[must_use]
pub fn post(path: &str, body: impl Into<Bytes>) -> Ask {
    ask(Method::POST, path).body(whole(body))
}

/// Any method, without a body.
#[must_use]
pub fn ask(method: Method, path: &str) -> Ask {
    Ask(Request::builder().method(method).uri(path), whole(Bytes::new())).header("host", "gateway")
}

impl Ask {
    /// `GET` from another host than `gateway`.
    #[must_use]
    pub fn to(host: &str, path: &str) -> Self {
        Self(Request::builder().uri(path), whole(Bytes::new())).header("host", host)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(self, body: Payload) -> Self {
        Self(self.0, body)
    }
}

/// A response that was read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// What came after the body.
    pub trailers: HeaderMap,
}

impl Answer {
    /// The first value of a header; empty if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All values of a header.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Asserts an answer of the control API: a status and a line of JSON.
    ///
    /// # Panics
    /// When it is another response.
    #[track_caller]
    pub fn is_reply(&self, status: u16, json: &str) {
        assert_eq!((self.status, self.text()), (status, format!("{json}\n")), "{:?}", self.headers);
        assert_eq!(self.header("content-type"), "application/json");
    }

    /// Asserts an error of the control API.
    ///
    /// # Panics
    /// When it is another response.
    #[track_caller]
    pub fn is_refusal(&self, status: u16, message: &str) {
        self.is_reply(status, &format!("{{\"status\":\"error\",\"message\":{}}}", Value::from(message)));
    }

    /// Asserts the gateway's own error, which ends without a newline. Source: gateway.md §12.9.
    ///
    /// # Panics
    /// When it is another response.
    #[track_caller]
    pub fn is_error(&self, status: u16, message: &str) {
        let expected = format!("{{\n    \"error\": {}\n}}", Value::from(message));
        assert_eq!((self.status, self.text()), (status, expected), "{:?}", self.headers);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("x-generator"), "tyk.io");
    }
}

/// A connection to a gateway.
pub struct Client {
    sender: SendRequest<Payload>,
    /// The client's end.
    pub local: SocketAddr,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).await.unwrap_or_else(|error| panic!("no connection to {to}: {error}"))
    }

    /// Connects, if somebody listens there.
    ///
    /// # Errors
    /// When nobody does.
    pub async fn try_connect(to: SocketAddr) -> std::io::Result<Self> {
        let stream = within_deadline("a connection", TcpStream::connect(to)).await?;
        let local = stream.local_addr()?;
        Self::over(stream, local).await
    }

    /// Speaks on a connection that is there already.
    ///
    /// # Errors
    /// When it is not there any more.
    pub async fn over<I>(stream: I, local: SocketAddr) -> std::io::Result<Self>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        // Its errors are those of the requests on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, local })
    }

    /// Whether another request can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Waits until the other end has closed.
    pub async fn closed(&mut self) {
        within_deadline("the end of the connection", async {
            while self.sender.ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Sends a request and reads the response to its end.
    ///
    /// # Panics
    /// When there is none.
    pub async fn ask(&mut self, ask: Ask) -> Answer {
        let what = format!("{:?}", ask.0.uri_ref());
        self.try_ask(ask).await.unwrap_or_else(|error| panic!("no response to {what}: {error:?}"))
    }

    /// Sends a request and reads the response to its end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn try_ask(&mut self, ask: Ask) -> Result<Answer, hyper::Error> {
        let response = self.open(ask).await?;
        within_deadline("the end of a response", read(response)).await
    }

    /// Sends a request and gives the response as soon as its head is there.
    ///
    /// # Errors
    /// When the connection breaks.
    ///
    /// # Panics
    /// When the request is not one.
    pub async fn open(&mut self, Ask(head, body): Ask) -> Result<http::Response<Incoming>, hyper::Error> {
        let request = head.body(body).expect("a request");
        within_deadline("a response", async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        })
        .await
    }
}

/// Reads a response to its end.
///
/// # Errors
/// When it breaks off.
pub async fn read(response: http::Response<Incoming>) -> Result<Answer, hyper::Error> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes(), trailers })
}
