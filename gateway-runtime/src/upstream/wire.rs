//! One connection to an upstream, driven by whoever uses it.
//!
//! hyper gives a connection in two halves: one that takes requests, and one that moves bytes. The second is usually a task
//! of its own; here it is polled by the task that waits for the response, and then for its body. So a request wakes one
//! task in place of two, and a connection that rests costs nothing: after a while it gives even its buffers back.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use gateway_sdk::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::{self, Moment};
use crate::quiet::{Ear, Quiet};
use crate::stream::Stream;
use crate::written::Written;

/// Why there is no response; a request that was not sent is given back.
pub(super) type Failed = TrySendError<hyper::Request<Body>>;

pub(super) struct Wire {
    sender: SendRequest<Body>,
    /// `None` once the connection has ended, and while it has no buffers.
    driver: Option<Connection<TokioIo<Quiet<Stream>>, Body>>,
    /// The stream of a connection without buffers.
    bare: Option<Quiet<Stream>>,
    canonical_names: bool,
    /// It has ended in the middle of something.
    unread: bool,
    ear: Arc<Ear>,
    talk: Arc<Talk>,
    waker: Waker,
    pub(super) begun: Moment,
    pub(super) written: Arc<Written>,
}

/// What the two halves of a connection tell each other: that a request is queued, or that a body is wanted. Nearly all of
/// it is told within a poll of the task that it would wake.
struct Talk {
    ear: Arc<Ear>,
    /// The task is about to look by itself.
    covered: AtomicBool,
    told: AtomicBool,
}

impl Wake for Talk {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.told.store(true, Ordering::Release);
        if !self.covered.load(Ordering::Acquire) {
            self.ear.nudge();
        }
    }
}

impl Talk {
    /// Runs `act`, and says whether something was told meanwhile.
    fn covered<T>(&self, act: impl FnOnce() -> T) -> (T, bool) {
        self.told.store(false, Ordering::Release);
        self.covered.store(true, Ordering::Release);
        let value = act();
        self.covered.store(false, Ordering::Release);
        (value, self.told.load(Ordering::Acquire))
    }
}

impl Wire {
    /// Speaks HTTP/1.1 on `stream`.
    pub(super) async fn new(stream: Stream, canonical_names: bool) -> hyper::Result<Box<Self>> {
        debug_assert!(stream.is_write_vectored(), "see `give_back`");
        let written = Arc::<Written>::default();
        let stream = Quiet::new(stream).telling(Arc::clone(&written));
        let ear = stream.ear();
        let talk =
            Arc::new(Talk { ear: Arc::clone(&ear), covered: AtomicBool::new(false), told: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&talk));
        let (sender, driver) = speak(stream, canonical_names).await?;
        let (driver, begun) = (Some(driver), clock::now());
        let wire =
            Self { sender, driver, bare: None, canonical_names, unread: false, ear, talk, waker, begun, written };
        Ok(Box::new(wire))
    }

    /// Gives the buffers of a connection back that has been at rest for a while.
    pub(super) fn give_back(&mut self) {
        // hyper is ready for another request when the last one is written, as it writes heads and bodies from where they are.
        if self.sender.is_ready()
            && let Some(driver) = self.driver.take()
        {
            let parts = driver.into_parts();
            // What has come unasked is the upstream's last word, as hyper sees it.
            self.bare = parts.read_buf.is_empty().then(|| parts.io.into_inner());
        }
    }

    /// Makes it ready for another request; `false` if it has ended.
    pub(super) fn wake(&mut self) -> bool {
        let Some(stream) = self.bare.take() else { return self.driver.is_some() };
        // There is nothing to wait for.
        let Poll::Ready(Ok((sender, driver))) = pin!(speak(stream, self.canonical_names)).poll(&mut unheard()) else {
            return false;
        };
        (self.sender, self.driver) = (sender, Some(driver));
        true
    }

    /// Queues a request. What it comes to is polled by [`Wire::poll_response`].
    pub(super) fn send(
        &mut self,
        request: hyper::Request<Body>,
    ) -> impl Future<Output = Result<hyper::Response<Incoming>, Failed>> + use<> {
        let sender = &mut self.sender;
        self.talk.covered(|| sender.try_send_request(request)).0
    }

