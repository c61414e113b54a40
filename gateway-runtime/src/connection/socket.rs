//! A client's end of the wire, as hyper reads and writes it: heads and the framing of bodies are looked at on their way in,
//! and who shares the connection learns what it waits for.
//!
//! hyper is given one request at a time, and nothing behind it: what a client sends before it is answered is held.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::{BadBody, Framing};
use super::head::{BadHead, Head, Seen};
use crate::clock::{self, Moment};
use crate::metrics;
use crate::quiet::{Ear, Quiet};

/// How much is read at once of what is looked at.
const CHUNK: usize = 32 * 1024;

/// How a client of HTTP/2 begins. RFC 9113 §3.4.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

thread_local! {
    /// Where it is read to, on its way to hyper: one for all connections of a core.
    static SCRATCH: RefCell<Box<[u8; CHUNK]>> = RefCell::new(Box::new([0; CHUNK]));
}

/// What a connection is at. Its socket, its requests and its keeper share it.
pub(super) struct State {
    stage: Cell<Stage>,
    /// When that began.
    since: Cell<Moment>,
    /// Since when the client takes nothing of what it is sent.
    blocked: Cell<Option<Moment>>,
    refused: Cell<Option<BadHead>>,
    /// Who would have read on while a request is answered.
    reader: Cell<Option<Waker>>,
    /// The client speaks HTTP/2.
    http2: Cell<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing of a request has come.
    Idle,
    /// A head has begun.
    Head,
    /// A request without a body is being answered.
    Answering,
    /// A request with a body is being answered.
    Body,
    /// A client that asks for another protocol is being answered: what it says already is no head, unless it is refused.
    Upgrading,
    /// It is answered, and its body has not been read.
    Left,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            stage: Cell::new(Stage::Idle),
            since: Cell::new(clock::now()),
            blocked: Cell::default(),
            refused: Cell::default(),
            reader: Cell::default(),
            http2: Cell::default(),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2.get()
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage.get()
    }

    pub(super) fn since(&self) -> Moment {
        self.since.get()
    }

    pub(super) fn blocked(&self) -> Option<Moment> {
        self.blocked.get()
    }

    /// Why the client is listened to no more.
    pub(super) fn refused(&self) -> Option<BadHead> {
        self.refused.get()
    }

    /// Whether an answer is on its way: nothing else may be said meanwhile.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.stage.get(), Stage::Answering | Stage::Body | Stage::Upgrading)
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.since.set(clock::now());
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// A client's socket.
pub(super) struct Socket<S> {
    io: TokioIo<Quiet<S>>,
    state: Rc<State>,
    head: Head,
    /// What is to come of the body of the last head.
    body: Framing,
    /// What came behind a request, or while nobody read.
    held: Bytes,
    /// Nothing was handed on yet, and the client may speak HTTP/2.
    fresh: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// `head_limit` is in bytes.
    pub(super) fn new(stream: S, state: Rc<State>, head_limit: usize, may_be_http2: bool) -> Self {
        let (io, head) = (TokioIo::new(Quiet::new(stream)), Head::new(head_limit));
        Self { io, state, head, body: Framing::None, held: Bytes::new(), fresh: may_be_http2 }
    }

    /// Through which the client is heard.
    pub(super) fn ear(&self) -> Arc<Ear> {
        self.io.inner().ear()
    }

