//! [`Body`]: the bytes of a message, streamed unless somebody asks for them.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

/// A streamed body as the gateway hands it in: `Send` and `Sync`, so that a plugin may hold it across an `await`.
pub type BodyStream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send + Sync + 'static>>;

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
    Full {
        data: Bytes,
        trailers: Option<Box<HeaderMap>>,
    },
    Stream(Stream),
}

/// What was read of a stream, and what was not.
struct Stream {
    read: VecDeque<Bytes>,
    /// They were read too: they come after all bytes.
    trailers: Option<Box<HeaderMap>>,
    rest: BodyStream,
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
        Self(Inner::Stream(Stream { read: VecDeque::new(), trailers: None, rest: stream }))
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
        !matches!(self.0, Inner::Stream(_))
    }

    /// Reads the whole body, and keeps it: calling this again is free, and the upstream still gets every byte.
    ///
    /// `limit` is in bytes. Choose the smallest that makes sense for the API: this much memory may be held for every
    /// request in flight.
    ///
    /// A call that is cancelled, by a time-out for example, loses nothing: the next one goes on where it stopped.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] above the limit: what was read by then is not lost, and the body can still be forwarded,
    /// or read with a larger limit. [`BodyError::Broken`] when the sender stopped early: whoever reads on gets what
    /// came, then the same error, so that half a body is never taken for a whole one.
    pub async fn bytes(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = || BodyError::TooLarge { limit_bytes: limit };
        if self.len().is_some_and(|len| len > limit as u64) {
            return Err(too_large());
        }
        self.fill(limit).await?;
        self.buffered().ok_or_else(too_large)
    }

    /// Reads the first `length` bytes, or all if there are fewer, and keeps them: whoever reads the body gets every byte.
    ///
    /// # Errors
    /// [`BodyError::Broken`] when the sender stopped before that.
    pub async fn beginning(&mut self, length: usize) -> Result<Bytes, BodyError> {
        self.fill(length).await?;
        let mut beginning = match &self.0 {
            Inner::Stream(stream) => joined(&stream.read, length),
            _ => self.buffered().unwrap_or_default(),
        };
        beginning.truncate(length);
        Ok(beginning)
    }

    /// Reads until there are more than `limit` bytes, or all.
    async fn fill(&mut self, limit: usize) -> Result<(), BodyError> {
        let Inner::Stream(stream) = &mut self.0 else { return Ok(()) };
        let mut length: usize = stream.read.iter().map(Bytes::len).sum();
        while length <= limit {
            let Some(frame) = poll_fn(|cx| stream.rest.as_mut().poll_frame(cx)).await else {
                let data = joined(&stream.read, length);
                let trailers = stream.trailers.take();
                self.0 = Inner::Full { data, trailers };
                return Ok(());
            };
            let frame = frame.map_err(|error| stream.breaks(error))?;
            match frame.into_data() {
                Ok(data) => {
                    length += data.len();
                    stream.read.push_back(data);
                }
                Err(frame) => stream.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        Ok(())
    }

    /// Where the stream is that this body is, if nothing was read of it: whoever made it knows it by that. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn unread(&self) -> Option<*const ()> {
        match &self.0 {
            Inner::Stream(Stream { read, trailers: None, rest }) if read.is_empty() => {
                Some(std::ptr::from_ref(rest.as_ref().get_ref()).cast())
            }
            _ => None,
        }
    }

    /// The bytes, if they are in memory already.
    #[must_use]
    pub fn buffered(&self) -> Option<Bytes> {
        match &self.0 {
            Inner::Empty => Some(Bytes::new()),
            Inner::Full { data, .. } => Some(data.clone()),
            Inner::Stream(_) => None,
        }
    }
}

impl Stream {
    /// Remembers that the sender broke off: most streams say so once, and then look as if they had ended.
    fn breaks(&mut self, error: BodyError) -> BodyError {
        self.rest = Box::pin(Broken::by(&error));
        error
    }
}

/// What is left of a broken stream: the same error, whenever it is asked. `Err` is a limit that was passed.
struct Broken(Result<String, usize>);

impl Broken {
    fn by(error: &BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit_bytes } => Self(Err(*limit_bytes)),
            BodyError::Broken(source) => Self(Ok(source.to_string())),
            BodyError::OfResponse(error) => Self::by(error),
        }
    }
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Err(match &self.0 {
            Ok(reason) => BodyError::Broken(reason.clone().into()),
            Err(limit_bytes) => BodyError::TooLarge { limit_bytes: *limit_bytes },
        })))
    }
}

fn joined(read: &VecDeque<Bytes>, length: usize) -> Bytes {
    match read.len() {
        0 => Bytes::new(),
        1 => read[0].clone(),
        _ => {
            let mut joined = Vec::with_capacity(length);
            read.iter().for_each(|chunk| joined.extend_from_slice(chunk));
            joined.into()
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full { data, trailers } => Poll::Ready(if data.is_empty() {
                trailers.take().map(|trailers| Ok(Frame::trailers(*trailers)))
            } else {
                Some(Ok(Frame::data(std::mem::take(data))))
            }),
            Inner::Stream(stream) => match stream.read.pop_front() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                None => match stream.trailers.take() {
                    Some(trailers) => Poll::Ready(Some(Ok(Frame::trailers(*trailers)))),
                    None => stream.rest.as_mut().poll_frame(cx),
                },
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full { data, trailers } => data.is_empty() && trailers.is_none(),
            Inner::Stream(stream) => stream.read.is_empty() && stream.trailers.is_none() && stream.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full { data, .. } => SizeHint::with_exact(data.len() as u64),
            Inner::Stream(stream) => {
                let read: u64 = stream.read.iter().map(|chunk| chunk.len() as u64).sum();
                let mut hint = stream.rest.size_hint();
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
            Inner::Stream(_) => f.write_str("Body(stream)"),
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
    /// One of these, of an upstream's response: it is not the client's fault.
    OfResponse(Box<BodyError>),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit_bytes } => {
                write!(f, "the body is larger than {limit_bytes} bytes")
            }
            Self::Broken(_) => f.write_str("the body ended before it was complete"),
            Self::OfResponse(error) => error.fmt(f),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Broken(source) => Some(source.as_ref()),
            Self::OfResponse(error) => error.source(),
        }
    }
}