    /// Waits for the head of a response.
    pub(super) fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        response: Pin<&mut impl Future<Output = Result<hyper::Response<Incoming>, Failed>>>,
    ) -> Poll<Result<hyper::Response<Incoming>, Box<Failed>>> {
        self.drive(cx);
        response.poll(&mut unheard()).map_err(Box::new)
    }

    /// Moves what can be moved. The task is woken when there is more.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else { return };
        self.ear.listen(cx);
        if let Poll::Ready(ended) = driver.poll_without_shutdown(&mut Context::from_waker(&self.waker)) {
            if let Err(error) = ended {
                tracing::debug!(error = %super::chain(&error), "upstream connection ended");
            }
            // What waits for it is told so by its end.
            self.end();
        }
    }

    fn end(&mut self) {
        let ended = self.driver.take().map(Connection::into_parts);
        self.unread |= ended.is_some_and(|parts| !parts.read_buf.is_empty());
    }

    /// Ends it, and says whether a response had begun that did not come to its end.
    pub(super) fn has_begun(&mut self) -> bool {
        self.end();
        self.unread
    }

    /// Polls what has come of a body with the last turn.
    pub(super) fn peek<T>(&mut self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.talk.covered(|| poll(&mut unheard())).0
    }

    /// Polls a body of this connection, which moves as this moves.
    pub(super) fn poll_body<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let (Poll::Ready(ready), _) = self.talk.covered(|| poll(&mut unheard())) {
                return Poll::Ready(ready);
            }
            self.drive(cx);
            match self.talk.covered(|| poll(&mut unheard())) {
                // The other half was told that more is wanted.
                (Poll::Pending, true) => {}
                (polled, _) => return polled,
            }
        }
    }

    /// Lets it rest; `false` if it cannot take another request.
    pub(super) fn rest(&mut self) -> bool {
        self.ear.rest();
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether the upstream is known to have ended it.
    pub(super) fn has_ended(&mut self) -> bool {
        if let Some(stream) = &mut self.bare {
            // Nothing is to come: whatever does is the end.
            let mut byte = [0];
            return Pin::new(stream).poll_read(&mut unheard(), &mut ReadBuf::new(&mut byte)).is_ready();
        }
        self.drive(&mut unheard());
        self.driver.is_none() || self.sender.is_closed()
    }
}

/// Both halves of a connection, with new buffers.
async fn speak(
    stream: Quiet<Stream>,
    canonical_names: bool,
) -> hyper::Result<(SendRequest<Body>, Connection<TokioIo<Quiet<Stream>>, Body>)> {
    Builder::new().title_case_headers(canonical_names).handshake(TokioIo::new(stream)).await
}

/// For what becomes ready only by a poll of ours.
fn unheard() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Both ends of a connection.
    async fn connected() -> (Box<Wire>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let wire = Wire::new(Stream::Plain(stream.expect("connected")), false).await.expect("nothing is said yet");
        (wire, accepted.expect("accepted").0)
    }

    /// Asks once, and lets it rest.
    async fn ask(wire: &mut Wire, server: &mut TcpStream, path: &'static str) {
        let mut response = pin!(wire.send(hyper::Request::get(path).body(Body::empty()).expect("a request")));
        let answers = async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(server.read_u8().await.expect("a request"));
            }
            server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("it listens");
            String::from_utf8(head).expect("ASCII")
        };
        let answered = poll_fn(|cx| wire.poll_response(cx, response.as_mut()));
        let (answer, asked) = tokio::join!(answered, answers);
        assert_eq!(answer.map_err(|failed| failed.into_error()).expect("an answer").status(), 204);
        assert!(asked.starts_with(&format!("GET {path} ")), "{asked}");
        assert!(wire.rest(), "it can be asked again");
    }

    #[tokio::test]
    async fn a_connection_without_buffers_gets_new_ones_with_its_next_request() {
        let (mut wire, mut server) = connected().await;
        for path in ["/first", "/second", "/third"] {
            ask(&mut wire, &mut server, path).await;
            wire.give_back();
            assert!(wire.driver.is_none() && !wire.has_ended());
            assert!(wire.wake() && wire.driver.is_some());
        }
    }

    /// Nothing is to come on it: what does is an end too.
    #[tokio::test]
    async fn the_end_of_a_connection_without_buffers_is_seen() {
        for last_words in ["", "HTTP/1.1 408 Request Timeout\r\n\r\n"] {
            let (mut wire, mut server) = connected().await;
            ask(&mut wire, &mut server, "/").await;
            wire.give_back();
            assert!(!wire.has_ended());
            server.write_all(last_words.as_bytes()).await.expect("it listens");
            if last_words.is_empty() {
                drop(server);
            }
            let seen = async {
                while !wire.has_ended() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), seen).await.expect("the runtime hears of it");
        }
    }
}
