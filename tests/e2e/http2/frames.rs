//! HTTP/2 frames exactly as they are on the wire. Source: RFC 9113 §4, §6; RFC 7541 §6.2.2.

use std::net::SocketAddr;

use gateway_tests::within_deadline;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block of literals, none of them indexed.
pub(super) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text");
        [&[length], text.as_bytes()].concat()
    };
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The headers of a request, with others behind.
pub(super) fn with<'a>(others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let request = [(":method", "GET"), (":scheme", "http"), (":authority", "gateway"), (":path", "/hello")];
    [&request, others].concat()
}

pub(super) fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&with(&[])))
}

/// What the other end says to a mistake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The connection ends, with this code.
    Goaway(u32),
    /// The stream ends, with this code.
    Reset(u32, u32),
    /// A stream is answered.
    Answer(u32),
    /// A ping is answered.
    Pong,
    /// The connection is closed.
    Closed,
}

/// A connection that says what it wants.
pub(super) struct Raw {
    stream: TcpStream,
    pub(super) last: Vec<u8>,
}

impl Raw {
    /// Connects, and sends the preface and its settings.
    pub(super) async fn connect(to: SocketAddr) -> Self {
        let stream = within_deadline("a connection", TcpStream::connect(to)).await.expect("a connection");
        let mut raw = Self { stream, last: Vec::new() };
        raw.write(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        raw
    }

    /// Sends, as far as the other end takes it.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        // A connection that was ended meanwhile is told by what is read.
        let _ = self.stream.write_all(bytes).await;
    }

    /// What is said next, but for what belongs to every connection.
    pub(super) async fn said(&mut self) -> Said {
        within_deadline("a frame", self.next()).await
    }

    async fn next(&mut self) -> Said {
        loop {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).await.is_err() {
                return Said::Closed;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length as usize];
            if self.stream.read_exact(&mut payload).await.is_err() {
                return Said::Closed;
            }
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
            let said = match head[3] {
                GOAWAY => Said::Goaway(code(4)),
                RST_STREAM => Said::Reset(stream, code(0)),
                HEADERS => Said::Answer(stream),
                PING if head[4] == ACK => Said::Pong,
                SETTINGS if head[4] != ACK => {
                    self.write(&frame(SETTINGS, ACK, 0, &[])).await;
                    continue;
                }
                _ => continue,
            };
            self.last = payload;
            return said;
        }
    }
}
