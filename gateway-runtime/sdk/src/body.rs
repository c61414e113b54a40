//! [`Body`]: the bytes of a message, streamed unless somebody asks for them.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

/// A streamed body as the gateway hands it in: `Send` and `Sync`, so that a plugin may hold it across an `await`.
pub type BodyStream =
    Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send + Sync + 'static>>;

/// The body of a request or a response.
///
/// A body that came over the wire is a stream, and stays one until a plugin asks for its bytes
/// ([`Body::bytes`]). What was read is kept: the next plugin, and the upstream, see all of it.
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full { data: Bytes, trailers: Option<HeaderMap> },
    Stream { read: VecDeque<Bytes>, rest: BodyStream },
}

impl Body {
    /// A body without bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// A body whose bytes arrive later.
    #[must_use]
    pub fn stream(stream: BodyStream) -> Self {
        Self(Inner::Stream { read: VecDeque::new(), rest: stream })
    }

    /// The length in bytes, where it is known before reading.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }

    /// Whether it is known that there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Whether all bytes are in memory: they were set by a plugin, or read by one.
    #[must_use]
    pub fn is_buffered(&self) -> bool {
        !matches!(self.0, Inner::Stream { .. })
    }

    /// Reads the whole body, and keeps it: calling this again is free, and the upstream still gets every byte.
    ///
    /// `limit` is in bytes. Choose the smallest that makes sense for the API: this much memory may be held for every
    /// request in flight.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] above the limit, [`BodyError::Broken`] when the sender stopped early. What was read by
    /// then is not lost: the body can still be forwarded.
    pub async fn bytes(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = || BodyError::TooLarge { limit_bytes: limit };
        if self.len().is_some_and(|len| len > limit as u64) {
            return Err(too_large());
        }
        let Inner::Stream { read, rest } = &mut self.0 else {
            return Ok(self.buffered().unwrap_or_default());
        };
        let mut length: usize = read.iter().map(Bytes::len).sum();
        let mut trailers = None;
        while let Some(frame) = std::future::poll_fn(|cx| rest.as_mut().poll_frame(cx)).await {
            match frame?.into_data() {
                Ok(data) => {
                    length += data.len();
                    read.push_back(data);
                    if length > limit {
                        return Err(too_large());
                    }
                }
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        let data = match read.pop_front() {
            None => Bytes::new(),
            Some(only) if read.is_empty() => only,
            Some(first) => {
                let mut joined = Vec::with_capacity(length);
                joined.extend_from_slice(&first);
                read.iter().for_each(|chunk| joined.extend_from_slice(chunk));
                joined.into()
            }
        };
        self.0 = Inner::Full { data: data.clone(), trailers };
        Ok(data)
    }

    /// The bytes, if they are in memory already.
    #[must_use]
    pub fn buffered(&self) -> Option<Bytes> {
        match &self.0 {
            Inner::Empty => Some(Bytes::new()),
            Inner::Full { data, .. } => Some(data.clone()),
            Inner::Stream { .. } => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full { data, trailers } => Poll::Ready(if data.is_empty() {
                trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))
            } else {
                Some(Ok(Frame::data(std::mem::take(data))))
            }),
            Inner::Stream { read, rest } => match read.pop_front() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                None => rest.as_mut().poll_frame(cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full { data, trailers } => data.is_empty() && trailers.is_none(),
            Inner::Stream { read, rest } => read.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full { data, .. } => SizeHint::with_exact(data.len() as u64),
            Inner::Stream { read, rest } => {
                let read: u64 = read.iter().map(|chunk| chunk.len() as u64).sum();
                let mut hint = rest.size_hint();
                if let Some(upper) = hint.upper() {
                    hint.set_upper(upper + read);
                }
                hint.set_lower(hint.lower() + read);
                hint
            }
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("Body(empty)"),
            Inner::Full { data, .. } => write!(f, "Body({} bytes)", data.len()),
            Inner::Stream { .. } => f.write_str("Body(stream)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(data: Bytes) -> Self {
        if data.is_empty() { Self::empty() } else { Self(Inner::Full { data, trailers: None }) }
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

/// Why a body could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// More bytes than the caller allowed.
    TooLarge {
        /// What the caller allowed, in bytes.
        limit_bytes: usize,
    },
    /// The sender closed, stalled or broke the protocol.
    Broken(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit_bytes } => {
                write!(f, "the body is larger than {limit_bytes} bytes")
            }
            Self::Broken(_) => f.write_str("the body ended before it was complete"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Broken(source) => Some(source.as_ref()),
        }
    }
}
