//! Requests for another protocol, such as WebSocket: once both sides agree, bytes are passed on and nobody looks.
//!
//! Source: RFC 9110 §7.8; Tyk, `gateway/reverse_proxy.go`, `internal/httputil/streaming.go`. Tyk knows `Connection:
//! upgrade` alone; here it may be one of a list, as browsers write it.

use std::io;
use std::sync::Arc;

use gateway_sdk::http::header::{CONNECTION, UPGRADE};
use gateway_sdk::http::{Version, request};
use gateway_sdk::{Body, HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::target::Origin;
use super::{ForwardError, Rules, body, connect, headers};

/// What a client asked for. It travels in the extensions of the request.
#[derive(Clone)]
pub(super) struct Wanted {
    /// The header, as the client wrote it.
    protocol: HeaderValue,
}

/// Remembers that a client asks for another protocol, before the headers of its connection are removed.
///
/// HTTP/2 is no wish that is granted: what a client would then say to an upstream, no plugin would see.
pub(crate) fn remember(head: &mut request::Parts) {
    if head.version != Version::HTTP_11 || !names_upgrade(&head.headers) {
        return;
    }
    let mut protocols = head.headers.get_all(UPGRADE).iter();
    let protocol = protocols.next().filter(|value| protocols.next().is_none() && !names_http(value)).cloned();
    if let Some(protocol) = protocol {
        head.extensions.insert(Wanted { protocol });
    }
}

/// Whether a request's client asks for another protocol.
pub(crate) fn is_wanted(request: &mut Request) -> bool {
    request.extensions_mut().get::<Wanted>().is_some()
}

/// What a request's client asks for.
pub(super) fn wanted(request: &mut Request) -> Option<Wanted> {
    request.extensions_mut().remove()
}

/// The tunnel that an upstream has agreed to. It begins once the response is sent.
pub(crate) fn tunnel(response: &mut hyper::Response<Body>) -> Option<Tunnel> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    response.extensions_mut().remove()
}

/// Whether `Connection` names `upgrade`.
fn names_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter();
    let mut tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

fn names_http(protocols: &HeaderValue) -> bool {
    let mut names = protocols.as_bytes().split(|byte| *byte == b',');
    names.any(|name| {
        let name = name.trim_ascii().to_ascii_lowercase();
        name == b"h2c" || name == b"h2" || name.starts_with(b"http/")
    })
}

/// An upstream that speaks another protocol with the client from now on.
#[derive(Clone)]
pub(crate) struct Tunnel(OnUpgrade);

impl Tunnel {
    /// Passes bytes on in both directions, until both sides have ended or one is gone. `early` is what the client has
    /// said already.
    pub(crate) async fn run(self, mut client: impl AsyncRead + AsyncWrite + Unpin, early: &[u8]) {
        let copied = async {
            let mut upstream = TokioIo::new(self.0.await.map_err(io::Error::other)?);
            upstream.write_all(early).await?;
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await
        };
        match copied.await {
            Ok((sent, received)) => tracing::debug!(sent, received, "a tunnel ended"),
            Err(error) => tracing::debug!(%error, "a tunnel broke"),
        }
    }
}

/// Asks an upstream for another protocol, on a connection of its own.
///
/// # Errors
/// When there is no response. One that does not agree is a response like others.
pub(super) async fn exchange(
    mut request: hyper::Request<Body>,
    Wanted { protocol }: Wanted,
    origin: &Arc<Origin>,
    rules: Rules,
) -> Result<Response, ForwardError> {
    let stream = connect::connect(origin, true).await?;
    let mut builder = http1::Builder::new();
    builder.title_case_headers(rules.canonical_names);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(ForwardError::Exchange)?;
    tokio::spawn(connection.with_upgrades());
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(UPGRADE, protocol.clone());
    let mut response = sender.send_request(request).await.map_err(super::told)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (mut head, incoming) = response.into_parts();
        head.version = Version::HTTP_11;
        headers::from_upstream(&mut head.headers)?;
        return Ok(Response::from_parts(head, body::Plain::of(incoming, ())));
    }
    let upstream = hyper::upgrade::on(&mut response);
    let (mut head, _) = response.into_parts();
    let agreed = head.headers.remove(UPGRADE);
    headers::toward_client(&mut head.headers);
    head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    head.headers.insert(UPGRADE, agreed.unwrap_or(protocol));
    head.extensions.insert(Tunnel(upstream));
    Ok(Response::from_parts(head, Body::empty()))
}
