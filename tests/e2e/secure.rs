//! An upstream that speaks TLS, HTTP/2, or both, and says what it saw.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use gateway_tests::feed::{BrokenOff, Payload, whole};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// The server, for as long as the test runs.
pub(crate) struct Secure {
    pub(crate) address: SocketAddr,
    /// Connections so far whose handshake was done.
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Secure {
    /// TLS; by HTTP/2 if that is what both sides chose.
    pub(crate) async fn start(config: Arc<ServerConfig>) -> Self {
        let acceptor = TlsAcceptor::from(config);
        Self::serve(move |stream, number| {
            let acceptor = acceptor.clone();
            async move {
                // Who refuses our certificate ends the handshake.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let number = number();
                let session = stream.get_ref().1;
                let facts = json!({
                    "tls": format!("{:?}", session.protocol_version().expect("a version")),
                    "suite": format!("{:?}", session.negotiated_cipher_suite().expect("a suite").suite()),
                    "alpn": session.alpn_protocol().map(String::from_utf8_lossy),
                    "sni": session.server_name(),
                    "client": session.peer_certificates().map_or(0, <[_]>::len),
                    "connection": number,
                });
                let is_http2 = session.alpn_protocol() == Some(b"h2");
                converse(stream, is_http2, facts).await;
            }
        })
        .await
    }

    /// HTTP/1 in the clear.
    pub(crate) async fn start_plain() -> Self {
        Self::serve(|stream, number| async move { converse(stream, false, json!({"connection": number()})).await })
            .await
    }

    /// HTTP/2 in the clear.
    pub(crate) async fn h2c() -> Self {
        Self::serve(|stream, number| async move { converse(stream, true, json!({"connection": number()})).await }).await
    }

    async fn serve<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream, Box<dyn FnOnce() -> usize + Send>) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(serve(stream, Box::new(move || count.fetch_add(1, Ordering::SeqCst) + 1)));
            }
        });
        Self { address, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, is_http2: bool, facts: Value) {
    let service = service_fn(move |request: Request<Incoming>| answer(request, facts.clone()));
    let io = TokioIo::new(stream);
    // A client that leaves is no failure of the test.
    if is_http2 {
        drop(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await);
    } else {
        drop(http1::Builder::new().serve_connection(io, service).await);
    }
}

async fn answer(request: Request<Incoming>, mut facts: Value) -> Result<Response<Payload>, BrokenOff> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| BrokenOff)?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let text = |headers: &HeaderMap| -> Value {
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
            .collect()
    };
    facts["version"] = format!("{:?}", head.version).into();
    facts["method"] = head.method.as_str().into();
    facts["uri"] = head.uri.to_string().into();
    facts["headers"] = text(&head.headers);
    facts["trailers"] = text(&trailers);
    facts["body"] = String::from_utf8_lossy(&body.to_bytes()).into();
    Ok(Response::new(whole(Bytes::from(facts.to_string()))))
}