    /// Waits for the client to say something more; `false` if it has nothing more to say.
    pub(super) fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.held.is_empty() {
            return Poll::Ready(true);
        }
        self.poll_hold(cx).map(|read| read.is_ok() && !self.held.is_empty())
    }

    /// Reads what nobody wants yet; nothing is held at the client's end.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch.as_mut_slice());
            let read = ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut buffer));
            self.held = Bytes::copy_from_slice(buffer.filled());
            Poll::Ready(read)
        })
    }

    /// The stream, and what came of it that nobody has read.
    pub(super) fn into_inner(self) -> (S, Bytes) {
        (self.io.into_inner().into_inner(), self.held)
    }

    /// Hands the bytes of a request on, and nothing of what is behind it.
    fn hand_on(&mut self, bytes: &[u8], cursor: &mut ReadBufCursor<'_>) -> Poll<io::Result<usize>> {
        let most = &bytes[..bytes.len().min(cursor.remaining())];
        let length = if self.body.is_over() {
            match self.look(most) {
                Ok(length) => length,
                Err(why) => {
                    // hyper would close; its keeper tells the client why.
                    self.state.refused.set(Some(why));
                    return Poll::Pending;
                }
            }
        } else {
            self.body.take(most).map_err(broken)?
        };
        cursor.put_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    /// How many bytes are the head's.
    fn look(&mut self, bytes: &[u8]) -> Result<usize, BadHead> {
        let length = match self.head.look(bytes) {
            Seen::Part => bytes.len(),
            Seen::End(end, body) => {
                self.body = body;
                end
            }
            Seen::Wrong(why) => return Err(why),
        };
        if self.head.is_partial() && matches!(self.state.stage(), Stage::Idle | Stage::Left) {
            self.state.enter(Stage::Head);
        }
        Ok(length)
    }

    /// Waits while a request is answered: what comes meanwhile is held, and that the client goes is told at once.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            ready!(self.poll_hold(cx))?;
            if self.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        self.state.reader.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// The first bytes of a connection: if they are the preface of HTTP/2 they are kept, and as long as they may be.
    #[cold]
    fn poll_greeting(&mut self, cx: &mut Context<'_>, cursor: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut so_far = std::mem::take(&mut self.held);
            let length = so_far.len();
            if so_far.starts_with(HTTP_2) {
                self.held = so_far;
                self.state.http2.set(true);
                // hyper would close: its keeper takes over.
                return Poll::Pending;
            }
            if !HTTP_2.starts_with(&so_far) {
                self.fresh = false;
                let length = ready!(self.hand_on(&so_far, cursor))?;
                self.held = so_far.split_off(length);
                return Poll::Ready(Ok(()));
            }
            self.held = so_far;
            if length > 0 && self.state.stage() == Stage::Idle {
                self.state.enter(Stage::Head);
            }
            ready!(SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch.as_mut_slice());
                ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut buffer))?;
                self.held = [&self.held[..], buffer.filled()].concat().into();
                Poll::Ready(Ok::<_, io::Error>(()))
            }))?;
            if self.held.len() == length {
                // There will be no more.
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// A body that broke off, as far as hyper is concerned: whoever reads it answers for it.
#[cold]
fn broken(why: BadBody) -> io::Error {
    metrics::client_refused(metrics::Refused::BadBody);
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.fresh {
            return this.poll_greeting(cx, &mut cursor);
        }
        if this.body.is_over() && this.state.is_answering() {
            return this.poll_behind(cx);
        }
        if !this.held.is_empty() {
            let mut held = std::mem::take(&mut this.held);
            let length = ready!(this.hand_on(&held, &mut cursor))?;
            this.held = held.split_off(length);
            return Poll::Ready(Ok(()));
        }
        if let Framing::Length(left) = this.body
            && left >= cursor.remaining() as u64
        {
            // All that fits is the body's.
            ready!(Pin::new(&mut this.io).poll_read(cx, cursor))?;
            let read = this.io.inner().last_read() as u64;
            this.body = Framing::of_length(left.saturating_sub(read));
            return Poll::Ready(Ok(()));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let most = scratch.len().min(cursor.remaining());
            let mut buffer = ReadBuf::new(&mut scratch[..most]);
            ready!(Pin::new(this.io.inner_mut()).poll_read(cx, &mut buffer))?;
            let bytes = buffer.filled();
            let length = ready!(this.hand_on(bytes, &mut cursor))?;
            if length < bytes.len() {
                this.held = Bytes::copy_from_slice(&bytes[length..]);
            }
            Poll::Ready(Ok(()))
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Remembers whether the client takes what it is sent.
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        let blocked = &self.state.blocked;
        match &written {
            Poll::Ready(_) => blocked.set(None),
            Poll::Pending if blocked.get().is_none() => blocked.set(Some(clock::now())),
            Poll::Pending => {}
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.is_http2() || self.state.refused().is_some() {
            // It ends for hyper's HTTP/1.1 alone: more will be said.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
