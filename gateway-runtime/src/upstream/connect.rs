//! From an origin to a connection: its addresses, TCP, a proxy if there is one, TLS if it is spoken.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use gateway_sdk::http::header::{HOST, PROXY_AUTHORIZATION};
use gateway_sdk::http::uri::Authority;
use gateway_sdk::{Body, Method, StatusCode};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::target::{Origin, Speech};
use super::transport::ForwardProxy;
use super::{ForwardError, dns};
use crate::stream::Stream;
use crate::tls::client;

/// Whether HTTP/2 is spoken on a stream, by the server's choice or as it is known to be.
pub(super) fn speaks_http2(stream: &Stream, origin: &Origin) -> bool {
    match stream {
        Stream::Plain(_) => origin.speech == Speech::H2c,
        Stream::Tls(stream) => client::chose_http2(stream),
    }
}

/// Connects to an origin. `only_http1` asks a TLS server for HTTP/1.1, even where HTTP/2 would be offered.
///
/// # Errors
/// When the name is unknown, nobody answers, or the one who does is not who was asked for.
pub(super) async fn connect(origin: &Arc<Origin>, only_http1: bool) -> Result<Stream, ForwardError> {
    let stream = match &origin.proxy {
        None => tcp(origin, &origin.host, origin.port).await?,
        Some(proxy) => {
            let stream = tcp(origin, &proxy.host, proxy.port).await?;
            // A request for a plain origin goes to the proxy as it is, with its whole URL.
            if origin.speech == Speech::Plain { stream } else { tunnel(origin, proxy, stream).await? }
        }
    };
    let Speech::Tls(tls) = &origin.speech else { return Ok(Stream::Plain(stream)) };
    match tls.connect(&origin.host, stream, only_http1).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream.into()))),
        Err(error) => Err(ForwardError::Tls { origin: Arc::clone(origin), error }),
    }
}

/// A TCP connection to the first address that takes one.
pub(super) async fn tcp(origin: &Arc<Origin>, host: &str, port: u16) -> Result<TcpStream, ForwardError> {
    let unknown = |reason: String| ForwardError::Lookup { host: host.to_owned(), reason };
    let addresses = dns::resolve(host, port).await.map_err(|error| unknown(error.to_string()))?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Without it small requests wait for the acknowledgement of those before.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(ForwardError::Connect { origin: Arc::clone(origin), error }),
        None => Err(unknown("it has no address".to_owned())),
    }
}

/// Asks a proxy to pass bytes on. Source: RFC 9110 §9.3.6.
async fn tunnel(origin: &Arc<Origin>, proxy: &ForwardProxy, stream: TcpStream) -> Result<TcpStream, ForwardError> {
    let refused = |reason: &str| {
        let ForwardProxy { host, port, .. } = proxy;
        let error = io::Error::other(format!("the proxy {host}:{port} {reason}"));
        ForwardError::Connect { origin: Arc::clone(origin), error }
    };
    let (mut sender, connection) =
        http1::handshake::<_, Body>(TokioIo::new(stream)).await.map_err(ForwardError::Exchange)?;
    tokio::spawn(connection.with_upgrades());
    let authority = origin.to_string();
    let mut request = hyper::Request::new(Body::empty());
    *request.method_mut() = Method::CONNECT;
    let uri: Authority = authority.parse().map_err(|_| refused("cannot be asked for this host"))?;
    *request.uri_mut() = uri.into();
    let host = authority.parse().map_err(|_| refused("cannot be asked for this host"))?;
    request.headers_mut().insert(HOST, host);
    if let Some(authorization) = &proxy.authorization {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    let response = sender.send_request(request).await.map_err(ForwardError::Exchange)?;
    if response.status() != StatusCode::OK {
        return Err(refused(&format!("answered {} to CONNECT", response.status())));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(ForwardError::Exchange)?;
    let (stream, early) = parts(upgraded).ok_or_else(|| refused("broke off"))?;
    // In TLS and in HTTP/2 it is the client who speaks first.
    if early.is_empty() { Ok(stream) } else { Err(refused("spoke before it was asked")) }
}

fn parts(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}
