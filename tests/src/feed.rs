//! A body that is fed while it is sent: whoever holds the [`Feed`] decides when what comes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use tokio::sync::mpsc;

/// A body of the harness, whole or fed.
pub type Payload = BoxBody<Bytes, BrokenOff>;

/// The sender stopped on purpose before the end.
#[derive(Debug, Clone, Copy)]
pub struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off on purpose")
    }
}

impl std::error::Error for BrokenOff {}

/// A body that is there already.
pub fn whole(bytes: impl Into<Bytes>) -> Payload {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body to be fed.
#[must_use]
pub fn feed() -> (Feed, Payload) {
    let (sender, frames) = mpsc::unbounded_channel();
    (Feed(sender), Fed(frames).boxed())
}

/// What feeds a body. Dropping it ends the body.
#[derive(Debug)]
pub struct Feed(mpsc::UnboundedSender<Result<Frame<Bytes>, BrokenOff>>);

impl Feed {
    /// Sends a piece.
    pub fn data(&self, bytes: impl Into<Bytes>) {
        self.put(Ok(Frame::data(bytes.into())));
    }

    /// Ends with trailers.
    pub fn trailers(self, trailers: HeaderMap) {
        self.put(Ok(Frame::trailers(trailers)));
    }

    /// Stops without an end: the connection is closed.
    pub fn break_off(self) {
        self.put(Err(BrokenOff));
    }

    fn put(&self, frame: Result<Frame<Bytes>, BrokenOff>) {
        // Whoever would have sent it may be gone: then the test sees that at the other end.
        let _ = self.0.send(frame);
    }
}

struct Fed(mpsc::UnboundedReceiver<Result<Frame<Bytes>, BrokenOff>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.0.poll_recv(cx)
    }
}
