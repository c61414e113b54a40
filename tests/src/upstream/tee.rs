//! Keeps the bytes of each request's head beside what hyper makes of them: the case and the order of its headers.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::lock;
use crate::wire::{Message, parse_request};

/// A connection that is listened in.
pub(super) struct Tee {
    stream: TcpStream,
    heads: Heads,
}

/// The bytes of the head that is arriving; `None` while a body is.
#[derive(Clone)]
pub(super) struct Heads(Arc<Mutex<Option<Vec<u8>>>>);

impl Tee {
    pub(super) fn new(stream: TcpStream) -> (Self, Heads) {
        let heads = Heads(Arc::new(Mutex::new(Some(Vec::new()))));
        (Self { stream, heads: heads.clone() }, heads)
    }
}

impl Heads {
    /// The head that has arrived. What follows is its body, until [`Heads::resume`].
    pub(super) fn take(&self) -> Message {
        let bytes = lock(&self.0).take().unwrap_or_default();
        parse_request(&bytes).unwrap_or_default()
    }

    /// What follows is a head again.
    pub(super) fn resume(&self) {
        *lock(&self.0) = Some(Vec::new());
    }
}

impl AsyncRead for Tee {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(head) = &mut *lock(&self.heads.0) {
            head.extend_from_slice(&buf.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Tee {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
