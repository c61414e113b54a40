//! A client's end of the wire, as hyper reads and writes it: heads are looked at on their way in, and who shares the
//! connection learns what it waits for.

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

use super::head::{Ambiguous, Head, Seen};
use crate::clock::{self, Moment};
use crate::quiet::{Ear, Quiet};

/// How much of a head is read at once.
const CHUNK: usize = 8 * 1024;

/// How a client of HTTP/2 begins. RFC 9113 §3.4.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

thread_local! {
    /// Where heads are read to, on their way to hyper: one for all connections of a core.
    static SCRATCH: RefCell<Box<[u8; CHUNK]>> = RefCell::new(Box::new([0; CHUNK]));
}

/// What a connection is at. Its socket, its requests and its keeper share it.
pub(super) struct State {
    stage: Cell<Stage>,
    /// When that began.
    since: Cell<Moment>,
    /// Since when the client takes nothing of what it is sent.
    blocked: Cell<Option<Moment>>,
    refused: Cell<Option<Ambiguous>>,
    /// Who would have read while the client was [`Stage::Upgrading`].
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

    /// Why the connection was ended from here.
    pub(super) fn refused(&self) -> Option<Ambiguous> {
        self.refused.get()
    }

    /// The client goes on with HTTP.
    #[cold]
    pub(super) fn resume(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.since.set(clock::now());
    }
}

/// A client's socket.
pub(super) struct Socket<S> {
    io: TokioIo<Quiet<S>>,
    state: Rc<State>,
    head: Head,
    /// What came behind a head, or while nobody read.
    held: Bytes,
    /// Nothing was handed on yet, and the client may speak HTTP/2.
    fresh: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(stream: S, state: Rc<State>, may_be_http2: bool) -> Self {
        let io = TokioIo::new(Quiet::new(stream));
        Self { io, state, head: Head::default(), held: Bytes::new(), fresh: may_be_http2 }
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
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch.as_mut_slice());
            let read = ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut buffer));
            self.held = Bytes::copy_from_slice(buffer.filled());
            Poll::Ready(read.is_ok() && !self.held.is_empty())
        })
    }

    /// The stream, and what came of it that nobody has read.
    pub(super) fn into_inner(self) -> (S, Bytes) {
        (self.io.into_inner().into_inner(), self.held)
    }

    /// Hands the bytes of a head on, and nothing of what is behind it: that is a body's, and it is not known yet.
    fn read_head(&mut self, bytes: &[u8], cursor: &mut ReadBufCursor<'_>) -> Result<usize, Ambiguous> {
        let most = bytes.len().min(cursor.remaining());
        let length = match self.head.look(&bytes[..most]) {
            Seen::Part => most,
            Seen::End(end) => end,
            Seen::Wrong(why) => return Err(why),
        };
        if self.state.stage() == Stage::Idle && self.head.is_partial() {
            self.state.enter(Stage::Head);
        }
        cursor.put_slice(&bytes[..length]);
        Ok(length)
    }

    /// The first bytes of a connection: if they are the preface of HTTP/2 they are kept, and as long as they may be.
    #[cold]
    fn poll_greeting(&mut self, cx: &mut Context<'_>, cursor: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        loop {
            let so_far = std::mem::take(&mut self.held);
            let length = so_far.len();
            if so_far.starts_with(HTTP_2) {
                self.held = so_far;
                self.state.http2.set(true);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the preface of HTTP/2")));
            }
            if !HTTP_2.starts_with(&so_far) {
                self.fresh = false;
                let length = self.read_head(&so_far, cursor).map_err(|why| self.refuse(why))?;
                self.held = so_far.slice(length..);
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

    /// Ends the connection as far as hyper is concerned: its keeper tells the client why.
    #[cold]
    fn refuse(&self, why: Ambiguous) -> io::Error {
        self.state.refused.set(Some(why));
        io::Error::new(io::ErrorKind::InvalidData, "an ambiguous head")
    }
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
        if this.state.stage() == Stage::Upgrading {
            this.state.reader.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        if matches!(this.state.stage(), Stage::Body | Stage::Left) {
            if this.held.is_empty() {
                return Pin::new(&mut this.io).poll_read(cx, cursor);
            }
            let held = this.held.split_to(this.held.len().min(cursor.remaining()));
            cursor.put_slice(&held);
            return Poll::Ready(Ok(()));
        }
        if !this.held.is_empty() {
            let held = std::mem::take(&mut this.held);
            let length = this.read_head(&held, &mut cursor).map_err(|why| this.refuse(why))?;
            this.held = held.slice(length..);
            return Poll::Ready(Ok(()));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let most = scratch.len().min(cursor.remaining());
            let mut buffer = ReadBuf::new(&mut scratch[..most]);
            ready!(Pin::new(this.io.inner_mut()).poll_read(cx, &mut buffer))?;
            let bytes = buffer.filled();
            let length = this.read_head(bytes, &mut cursor).map_err(|why| this.refuse(why))?;
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
        if self.state.is_http2() {
            // It ends for hyper's HTTP/1.1 alone.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
