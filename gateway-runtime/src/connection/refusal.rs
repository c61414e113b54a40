//! Why a connection is ended from here, and how its client is told.

use std::error::Error;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::head::BadHead;
use super::socket::Socket;
use super::{GRACE, State};
use crate::metrics::{self, Refused};
use crate::serve::Peer;

/// Why a connection is ended from here, in the middle of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Head(#[from] BadHead),
    #[error("the head of the request did not arrive in time")]
    SlowHead,
    #[error("the client takes nothing of its answer")]
    Stuck,
}

impl Refusal {
    /// What the client is told, and what is counted.
    fn told(self) -> (Option<&'static str>, Refused) {
        match self {
            Self::Head(BadHead::LongTarget) => (Some("414 URI Too Long"), Refused::LongHead),
            Self::Head(BadHead::TooLong | BadHead::TooMany) => {
                (Some("431 Request Header Fields Too Large"), Refused::LongHead)
            }
            Self::Head(BadHead::Version) => (Some("505 HTTP Version Not Supported"), Refused::BadHead),
            Self::Head(BadHead::Tunnel) => (Some("405 Method Not Allowed"), Refused::BadHead),
            Self::Head(_) => (Some("400 Bad Request"), Refused::BadHead),
            Self::SlowHead => (Some("408 Request Timeout"), Refused::SlowHead),
            // It would not take this either.
            Self::Stuck => (None, Refused::Stuck),
        }
    }
}

/// Ends a connection, and tells its client why, as far as it listens.
#[cold]
pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    why: Refusal,
    socket: Socket<S>,
    state: &State,
    peer: &Peer,
) {
    tracing::info!(client = %peer.address, fault = "client", error = %why, "connection refused");
    let (status, counted) = why.told();
    metrics::client_refused(counted);
    let Some(status) = status else { return };
    let (stream, _) = socket.into_inner();
    // In the middle of an answer it would be taken for a part of it.
    let answer = if state.is_answering() || state.blocked().is_some() { Bytes::new() } else { said(status) };
    end(stream, &answer).await;
}

/// hyper has refused a head by itself, and has said so.
#[cold]
pub(super) async fn refused<S: AsyncRead + AsyncWrite + Unpin>(error: &hyper::Error, socket: Socket<S>, peer: &Peer) {
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    tracing::info!(client = %peer.address, fault = "client", error = %reason, "connection refused");
    metrics::client_refused(if error.is_parse_too_large() { Refused::LongHead } else { Refused::BadHead });
    end(socket.into_inner().0, b"").await;
}

/// A whole answer, the last of its connection.
pub(crate) fn said(status: &str) -> Bytes {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").into()
}

/// Says a last thing, and closes.
pub(crate) async fn end<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &[u8]) {
    let told = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        // What is unread when a socket is closed takes the answer with it.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(GRACE, told).await;
}
