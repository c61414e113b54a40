//! One handshake, within a bound.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::ClientTls;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;
use super::certificates::sha256;
use super::server::HTTP_2;
use crate::gateway::Entrance;

/// How long a handshake may take, from the connection on; less if requests may not take that long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who speaks HTTP here is told so. Source: Go, `net/http/server.go`.
const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// A handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("no handshake within {0:?}")]
    Timeout(Duration),
    #[error("the client speaks HTTP without TLS")]
    NoTls,
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// A connection after its handshake.
pub(crate) struct Accepted {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) client: ClientTls,
    /// The client chose HTTP/2.
    pub(crate) is_http2: bool,
}

/// Does the handshake. A failure is logged and counted.
pub(crate) async fn accept(
    tls: &Tls,
    stream: TcpStream,
    (address, entrance): (SocketAddr, Entrance),
    bound: Duration,
) -> Option<Accepted> {
    let patience = PATIENCE.min(bound);
    let done = tokio::time::timeout(patience, handshake(tls, stream, entrance)).await;
    match done.unwrap_or(Err(HandshakeError::Timeout(patience))) {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            let failures = tls.failed();
            tracing::debug!(%address, %error, failures, "TLS handshake failed");
            None
        }
    }
}

async fn handshake(tls: &Tls, mut stream: TcpStream, entrance: Entrance) -> Result<Accepted, HandshakeError> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0].is_ascii_uppercase() {
        // What is unread when a socket is closed takes the answer with it.
        let _ = stream.try_read(&mut [0; 4096]);
        stream.write_all(NO_TLS).await?;
        stream.shutdown().await?;
        return Err(HandshakeError::NoTls);
    }
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let config = tls.config(start.client_hello().server_name(), entrance);
    let stream = start.into_stream(Arc::clone(&config)).await?;
    let (_, connection) = stream.get_ref();
    let certificates: Vec<Vec<u8>> =
        connection.peer_certificates().unwrap_or_default().iter().map(|certificate| certificate.to_vec()).collect();
    let is_http2 = connection.alpn_protocol() == Some(HTTP_2);
    let digest = certificates.first().map(|own| sha256(own));
    let client = ClientTls::new(connection.server_name(), certificates, digest);
    Ok(Accepted { stream, client, is_http2 })
}
