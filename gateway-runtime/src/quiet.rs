//! A stream that is asked only when it may have something to say.
//!
//! hyper looks for bytes several times in each turn of a connection, and nearly always in vain. Every look that reaches the
//! runtime costs more than the rest of the turn's bookkeeping, so it ends here: once a read would have waited, the
//! stream is not asked again until its waker was called.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::written::Written;

/// The ear of a stream: it is woken in place of the task, and wakes it.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    /// The task that uses the stream; there is none while it rests.
    user: AtomicWaker,
    /// Something was heard since the last read.
    heard: AtomicBool,
}

impl Wake for Ear {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.heard.store(true, Ordering::Release);
        self.user.wake();
    }
}

impl Ear {
    /// The task to wake from here on.
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        self.user.register(cx.waker());
    }

    /// Nobody is woken from here on.
    pub(crate) fn rest(&self) {
        self.user.take();
    }

    /// Wakes the task, without a word from the stream.
    pub(crate) fn nudge(&self) {
        self.user.wake();
    }
}

/// A stream with an ear.
#[derive(Debug)]
pub(crate) struct Quiet<S> {
    stream: S,
    ear: Arc<Ear>,
    waker: Waker,
    /// The last read would have waited.
    blocked: bool,
    /// How many bytes the last read gave.
    last_read: usize,
    /// Who is told what is written.
    written: Option<Arc<Written>>,
}

impl<S> Quiet<S> {
    pub(crate) fn new(stream: S) -> Self {
        let ear = Arc::<Ear>::default();
        let waker = Waker::from(Arc::clone(&ear));
        Self { stream, ear, waker, blocked: false, last_read: 0, written: None }
    }

    /// The same, which tells what it is about to write.
    pub(crate) fn telling(mut self, written: Arc<Written>) -> Self {
        self.written = Some(written);
        self
    }

    /// How many bytes the last read gave.
    pub(crate) fn last_read(&self) -> usize {
        self.last_read
    }

    pub(crate) fn ear(&self) -> Arc<Ear> {
        Arc::clone(&self.ear)
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quiet<S> {
    /// The task that is woken is the ear's, whatever `cx` says.
    fn poll_read(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.blocked && !this.ear.heard.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before the read: what is heard while it runs is not lost.
        this.ear.heard.store(false, Ordering::Release);
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(&mut Context::from_waker(&this.waker), buffer);
        this.last_read = buffer.filled().len() - before;
        this.blocked = read.is_pending();
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quiet<S> {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(written) = &this.written {
            written.note(&[IoSlice::new(bytes)]);
        }
        Pin::new(&mut this.stream).poll_write(&mut Context::from_waker(&this.waker), bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        Pin::new(&mut this.stream).poll_flush(&mut Context::from_waker(&this.waker))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        Pin::new(&mut this.stream).poll_shutdown(&mut Context::from_waker(&this.waker))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(written) = &this.written {
            written.note(parts);
        }
        Pin::new(&mut this.stream).poll_write_vectored(&mut Context::from_waker(&this.waker), parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
