//! Messages exactly as they are on the wire: literal bytes out, every header as it was written in.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::within_deadline;

const MAX_HEADERS: usize = 128;
/// How slow [`Wire::drip`] is.
const DRIP: Duration = Duration::from_millis(20);

/// A connection to a gateway.
pub struct Wire {
    stream: TcpStream,
    /// What was received and not yet taken.
    buffer: Vec<u8>,
    ended: bool,
}

/// A message in its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// `HTTP/1.1 200 OK`, or `GET / HTTP/1.1`.
    pub first: String,
    /// In the order and the case in which they came.
    pub headers: Vec<(String, String)>,
    /// Without chunks.
    pub body: Vec<u8>,
    /// After the last chunk.
    pub trailers: Vec<(String, String)>,
}

impl Message {
    /// The first value of a header, whatever its case; empty if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The status; 0 in a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = within_deadline("a connection", TcpStream::connect(to)).await;
        let stream = stream.unwrap_or_else(|error| panic!("no connection to {to}: {error}"));
        Self { stream, buffer: Vec::new(), ended: false }
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the other end is gone.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the other end reads");
    }

    /// Says that nothing more will be sent.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn close_writing(&mut self) {
        self.stream.shutdown().await.expect("the connection is there");
    }

    /// Reads responses until the other end closes.
    ///
    /// # Panics
    /// When what comes is no HTTP.
    pub async fn responses(&mut self) -> Vec<Message> {
        let mut responses = Vec::new();
        loop {
            while self.buffer.is_empty() && !self.ended {
                within_deadline("a response or the end", self.more()).await;
            }
            if self.buffer.is_empty() {
                return responses;
            }
            responses.push(self.response(false).await);
        }
    }

    /// Sends bytes, if the other end is there.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends bytes one at a time, again and again, until the other end says something or has gone.
    pub async fn drip(&mut self, bytes: &[u8]) {
        let dripping = async {
            for byte in bytes.iter().cycle() {
                tokio::select! {
                    () = self.more() => return,
                    () = tokio::time::sleep(DRIP) => {}
                }
                if !self.try_write([*byte]).await {
                    return;
                }
            }
        };
        within_deadline("the end of somebody's patience", dripping).await;
    }

    /// Waits until the other end closes, whatever it says before.
    pub async fn ends(&mut self) {
        within_deadline("the end of the connection", async {
            while !self.ended {
                self.more().await;
            }
        })
        .await;
    }

    /// Whether the other end closes without another byte.
    pub async fn is_closed(&mut self) -> bool {
        within_deadline("the end of the connection", self.more()).await;
        self.ended && self.buffer.is_empty()
    }

    /// Reads one response to its end; `to_head` if it answers `HEAD`.
    ///
    /// # Panics
    /// When it is no HTTP, or breaks off.
    pub async fn response(&mut self, to_head: bool) -> Message {
        within_deadline("a response", async {
            let mut message = loop {
                match parse_response(&self.buffer) {
                    Some((message, length)) => {
                        self.buffer.drain(..length);
                        break message;
                    }
                    None if self.ended => panic!("no response, but {:?}", String::from_utf8_lossy(&self.buffer)),
                    None => self.more().await,
                }
            };
            self.body(&mut message, to_head).await;
            message
        })
        .await
    }

    async fn body(&mut self, message: &mut Message, to_head: bool) {
        let bodiless = to_head || matches!(message.status(), 100..200 | 204 | 304);
        if bodiless {
            return;
        }
        if message.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            self.chunks(message).await;
        } else if let Ok(length) = message.header("content-length").parse() {
            message.body = self.take(length).await;
        } else {
            while !self.ended {
                self.more().await;
            }
            message.body = std::mem::take(&mut self.buffer);
        }
    }

    async fn chunks(&mut self, message: &mut Message) {
        loop {
            let parsed = httparse::parse_chunk_size(&self.buffer).expect("the size of a chunk");
            let httparse::Status::Complete((used, size)) = parsed else {
                assert!(!self.ended, "a chunk broke off");
                self.more().await;
                continue;
            };
            self.buffer.drain(..used);
            if size == 0 {
                break;
            }
            let size = usize::try_from(size).expect("a chunk that fits memory");
            let mut chunk = self.take(size + 2).await;
            chunk.truncate(size);
            message.body.append(&mut chunk);
        }
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let parsed = httparse::parse_headers(&self.buffer, &mut headers).expect("trailers");
            if let httparse::Status::Complete((used, found)) = parsed {
                message.trailers = owned(found);
                self.buffer.drain(..used);
                return;
            }
            assert!(!self.ended, "trailers broke off");
            self.more().await;
        }
    }

    /// The next bytes, whatever they are.
    ///
    /// # Panics
    /// When there are fewer.
    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(!self.ended, "a body broke off after {} of {length} bytes", self.buffer.len());
            self.more().await;
        }
        self.buffer.drain(..length).collect()
    }

    async fn more(&mut self) {
        // A reset connection has ended as well.
        let read = self.stream.read_buf(&mut self.buffer).await.unwrap_or_default();
        self.ended = read == 0;
    }
}

fn parse_response(bytes: &[u8]) -> Option<(Message, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).expect("an HTTP response");
    let httparse::Status::Complete(length) = parsed else { return None };
    let (version, code) = (response.version.unwrap_or_default(), response.code.unwrap_or_default());
    let first = format!("HTTP/1.{version} {code} {}", response.reason.unwrap_or_default());
    Some((Message { first, headers: owned(response.headers), ..Message::default() }, length))
}

/// The head of a request; `None` if it is not there yet.
#[must_use]
pub(crate) fn parse_request(bytes: &[u8]) -> Option<Message> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes).ok().filter(httparse::Status::is_complete)?;
    let first = format!("{} {} HTTP/1.{}", request.method?, request.path?, request.version?);
    Some(Message { first, headers: owned(request.headers), ..Message::default() })
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let pair =
        |header: &httparse::Header<'_>| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned());
    headers.iter().map(pair).collect()
}
